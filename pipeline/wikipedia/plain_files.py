"""Articles that are plain text already: Cirrus dumps, JSON lines and Parquet.

The files come from strangers: no line is read whole that is longer than any page's, and each line
that is no page gives a row with a reason. Rows before a damage are kept, and one row `bad_stream`
follows them. (Of these formats only bz2 and Parquet notice a
damage at once; gzip has one sum, at its end, and zstd may have none.)
"""

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.web.reading import holds_text, json_object, raise_if_of_the_disk, unpacked
from queries.tables.errors import InputError

Row = tuple[int | None, str | None, str | None, str | None]  # page_id, title, text, reason

CHUNK_BYTES = 1 << 18
HEAD_BYTES = 1 << 16
MAX_LINE_BYTES = 64 << 20  # the longest page of Wikipedia, all in \u escapes, takes 12 MB
MAX_MARKS = 4_000_000  # [ { " and commas in a line: what each begins takes up to 100 bytes
MAX_TEXT = 20_000_000  # characters, as in the XML export's reader
PARQUET_ROWS = 256  # read at once: a page's text may be long
ZSTD = b"\x28\xb5\x2f\xfd"
BAD_STREAM: Row = (None, None, None, "bad_stream")
DAMAGE = (OSError, EOFError, zlib.error, pa.ArrowException)

IDS = ("page_id", "id")  # the first of these that the file has
EXPECTED = "page_id or id, title and text"


def kind_of(path: str | Path) -> str | None:
    """The kind of article file, by its content; None for any other file."""
    head = b""
    with open(path, "rb") as raw:
        try:
            for chunk in _chunks(raw):
                head += chunk
                if len(head) >= HEAD_BYTES:
                    break
        except DAMAGE as error:
            raise_if_of_the_disk(error)
    return sniff(head)


def sniff(head: bytes) -> str | None:
    """The kind of a file by its first bytes, decompressed.

    >>> sniff(b'{"index":{"_id":"7"}}'), sniff(b'{"id": 7, "title":'), sniff(b"PAR1")
    ('cirrus', 'jsonl', 'parquet')
    """
    if head.startswith(b"PAR1"):
        return "parquet"
    head = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb'\{\s*"index"\s*:\s*\{', head):
        return "cirrus"
    return "jsonl" if re.match(rb'\{\s*["}]', head) else None


def read_rows(path: str | Path, kind: str) -> Iterator[Row]:
    """One row per page of a file of that kind, in its order, then one if the file is damaged.

    A kept row is (page_id, title, text, None), a dropped one (page_id, title, None, reason); of
    the latter the first two may be None. Raises InputError for a file without the columns.
    """
    try:
        if kind == "parquet":
            yield from _parquet_rows(path)
        else:
            with open(path, "rb") as raw:
                lines = _lines(_chunks(raw))
                yield from _cirrus_rows(lines) if kind == "cirrus" else _jsonl_rows(path, lines)
    except DAMAGE as error:
        raise_if_of_the_disk(error)
        yield BAD_STREAM


# --- bytes to lines -------------------------------------------------------------------------


def _chunks(raw: BufferedReader) -> Iterator[bytes]:
    """The file's bytes, decompressed: `read1` gives what precedes a damage."""
    if raw.peek(4).startswith(ZSTD):
        yield from unzstd(raw)
    else:
        yield from iter(partial(unpacked(raw).read1, CHUNK_BYTES), b"")


def unzstd(file: BinaryIO) -> Iterator[bytes]:
    """What a zstd file holds; raises OSError for a damage, after all before it."""
    stream = _zstd(file)  # closes the file where nothing holds it any longer
    n_bytes = 0
    try:
        for chunk in iter(partial(stream.read, CHUNK_BYTES), b""):
            n_bytes += len(chunk)
            yield chunk
    except OSError as damage:
        raise_if_of_the_disk(damage)
        if chunk := _before_damage(file, n_bytes):
            yield chunk
        raise


def _zstd(file: BinaryIO) -> pa.CompressedInputStream:
    file.seek(0)
    return pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")


def _before_damage(file: BinaryIO, n_bytes: int) -> bytes:
    """What a damaged zstd file holds behind so many bytes: Arrow gives nothing of a read in which
    it meets a damage, so here each byte is a read."""
    stream = _zstd(file)
    for _ in range(n_bytes // CHUNK_BYTES):
        stream.read(CHUNK_BYTES)
    pieces: list[bytes] = []
    with suppress(OSError):
        pieces.extend(iter(partial(stream.read, 1), b""))
    return b"".join(pieces)


def _lines(chunks: Iterator[bytes]) -> Iterator[bytes | None]:
    """Whole lines without their ends; None for each that is too long, and is not kept.

    >>> list(_lines(iter([b"one\\ntw", b"o\\n"])))
    [b'one', b'two']
    """
    pieces: list[bytes] = []
    length = 0
    for chunk in chunks:
        for n, piece in enumerate(chunk.split(b"\n")):
            if n:  # the piece before this one ended its line
                yield b"".join(pieces) if length <= MAX_LINE_BYTES else None
                pieces, length = [], 0
            length += len(piece)
            if length <= MAX_LINE_BYTES:
                pieces.append(piece)
            else:
                pieces = []
    if length:
        yield b"".join(pieces) if length <= MAX_LINE_BYTES else None


def _objects(lines: Iterator[bytes | None]) -> Iterator[dict[str, Any] | None]:
    """The JSON object of each line that is not empty; None for a line that is none."""
    for line in lines:
        if line is None:
            yield None
        elif stripped := line.removeprefix(b"\xef\xbb\xbf").strip():
            yield _object(stripped)


def _object(line: bytes) -> dict[str, Any] | None:
    many = sum(map(line.count, (b"[", b"{", b'"', b","))) > MAX_MARKS
    return None if many else json_object(line)


# --- lines and columns to rows --------------------------------------------------------------


def _cirrus_rows(lines: Iterator[bytes | None]) -> Iterator[Row]:
    """Rows of a Cirrus dump, in which a line with the id stands before each document.

    A line that is neither gives a row, and so does an id without a document. A document whose
    id was lost takes its own.
    """
    waiting: dict[str, Any] | None = None  # the id line of the document to come
    for document in _objects(lines):
        if document is not None and set(document) == {"index"}:
            if waiting is not None:
                yield _row(waiting, None, None)
            waiting = _id_line(document["index"])
            continue
        yield _cirrus_row(waiting or {}, document or {})
        waiting = None
    if waiting is not None:
        yield _row(waiting, None, None)


def _id_line(index: Any) -> dict[str, Any]:
    return {"page_id": index.get("_id") if isinstance(index, dict) else None}


def _cirrus_row(index: dict[str, Any], document: dict[str, Any]) -> Row:
    """The row of a document and its id.

    >>> _cirrus_row({"page_id": "7"}, {"title": "Dog", "namespace": 0, "text": "A dog."})
    (7, 'Dog', 'A dog.', None)
    """
    page_id = index.get("page_id")
    named = {"page_id": document.get("page_id") if page_id is None else page_id}
    namespace = document.get("namespace")
    if type(namespace) is not int:  # True is an int, too
        return _row(named, document.get("title"), None)
    row = _row(named, document.get("title"), document.get("text"))
    if namespace and row[0] is not None and row[1] is not None:
        return row[0], row[1], None, "not_article"
    return row


def _jsonl_rows(path: str | Path, lines: Iterator[bytes | None]) -> Iterator[Row]:
    """Rows of JSON objects. The first one shows which keys the file has."""
    checked = False
    for document in _objects(lines):
        if document is not None and not checked:
            _check_columns(path, list(document))
            checked = True
        document = document or {}
        yield _row(document, document.get("title"), document.get("text"))


def _parquet_rows(path: str | Path) -> Iterator[Row]:
    with pq.ParquetFile(path, memory_map=False, pre_buffer=False, buffer_size=CHUNK_BYTES) as file:
        schema = file.schema_arrow
        _check_columns(path, schema.names)
        names = [next(name for name in IDS if name in schema.names), "title", "text"]
        for name in names:
            _check_type(path, schema, name)
        for batch in file.iter_batches(PARQUET_ROWS, columns=names, use_threads=False):
            values = [_values(batch.column(name)) for name in names]
            for number, title, text in zip(*values, strict=True):
                yield _row({"id": number}, title, text)


def _check_columns(path: str | Path, names: list[str]) -> None:
    if not ({"title", "text"} <= set(names) and set(IDS) & set(names)):
        columns = ", ".join(repr(str(name)[:40]) for name in names[:20]) or "none"
        raise InputError(f"{path}: expected the columns {EXPECTED}; found {columns}")


def _check_type(path: str | Path, schema: pa.Schema, name: str) -> None:
    types = [field.type for field in schema if field.name == name]
    if len(types) > 1:
        raise InputError(f"{path}: expected one column {name}; found {len(types)}")
    kind = types[0].value_type if pa.types.is_dictionary(types[0]) else types[0]
    if not (holds_text(kind) or (name in IDS and pa.types.is_integer(kind))):
        expected = "whole numbers or text" if name in IDS else "text"
        raise InputError(f"{path}: expected {expected} in column {name}; found {kind}")


def _values(column: pa.Array) -> list[Any]:
    """Numbers as they are, texts as bytes: a Parquet file's need not be UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_integer(column.type):
        return column.to_pylist()
    return column.cast(pa.large_binary()).to_pylist()


def _row(named: dict[str, Any], title: Any, text: Any) -> Row:
    """The row of a page, whatever its values are.

    >>> _row({"id": "7"}, "Dog", "A dog."), _row({"id": 7.5}, "Dog", None)
    ((7, 'Dog', 'A dog.', None), (None, 'Dog', None, 'bad_page'))
    """
    number = _number(next((named[name] for name in IDS if name in named), None))
    title, text = _text(title), _text(text)
    if number is None or title is None or text is None:
        return number, title, None, "bad_page"
    return number, title, text, None


def _number(value: Any) -> int | None:
    """A page id from a number or its digits, None for anything else."""
    text = _text(str(value) if type(value) is int else value) or ""
    return int(text) if len(text) < 19 and text.isascii() and text.isdecimal() else None


def _text(value: Any) -> str | None:
    """A text that a table can hold, None for anything else.

    No page contains U+0000, and a lone surrogate, which JSON's escapes can spell, is no UTF-8.
    """
    try:
        text = value.decode() if isinstance(value, bytes) else value
        if not isinstance(text, str) or not text or text.isspace() or len(text) > MAX_TEXT:
            return None
        text.encode()
    except UnicodeError:
        return None
    return None if "\0" in text else text
