"""From dumps and url-caption pairs to shards: `luigi --module pipeline BuildWIT`."""

from pipeline.tasks import BuildWIT

__all__ = ["BuildWIT"]
