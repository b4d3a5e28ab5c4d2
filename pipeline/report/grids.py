"""Tables of the report: names of columns, rows, and how many decimals each column shows."""

from collections.abc import Sequence

import pyarrow as pa


def grid(rows: pa.Table) -> dict:
    """
    >>> grid(pa.table({"rows_in": [1234], "percent": [4.3]}))
    {'names': ['rows in', 'percent'], 'rows': [[1234, 4.3]], 'places': [0, 1]}
    """
    names = [name.replace("_", " ") for name in rows.column_names]
    places = [decimals(column.to_pylist()) for column in rows.columns]
    return {
        "names": names,
        "rows": [list(row.values()) for row in rows.to_pylist()],
        "places": places,
    }


def decimals(values: Sequence[object]) -> int:
    """The decimals of a column of numbers: as many as any of them has, at most two.

    Each number is so rounded once, where it is made, and none is shown with digits that it lost.

    >>> decimals([4.3, 12.0, None, "x"]), decimals([4.25, 12.5]), decimals([1234.5, 3])
    (1, 2, 0)
    """
    floats = [value for value in values if isinstance(value, float) and 1 <= abs(value) < 1000]
    texts = [f"{value:.2f}".rstrip("0").partition(".")[2] for value in floats]
    return max(map(len, texts), default=0)


def number(value: float, places: int) -> str:
    """A number of a column with so many decimals; below 1 its first four digits.

    >>> number(1234, 2), number(4.3, 2), number(0.01234, 2), number(1234.5, 0)
    ('1,234', '4.30', '0.01234', '1,234')
    """
    if isinstance(value, int):
        return f"{value:,}"
    if 0 < abs(value) < 1:
        return f"{value:,.4g}"
    return f"{value:,.{places if abs(value) < 1000 else 0}f}"
