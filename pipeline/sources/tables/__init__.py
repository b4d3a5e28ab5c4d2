"""Url-caption tables: Parquet, CSV, TSV, JSON lines and JSON, each row by row."""
