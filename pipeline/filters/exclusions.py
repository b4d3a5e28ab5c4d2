"""What must not be in a dataset: lists of URLs, hosts, pairs and pictures, read and checked.

Blocklists, opt-outs, takedowns and decontamination are all exclusions. Such a list protects
someone, so a line that cannot be read ends the build.
"""

import csv
import ipaddress
import re
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.filters.hosts import parents
from pipeline.web.url import clean_host, normalise_url
from queries.tables.contracts import EXCLUSION_COLUMNS, MOST_BITS
from queries.tables.errors import InputError
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES

BATCH_ROWS = 65_536
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PAIR_IDS = 1 << 63

Line = tuple[str, dict[str, Any]]  # its place in the list, and its columns


def read_exclusions(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of the table `exclusion` out.

    A .csv, .tsv or .parquet file has the columns kind and value, and may have radius, reason and
    date; a .txt file has a URL or a host a line, and # begins a comment line. Raises InputError
    for the first line that is no exclusion.
    """
    for batch in batches:
        for path in map(Path, batch.column("path").to_pylist()):
            rows = (exclusion(*line) for line in _lines(path))
            while batch_rows := list(islice(rows, BATCH_ROWS)):
                yield pa.RecordBatch.from_pylist(batch_rows, TABLES["exclusion"].schema)


def exclusion(where: str, columns: dict[str, Any]) -> dict[str, Any]:
    """One row of the table `exclusion`. Raises InputError.

    >>> exclusion("list.csv, line 2", {"kind": "host", "value": "Ads.Example.ORG."})["value"]
    'ads.example.org'
    """
    kind, value = _text(columns, "kind"), _text(columns, "value")
    if kind not in KINDS:
        raise InputError(f"{where}: kind {kind!r}: expected one of {', '.join(KINDS)}")
    expected, read = KINDS[kind]
    try:
        value = read(value)
    except ValueError as error:
        raise InputError(
            f"{where}: {kind} {value[:200]!r}: expected {expected} ({error})"
        ) from None
    return {
        "kind": kind,
        "value": value,
        "phash": _signed(int(value, 16)) if kind == "phash" else None,
        "radius": _radius(where, kind, _text(columns, "radius")),
        "why": _text(columns, "reason") or None,
        "since": _text(columns, "date") or None,
    }


def _signed(bits: int) -> int:
    """64 bits as tables hold them.

    >>> _signed(2**64 - 1)
    -1
    """
    return bits - 2**64 if bits >= 2**63 else bits


def _text(columns: dict[str, Any], name: str) -> str:
    value = columns.get(name)
    return "" if value is None else str(value).strip()


def _radius(where: str, kind: str, text: str) -> int | None:
    """How many bits of a phash may differ, 0 where the list has no radius; None for other kinds.

    Raises InputError.
    """
    if kind != "phash" and not text:
        return None
    if kind != "phash" or not re.fullmatch("[0-9]{0,2}", text) or int(text or 0) > MOST_BITS:
        raise InputError(
            f"{where}: radius {text[:200]!r} of a {kind}: expected 0..{MOST_BITS} for a phash, "
            f"and nothing for others"
        )
    return int(text or 0)


def read_host(text: str) -> str:
    """A host in its normal spelling, without a leading "*." or ".". Raises ValueError.

    >>> read_host("*.Bücher.example")
    'xn--bcher-kva.example'
    """
    name = text.removeprefix("*").removeprefix(".")
    with suppress(ValueError):
        return str(ipaddress.ip_address(name.removeprefix("[").removesuffix("]")))
    if not re.fullmatch(r"[\w.-]+", name):
        raise ValueError("no port, path or pattern")
    host = clean_host(normalise_url(f"http://{name}/").removeprefix("http://").removesuffix("/"))
    if host is None:
        raise ValueError("no host can have this name")
    return host


def read_pair_id(text: str) -> str:
    if not re.fullmatch("[0-9]{1,19}", text) or int(text) >= PAIR_IDS:
        raise ValueError("not in this range")
    return str(int(text))


def _hex(digits: int) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(f"[0-9a-fA-F]{{{digits}}}", text):
            raise ValueError(f"{len(text)} characters")
        return text.lower()

    return read


KINDS: dict[str, tuple[str, Callable[[str], str]]] = {
    "url": ("an http or https address", normalise_url),
    "host": ("a host without a port", read_host),
    "pair_id": ("a decimal number below 2^63", read_pair_id),
    "sha256": ("64 hex digits", _hex(64)),
    "phash": ("16 hex digits", _hex(16)),
}


def _lines(path: Path) -> Iterator[Line]:
    kind = path.suffix.lower()
    readers = {".parquet": _parquet_lines, ".txt": _text_lines, ".csv": _csv_lines}
    if kind not in {*readers, *DELIMITERS}:
        raise InputError(f"{path}: expected a list that ends in .csv, .tsv, .parquet or .txt")
    try:
        yield from readers.get(kind, _csv_lines)(path)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a list of exclusions: {error}") from None


def _text_lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text and not text.startswith("#"):
                kind = "url" if "://" in text else "host"
                yield f"{path}, line {number}", {"kind": kind, "value": text}


def _csv_lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
        names = _checked([name.strip() for name in next(reader, [])], path)
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if cells and len(cells) != len(names):
                raise InputError(f"{where}: {len(cells)} columns, expected {len(names)}")
            if cells:
                yield where, dict(zip(names, cells, strict=True))


def _parquet_lines(path: Path) -> Iterator[Line]:
    with pq.ParquetFile(path) as file:
        _checked(file.schema_arrow.names, path)
        number = 0
        for batch in file.iter_batches(BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row


def _checked(names: list[str], path: Path) -> list[str]:
    """The names of the columns. InputError for an unknown name: it may be a misspelt known one."""
    if not {"kind", "value"} <= set(names) <= set(EXCLUSION_COLUMNS) or len(set(names)) < len(
        names
    ):
        raise InputError(
            f"{path}: columns {', '.join(names)[:200]!r}: expected kind and value, and at most "
            f"radius, reason and date beside them"
        )
    return names


def excluded_hosts(
    batches: Iterator[pa.RecordBatch], exclusions: tuple[Path, ...]
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `host` in, rows of `excluded_host` out, for the hosts that an exclusion names.

    An exclusion names a host and all hosts below it. To look up each domain above a host takes a
    few steps, however long the list is; SQL would join every host with every exclusion.
    `exclusions` are parts of the table `exclusion`.
    """
    named = {
        value
        for path in exclusions
        for value in read_rows(path, columns=["value"], filters=[("kind", "=", "host")])[
            "value"
        ].to_pylist()
    }
    schema = TABLES["excluded_host"].schema
    for batch in batches:
        hosts = batch["host"].to_pylist() if named else []
        rows = [
            {"host": host, "value": value} for host in hosts if (value := parent_in(host, named))
        ]
        yield pa.RecordBatch.from_pylist(rows, schema)


def parent_in(host: str, named: Collection[str]) -> str | None:
    """The host without its port, or the nearest domain above it, if `named` has it; else None.

    >>> parent_in("a.example.org:80", {"example.org"}), parent_in("example.com", {"example.org"})
    ('example.org', None)
    """
    return next((domain for domain in parents(_name(host)) if domain in named), None)


def normal_url(url: str) -> str:
    """The key of an address, as candidates have it; '' for no address.

    >>> normal_url("HTTP://a.org"), normal_url("ftp://a.org")
    ('http://a.org/', '')
    """
    try:
        return normalise_url(url)
    except ValueError:
        return ""


def _name(host: str) -> str:
    """
    >>> _name("[::1]:80"), _name("example.org:80"), _name("example.org")
    ('[::1]', 'example.org', 'example.org')
    """
    return re.sub(r":[0-9]*$", "", host)
