"""Url-caption tables: Parquet, CSV, TSV, JSON lines and JSON, each row by row."""

from pipeline.sources.tables.files import check, parts, read

__all__ = ["check", "parts", "read"]
