"""Lists of exclusions that `BuildWIT --exclude` reads: what a search found is added to them.

A list protects somebody, so every line of it stays as it is, whatever it holds. The format follows
the ending: .csv, .tsv or .parquet. A .txt holds addresses alone, so it cannot be added to.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.contracts import EXCLUSION_COLUMNS, MOST_BITS
from queries.tables.errors import first_line
from queries.tables.parts import written_whole
from trainer.overlap.search import EQUAL_BITS, Overlap, Search
from trainer.settings import TrainerError

DELIMITERS = {".csv": ",", ".tsv": "\t"}
PARQUET = ".parquet"
Line = dict[str, str]  # a cell for each of EXCLUSION_COLUMNS


@dataclass(frozen=True)
class ExclusionList:
    """A list as it stands: its names of columns, and its lines as cells by name."""

    columns: tuple[str, ...]
    lines: list[Line]


def need_extendable(path: Path, method: Search) -> None:
    """Raise TrainerError if what a search finds could not be added to the list.

    Asked before the search, which may take hours.
    """
    bits = method.threshold
    if method.detector is None and bits is not None and bits > MOST_BITS:
        raise TrainerError(
            f"threshold {bits:g}: expected at most {MOST_BITS} bits, the radius of an exclusion"
        )
    need_list(path)


def need_list(path: Path) -> None:
    """Raise TrainerError if lines could not be added to the file."""
    if path.suffix.lower() not in (*DELIMITERS, PARQUET):
        raise TrainerError(
            f"{path}: expected a list to add to that ends in .csv, .tsv or .parquet: lines of a "
            "pair or of a hash have columns"
        )
    if path.is_dir():
        raise TrainerError(f"{path}: a folder, expected a list")
    if path.exists():
        _read(path)


def write_exclusions(path: Path, overlaps: Sequence[Overlap]) -> int:
    """Add the overlaps to the list of exclusions, and return how many lines are new.

    The file is created if it is missing; lines that are there stay, in their order. A line is new
    unless the list has its kind and value with no smaller radius. Raises TrainerError for a file
    that is no list.
    """
    return _add(path, [line for overlap in overlaps for line in _lines(overlap)])


def exclude_pairs(path: Path, pair_ids: Sequence[int], reason: str) -> int:
    """Add these pairs to the list of exclusions; as `write_exclusions`."""
    return _add(path, [_line("pair_id", str(pair_id), "", reason) for pair_id in pair_ids])


def _add(path: Path, lines: Sequence[Line]) -> int:
    standing = _read(path) if path.exists() else ExclusionList(EXCLUSION_COLUMNS, [])
    widest: dict[tuple[str, str], int] = {}
    for line in standing.lines:
        _note(widest, line)
    new = []
    for line in lines:
        if _note(widest, line):
            new.append(line)
    if path.suffix.lower() == PARQUET:
        _write_parquet(path, new)
    else:
        _write_text(path, standing, new)
    return len(new)


def _note(widest: dict[tuple[str, str], int], line: Line) -> bool:
    """Note a line's radius; whether the line excludes more than those before it."""
    key = (line.get("kind", "").strip(), line.get("value", "").strip().lower())
    text = line.get("radius", "").strip()
    radius = int(text) if text.isascii() and text.isdigit() else 0
    wider = radius > widest.get(key, -1)
    if wider:
        widest[key] = radius
    return wider


def _lines(overlap: Overlap) -> Iterable[Line]:
    """Exclusions by pair, and by the hashes of each picture that is not uniform and its mirror."""
    radius = EQUAL_BITS if overlap.by_detector is not None else overlap.threshold.value
    seen = overlap.seen
    reason = f"near a picture of the evaluation set {seen.eval_set.name}"
    for pair_id in overlap.pair_ids().tolist():
        yield _line("pair_id", str(pair_id), "", reason)
    shows = (~seen.uniform).tolist()
    hashes = {
        f"{value % 2**64:016x}"
        for both in (seen.hashes, seen.mirror_hashes)
        for value, kept in zip(both, shows, strict=True)
        if kept
    }
    for value in sorted(hashes):
        yield _line("phash", value, f"{radius:.0f}", reason)


def _line(*cells: str) -> Line:
    return dict(zip(EXCLUSION_COLUMNS, (*cells, ""), strict=True))


def _read(path: Path) -> ExclusionList:
    """The list of a file. Raises TrainerError where a build would not read it, either."""
    try:
        if path.suffix.lower() == PARQUET:
            table = pq.read_table(path)
            lines = [
                {name: _text(value) for name, value in row.items()} for row in table.to_pylist()
            ]
            standing = ExclusionList(tuple(table.column_names), lines)
            _extended(table, [_line("phash", "f" * 16, "6", "near")])
        else:
            standing = _read_text(path)
        names = set(standing.columns)
        if not {"kind", "value"} <= names <= {*EXCLUSION_COLUMNS} or len(standing.columns) > len(
            names
        ):
            raise ValueError(f"columns {', '.join(standing.columns)[:200]!r}")
    except (OSError, ValueError, csv.Error, pa.ArrowException) as error:
        raise TrainerError(
            f"{path}: {first_line(error)}, expected a list with the columns kind,value and at "
            "most radius, reason and date beside them"
        ) from None
    return standing


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _read_text(path: Path) -> ExclusionList:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=DELIMITERS[path.suffix.lower()], strict=True)
        columns = tuple(name.strip() for name in next(reader, []))
        lines = []
        for cells in reader:
            if cells and len(cells) != len(columns):
                raise ValueError(
                    f"line {reader.line_num}: {len(cells)} columns, expected {len(columns)}"
                )
            if cells:
                lines.append(dict(zip(columns, cells, strict=True)))
    return ExclusionList(columns, lines)


def _write_text(path: Path, standing: ExclusionList, new: Sequence[Line]) -> None:
    """Put the new lines behind those that are there, whose bytes stay.

    A list without all columns is written anew, its lines with empty cells.
    """
    delimiter = DELIMITERS[path.suffix.lower()]
    columns, body, end = standing.columns, b"", "\n"
    if path.exists():
        body = path.read_bytes()
        end = "\r\n" if b"\r\n" in body else "\n"
    lines = list(new)
    if not body or set(columns) != set(EXCLUSION_COLUMNS):
        columns, body, lines = EXCLUSION_COLUMNS, b"", [*standing.lines, *new]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, "", delimiter=delimiter, lineterminator=end)
    if not body:
        writer.writeheader()
    elif not body.endswith((b"\n", b"\r")):
        text.write(end)
    writer.writerows(lines)
    with written_whole(path) as beside:
        beside.write_bytes(body + text.getvalue().encode())


def _write_parquet(path: Path, new: Sequence[Line]) -> None:
    if path.exists():
        table = _extended(pq.read_table(path), new)
    else:
        schema = pa.schema([(name, pa.string()) for name in EXCLUSION_COLUMNS])
        table = pa.Table.from_pylist([*new], schema=schema)
    with written_whole(path) as beside:
        pq.write_table(table, beside)


def _extended(table: pa.Table, new: Sequence[Line]) -> pa.Table:
    """The table with these lines below, in its own types; columns that it lacks are added.

    Raises ArrowInvalid where a column's type cannot hold them.
    """
    for name in EXCLUSION_COLUMNS:
        if name not in table.column_names:
            table = table.append_column(name, pa.nulls(len(table), pa.string()))
    fields = [
        pa.field(field.name, pa.string()) if pa.types.is_null(field.type) else field
        for field in table.schema
    ]
    table = table.cast(pa.schema(fields))
    columns = [
        pa.array([line.get(field.name) or None for line in new], pa.string()).cast(field.type)
        for field in table.schema
    ]
    below = pa.Table.from_arrays(columns, schema=table.schema)
    return pa.concat_tables([table, below])
