"""Two builds of a workspace side by side: what was gained and lost since the other, and why."""

from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer, question
from pipeline.explore.view import PAGE_ROWS, View
from queries.locked import LockedTables
from queries.questions import sql
from queries.tables.errors import InputError


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [explorer.route("/compare", lambda request: compare(explorer, request))]


def compare(explorer: Explorer, request: Request) -> Response:
    """The builds beside this one; with `other` in the address, what differs. Raises InputError."""
    others = explorer.others()
    name = request.query_params.get("other", "")
    shown: dict[str, Any] = {"here": "/compare", "others": sorted(others), "other": name}
    if not name:
        return explorer.page("compare.html", **shown)
    if name not in others:
        raise InputError(f"other {name[:100]!r}: expected a build beside this one")
    number = View(page=request.query_params.get("page", "1")).number
    values = {"rows": PAGE_ROWS + 1, "offset": (number - 1) * PAGE_ROWS}
    tables = beside(explorer, others[name])
    gained, gone = (
        tables.ask(question(change), values).to_pylist() for change in ("gained", "gone")
    )
    return explorer.page(
        "compare.html",
        **shown,
        causes=tables.ask(sql("audit", "two_builds"), {}).to_pylist(),
        gained=gained[:PAGE_ROWS],
        gone=gone[:PAGE_ROWS],
        number=number,
        more=max(len(gained), len(gone)) > PAGE_ROWS,
    )


def beside(explorer: Explorer, other: Path) -> LockedTables:
    """This build's tables with another's, which is kept open until a third one is asked for."""
    if explorer.compared is None or explorer.compared[0] != other:
        explorer.compared = (other, LockedTables(explorer.build, None, other))
    return explorer.compared[1]
