"""Search every file of a workspace and of its runs for what is left of what was taken down.

Rows and files are recognised by their ids, which the log has. While a takedown is under way, the
clues that it collected are searched for, too: addresses, captions, pictures and thumbnails, in
Parquet columns, tars, pages and logs.
"""

import hashlib
import html
import re
import tarfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.takedown.files import sample_key, sample_keys, unique_files
from pipeline.takedown.find import PENDING, read_clues
from pipeline.takedown.shown import folded, shown_texts
from pipeline.workspace.takedown_log import LOG, TakedownLog, read_log
from queries.tables.errors import first_line
from queries.tables.table import pair_columns

# Columns that may be filled for a pair that was taken down: that it was there, and is gone.
ALLOWED = {
    *("pair_id", "priority", "row", "attempt", "stage", "reason", "source", "image_part"),
}
PICTURES = {".jpg", ".jpeg", ".png", ".webp"}
WEIGHTS = {".safetensors", ".pt", ".onnx"}  # not searched: nobody can say what they have learned
SHORTENED = (200, 300, 10_000)  # characters of a caption, by the pages that cut it
IN_BASE64 = re.compile(r"base64,([A-Za-z0-9+/=]+)")
ADDRESS = re.compile(r"https?://", re.IGNORECASE)
IN_ADDRESS = re.compile(r"[\w./?&=%#~+-]")  # a character that may continue an address


@dataclass(frozen=True)
class Clues:
    """The log, and all by which a pair that was taken down can be recognised."""

    log: TakedownLog
    keys: frozenset[str]  # of samples
    urls: frozenset[str]
    captions: frozenset[str]
    pictures: frozenset[str]  # sha256 of bytes, as stored and as served
    thumbnails: frozenset[str]  # sha256 of their base64

    @classmethod
    def read(cls, workspace: Path) -> "Clues":
        log, rows = read_log(workspace), read_clues(workspace).to_pylist()

        def values(kind: str) -> frozenset[str]:
            return frozenset(row["value"] for row in rows if row["kind"] == kind)

        return cls(
            log,
            frozenset(sample_keys(log.pairs)),
            values("url"),
            values("caption"),
            values("picture") | log.pictures.keys(),
            values("thumbnail"),
        )


def find_remains(workspace: Path, folders: list[Path], clues: Clues) -> Iterator[tuple[Path, str]]:
    """(file, what of the taken down is in it) for every file of these folders."""
    clues = _as_shown(folders, clues)
    paths = {path for folder in folders for path in folder.rglob("*") if path.is_file()}
    for path in unique_files(paths - {workspace / LOG, workspace / PENDING, workspace / ".lock"}):
        if (workspace / "downloads") in path.parents or path.suffix in WEIGHTS:
            continue
        try:
            yield from ((path, remains) for remains in _remains(path, clues))
        except (OSError, pa.ArrowException, tarfile.TarError) as error:
            yield path, f"cannot be searched: {first_line(error)}"


def _remains(path: Path, clues: Clues) -> Iterator[str]:
    if path.suffix == ".parquet":
        yield from _remains_in_parquet(path, clues)
    elif path.suffix == ".tar":
        yield from _remains_in_tar(path, clues)
    elif path.suffix in PICTURES:
        if hashlib.sha256(path.read_bytes()).hexdigest() in clues.pictures:
            yield "a picture"
    else:
        if sample_key(path.name) in clues.keys:
            yield "a sample"
        yield from _remains_in_text(path.read_text("utf-8", "replace"), path.suffix, clues)


def _as_shown(folders: list[Path], clues: Clues) -> Clues:
    """The clues with their captions as pages show them: whole or shortened, white space folded.

    Captions that pairs which stay have, too, are left out: they show nothing.
    """
    shared: set[str] = set()
    captions = pa.array(sorted(clues.captions), pa.string())
    for path in unique_files(path for folder in folders for path in folder.rglob("*.parquet")):
        if {"pair_id", "caption"} <= set(pq.read_schema(path).names):
            stays = ~pc.field("pair_id").isin(clues.log.pair_ids())
            filters = stays & pc.field("caption").isin(captions)
            shared |= set(pq.read_table(path, columns=["caption"], filters=filters)[0].to_pylist())
    own = clues.captions - shared
    cut = {text[:most] for text in own for most in SHORTENED if len(text) > most}
    return replace(clues, captions=frozenset(map(folded, own | cut)) - {""})


# --- tables -------------------------------------------------------------------------------------


def _remains_in_parquet(path: Path, clues: Clues) -> Iterator[str]:
    remains: set[str] = set()
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=16_384):
            remains |= {f"column {name} of a pair" for name in _filled_columns(batch, clues)}
            remains |= set(_remains_in_columns(batch, clues))
    yield from sorted(remains)


def _filled_columns(batch: pa.RecordBatch, clues: Clues) -> Iterator[str]:
    """The columns that tell more of a pair that was taken down than that it is gone."""
    for name in set(pair_columns(batch.schema.names)) - {"pair_id"}:
        if pc.any(clues.log.has_pairs(batch[name])).as_py():
            yield name
    if "pair_id" not in batch.schema.names:
        return
    rows = batch.filter(clues.log.has_pairs(batch["pair_id"]))
    for name in set(rows.schema.names) - ALLOWED:
        if any(value not in (None, "", b"") for value in rows[name].to_pylist()):
            yield name


def _remains_in_columns(batch: pa.RecordBatch, clues: Clues) -> Iterator[str]:
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        if pa.types.is_string(values.type):
            if name == "sha256" and _any_in(values, clues.log.pictures.keys()):
                yield "the sha256 of a picture"
            if _any_in(values, clues.urls):
                yield f"an address in column {name}"
            texts = values.to_pylist() if name == "extra" else []
            if any(_has_address(text or "", clues) for text in texts):
                yield "an address in column extra"
        elif pa.types.is_struct(values.type):  # a picture embedded with its name
            fields = [field.name for field in values.type]
            inner = pa.RecordBatch.from_arrays(values.flatten(), names=fields)
            yield from _remains_in_columns(inner, clues)
        elif pa.types.is_binary(values.type):
            hashes = (hashlib.sha256(content or b"").hexdigest() for content in values.to_pylist())
            if not clues.pictures.isdisjoint(hashes):
                yield f"a picture in column {name}"


def _any_in(values: pa.Array, texts: Collection[str]) -> bool:
    return bool(pc.any(pc.is_in(values, pa.array(sorted(texts), pa.string()))).as_py())


# --- shards -------------------------------------------------------------------------------------


def _remains_in_tar(path: Path, clues: Clues) -> Iterator[str]:
    remains: set[str] = set()
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            content = tar.extractfile(member)
            if sample_key(member.name) in clues.keys:
                remains.add("a sample")
            body = content.read() if content else b""
            if hashlib.sha256(body).hexdigest() in clues.pictures:
                remains.add("a picture")
            if member.name.endswith(".json") and _has_address(body.decode("utf-8"), clues):
                remains.add("an address")
    yield from sorted(remains)


# --- pages and logs -----------------------------------------------------------------------------


def _remains_in_text(text: str, suffix: str, clues: Clues) -> Iterator[str]:
    spellings = (text, html.unescape(text), _unescaped(text))
    if any(_has_address(spelling, clues) for spelling in spellings):
        yield "an address"
    thumbnails = (hashlib.sha256(code.encode()).hexdigest() for code in IN_BASE64.findall(text))
    if not clues.thumbnails.isdisjoint(thumbnails):
        yield "a thumbnail"
    shown = set(shown_texts(text, suffix))
    if not clues.captions.isdisjoint(shown):
        yield "a caption"
    if not clues.urls.isdisjoint(shown):
        yield "an address that is shown"


def _has_address(text: str, clues: Clues) -> bool:
    """Whether one of the addresses stands in a text, and does not only begin a longer one."""
    lengths = {len(url) for url in clues.urls}
    for match in ADDRESS.finditer(text):
        begin = match.start()
        for length in lengths:
            end = begin + length
            if text[begin:end] in clues.urls and not IN_ADDRESS.match(text, end):
                return True
    return False


def _unescaped(text: str) -> str:
    """A text of JSON without the escapes that may stand in an address.

    >>> _unescaped('https:\\\\/\\\\/a.org\\\\/1?a\\\\u0026b')
    'https://a.org/1?a&b'
    """
    text = text.replace("\\/", "/")
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)), text)
