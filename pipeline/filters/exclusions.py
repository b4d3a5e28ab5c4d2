"""What must not be in a dataset: lists of URLs, hosts, pairs and pictures, read and checked.

Blocklists, opt-outs, takedowns and decontamination are all exclusions. Such a list protects
someone, so a line that cannot be read, or that would name nothing or far too much, ends the build.
"""

import csv
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.web.equivalence import equivalence_key, equivalent_host
from queries.tables.contracts import EXCLUSION_COLUMNS, MOST_BITS, PDQ_BITS
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList

BATCH_ROWS = 65_536
DELIMITERS = {".csv": ",", ".tsv": "\t"}
PAIR_IDS = 1 << 63


class Line(NamedTuple):
    """A line of a list: where it stands, and its columns."""

    path: Path
    number: int  # 1..
    columns: dict[str, Any]
    unit: str = "line"

    @property
    def where(self) -> str:
        return f"{self.path}, {self.unit} {self.number}"


def read_exclusions(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `path` in, rows of the table `exclusion` out.

    A .csv, .tsv or .parquet file has the columns kind and value, and may have radius, reason and
    date; a .txt file has a URL or a host a line, no hash, and # begins a comment line. Raises
    InputError for the first line that is no exclusion.
    """
    for batch in batches:
        for path in map(Path, batch.column("path").to_pylist()):
            rows = (exclusion(line) for line in _lines(path))
            while batch_rows := list(islice(rows, BATCH_ROWS)):
                yield pa.RecordBatch.from_pylist(batch_rows, TABLES["exclusion"].schema)


def exclusion(line: Line) -> dict[str, Any]:
    """One row of the table `exclusion`. Raises InputError.

    >>> line = Line(Path("list.csv"), 2, {"kind": "host", "value": "Ads.Example.ORG."})
    >>> exclusion(line)["value"]
    'ads.example.org'
    """
    where, columns = line.where, line.columns
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
        "list_file": line.path.name,
        "line": line.number,
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


# Of the kinds that have a radius: that of a line without one, and the greatest.
RADII = {"phash": (0, MOST_BITS), "pdq": (PDQ_BITS, PDQ_BITS)}


def _radius(where: str, kind: str, text: str) -> int | None:
    """How many bits of a phash or pdq may differ; None for other kinds. Raises InputError."""
    if kind not in RADII and not text:
        return None
    usual, most = RADII.get(kind, (0, 0))
    if kind not in RADII or not re.fullmatch("[0-9]{0,2}", text) or int(text or 0) > most:
        raise InputError(
            f"{where}: radius {text[:200]!r} of a {kind}: expected 0..{MOST_BITS} for a phash, "
            f"0..{PDQ_BITS} for a pdq, and nothing for others"
        )
    return int(text) if text else usual


def read_url(text: str) -> str:
    """The equivalence key of a picture's address. Raises ValueError.

    >>> read_url("https://Example.org/%7Eann/fox.jpg#top")
    'https://example.org/~ann/fox.jpg'
    """
    host = urlsplit(text).hostname or "its name"
    if "*" in text:
        raise ValueError(f"no patterns: for all of it write the host {host}; a * itself is %2A")
    key = equivalence_key(text)
    if key.count("/") == 3 and key.endswith("/"):
        raise ValueError(f"this is a home page: for all of it write the host {host}")
    return key


def read_host(text: str) -> str:
    """A host in its normal spelling, without a leading "*." or ".". Raises ValueError.

    >>> read_host("*.Bücher.example"), read_host("0x7f.1"), read_host("*.co.uk")
    ('xn--bcher-kva.example', '127.0.0.1', 'co.uk')
    """
    if re.fullmatch(r"[0-9]+|[0-9a-fA-F-]{16,}", text):  # a host in theory, and nobody's
        raise ValueError(_cure_of_id(text))
    name = text.removeprefix("*.").removeprefix(".")
    if not re.fullmatch(r"[\w.-]+|\[?[0-9a-fA-F:.]+\]?", name):
        raise ValueError("no port, path or pattern; an address begins with http:// or https://")
    host = equivalent_host(name)
    if host is None:
        raise ValueError("no host can have this name")
    if name == text and _public_suffixes().is_public(host):
        raise ValueError(f"anybody may have a host below {host}: for all of them write *.{host}")
    return host


def _cure_of_id(text: str) -> str:
    """How to exclude what a list has as a host, and what is a number or a hash.

    >>> _cure_of_id("42")
    'that is no host but a pair_id: write a .csv with the columns kind,value and pair_id,42'
    """
    kinds = ["pair_id"] if text.isdecimal() and len(text) < len(str(PAIR_IDS)) else []
    kinds += [name for name, digits in DIGITS.items() if digits == len(text)]
    what, kind = (
        " or a ".join(kinds) or "hash",
        kinds[0] if kinds else f"one of {', '.join(DIGITS)}",
    )
    return (
        f"that is no host but a {what}: write a .csv with the columns kind,value and "
        f"{kind},{text[:80]}"
    )


@lru_cache
def _public_suffixes() -> "PublicSuffixList":
    """The list of publicsuffix.org, as the package has it: nothing is asked for."""
    from publicsuffixlist import PublicSuffixList  # reads 340 kB, which only lists need

    return PublicSuffixList(accept_unknown=False)


def read_pair_id(text: str) -> str:
    if not re.fullmatch("[0-9]{1,19}", text) or int(text) >= PAIR_IDS:
        raise ValueError("not in this range")
    return str(int(text))


DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "phash": 16, "pdq": 64}


def _hex(kind: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        strange = re.search("[^0-9a-fA-F]", text)
        if len(text) != DIGITS[kind]:
            others = [name for name, digits in DIGITS.items() if digits == len(text)]
            like = f", as a {' or a '.join(others)} has" if others and not strange else ""
            base64 = ", perhaps base64: write it in hex" if text.endswith("=") else ""
            raise ValueError(f"{len(text)} characters{like}{base64}")
        if strange:
            raise ValueError(f"{strange[0]!r} at place {strange.start() + 1} is none")
        return text.lower()

    return read


KINDS: dict[str, tuple[str, Callable[[str], str]]] = {
    "url": ("an http or https address of a picture", read_url),
    "host": ("a host without a port", read_host),
    "pair_id": ("a decimal number below 2^63", read_pair_id),
    **{kind: (f"{digits} hex digits", _hex(kind)) for kind, digits in DIGITS.items()},
}


def _lines(path: Path) -> Iterator[Line]:
    kind = path.suffix.lower()
    readers = {".parquet": _parquet_lines, ".txt": _text_lines, ".csv": _csv_lines}
    if kind not in {*readers, *DELIMITERS}:
        raise InputError(f"{path}: expected a list that ends in .csv, .tsv, .parquet or .txt")
    try:
        yield from readers.get(kind, _csv_lines)(path)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected a list of exclusions: {error}; save it in UTF-8"
        ) from None
    except (OSError, csv.Error, pa.ArrowException) as error:
        raise InputError(f"{path}: expected a list of exclusions: {error}") from None


def _text_lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if text and not text.startswith("#"):
                kind = "url" if "://" in text else "host"
                yield Line(path, number, {"kind": kind, "value": text})


def _csv_lines(path: Path) -> Iterator[Line]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
        names = _checked([name.strip() for name in next(reader, [])], path)
        for cells in reader:
            line = Line(path, reader.line_num, dict(zip(names, cells, strict=False)))
            if cells and len(cells) != len(names):
                raise InputError(
                    f"{line.where}: {len(cells)} columns, expected {len(names)}; a value with "
                    f"the separator in it stands in quotes"
                )
            if cells:
                yield line


def _parquet_lines(path: Path) -> Iterator[Line]:
    with pq.ParquetFile(path) as file:
        _checked(file.schema_arrow.names, path)
        number = 0
        for batch in file.iter_batches(BATCH_ROWS):
            for row in batch.to_pylist():
                number += 1
                yield Line(path, number, row, "row")


def _cure(names: list[str], path: Path) -> str:
    """What to change in a first line that does not name the columns."""
    if names and names[0].lower() in KINDS:
        return "; the first line has their names, kind,value, and not an exclusion"
    separator = DELIMITERS.get(path.suffix.lower())
    others = [sign for sign in ",;\t|" if sign != separator and sign in " ".join(names)]
    return f"; columns are separated by {separator!r}, not by {others[0]!r}" if others else ""


def _checked(names: list[str], path: Path) -> list[str]:
    """The names of the columns. InputError for an unknown name: it may be a misspelt known one."""
    if not {"kind", "value"} <= set(names) <= set(EXCLUSION_COLUMNS) or len(set(names)) < len(
        names
    ):
        raise InputError(
            f"{path}: columns {', '.join(names)[:200]!r}: expected kind and value, and at most "
            f"radius, reason and date beside them{_cure(names, path)}"
        )
    return names
