"""Crawled pages, WARC and WAT: each page's pictures with their texts."""

from pipeline.sources.crawl.pages import check, parts, read

__all__ = ["check", "parts", "read"]
