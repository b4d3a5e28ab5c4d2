"""What all plots share: how they are written, and how a stranger's name stands in one."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from queries.tables.parts import written_whole


def save(figure: Figure, place: Path) -> None:
    """Write a plot as SVG, the same bytes each time."""
    with (
        mpl.rc_context({"svg.hashsalt": "buildwit", "svg.fonttype": "none"}),
        written_whole(place) as beside,
    ):
        figure.savefig(beside, format="svg", metadata={"Date": None})


def plain(name: str) -> str:
    """A set's name as it is: a dollar sign would begin a formula.

    >>> print(plain("a$b"))
    a\\$b
    """
    return name.replace("$", r"\$")
