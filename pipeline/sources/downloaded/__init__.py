"""What img2dataset downloaded: captions, and pictures that are not fetched a second time."""

from pipeline.sources.downloaded.places import held
from pipeline.sources.downloaded.read import read
from pipeline.sources.downloaded.shards import check, parts

__all__ = ["check", "held", "parts", "read"]
