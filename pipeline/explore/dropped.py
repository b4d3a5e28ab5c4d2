"""What was lost and why: dropped candidates, and pairs that were asked for and not kept."""

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer
from pipeline.explore.search import caption_parameters
from pipeline.explore.view import LONGEST, PAGE_ROWS, View

FACETS = {"reason": "Reason", "stage": "Stage", "source": "Source", "host": "Host"}
MOST_SHOWN = 30  # values of a facet


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [explorer.route("/dropped", lambda request: dropped(explorer, request))]


def dropped(explorer: Explorer, request: Request) -> Response:
    """A page of losses, with counts. Raises InputError."""
    names = ("q", "words", *FACETS, "page")
    chosen = {name: request.query_params.get(name, "")[:LONGEST] for name in names}
    chosen = {name: value for name, value in chosen.items() if value}
    number = View(page=chosen.pop("page", "1")).number
    values = caption_parameters(chosen.get("q", ""), chosen.get("words") == "on")
    values |= {name: chosen[name] for name in FACETS if name in chosen}
    paged = {"rows": PAGE_ROWS + 1, "offset": (number - 1) * PAGE_ROWS}
    rows = explorer.ask("dropped", values | paged)
    counted = explorer.ask("dropped_facets", values)

    def address(**changed: str) -> str:
        view = {name: value for name, value in (chosen | changed).items() if value}
        return f"/dropped?{urlencode(view)}" if view else "/dropped"

    facets = {
        title: [
            {
                "words": row["facet_value"],
                "n": row["n"],
                "address": address(**{name: row["facet_value"]}),
            }
            for row in counted
            if row["facet"] == name
        ][:MOST_SHOWN]
        for name, title in FACETS.items()
    }
    return explorer.page(
        "dropped.html",
        here="/dropped",
        chosen=chosen,
        rows=rows[:PAGE_ROWS],
        facets=facets,
        open_facets=[
            {"title": title, "words": chosen[name], "address": address(**{name: ""})}
            for name, title in FACETS.items()
            if name in chosen
        ],
        next_page=address(page=str(number + 1)) if len(rows) > PAGE_ROWS else "",
        previous_page=address(page=str(number - 1)) if number > 1 else "",
    )
