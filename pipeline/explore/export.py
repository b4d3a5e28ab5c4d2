"""A view taken along: as a list of exclusions, a list of a takedown, or a table of pair_ids."""

import csv
import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer
from pipeline.explore.view import View, key_of, pair_ids, view_of
from queries.tables.contracts import EXCLUSION_COLUMNS
from queries.tables.errors import InputError
from queries.tables.table import PAIR_ID

MOST_EXPORTED = 100_000
REASON = "chosen in the explorer"


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [
        explorer.route("/selection", selection),
        explorer.route("/export/{name}", lambda request: export(explorer, request)),
    ]


def selection(request: Request) -> Response:
    """Leads to the view of the pairs that a form sends one by one. Raises InputError.

    A form without any must not lead to all samples, which would be taken for the selection.
    """
    earlier = view_of(request.query_params).pair_ids
    chosen = pair_ids(request.query_params.getlist("pair")) or earlier
    if not chosen:
        raise InputError("nothing is selected: go back, and tick the samples that are meant")
    keys = ",".join(key_of(pair_id) for pair_id in dict.fromkeys(chosen))
    return RedirectResponse(View(pairs=keys).address(), 303)


def export(explorer: Explorer, request: Request) -> Response:
    """A file of all pairs of a view. Raises InputError."""
    view = view_of(request.query_params)
    name = request.path_params["name"]
    if name not in ("exclusions.csv", "takedown.csv", "pairs.parquet"):
        return explorer.page("fault.html", 404, fault="there is no such export")
    rows = explorer.ask("chosen_pairs", view.parameters() | {"rows": MOST_EXPORTED + 1})
    if len(rows) > MOST_EXPORTED:
        raise InputError(
            f"the view has more than {MOST_EXPORTED:,} pairs: narrow it, or write them by "
            "python -m queries audit --sql … --format parquet"
        )
    if name == "exclusions.csv":
        body, kind = exclusions(("pair_id", str(row["pair_id"])) for row in rows), "text/csv"
    elif name == "takedown.csv":
        body, kind = exclusions(addresses(row["url"] for row in rows)), "text/csv"
    else:
        body, kind = parquet([row["pair_id"] for row in rows]), "application/vnd.apache.parquet"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=kind, headers=headers)


def addresses(urls: Iterable[str]) -> Iterator[tuple[str, str]]:
    """An exclusion for each address, once."""
    for url in dict.fromkeys(urls):
        yield "url", url


def exclusions(rows: Iterable[tuple[str, str]]) -> bytes:
    """A list that the settings' `exclusions` and `takedown --list` read.

    >>> exclusions([("pair_id", "7")]).decode().splitlines()
    ['kind,value,reason', 'pair_id,7,chosen in the explorer']
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*EXCLUSION_COLUMNS[:2], EXCLUSION_COLUMNS[3]])
    writer.writerows((*row, REASON) for row in rows)
    return text.getvalue().encode()


def parquet(ids: list[int]) -> bytes:
    """The pair_ids as a Parquet file of one column."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"pair_id": ids}, pa.schema([PAIR_ID])), sink)
    return sink.getvalue()
