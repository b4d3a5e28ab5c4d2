"""Crawled pages that an index names: Common Crawl's, filtered by SQL, read by ranges."""

from pipeline.sources.crawl_index.door import check, indexes
from pipeline.sources.crawl_index.listing import list_records
from pipeline.sources.crawl_index.records import parts, read

__all__ = ["check", "indexes", "list_records", "parts", "read"]
