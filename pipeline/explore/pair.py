"""The life of a pair: its source's row, matches, attempts, outcome and place, and what is near."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import LONGEST_CAPTION, Explorer
from pipeline.explore.pictures import shards_with
from pipeline.explore.search import pieces
from pipeline.explore.view import pair_ids
from queries.locked import written_out
from queries.tables.contracts import EXCLUSION_COLUMNS

NEAR_BITS, NEAR_ROWS = 10, 12
LOG = "fetch_log.jsonl"
ROW = "SELECT * FROM sample WHERE pair_id = param_pair"
MOST_LOG_BYTES = 64 << 20  # of the log's end that are looked through
ASKED = ("outcome", "attempts", "matches", "consent", "scores", "extra", "drops", "evaluations")


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [explorer.route("/pair/{key}", lambda request: life(explorer, request))]


def life(explorer: Explorer, request: Request) -> Response:
    """The page of a pair, or of a dropped candidate. Raises InputError."""
    (pair_id,) = pair_ids([request.path_params["key"]])
    rows: dict[str, Any] = {name: explorer.ask(f"pair_{name}", {"pair": pair_id}) for name in ASKED}
    pair = next(iter(explorer.ask("pair", {"pair": pair_id})), None)
    sample = next(iter(explorer.ask("pair_sample", {"pair": pair_id})), None)
    if pair is None and not rows["drops"]:
        return explorer.page("fault.html", 404, fault="the build has no pair of this key")
    about = pair or rows["drops"][0]
    queries = [row["text"] for row in rows["matches"]]
    caption = (about["caption"] or "")[:LONGEST_CAPTION]
    return explorer.page(
        "pair.html",
        pair_id=pair_id,
        pair=pair,
        about=about,
        sample=sample,
        shard=shard_name(explorer, pair_id) if sample else "",
        pieces=pieces(caption, queries),
        messages=list(messages(explorer.build.parent / LOG, pair_id)),
        near=near(explorer, pair_id, sample, rows["attempts"]),
        exclusion="\n".join([",".join(EXCLUSION_COLUMNS[:2]), f"pair_id,{pair_id}"]),
        sql=written_out(ROW, {"pair": pair_id}),
        **{**rows, "outcome": next(iter(rows["outcome"]), None)},
    )


def shard_name(explorer: Explorer, pair_id: int) -> str:
    return next((shard.stem for shard in shards_with(explorer.shards, pair_id)), "")


def near(
    explorer: Explorer, pair_id: int, sample: dict | None, attempts: list[dict]
) -> list[dict[str, Any]]:
    """The samples whose pictures are nearest, by the bits of their perceptual hashes."""
    hashes = [row["phash"] for row in [sample, *reversed(attempts)] if row]
    phash = next((phash for phash in hashes if phash is not None), None)
    if phash is None:
        return []
    values = {"phash": phash, "pair": pair_id, "most_bits": NEAR_BITS, "rows": NEAR_ROWS}
    rows = explorer.ask("near_samples", values)
    return [{**row, "distance": f"{row['bits']} of 64 bits differ"} for row in rows]


def messages(log: Path, pair_id: int) -> Iterator[dict[str, Any]]:
    """What the fetch log says of a lost attempt, with the day of its part.

    Only the log's last bytes are looked through: that of a large build has gigabytes.
    """
    try:
        file = log.open("rb")
    except OSError:
        return
    name, days = f'"pair_id": {pair_id},'.encode(), {}
    with file:
        start = max(0, file.seek(0, 2) - MOST_LOG_BYTES)
        file.seek(start)
        for line in file:
            is_part = b'"day":' in line
            if not is_part and name not in line:
                continue
            try:
                record = json.loads(line)
            except ValueError:
                continue  # of the line in which the last bytes begin, or end
            if not isinstance(record, dict):
                continue
            if is_part:
                days[record.get("part")] = record.get("day")
            elif record.get("pair_id") == pair_id:
                yield {**record, "day": days.get(record.get("part"))}
