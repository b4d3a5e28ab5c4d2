"""How much of a build's texts is in scripts without spaces, which want a segmenter."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_SCRIPTS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"


def unspaced_share(files: Sequence[Path], column: str, reason: str = "reason") -> float:
    """Of all characters of a column of text, those in scripts without spaces, 0..1.

    Rows that a stage dropped do not count.
    """
    unspaced = total = 0
    for path in files:
        with path.open("rb") as file:
            table = pq.ParquetFile(file)
            columns = [name for name in (column, reason) if name in table.schema_arrow.names]
            for batch in table.iter_batches(columns=columns):
                kept = batch.filter(pc.is_null(batch[reason])) if reason in columns else batch
                n_unspaced, n_total = _counted(kept[column])
                unspaced, total = unspaced + n_unspaced, total + n_total
    return unspaced / total if total else 0.0


def _counted(texts: pa.Array) -> tuple[int, int]:
    """The unspaced characters, and all.

    >>> _counted(pa.array(["太阳 hat", None]))
    (2, 6)
    """
    n_unspaced = pc.sum(pc.count_substring_regex(texts, _SCRIPTS)).as_py()
    return n_unspaced or 0, pc.sum(pc.utf8_length(texts)).as_py() or 0
