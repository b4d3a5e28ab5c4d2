"""Look for what is left of what was taken down: in every file of a workspace and of its runs.

Rows and files are known by their ids, which the log has. While a takedown is under way, addresses,
captions, pictures and thumbnails are looked for by themselves, in Parquet columns, tars, pages and
logs.
"""

import hashlib
import html
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.takedown.files import key_of, keys_of, once
from pipeline.takedown.find import PENDING, read_known
from pipeline.workspace.takedown_log import LOG, TakenDown, read_log
from queries.tables.errors import first_line

# Columns that may say something of a pair that was taken down: that it was there, and is gone.
OF_IDS = {
    *("pair_id", "priority", "row", "attempt", "stage", "reason", "source", "image_part"),
}
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
PAGES = {".html", ".svg", ".md"}
WEIGHTS = {".safetensors", ".pt", ".onnx"}  # listed, not searched: nobody can say what they know
SHORTENED = (200, 300, 10_000)  # characters of a caption, by the pages that cut it
IN_BASE64 = re.compile(r"base64,([A-Za-z0-9+/=]+)")
BETWEEN_TAGS = re.compile(r"<[^>]*>|\|")
CUT = re.compile(r" … \([\d,]+ characters\)$|…$")
ADDRESS = re.compile(r"https?://", re.IGNORECASE)
AS_ADDRESS = re.compile(r"[\w./?&=%#~+-]")  # what may go on an address


@dataclass(frozen=True)
class Sought:
    """All that should be gone, as what it is known by."""

    taken: TakenDown
    keys: frozenset[str]
    urls: frozenset[str]
    captions: frozenset[str]
    pictures: frozenset[str]  # sha256 of bytes, as stored and as served
    thumbnails: frozenset[str]  # sha256 of their base64

    @classmethod
    def of(cls, workspace: Path) -> "Sought":
        taken, rows = read_log(workspace), read_known(workspace).to_pylist()

        def known(kind: str) -> frozenset[str]:
            return frozenset(row["value"] for row in rows if row["kind"] == kind)

        captions = known("caption")
        cut = {one[:most].rstrip() for one in captions for most in SHORTENED if len(one) > most}
        return cls(
            taken,
            frozenset(keys_of(taken.pairs)),
            known("url"),
            captions | cut,
            known("picture") | taken.pictures.keys(),
            known("thumbnail"),
        )


def left(workspace: Path, folders: list[Path], sought: Sought) -> Iterator[tuple[Path, str]]:
    """(file, what is there of what was taken down) for every file of these folders."""
    sought = _without_shared_captions(folders, sought)
    found = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    unasked = {workspace / LOG, workspace / PENDING, workspace / ".lock"}
    for path in once(one for one in found if one not in unasked):
        if (workspace / "downloads") in path.parents or path.suffix in WEIGHTS:
            continue
        try:
            yield from ((path, what) for what in _left_in(path, sought))
        except (OSError, pa.ArrowException, tarfile.TarError) as error:
            yield path, f"nobody can tell: {first_line(error)}"


def _left_in(path: Path, sought: Sought) -> Iterator[str]:
    if path.suffix == ".parquet":
        yield from _left_in_parquet(path, sought)
    elif path.suffix == ".tar":
        yield from _left_in_tar(path, sought)
    elif path.suffix in PICTURES:
        if hashlib.sha256(path.read_bytes()).hexdigest() in sought.pictures:
            yield "a picture"
    else:
        yield from _left_in_text(path.read_text("utf-8", "replace"), path.suffix, sought)


def _without_shared_captions(folders: list[Path], sought: Sought) -> Sought:
    """Captions that pairs which stay have, too, tell nothing of those that went."""
    shared: set[str] = set()
    wanted = pa.array(sorted(sought.captions), pa.string())
    for path in once(one for folder in folders for one in folder.rglob("*.parquet")):
        if {"pair_id", "caption"} <= set(pq.read_schema(path).names):
            stay = ~pc.field("pair_id").isin(sought.taken.ids())
            filters = stay & pc.field("caption").isin(wanted)
            shared |= set(pq.read_table(path, columns=["caption"], filters=filters)[0].to_pylist())
    change = {one: getattr(sought, one) for one in sought.__dataclass_fields__}
    return Sought(**change | {"captions": sought.captions - shared})


# --- tables -------------------------------------------------------------------------------------


def _left_in_parquet(path: Path, sought: Sought) -> Iterator[str]:
    found: set[str] = set()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=16_384):
            found |= {f"column {name} of a pair" for name in _said_of_pairs(batch, sought)}
            found |= set(_texts_in(batch, sought))
    yield from sorted(found)


def _said_of_pairs(batch: pa.RecordBatch, sought: Sought) -> Iterator[str]:
    """The columns that say something of a pair that was taken down."""
    if "pair_id" not in batch.schema.names:
        return
    rows = batch.filter(sought.taken.of(batch["pair_id"]))
    for name in rows.schema.names:
        if name not in OF_IDS and any(one not in (None, "", b"") for one in rows[name].to_pylist()):
            yield name


def _texts_in(batch: pa.RecordBatch, sought: Sought) -> Iterator[str]:
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(values.type):
            if name == "sha256" and _any_of(values, sought.taken.pictures.keys()):
                yield "the sha256 of a picture"
            if _any_of(values, sought.urls):
                yield f"an address in column {name}"
            if name == "extra" and any(
                _has_address(one or "", sought) for one in values.to_pylist()
            ):
                yield "an address in column extra"
        elif pa.types.is_binary(values.type):
            hashes = (hashlib.sha256(one or b"").hexdigest() for one in values.to_pylist())
            if not sought.pictures.isdisjoint(hashes):
                yield f"a picture in column {name}"


def _any_of(values: pa.Array, sought: Any) -> bool:
    return bool(pc.any(pc.is_in(values, pa.array(sorted(sought), pa.string()))).as_py())


# --- shards -------------------------------------------------------------------------------------


def _left_in_tar(path: Path, sought: Sought) -> Iterator[str]:
    found: set[str] = set()
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if key_of(member.name) in sought.keys:
                found.add("a sample")
            body = content.read() if content else b""
            if hashlib.sha256(body).hexdigest() in sought.pictures:
                found.add("a picture")
            if member.name.endswith(".json") and _has_address(body.decode("utf-8"), sought):
                found.add("an address")
    yield from sorted(found)


# --- pages and logs -----------------------------------------------------------------------------


def _left_in_text(text: str, suffix: str, sought: Sought) -> Iterator[str]:
    if any(_has_address(one, sought) for one in (text, html.unescape(text), _unescaped(text))):
        yield "an address"
    thumbnails = (hashlib.sha256(one.encode()).hexdigest() for one in IN_BASE64.findall(text))
    if not sought.thumbnails.isdisjoint(thumbnails):
        yield "a thumbnail"
    if not sought.captions.isdisjoint(_passages(text, suffix)):
        yield "a caption"


def _has_address(text: str, sought: Sought) -> bool:
    """Whether one of the addresses stands in a text, and does not only begin a longer one."""
    lengths = {len(one) for one in sought.urls}
    for match in ADDRESS.finditer(text):
        begin = match.start()
        for length in lengths:
            end = begin + length
            if text[begin:end] in sought.urls and not AS_ADDRESS.match(text, end):
                return True
    return False


def _passages(text: str, suffix: str) -> Iterator[str]:
    """The texts that stand by themselves: between tags, in cells of Markdown, or in JSON."""
    if suffix in PAGES:
        for one in BETWEEN_TAGS.split(text):
            plain = html.unescape(one).strip()
            yield plain
            yield CUT.sub("", plain).rstrip()
    elif suffix == ".json":
        yield from _strings(_object(text))
    elif suffix == ".jsonl":
        for line in text.splitlines():
            yield from _strings(_object(line))
    else:
        yield from (line.strip() for line in text.splitlines())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _unescaped(text: str) -> str:
    """JSON's ways of writing what addresses have.

    >>> _unescaped('https:\\\\/\\\\/a.org\\\\/1?a\\\\u0026b')
    'https://a.org/1?a&b'
    """
    text = text.replace("\\/", "/")
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)
