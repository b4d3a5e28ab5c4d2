"""From dumps and url-caption pairs to shards: `luigi --module pipeline BuildWIT`."""

from pipeline.stage import configure
from pipeline.tasks import BuildWIT

__all__ = ["BuildWIT"]

configure()  # Luigi imports this module before it reads its configuration
