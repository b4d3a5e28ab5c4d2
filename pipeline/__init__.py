"""From dumps and url-caption pairs to shards: `luigi --module pipeline BuildWIT`."""

import sys
from typing import Any

__all__ = ["BuildQueries", "BuildWIT"]


def __getattr__(name: str) -> Any:
    """Load the tasks when somebody asks for one: most modules here do without Luigi."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipeline.tasks.build_queries import BuildQueries
    from pipeline.tasks.build_wit import BuildWIT
    from pipeline.tasks.stage import configure

    configure()
    return {"BuildQueries": BuildQueries, "BuildWIT": BuildWIT}[name]


if "luigi" in sys.modules:  # it imports this module to register tasks, then reads its settings
    __getattr__("BuildWIT")
