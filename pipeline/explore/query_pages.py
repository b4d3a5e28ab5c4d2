"""Queries: the list, and for each its pairs before and after the cap, and what was lost."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer
from pipeline.explore.search import like_pattern
from pipeline.explore.view import PAGE_ROWS, View, whole_number

SOURCES = ("word", "bigram", "title", "wordnet")
MOST_TEXT = 200


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [
        explorer.route("/queries", lambda request: listed(explorer, request)),
        explorer.route("/query/{query_id}", lambda request: query(explorer, request)),
    ]


def listed(explorer: Explorer, request: Request) -> Response:
    """A page of the query list, in its order."""
    view = View(page=request.query_params.get("page", "1"))
    text = request.query_params.get("text", "")[:MOST_TEXT]
    entered_by = request.query_params.get("by", "")
    values: dict[str, Any] = {"rows": PAGE_ROWS + 1, "offset": (view.number - 1) * PAGE_ROWS}
    values |= {"text": like_pattern(text)} if text else {}
    values |= {"entered_by": entered_by} if entered_by in SOURCES else {}
    rows = explorer.ask("queries", values)
    return explorer.page(
        "queries.html",
        here="/queries",
        rows=rows[:PAGE_ROWS],
        text=text,
        entered_by=entered_by,
        sources=SOURCES,
        number=view.number,
        more=len(rows) > PAGE_ROWS,
    )


def query(explorer: Explorer, request: Request) -> Response:
    """One query. Raises InputError."""
    query_id = whole_number("query", request.path_params["query_id"], 1 << 62, least=0)
    rows = explorer.ask("query", {"query": query_id})
    if not rows:
        return explorer.page("fault.html", 404, fault="the build has no query of this number")
    view = View(query=str(query_id))
    return explorer.page(
        "query.html",
        here="/queries",
        query=rows[0],
        losses=explorer.ask("query_losses", {"query": query_id}),
        neighbours=explorer.ask("query_neighbours", {"query": query_id}),
        samples=explorer.ask("samples", view.parameters() | {"rows": 24, "offset": 0}),
        all_samples=view.address(),
    )
