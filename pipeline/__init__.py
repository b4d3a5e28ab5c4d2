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


def _register() -> None:
    """Load the tasks for Luigi, which imports this module and then reads its settings."""
    from pipeline.tasks import luigi_command
    from queries import endings

    by_command = luigi_command.at_work()
    if by_command:
        luigi_command.check_options()
    with endings.importing("__main__" if by_command else __name__):
        __getattr__("BuildWIT")
    if by_command:
        luigi_command.end_in_one_line()


if "luigi" in sys.modules:
    _register()
