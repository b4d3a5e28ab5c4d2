"""The sample build's pictures, the server that gives them out, and its evaluation set."""

from pipeline.sources.sample.pictures import check, parts, read, serving

__all__ = ["check", "parts", "read", "serving"]
