"""From dumps and url-caption pairs to shards: `luigi --module pipeline BuildWIT`."""

from pipeline.tasks.build_wit import BuildWIT
from pipeline.tasks.stage import configure

__all__ = ["BuildWIT"]

configure()  # Luigi imports this module before it reads its configuration
