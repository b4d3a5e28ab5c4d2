"""The filters that look at one row: each candidate keeps its row and gets a reason, or none.

A row's verdict depends on that row alone, so each part is filtered by itself, and matching runs
part by part on the result. Rules over the whole pool are SQL, in pooled.sql.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.filters.captions import MOST_ROWS, caption_masks, read_blocked
from pipeline.filters.hosts import url_masks
from pipeline.filters.language import check_labels, languages
from pipeline.filters.model_file import check_file
from pipeline.filters.placeholders import phrases_by_end
from pipeline.filters.privacy.evidence import judge_privacy
from pipeline.rights.signals import read, refused
from pipeline.settings.consent import ConsentSettings
from pipeline.settings.privacy import PrivacySettings
from pipeline.settings.whole import FilterSettings
from pipeline.text.tokeniser import Tokeniser
from pipeline.web.equivalence import equivalence_keys
from queries.tables.schemas import TABLES
from queries.tables.table import OTHER

BY_DEFAULT = ConsentSettings()
COUNTING = PrivacySettings()
MOST_BYTES = 4 << 20  # of captions judged at once; each byte takes about 60 bytes of memory


def check(
    settings: FilterSettings,
    key: str = "filters.languages",
    list_of_label: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Raise InputError for lists and languages by which no caption can be judged.

    `key`: of the settings, where the wanted languages are named. `list_of_label`: as the settings
    of a worldwide build have it.
    """
    phrases_by_end(settings.placeholders)
    for path in settings.blocked_words:
        list(read_blocked(Path(path)))
    if settings.language_model:
        check_file(str(settings.language_model))
        check_labels(settings, key, list_of_label)


def filter_pairs(
    batches: Iterator[pa.RecordBatch],
    settings: FilterSettings,
    list_of_label: Mapping[str, str] | None = None,
    consent: ConsentSettings = BY_DEFAULT,
    tokeniser: Tokeniser | None = None,
    privacy: PrivacySettings = COUNTING,
) -> Iterator[pa.RecordBatch]:
    """Map: candidates to rows of `filtered`, each with its reason or none.

    `list_of_label`: of a worldwide build, whose query list a caption of a label is matched with.
    Only what passes all other rules is searched for personal data.
    """
    schema = TABLES["filtered"].schema
    for batch in batches:
        for piece in _slices(batch):
            of_row = (settings, list_of_label, tokeniser)
            judged = judge(piece["url_key"], piece["caption"], *of_row)
            columns = {**dict(zip(piece.schema.names, piece.columns, strict=True))}
            columns |= dict(zip(("reason", "language", "query_language"), judged, strict=True))
            no = pc.and_(opted_out(piece["page_signals"], consent), pc.is_null(columns["reason"]))
            columns["reason"] = pc.if_else(no, "opted_out", columns["reason"])
            columns |= judge_privacy(columns, privacy)
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


def opted_out(page_signals: pa.StringArray, consent: ConsentSettings) -> pa.BooleanArray:
    """Whether the page of each row says a no to training that the settings obey.

    >>> opted_out(pa.array(["robots_tag=noai", None]), ConsentSettings()).to_pylist()
    [True, False]
    """
    distinct = page_signals.dictionary_encode()
    signals = [read(text) for text in distinct.dictionary.to_pylist()]
    no = [refused(heard, consent, of_page=True) is not None for heard in signals]
    return pc.fill_null(pa.array(no, pa.bool_()).take(distinct.indices), False)


def judge(
    url_keys: pa.StringArray,
    captions: pa.StringArray,
    settings: FilterSettings,
    list_of_label: Mapping[str, str] | None = None,
    tokeniser: Tokeniser | None = None,
) -> tuple[pa.StringArray, pa.StringArray, pa.StringArray]:
    """The reason, the language and the list's language of every row.

    The first rule that drops a row gives the reason. Only captions that pass all other rules get a
    language. Where lists have languages, a caption that passes as none of them is dropped, or, by
    `other_languages`, stays as OTHER.

    >>> judge(pa.array(["http://a.org/1"]), pa.array(["untitled"]), FilterSettings())[0].to_pylist()
    ['caption_placeholder']
    """
    masks = {**url_masks(url_keys, settings), **caption_masks(captions, settings, tokeniser)}
    reasons = first_reason(masks, len(captions))
    nothing = pa.nulls(len(captions), pa.string())
    if not settings.language_model:
        return reasons, nothing, nothing
    rest = pc.is_null(reasons)
    verdicts = languages(captions.filter(rest).to_pylist(), settings)
    whose = list_of_label or {}
    others_stay = bool(whose) and settings.other_languages == "all"
    wrong = [None if others_stay else verdict.reason for verdict in verdicts]
    lists = [whose.get(verdict.passed or OTHER, OTHER) if whose else None for verdict in verdicts]
    of_rest = (
        (reasons, wrong),
        (nothing, [verdict.language for verdict in verdicts]),
        (nothing, lists),
    )
    reason, language, query_language = (
        pc.replace_with_mask(column, rest, pa.array(values, pa.string()))
        for column, values in of_rest
    )
    return reason, language, query_language


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
