"""Take pairs out of the versions that were published with them, and of the runs trained on these.

A version is made anew beside, sharing all files that do not change, and takes the old one's place
whole; its manifest says how many pairs it has lost.
"""

import hashlib
import json
import shutil
import struct
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.images.parts import take_back
from pipeline.publish.card import CARD
from pipeline.publish.version import link, stage_row
from pipeline.report.page import REPORT, write_report
from pipeline.takedown.files import (
    ASIDE,
    columns,
    names_any,
    rewrite,
    rewrite_shard,
    says_more,
    versions,
    without_pairs,
)
from pipeline.workspace.takedown_log import REASON, TakenDown
from queries.tables.manifest import MANIFEST, list_files, manifest, table_files
from queries.tables.parts import folder_written_whole, write_json, write_part
from queries.tables.schemas import TABLES

STAGES = ("collect", "filter", "pool", "match")  # where a row of `drop` was dropped
CHECKPOINT_STATE = "buildwit"  # in the metadata of a safetensors file
LONGEST_HEADER = 100_000_000  # bytes: what safetensors itself reads


def recover(workspace: Path) -> None:
    """Finish the change of folders that a killed takedown was at."""
    for aside in sorted(workspace.glob(f"*{ASIDE}")):
        version = aside.with_suffix("")
        if version.exists():
            shutil.rmtree(aside)
        else:
            aside.rename(version)


def sweep_versions(workspace: Path, taken: TakenDown, urls: frozenset[str]) -> None:
    """Take the pairs out of every version that has them."""
    for version in versions(workspace):
        if still_has(version, taken, urls):
            _take_back_pictures(workspace, version, taken)
            _make_anew(version, taken, urls)


def write_reports(workspace: Path) -> None:
    """Remake the reports that went with the pairs that they may have shown."""
    for version in versions(workspace):
        if lost(version) and not (version / REPORT).exists():
            write_report(version)


def lost(version: Path) -> int:
    """How many pairs a version has lost by takedown."""
    n = manifest(version).get("taken_down", 0)
    return n if isinstance(n, int) else 0


def still_has(version: Path, taken: TakenDown, urls: frozenset[str]) -> bool:
    return any(says_more(path, taken, urls) for path in version.glob("*/**/*.parquet"))


def _take_back_pictures(workspace: Path, version: Path, taken: TakenDown) -> None:
    """What image parts have moved to the shards that will change goes back into them."""
    shards = version.glob("shards/*.parquet")
    tars = {one.with_suffix(".tar").resolve() for one in shards if names_any(one, taken.ids())}
    for fetched in workspace.glob("images/*/[!.]*/fetched.parquet"):
        take_back(fetched.parent, tars)


def _make_anew(version: Path, taken: TakenDown, urls: frozenset[str]) -> None:
    """The version without the pairs, in the place of the one with them."""
    about = manifest(version)
    before = [*about.get("manifests_before", []), _manifest_digest(version)]
    with folder_written_whole(version) as beside:
        for path in sorted(one for one in version.rglob("*") if one.is_file()):
            if path.relative_to(version).as_posix() not in {MANIFEST, REPORT, *CARD}:
                place = beside / path.relative_to(version)
                place.parent.mkdir(parents=True, exist_ok=True)
                link(path, place)
        _correct_counts(beside, taken)
        _take_out(beside, taken, urls)
        files = list(list_files(beside))
        listed = pa.Table.from_pylist(files, TABLES["file"].schema)
        write_part(beside / "tables/file/00000.parquet", TABLES["file"], listed.to_batches())
        gone = {"taken_down": len(_gone(beside)), "manifests_before": before}
        write_json(beside / MANIFEST, about | gone | {"files": files})
        aside = version.with_name(version.name + ASIDE)
        version.rename(aside)
    shutil.rmtree(aside)


def _gone(version: Path) -> set[int]:
    """The pairs of a version that takedowns have named."""
    files = sorted((version / "tables/drop").glob("*.parquet"))
    found = [pq.read_table(one, filters=pc.field("reason") == REASON) for one in files]
    return {one for rows in found for one in rows["pair_id"].to_pylist()}


def _take_out(version: Path, taken: TakenDown, urls: frozenset[str]) -> None:
    """Leave no row of the pairs in any table but `drop`, and no file of theirs in any tar."""
    ids = taken.ids()
    for path in sorted(version.glob("*/**/*.parquet")):
        if not says_more(path, taken, urls):
            continue
        if path.parent.name == "exclusion":
            rewrite(path, partial(_without_urls, urls=pa.array(sorted(urls))))
            continue
        if path.parent.name == "drop":
            rewrite(path, lambda batch: batch.filter(pc.invert(_says_more(batch, taken))))
            continue
        if path.parent.name == "shards":
            rewrite_shard(path, ids)
            continue
        rewrite(path, without_pairs(ids))


def _without_urls(exclusion: pa.RecordBatch, urls: pa.Array) -> pa.RecordBatch:
    return exclusion.filter(pc.invert(pc.is_in(exclusion["value"], urls)))


def _says_more(drop: pa.RecordBatch, taken: TakenDown) -> pa.Array:
    """The rows of `drop` that say more of a pair than that it is gone."""
    return pc.and_(taken.of(drop["pair_id"]), pc.not_equal(drop["reason"], REASON))


def _correct_counts(version: Path, taken: TakenDown) -> None:
    """Count the pairs as dropped at the beginning, as in a build made after the takedown.

    The table `stage` gets rows that correct it, and `drop` rows that hold ids alone; so a version
    that has lost pairs adds up, too.
    """
    rows = {name: _rows_of(version, name, taken.ids()) for name in ("drop", "pair", "outcome")}
    dropped = Counter(row["stage"] for row in rows["drop"] if row["reason"] != REASON)
    outcomes = Counter(row["reason"] is None for row in rows["outcome"])
    asked, survived = sum(outcomes.values()), outcomes[True]
    samples = len(_rows_of(version, "sample", taken.ids()))
    chain = [*(dropped[stage] for stage in STAGES), len(rows["pair"]) - asked, asked - survived]
    chain.append(survived - samples)
    left = sum(dropped[stage] for stage in STAGES) + len(rows["pair"])
    corrections = [
        stage_row("collect", 0, dropped["collect"] - left, left - dropped["collect"], REASON)
    ]
    left -= dropped["collect"]
    for stage, n in zip((*STAGES[1:], "select", "fetch", "pack"), chain[1:], strict=True):
        corrections.append(stage_row(stage, -left, n - left, -n, REASON))
        left -= n
    _add(version, "stage", corrections)
    held = [row for row in (*rows["drop"], *rows["pair"]) if row.get("reason") != REASON]
    gone = {"stage": "collect", "reason": REASON, "url": "", "caption": ""}
    _add(version, "drop", [gone | {key: row[key] for key in ("pair_id", "source")} for row in held])


def _rows_of(version: Path, name: str, ids: pa.Array) -> list[dict[str, Any]]:
    folder = version / "shards" if name == "sample" else version / "tables" / name
    wanted = ("pair_id", "stage", "reason", "source")
    found: list[dict[str, Any]] = []
    for path in sorted(folder.glob("*.parquet")):
        names = [one for one in wanted if one in columns(path)]
        rows = pq.read_table(path, columns=names, filters=pc.field("pair_id").isin(ids))
        found += rows.to_pylist()
    return found


def _add(version: Path, name: str, rows: list[dict[str, Any]]) -> None:
    """One more file of a table."""
    if rows:
        folder = version / "tables" / name
        place = folder / f"{len(list(folder.glob('*.parquet'))):05d}.parquet"
        write_part(
            place, TABLES[name], pa.Table.from_pylist(rows, TABLES[name].schema).to_batches()
        )


# --- runs of the trainer ------------------------------------------------------------------------


def trained_on(workspace: Path, runs: Path, taken: TakenDown) -> Iterator[Path]:
    """The runs whose weights have seen a version that has lost pairs, or still has them."""
    of = [one for one in versions(workspace) if lost(one) or still_has(one, taken, frozenset())]
    names = {one.name for one in of}
    digests = {one for version in of for one in manifest(version).get("manifests_before", [])}
    digests |= {_manifest_digest(one) for one in of if still_has(one, taken, frozenset())}
    for run in sorted(path for path in runs.glob("*") if path.is_dir()):
        states = [_state(path) for path in sorted(run.glob("*.safetensors"))]
        seen = {one["build_digest"] for one in states if one.get("build_digest")}
        named = _json(run / "run.json").get("build_version") in names
        if not seen.isdisjoint(digests) if seen else named:
            yield run


def sweep_run(run: Path, taken: TakenDown) -> None:
    """Take the pairs out of a run's tables; its pages, which show pairs, can be made again."""
    ids = taken.ids()
    for _, paths in table_files(run):
        for path in paths:
            if names_any(path, ids):
                rewrite(path, without_pairs(ids))
    for page in sorted(run.glob("overlap/*.html")):
        page.unlink()


def _manifest_digest(version: Path) -> str:
    """What checkpoints name a version by."""
    return hashlib.sha256((version / MANIFEST).read_bytes()).hexdigest()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _state(path: Path) -> dict[str, Any]:
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
