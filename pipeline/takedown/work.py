"""Take pairs out of a workspace's work, its image parts, its journals and its fetch log.

A candidate keeps its row and its ids, as if it had been read after the takedown. What was derived
from the candidate is deleted, since the next build derives it anew. Every step may be repeated.
"""

import json
import shutil
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.filters.named import address_key
from pipeline.images.parts import delete_pictures
from pipeline.takedown.files import (
    files_of_tables,
    has_pairs,
    has_taken_down,
    remove_pairs,
    rewrite,
)
from pipeline.workspace.takedown_log import TakedownLog, blank_taken_down
from queries.tables.parts import written_whole
from queries.tables.schemas import IMAGE_COLUMNS

STAGES_LAST_FIRST = ("PackShards", "CapPairs", "FetchRound", "MatchPairs", "FilterPairs")
STAGE_FOLDERS = ("round", "cap")  # folders of the work that hold all that one stage derived
RESULT_LISTS = ("pages", "results")  # keys of an answer in a journal


def sweep_work(workspace: Path, log: TakedownLog, urls: Collection[str]) -> None:
    """Leave nothing of these pairs but their ids.

    `urls` are the addresses of the pairs, as the sources spell them and as url_keys.
    """
    for path in files_of_tables(workspace, "candidate"):
        if has_taken_down(path, log, ()):
            rewrite(path, partial(blank_taken_down, log=log))
    _delete_derived(workspace / "work", log, urls)
    for path in sorted((workspace / "work" / "search").glob("[!.]*.jsonl")):
        _sweep_journal(path, urls)
    for path in files_of_tables(workspace, "fetched"):
        _sweep_image_part(path, log)
    for path in files_of_tables(workspace, "heard", "hashed"):
        if has_pairs(path, log.pair_ids()):
            remove_pairs(path, log.pair_ids())
    _sweep_fetch_log(workspace / "fetch_log.jsonl", log)


def _delete_derived(work: Path, log: TakedownLog, urls: Collection[str]) -> None:
    """Delete the parts that hold rows of these pairs, after the listings that may name them."""
    gone: set[Path] = set()
    for path in sorted(work.rglob("*.parquet")):
        if path.parent != work / "candidate" and has_taken_down(path, log, urls):
            gone.add(_stage_folder(path, work) or path)
    if gone:  # a stage reads the listings of the stages before it
        for stage in STAGES_LAST_FIRST:
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
    return work / first / rest[0] if first in STAGE_FOLDERS else None


# --- journals of searches -----------------------------------------------------------------------


def _sweep_journal(path: Path, urls: Collection[str]) -> None:
    """Take the results with these addresses out of a journal: the searches stay answered."""
    relative = (url.partition(":")[2] for url in urls)  # "//a.org/1.jpg": as a server may spell it
    spellings = {*urls, *relative}
    _rewrite_lines(path, lambda line: _without_results(line, spellings))


def _without_results(line: str, spellings: Collection[str]) -> str:
    try:
        answer = json.loads(line)
    except (ValueError, RecursionError):
        return ""  # cut off by a kill: the source would cut it off, too
    for name in RESULT_LISTS:
        results = answer.get(name, [])
        stay = [result for result in results if not _has_text(result, spellings)]
        if len(stay) < len(results):
            answer[name] = stay
            line = json.dumps(answer) + "\n"
    return line


def _has_text(value: Any, spellings: Collection[str]) -> bool:
    """Whether a value of JSON has one of the texts anywhere in it.

    >>> _has_text({"imageinfo": [{"url": "//a.org/1.jpg"}]}, {"//a.org/1.jpg"})
    True
    """
    if isinstance(value, dict | list):
        children = value.values() if isinstance(value, dict) else value
        return any(_has_text(child, spellings) for child in children)
    return isinstance(value, str) and (value in spellings or address_key(value) in spellings)


# --- pictures -----------------------------------------------------------------------------------


def _sweep_image_part(path: Path, log: TakedownLog) -> None:
    """The pictures go; that the pair was asked for stays, without a measure of what came."""
    ids = log.pair_ids()
    if not has_pairs(path, ids):
        return
    delete_pictures(path.parent, log.pairs.keys())
    names = [column.name for column in IMAGE_COLUMNS]
    rows = pq.read_table(path, columns=names, filters=pc.field("pair_id").isin(ids))
    if any(rows[name].null_count < rows.num_rows for name in names):
        rewrite(path, partial(_without_measures, pair_ids=ids))


def _without_measures(batch: pa.RecordBatch, pair_ids: pa.Array) -> pa.RecordBatch:
    gone = pc.is_in(batch["pair_id"], pair_ids)
    for column in IMAGE_COLUMNS:
        place = batch.schema.get_field_index(column.name)
        values = pc.if_else(gone, pa.scalar(None, column.type), batch[column.name])
        batch = batch.set_column(place, column, values)
    return batch


def _sweep_fetch_log(path: Path, log: TakedownLog) -> None:
    """Take the messages of these pairs out of the fetch log: a server's words may name anything."""
    if path.exists():
        _rewrite_lines(path, lambda line: _without_message(line, log))


def _without_message(line: str, log: TakedownLog) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        return line  # cut off by a kill; the search for what is left reads it, too
    if row.get("pair_id") not in log.pairs or not row.get("message"):
        return line
    return json.dumps(row | {"message": None}) + "\n"


def _rewrite_lines(path: Path, change: Callable[[str], str]) -> None:
    """Change each line of a file; a file whose lines all stay the same is not written."""
    lines = path.read_text("utf-8").splitlines(keepends=True)
    changed = [change(line) for line in lines]
    if changed != lines:
        with written_whole(path) as beside:
            beside.write_text("".join(changed), "utf-8")
