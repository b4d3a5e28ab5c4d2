"""The grid of samples: search, facets with counts, orders and pages."""

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer
from pipeline.explore.view import (
    CONSENTS,
    NOT_STATED,
    ORDERS,
    PAGE_ROWS,
    SIZES,
    View,
    view_of,
)

FACET_TITLES = {
    "query": "Query",
    "source": "Source",
    "license": "Licence",
    "language": "Language",
    "host": "Host",
    "size": "Shorter side, pixels",
    "consent": "Consent to training",
    "month": "Month of a statement",
    "score": "Score",
}
KEPT_COUNTS = 100  # views: the whole build is counted again and again
COUNTING = ("facets", "facet_members")


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [
        explorer.route("/", lambda request: grid(explorer, request)),
        explorer.route("/facets", lambda request: facets(explorer, request)),
    ]


def grid(explorer: Explorer, request: Request) -> Response:
    """A page of samples; `part=1` gives its figures alone, for a page that is being scrolled."""
    view = view_of(request.query_params)
    samples = explorer.ask("samples", view.parameters() | view.ordered())
    more = len(samples) > PAGE_ROWS
    template = "figures.html" if request.query_params.get("part") == "1" else "grid.html"
    return explorer.page(
        template,
        here="/",
        view=view,
        samples=samples[:PAGE_ROWS],
        next_page=view.address(page=str(view.number + 1)) if more else "",
        previous_page=view.address(page=str(view.number - 1)) if view.number > 1 else "",
        open_facets=list(open_facets(explorer, view)),
        orders={name: words for name, (_, words) in ORDERS.items()},
        scorers=scorers(explorer),
    )


def facets(explorer: Explorer, request: Request) -> Response:
    """How many samples a view has, and of what: a page, or a part of the grid's."""
    view = view_of(request.query_params)
    n, rows = counts(explorer, view)
    listed = {title: list(choices(view, name, rows)) for name, title in FACET_TITLES.items()}
    part = request.query_params.get("part") == "1"
    return explorer.page(
        "facet_list.html" if part else "facets.html",
        view=view,
        n=n,
        facets={title: values for title, values in listed.items() if values},
    )


def counts(explorer: Explorer, view: View) -> tuple[int, list[dict[str, Any]]]:
    """How many samples a view has, and of what; those of the last views are kept."""
    values = view.parameters()
    key = repr(sorted(values.items()))
    if (kept := explorer.counted.get(key)) is not None:
        return kept
    asked = (*COUNTING, "facet_scores") if view.scorer else COUNTING
    parameters = values | ({"narrowed": True} if values else {})  # or all, without a join
    rows = [row for name in asked for row in explorer.ask(name, parameters)]
    n, heard = (sum(row["n"] for row in rows if row["facet"] == name) for name in ("all", "heard"))
    if silent := n - heard:
        rows.append({"facet": "consent", "facet_value": "silent", "n": silent})
    while len(explorer.counted) >= KEPT_COUNTS:
        explorer.counted.pop(next(iter(explorer.counted)), None)
    explorer.counted[key] = (n, rows)
    return n, rows


def choices(view: View, name: str, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The values of a facet, each with its words, its count and the address that chooses it."""
    facet = "side" if name == "size" else name
    for row in rows:
        if row["facet"] != facet:
            continue
        text = row["facet_value"]
        if name == "score":
            low = float(text)
            chosen = {"score_from": f"{low:.1f}", "score_below": f"{low + 0.1:.1f}"}
            words = f"{low:.1f} to {low + 0.1:.1f}"
        else:
            chosen = {name: text or NOT_STATED}
            words = row.get("shown_as") or in_words(name, text)
        yield {"words": words, "n": row["n"], "address": view.address(**chosen)}


def in_words(name: str, value: str) -> str:
    """
    >>> in_words("size", "256"), in_words("license", "")
    ('256 to 511', 'not stated')
    """
    if name == "size" and value in SIZES:
        return SIZES[value][0]
    if name == "consent":
        return CONSENTS.get(value, value)
    return value if value not in ("", NOT_STATED) else "not stated"


def open_facets(explorer: Explorer, view: View) -> Iterator[dict[str, str]]:
    """The facets that a view has a value for, each with the address without it."""
    for name, title in FACET_TITLES.items():
        if name == "score":
            if view.score_from or view.score_below:
                words = f"{view.score_from or 'any'} to {view.score_below or 'any'}"
                address = view.address(score_from="", score_below="")
                yield {"title": title, "words": words, "address": address}
        elif value := getattr(view, name):
            words = in_words(name, value)
            if name == "query":
                words = query_text(explorer, view)
            yield {"title": title, "words": words, "address": view.address(**{name: ""})}
    if view.area:
        words = "a rectangle of the map"
        yield {"title": "Map", "words": words, "address": view.address(area="")}
    if view.pairs:
        n = f"{len(view.pair_ids)} pairs"
        yield {"title": "Selected by hand", "words": n, "address": view.address(pairs="")}


def query_text(explorer: Explorer, view: View) -> str:
    rows = explorer.ask("query_text", {"query": view.parameters()["query"]})
    return rows[0]["text"] if rows else "no such query"


def scorers(explorer: Explorer) -> list[str]:
    """The scores that samples can be ordered by."""
    return [row["scorer"] for row in explorer.ask("scorers")]
