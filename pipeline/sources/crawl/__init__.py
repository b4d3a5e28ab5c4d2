"""Crawled pages, WARC and WAT: each page's pictures with their texts."""
