"""The filters that look at one row: each candidate keeps its row and gets a reason, or none.

A row's verdict depends on that row alone, so each part is filtered by itself, and matching runs
part by part on the result. Rules over the whole pool are SQL, in pooled.sql.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.filters.captions import MOST_ROWS, caption_masks, read_blocked
from pipeline.filters.hosts import url_masks
from pipeline.filters.language import languages
from pipeline.filters.placeholders import phrases_by_end
from pipeline.settings.whole import FilterSettings
from pipeline.web.equivalence import equivalence_keys
from queries.tables.schemas import TABLES

MOST_BYTES = 4 << 20  # of captions judged at once; each byte takes about 60 bytes of memory


def check(settings: FilterSettings) -> None:
    """Raise InputError for lists and languages by which no caption can be judged."""
    phrases_by_end(settings.placeholders)
    for path in settings.blocked_words:
        list(read_blocked(Path(path)))
    if settings.language_model:
        languages(["any"], settings)


def filter_pairs(
    batches: Iterator[pa.RecordBatch], settings: FilterSettings
) -> Iterator[pa.RecordBatch]:
    """Map: candidates to rows of `filtered`, each with its reason or none."""
    schema = TABLES["filtered"].schema
    for batch in batches:
        for piece in _slices(batch):
            reason, language = judge(piece["url_key"], piece["caption"], settings)
            columns = {**dict(zip(piece.schema.names, piece.columns, strict=True))}
            columns |= {"reason": reason, "language": language}
            columns["equivalence_key"] = equivalence_keys(piece["url_key"])
            yield pa.RecordBatch.from_arrays(
                [columns[name] for name in schema.names], schema=schema
            )


def _slices(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """The batch, halved until each slice is small: a caption may have a million letters."""
    if batch.num_rows <= 1 or (
        batch.num_rows <= MOST_ROWS and batch["caption"].nbytes <= MOST_BYTES
    ):
        yield batch
        return
    half = batch.num_rows // 2
    yield from _slices(batch[:half])
    yield from _slices(batch[half:])


def judge(
    url_keys: pa.StringArray, captions: pa.StringArray, settings: FilterSettings
) -> tuple[pa.StringArray, pa.StringArray]:
    """The reason and the language of every row: the first rule that drops it gives the reason.

    Only captions that pass all other rules get a language.

    >>> judge(pa.array(["http://a.org/1"]), pa.array(["untitled"]), FilterSettings())[0].to_pylist()
    ['caption_placeholder']
    """
    masks = {**url_masks(url_keys, settings), **caption_masks(captions, settings)}
    reasons = first_reason(masks, len(captions))
    if not settings.language_model:
        return reasons, pa.nulls(len(captions), pa.string())
    rest = pc.is_null(reasons)
    verdicts = languages(captions.filter(rest).to_pylist(), settings)
    wrong = pa.array([None if passes else "wrong_language" for _, passes in verdicts], pa.string())
    names = pa.array([name for name, _ in verdicts], pa.string())
    nothing = pa.nulls(len(captions), pa.string())
    return (
        pc.replace_with_mask(reasons, rest, wrong),
        pc.replace_with_mask(nothing, rest, names),
    )


def first_reason(masks: Mapping[str, np.ndarray], n_rows: int) -> pa.StringArray:
    """The name of the first mask that holds for a row, null where none does.

    >>> masks = {"short": np.array([True, False]), "long": np.array([True, False])}
    >>> first_reason(masks, 2).to_pylist()
    ['short', None]
    """
    which = np.zeros(n_rows, np.int8)
    for n, mask in reversed(list(enumerate(masks.values(), 1))):
        which[mask] = n
    return pa.array([None, *masks], pa.string()).take(pa.array(which))
