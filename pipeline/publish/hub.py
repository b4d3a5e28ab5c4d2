"""A build as a folder for others, as hubs have it: shards for training, tables, and the card.

What was dropped is told by reason and number; its addresses and captions stay at home, unless they
are asked for. A folder that was published is changed in place, file by file: what its list says is
there already is not put again, and files of others, such as `.git`, stay.
"""

import errno
import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.publish.card import card_pages, endings
from pipeline.publish.dates import fetch_dates
from pipeline.publish.embedded import write_embedded
from pipeline.publish.layout import PUBLISHED, SPLIT, reader_files
from pipeline.publish.told import TOLD, read_told
from pipeline.publish.version import link
from queries.tables import store
from queries.tables.errors import InputError
from queries.tables.manifest import LATEST, content, table_files
from queries.tables.parts import read_rows, write_json, written_whole

LIST = "published.json"  # of a published folder: what it holds, written last
PLACES = "published.json"  # of a workspace: where its builds were published
NAMING = ("exclusion", "named")  # tables of what owners asked to leave out
TEXTS = ("url", "caption", "page_url", "extra", "value", "place")  # columns that show a row
EMBEDDED = "data/*.parquet"
OTHER = "give another path"
Plan = dict[str, Path]  # of each file of the folder, where it comes from


@dataclass(frozen=True)
class Choice:
    """What a person may choose of a published folder."""

    with_drops: bool = False  # addresses and captions of what was dropped, too
    embed: bool = False  # Parquet with the pictures in it, which hubs show


def publish_folder(build: Path, to: str, choice: Choice) -> Path:
    """Make or change the folder; returns it. Raises InputError for one that holds other things."""
    target = checked_place(to)
    before = listed(target)
    with store.workroom(build.parent, prefix=".publish.") as room:
        plan = planned(build, room, choice)
        files = [_row(path, source) for path, source in sorted(plan.items())]
        layout = replace(
            PUBLISHED, endings=endings(build), embedded=EMBEDDED if choice.embed else ""
        )
        for page, text in card_pages(build, layout, files, read_told(build)).items():
            (room / page).write_text(text, "utf-8")
            plan[page] = room / page
            files.append(_row(page, plan[page]))
        _put_all(target, plan, files, before)
    about = {"version": build.name, "content": content(build), **asdict(choice)}
    write_json(target / LIST, {**about, "files": sorted(files, key=lambda row: row["path"])})
    return target


def checked_place(to: str) -> Path:
    """The folder or address, ready for its first file: a folder is made if there is none.

    Raises UserError or OSError where a build cannot be published to.
    """
    if not to.strip():
        raise InputError("--to: expected a folder, or an address such as s3://me/wit; it is empty")
    target = store.place(to)
    store.reach(target)
    listed(target)
    if not store.is_store(target):
        target.mkdir(parents=True, exist_ok=True)
    return target


def listed(target: Path) -> dict[str, str]:
    """What a published folder holds, path -> sha256; nothing of one that is new or empty.

    Raises InputError for a workspace, and for a folder with other things in it, but for hidden
    ones.
    """
    if (target / LATEST).exists():
        raise InputError(f"--to {target}: it is a workspace, whose builds are made there: {OTHER}")
    if (target / LIST).exists():
        try:
            return {row["path"]: row["sha256"] for row in _list_of(target)["files"]}
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"--to {target / LIST}: expected the list of a published folder: {OTHER}, or take "
                "away what is in this one"
            ) from None
    if not store.is_store(target) and target.exists() and not target.is_dir():
        raise InputError(f"--to {target}: expected a folder; it is a file: {OTHER}")
    others = sorted(path.name for path in target.glob("*") if not path.name.startswith("."))
    if others and others != ["README.md"]:  # which a hub makes in a new repository
        raise InputError(
            f"--to {target}: expected a new or empty folder, or one that was published; it holds "
            f"{', '.join(others[:3])}"
        )
    return {}


def version_in(target: Path) -> str:
    """The version that a folder was published with; nothing of a new one, or after a kill."""
    return str(_list_of(target).get("version", "")) if (target / LIST).exists() else ""


def _list_of(target: Path) -> Any:
    """The list of a published folder, as it was read: anything that JSON can be."""
    return json.loads((target / LIST).read_text("utf-8"))


def planned(build: Path, room: Path, choice: Choice) -> Plan:
    """The folder's files but for the card; what the build lacks in this form is made in `room`."""
    plan = dict(_shards(build, room, choice))
    plan |= dict(_tables(build, room, choice))
    if (build / TOLD).is_file():
        plan[TOLD] = build / TOLD
    dates = fetch_dates(build)
    if dates.num_rows:
        plan["fetch_dates.parquet"] = room / "fetch_dates.parquet"
        pq.write_table(dates, plan["fetch_dates.parquet"])
    return plan


def _shards(build: Path, room: Path, choice: Choice) -> Iterator[tuple[str, Path]]:
    """Shards that hold samples, numbered as readers count; their rows; what readers look for."""
    rows = [(path, _n_rows(path)) for path in sorted((build / "shards").glob("*.parquet"))]
    full = [(path, n) for path, n in rows if n]
    for number, (path, _) in enumerate(full):
        yield f"{SPLIT}/{number}.tar", path.with_suffix(".tar")
        yield f"samples/{number:05d}.parquet", path
        if choice.embed:
            name = f"data/{SPLIT}-{number:05d}-of-{len(full):05d}.parquet"
            made = _made(room, name)
            write_embedded(path, made)
            yield name, made
    for name, text in reader_files([n for _, n in full]).items():
        made = _made(room, name)
        made.write_text(text, "utf-8")
        yield name, made


def _n_rows(path: Path) -> int:
    return int(pq.read_metadata(store.opened(path)).num_rows)


def _tables(build: Path, room: Path, choice: Choice) -> Iterator[tuple[str, Path]]:
    """The build's tables, without what shows rows that are no samples."""
    shards = sorted((build / "shards").glob("*.parquet"))
    ids = [read_rows(path, columns=["pair_id"])["pair_id"] for path in shards]
    samples = pa.chunked_array([chunk for of in ids for chunk in of.chunks], pa.int64())
    for name, paths in table_files(build):
        if name == "file" or (name in NAMING and not choice.with_drops):
            continue  # `file` lists the build's files, which are other ones
        for path in paths:
            place = f"tables/{name}/{path.name}"
            columns = pq.read_schema(store.opened(path)).names
            shown = [column for column in TEXTS if column in columns]
            if choice.with_drops or "pair_id" not in columns or not shown:
                yield place, path
                continue
            made = _made(room, place)
            write_blanked(path, made, shown, samples[:0] if name == "drop" else samples)
            yield place, made


def write_blanked(path: Path, to: Path, columns: list[str], samples: pa.ChunkedArray) -> None:
    """Write a table's file with these columns empty, or null, in the rows of no sample."""
    with (
        pq.ParquetFile(store.opened(path)) as file,
        pq.ParquetWriter(to, file.schema_arrow, compression="zstd") as writer,
    ):
        for batch in file.iter_batches():
            stays = pc.is_in(batch["pair_id"], samples)
            for name in columns:
                at = batch.schema.get_field_index(name)
                field = batch.schema.field(at)
                empty = pa.scalar(None if field.nullable else "", field.type)
                batch = batch.set_column(at, field, pc.if_else(stays, batch[name], empty))
            writer.write_batch(batch)


def _made(room: Path, name: str) -> Path:
    path = room / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _row(path: str, source: Path) -> dict:
    """A row of the list: path, bytes and sha256."""
    with store.reading(source) as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    return {"path": path, "bytes": source.stat().st_size, "sha256": sha256}


def _put_all(target: Path, plan: Plan, files: list[dict], before: dict[str, str]) -> None:
    """Put what is new or other, then take away what is there no more.

    The list that is written first names both, so a folder is known again after a kill.
    """
    after = {row["path"]: row["sha256"] for row in files}
    both = [{"path": path, "sha256": ""} for path in sorted({*before, *after})]
    write_json(target / LIST, {"whole": False, "files": both})
    for path, sha256 in after.items():
        if before.get(path) != sha256 or not (target / path).exists():
            _put(plan[path], target / path)
    for path in before.keys() - after.keys():
        (target / path).unlink(missing_ok=True)


def _put(source: Path, place: Path) -> None:
    if store.is_store(place):
        link(source, place)
        return
    with written_whole(place) as beside:
        beside.unlink()
        if store.is_store(source):
            store.fs_of(source).get_file(store.key_of(source), str(beside))
        else:
            link(source, beside)


# --- where a workspace has published ------------------------------------------------------------


def published_places(workspace: Path) -> dict[str, Choice]:
    """The folders and addresses that builds of a workspace were published to."""
    path = workspace / PLACES
    if not path.is_file():
        return {}
    return {place: Choice(**of) for place, of in json.loads(path.read_text("utf-8")).items()}


def note_place(workspace: Path, to: str, choice: Choice) -> None:
    """Remember where a build went, so that a takedown goes there, too."""
    places = {name: asdict(of) for name, of in published_places(workspace).items()}
    write_json(workspace / PLACES, {**places, place_name(to): asdict(choice)})


def place_name(to: str) -> str:
    """A place as it is noted: an address, or a whole path."""
    return to if store.is_address(to) else str(Path(to).absolute())


def is_published(place: str) -> bool:
    """Whether a published folder is there. Raises UserError or OSError where nobody can say.

    Places that were noted though no build can have been put there are none.
    """
    if store.is_address(place) and place.partition("://")[0] not in store.STORES:
        return False
    path = store.place(place)
    store.reach(path)
    try:
        return (path / LIST).exists() and not (path / LATEST).exists()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return False
        raise
