"""Take pairs out of the versions that were published with them, and of the runs trained on these.

The new version is written beside the old one and shares all files that do not change. Then it is
renamed to the old one's place. Its manifest says how many pairs the version has lost.
"""

import json
import shutil
import struct
from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.images.parts import restore_pictures
from pipeline.publish.card import CARD
from pipeline.publish.rights import ATTRIBUTION, SUMMARY
from pipeline.publish.version import link, stage_row
from pipeline.report.page import REPORT, write_report
from pipeline.takedown.files import (
    ASIDE,
    column_names,
    has_pairs,
    has_taken_down,
    remove_pairs,
    remove_samples,
    rewrite,
    versions,
)
from pipeline.workspace.takedown_log import REASON, TakedownLog
from queries.tables.contracts import CHECKPOINT_STATE, FETCHED, RUN_RECORD, manifest_digest
from queries.tables.embeddings import FOLDER, INDEX
from queries.tables.manifest import MANIFEST, content_digest, list_files, manifest, table_files
from queries.tables.parts import folder_written_whole, write_json, write_part
from queries.tables.schemas import TABLES

STAGES = ("collect", "filter", "pool", "match")  # where a row of `drop` was dropped
LONGEST_HEADER = 100_000_000  # bytes: what safetensors itself reads


def recover(workspace: Path) -> None:
    """Finish the change of folders that a killed takedown was at."""
    for aside in sorted(workspace.glob(f"*{ASIDE}")):
        version = aside.with_suffix("")
        if version.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(version)


def sweep_versions(workspace: Path, log: TakedownLog, urls: frozenset[str]) -> None:
    """Take the pairs out of every version that has them."""
    for version in versions(workspace):
        if version_has_taken_down(version, log, urls):
            _take_back_pictures(workspace, version, log)
            _rewrite_version(version, log, urls)


def write_reports(workspace: Path) -> None:
    """Write again the reports that were removed because they may have shown the pairs."""
    for version in versions(workspace):
        if n_lost(version) and not (version / REPORT).exists():
            write_report(version)


def n_lost(version: Path) -> int:
    """How many pairs a version has lost by takedown."""
    n = manifest(version).get("taken_down", 0)
    return n if isinstance(n, int) else 0


def version_has_taken_down(version: Path, log: TakedownLog, urls: frozenset[str]) -> bool:
    return any(has_taken_down(path, log, urls) for path in version.glob("*/**/*.parquet"))


def _take_back_pictures(workspace: Path, version: Path, log: TakedownLog) -> None:
    """Copy pictures back into the image parts that have moved them to shards that will change."""
    shards = version.glob("shards/*.parquet")
    tars = {
        path.with_suffix(".tar").resolve() for path in shards if has_pairs(path, log.pair_ids())
    }
    for fetched in workspace.glob(f"images/*/[!.]*/{FETCHED}"):
        restore_pictures(fetched.parent, tars)


def _rewrite_version(version: Path, log: TakedownLog, urls: frozenset[str]) -> None:
    """Put the version without the pairs in the place of the version with them."""
    about = manifest(version)
    before = [*about.get("manifests_before", []), manifest_digest(version)]
    with folder_written_whole(version) as beside:
        for path in sorted(path for path in version.rglob("*") if path.is_file()):
            name = path.relative_to(version).as_posix()
            derived = name in {MANIFEST, REPORT, SUMMARY, *CARD}
            if not derived and not name.startswith(f"{ATTRIBUTION}/"):
                place = beside / path.relative_to(version)
                place.parent.mkdir(parents=True, exist_ok=True)
                link(path, place)
        _correct_counts(beside, log)
        _remove_from_tables(beside, log, urls)
        files = list(list_files(beside))
        listed = pa.Table.from_pylist(files, TABLES["file"].schema)
        write_part(beside / "tables/file/00000.parquet", TABLES["file"], listed.to_batches())
        history = {"taken_down": len(_taken_down_pairs(beside)), "manifests_before": before}
        held = {"files": files, "content": content_digest(files)}
        write_json(beside / MANIFEST, about | history | held)
        aside = version.with_name(version.name + ASIDE)
        version.rename(aside)
    shutil.rmtree(aside)


def _taken_down_pairs(version: Path) -> set[int]:
    """The pairs of a version that takedowns have named."""
    gone = pc.field("reason") == REASON
    drops = [
        pq.read_table(path, columns=["pair_id"], filters=gone)
        for path in sorted((version / "tables/drop").glob("*.parquet"))
    ]
    return {pair_id for rows in drops for pair_id in rows["pair_id"].to_pylist()}


def _remove_from_tables(version: Path, log: TakedownLog, urls: frozenset[str]) -> None:
    """Leave no row of the pairs in any table but `drop`, and no file of theirs in any tar."""
    for path in sorted(version.glob("*/**/*.parquet")):
        if not has_taken_down(path, log, urls):
            continue
        match path.parent.name:
            case "exclusion" | "named":
                rewrite(path, partial(_without_urls, urls=pa.array(sorted(urls))))
            case "drop":
                rewrite(path, partial(_without_other_reasons, log=log))
            case "shards":
                remove_samples(path, log.pair_ids())
            case _:
                remove_pairs(path, log.pair_ids())


def _without_urls(exclusion: pa.RecordBatch, urls: pa.Array) -> pa.RecordBatch:
    return exclusion.filter(pc.invert(pc.is_in(exclusion["value"], urls)))


def _without_other_reasons(drop: pa.RecordBatch, log: TakedownLog) -> pa.RecordBatch:
    """Of `drop`, no row of the pairs but those that say that they were taken down."""
    others = pc.and_(log.has_pairs(drop["pair_id"]), pc.not_equal(drop["reason"], REASON))
    return drop.filter(pc.invert(others))


def _correct_counts(version: Path, log: TakedownLog) -> None:
    """Count the pairs as dropped at the beginning, as in a build made after the takedown.

    The table `stage` gets rows that correct its counts, and `drop` gets rows that hold ids alone.
    So a version that has lost pairs adds up, too.
    """
    ids = log.pair_ids()
    rows = {name: _rows_of(version, name, ids) for name in ("drop", "pair", "outcome")}
    dropped = Counter(row["stage"] for row in rows["drop"] if row["reason"] != REASON)
    outcomes = Counter(row["reason"] is None for row in rows["outcome"])
    requested, survived = sum(outcomes.values()), outcomes[True]
    samples = len(_rows_of(version, "sample", ids))
    chain = [*(dropped[stage] for stage in STAGES), len(rows["pair"]) - requested]
    chain += [requested - survived, survived - samples]
    left = sum(dropped[stage] for stage in STAGES) + len(rows["pair"])
    corrections = [
        stage_row("collect", 0, dropped["collect"] - left, left - dropped["collect"], REASON)
    ]
    left -= dropped["collect"]
    for stage, n in zip((*STAGES[1:], "select", "fetch", "pack"), chain[1:], strict=True):
        corrections.append(stage_row(stage, -left, n - left, -n, REASON))
        left -= n
    _add_rows(version, "stage", corrections)
    held = [row for row in (*rows["drop"], *rows["pair"]) if row.get("reason") != REASON]
    gone = {"stage": "collect", "reason": REASON, "url": "", "caption": ""}
    ids_alone = [gone | {name: row[name] for name in ("pair_id", "source")} for row in held]
    _add_rows(version, "drop", ids_alone)


def _rows_of(version: Path, table: str, pair_ids: pa.Array) -> list[dict[str, Any]]:
    """The rows of these pairs in a table, with the columns that the counts need."""
    folder = version / "shards" if table == "sample" else version / "tables" / table
    rows: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        present = column_names(path)
        names = [name for name in ("pair_id", "stage", "reason", "source") if name in present]
        filters = pc.field("pair_id").isin(pair_ids)
        rows += pq.read_table(path, columns=names, filters=filters).to_pylist()
    return rows


def _add_rows(version: Path, table: str, rows: list[dict[str, Any]]) -> None:
    """Add rows to a table, as one more file."""
    if rows:
        folder = version / "tables" / table
        path = folder / f"{len(list(folder.glob('*.parquet'))):05d}.parquet"
        added = pa.Table.from_pylist(rows, TABLES[table].schema)
        write_part(path, TABLES[table], added.to_batches())


# --- runs of the trainer ------------------------------------------------------------------------


def runs_trained_on(workspace: Path, runs: Path, log: TakedownLog) -> Iterator[Path]:
    """The runs whose weights have seen a version that has lost pairs, or still has them."""
    full = [path for path in versions(workspace) if version_has_taken_down(path, log, frozenset())]
    concerned = {*full, *(version for version in versions(workspace) if n_lost(version))}
    names = {version.name for version in concerned}
    digests = {manifest_digest(version) for version in full}
    for version in concerned:
        digests |= {*manifest(version).get("manifests_before", [])}
    for run in runs_in(runs):
        states = [_checkpoint_state(path) for path in sorted(run.glob("*.safetensors"))]
        seen = {state["build_digest"] for state in states if state.get("build_digest")}
        seen |= {digest for state in states for digest in state.get("data_digests") or ()}
        record = _read_object(run / RUN_RECORD)
        named = bool({record.get("build_version"), *record.get("data_versions", ())} & names)
        if not seen.isdisjoint(digests) if seen else named:
            yield run


def runs_in(runs: Path) -> list[Path]:
    """The folders of runs, in order of name."""
    return sorted(path for path in runs.glob("*") if path.is_dir())


def sweep_runs(runs: Path, trained: Collection[Path], log: TakedownLog) -> None:
    """Take the pairs out of the runs' tables: a run may have been compared with another's build.

    Pages that show pairs can be made again: they go from the runs that were trained on them or
    name them.
    """
    for run in runs_in(runs):
        for torn in run.glob("tables/*/.*.parquet.*"):  # of a takedown that was killed
            torn.unlink()
        paths = [path for _, of_table in table_files(run) for path in of_table]
        naming = [path for path in paths if has_pairs(path, log.pair_ids())]
        for path in naming:
            remove_pairs(path, log.pair_ids())
        if naming or run in trained:
            for page in sorted(run.glob("overlap/*.html")):
                page.unlink()
        _sweep_embeddings(run / FOLDER, log)


def _sweep_embeddings(folder: Path, log: TakedownLog) -> None:
    """Take the pairs out of a run's embeddings; what was made of these can be made again."""
    for torn in folder.glob(".*.parquet.*"):
        torn.unlink()
    naming = [path for path in folder.glob("*.parquet") if has_pairs(path, log.pair_ids())]
    for path in naming:
        remove_pairs(path, log.pair_ids())
    if naming:
        shutil.rmtree(folder / INDEX, ignore_errors=True)


def _read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where the file holds none."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _checkpoint_state(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself: only the header of the file is read."""
    with path.open("rb") as file:
        (size,) = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))
        if size > LONGEST_HEADER:
            return {}
        header = file.read(size)
    try:
        state = json.loads(json.loads(header)["__metadata__"][CHECKPOINT_STATE])
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}
