"""What became of the rows of each input file of a query list: `article_file` and its like."""

from collections import Counter
from pathlib import Path

import pyarrow as pa

from queries.tables.errors import InputError
from queries.tables.parts import Part, read_batches
from queries.tables.reasons import in_words
from queries.tables.schemas import TABLES

ROWS_OF_FILE = TABLES["article_file"].schema  # as of page views and of WordNet


def input_files(kind: str, read: list[tuple[str, Part]], n_column: str | None = None) -> pa.Table:
    """Rows of `article_file`, or its like, for the files of `articles`, `views` or `wordnet`.

    `read` has each path with its part, of a file in pieces each of its parts, in order. A row of a
    part counts as one, or as its `n_column` says.
    """
    counts: dict[str, Counter[str | None]] = {}
    for path, part in read:
        counts.setdefault(path, Counter()).update(_of_part(part, n_column))
    rows = [
        {"input": kind, "number": number, "file": Path(path).name, "reason": reason, "n": n}
        for number, (path, of_file) in enumerate(counts.items())
        for reason, n in sorted(of_file.items(), key=lambda item: item[0] or "")
    ]
    return pa.Table.from_pylist(rows, ROWS_OF_FILE)


def refuse_empty(read: list[tuple[str, Part]]) -> None:
    """Raise InputError for the first file of articles of which no piece has one."""
    kept: Counter[str] = Counter()
    for path, part in read:
        kept[path] += part.rows_kept
    for path, n in kept.items():
        if not n:
            reasons: Counter[str | None] = Counter()
            for piece, part in read:
                if piece == path:
                    reasons += _of_part(part, None)
            dropped = {reason: n for reason, n in reasons.items() if reason}
            found = f"only {in_words(dropped)}" if dropped else "no page"
            raise InputError(f"{path}: expected articles of Wikipedia; found {found}")


def _of_part(part: Part, n_column: str | None) -> Counter[str | None]:
    """How many rows were kept (None), and dropped for each reason."""
    counts: Counter[str | None] = Counter()
    columns = ["reason", *([n_column] if n_column else [])]
    for batch in read_batches(part.path, columns=columns):
        n = batch[n_column] if n_column else pa.repeat(1, batch.num_rows)
        grouped = pa.table({"reason": batch["reason"], "n": n}).group_by("reason")
        sums = grouped.aggregate([("n", "sum")])
        counts.update(dict(zip(sums["reason"].to_pylist(), sums["n_sum"].to_pylist(), strict=True)))
    return counts
