"""What SQL cannot see of a build, as tables: its files and tars as they are, and its manifest.

Files and tars are listed anew, which reads every byte, only for a question that names them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from queries.tables.manifest import BuildError, list_files, manifest
from queries.tables.schemas import TABLES
from queries.tables.store import reading
from queries.tables.tars import PICTURES, members

SUFFIXES = {**dict.fromkeys(PICTURES, "image_bytes"), "txt": "caption_bytes", "json": "row_bytes"}


def manifest_tables(build: Path) -> dict[str, pa.Table]:
    """The tables of the manifest: its settings and its list of files."""
    about = manifest(build)
    settings = [{"name": name, "value": value} for name, value in flat(about.get("settings"))]
    try:
        return {
            "setting": pa.Table.from_pylist(settings, TABLES["setting"].schema),
            "manifest_file": pa.Table.from_pylist(
                about.get("files", []), TABLES["manifest_file"].schema
            ),
        }
    except (pa.ArrowException, UnicodeError, OverflowError) as error:
        raise BuildError(
            f"{build}: its manifest: {error}, expected files as rows of the table file"
        ) from None


def flat(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Settings one by one, in order.

    >>> list(flat({"cap": 2, "sources": [{"kind": "warc", "paths": ["a", "b"]}]}))
    [('cap', '2'), ('sources.0.kind', '"warc"'), ('sources.0.paths', '["a", "b"]')]
    """
    of: dict[str, object] = {}
    if isinstance(value, dict):
        of = value
    elif isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        of = {str(place): entry for place, entry in enumerate(value)}
    elif name:
        yield name, json.dumps(value, ensure_ascii=False, sort_keys=True)
    for key, entry in of.items():
        yield from flat(entry, f"{name}.{key}" if name else str(key))


def file_now_table(build: Path) -> pa.Table:
    """The table `file_now`."""
    return pa.Table.from_pylist(list(list_files(build)), TABLES["file_now"].schema)


def member_now_table(build: Path) -> pa.Table:
    """The table `member_now`; of a damaged tar what stands before the damage."""
    schema = TABLES["member_now"].schema
    batches = [
        pa.RecordBatch.from_pylist(tar_samples(path), schema)
        for path in sorted((build / "shards").glob("*.tar"))
    ]
    return pa.Table.from_batches(batches, schema)


def tar_samples(tar_file: Path) -> list[dict]:
    """Rows of `member_now` of one tar; two samples of one key next to each other are two rows."""
    rows: list[dict] = []
    shard = f"{tar_file.parent.name}/{tar_file.stem}"
    try:
        with reading(tar_file) as tar:
            for name, offset, size in members(tar):
                key, _, suffix = name.partition(".")
                column_name = SUFFIXES.get(suffix, "row_bytes")
                if not rows or rows[-1]["key"] != key or column_name in rows[-1]:
                    rows.append({"shard": shard, "key": key})
                rows[-1][column_name] = size
                if suffix in PICTURES:
                    rows[-1]["image_offset"] = offset
    except ValueError:
        pass  # what is missing shows as samples without bytes, and the file's hash differs
    return rows
