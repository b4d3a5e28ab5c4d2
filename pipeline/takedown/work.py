"""Take pairs out of a workspace's work, its image parts, its journals and its fetch log.

A candidate keeps its row and its ids, as if it had been read after the takedown; what was derived
from it is deleted, since the next build derives it anew. Everything here may be done twice.
"""

import json
import shutil
from collections.abc import Collection
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.filters.exclusions import normal_url
from pipeline.images.parts import forget
from pipeline.takedown.files import names_any, rewrite, says_more, tables
from pipeline.workspace.takedown_log import TakenDown, blanked
from queries.tables.parts import read_batches, write_part, written_whole
from queries.tables.schemas import IMAGE_COLUMNS, TABLES

LAST_FIRST = ("PackShards", "CapPairs", "FetchRound", "MatchPairs", "FilterPairs")
OF_A_STAGE = ("round", "cap")  # folders of the work that hold all that one stage derived
LISTS = ("pages", "results")  # of an answer in a journal


def sweep(workspace: Path, taken: TakenDown, urls: Collection[str]) -> None:
    """Leave nothing of these pairs but their ids. `urls`: their addresses, as given and as keys."""
    for path in tables(workspace, "candidate"):
        if says_more(path, taken, ()):
            write_part(path, TABLES["candidate"], blanked(read_batches(path), taken))
    _delete_derived(workspace / "work", taken, urls)
    for path in sorted((workspace / "work" / "search").glob("[!.]*.jsonl")):
        _strike_answers(path, urls)
    for path in tables(workspace, "fetched"):
        _empty_image_part(path, taken)
    _silence(workspace / "fetch_log.jsonl", taken)


def _delete_derived(work: Path, taken: TakenDown, urls: Collection[str]) -> None:
    """Delete the parts that hold rows of these pairs, and first the listings that may name them."""
    gone: set[Path] = set()
    for path in sorted(work.rglob("*.parquet")):
        if path.parent != work / "candidate" and says_more(path, taken, urls):
            gone.add(_stage_folder(path, work) or path)
    if gone:  # a stage looks for what it needs in the listings of those before
        for stage in LAST_FIRST:
            for listing in (work / stage).glob("[!.]*.json"):
                listing.unlink()
    for path in sorted(gone):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.with_suffix(".tar").unlink(missing_ok=True)
            path.unlink()


def _stage_folder(path: Path, work: Path) -> Path | None:
    """The folder of all that one round or cap derived: other files there know hashes, but no id."""
    first, *rest = path.relative_to(work).parts
    return work / first / rest[0] if first in OF_A_STAGE else None


# --- journals of searches -----------------------------------------------------------------------


def _strike_answers(path: Path, urls: Collection[str]) -> None:
    """Take the finds with these addresses out of a journal: the searches stay answered."""
    spellings = {*urls, *(one.partition(":")[2] for one in urls)}  # "//a.org/1.jpg": the server's
    lines = path.read_text("utf-8").splitlines(keepends=True)
    struck = [_struck(line, spellings) for line in lines]
    if struck != lines:
        with written_whole(path) as beside:
            beside.write_text("".join(struck), "utf-8")


def _struck(line: str, spellings: Collection[str]) -> str:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return ""  # cut off by a kill: the source would cut it off, too
    for name in LISTS:
        found = answer.get(name, [])
        stay = [one for one in found if not _says(one, spellings)]
        if len(stay) < len(found):
            answer[name] = stay
            line = json.dumps(answer) + "\n"
    return line


def _says(value: Any, spellings: Collection[str]) -> bool:
    """Whether an answer has one of the texts anywhere in it.

    >>> _says({"imageinfo": [{"url": "//a.org/1.jpg"}]}, {"//a.org/1.jpg"})
    True
    """
    if isinstance(value, dict):
        return any(_says(one, spellings) for one in value.values())
    if isinstance(value, list):
        return any(_says(one, spellings) for one in value)
    return isinstance(value, str) and (value in spellings or normal_url(value) in spellings)


# --- pictures -----------------------------------------------------------------------------------


def _empty_image_part(path: Path, taken: TakenDown) -> None:
    """The pictures go; that the pair was asked for stays, without a measure of what came."""
    ids = taken.ids()
    if not names_any(path, ids):
        return
    forget(path.parent, taken.pairs.keys())
    names = [one.name for one in IMAGE_COLUMNS]
    rows = pq.read_table(path, columns=names, filters=pc.field("pair_id").isin(ids))
    if any(rows[name].null_count < rows.num_rows for name in names):
        rewrite(path, partial(_without_measures, ids=ids))


def _without_measures(batch: pa.RecordBatch, ids: pa.Array) -> pa.RecordBatch:
    gone = pc.is_in(batch["pair_id"], ids)
    for column in IMAGE_COLUMNS:
        place = batch.schema.get_field_index(column.name)
        left = pc.if_else(gone, pa.scalar(None, column.type), batch[column.name])
        batch = batch.set_column(place, column, left)
    return batch


def _silence(path: Path, taken: TakenDown) -> None:
    """Take the messages of these pairs out of the fetch log: a server's words may name anything."""
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    silent = [_silent(line, taken) for line in lines]
    if silent != lines:
        with written_whole(path) as beside:
            beside.write_text("".join(silent), "utf-8")


def _silent(line: str, taken: TakenDown) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return line  # cut off by a kill; the search for what is left reads it, too
    if row.get("pair_id") not in taken.pairs or not row.get("message"):
        return line
    return json.dumps(row | {"message": None}) + "\n"
