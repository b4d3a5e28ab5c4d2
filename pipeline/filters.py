"""Caption filters: each rule keeps a row (None) or drops it with a reason.

May import queries and pipeline.settings. This is the row half of FilterPairs: what a rule says
depends on the row alone, so each part is judged alone; rules over the whole pool are SQL.
"""

from collections.abc import Iterator
from functools import lru_cache

import pyarrow as pa
import regex

from pipeline.settings import FilterSettings
from queries.schemas import TABLES

FILE_NAME = regex.compile(
    r"""(?xi)
    \S+\.(jpe?g|png|gif|webp|tiff?|bmp|svg|heic|raw|nef|cr2|pdf|mp4) |  # IMG_0412.jpg
    (img|dsc|dscn|dscf|dcp|pict|mvi|vid|wp|screenshot|photo|image)[\s_-]*\d+ (?:[\s_-]*\d+)* |
    \d{8}[\s_-]\d{4,6}                                                   # 20160716_113957
    """
)
ADDRESS = regex.compile(
    r"(?i)(https?://|www\.)\S+|\S+@\S+\.\w+|[\w-]+(\.[\w-]+)*\.(com|net|org)/\S*"
)
LETTER = regex.compile(r"[\p{L}\p{M}]")
SPACE = regex.compile(r"\s")
EDGES = regex.compile(r"^[\W_]+|[\W_]+$")


def caption_reason(caption: str, settings: FilterSettings) -> str | None:
    """Why a caption is dropped, by every rule that needs no model; None keeps it.

    >>> caption_reason("IMG_0412.jpg", FilterSettings())
    'caption_is_file_name'
    >>> caption_reason("a lighthouse at dusk", FilterSettings())
    """
    text = caption.strip()
    n_words = len(text.split())
    if n_words < settings.min_words or len(text) < settings.min_characters:
        return "caption_too_short"
    if n_words > (settings.max_words or n_words):
        return "caption_too_long"
    if len(text) > (settings.max_characters or len(text)):
        return "caption_too_long"
    if settings.drop_file_names and FILE_NAME.fullmatch(text):
        return "caption_is_file_name"
    if settings.drop_urls and ADDRESS.fullmatch(text):
        return "caption_is_url"
    if letter_share(text) < settings.min_letter_share:
        return "caption_mostly_digits"
    if EDGES.sub("", text).casefold() in settings.placeholders:
        return "caption_placeholder"
    return None


def letter_share(text: str) -> float:
    """Letters among the characters that are not spaces.

    >>> letter_share("room 101")
    0.5714285714285714
    """
    n_characters = len(SPACE.sub("", text))
    return len(LETTER.findall(text)) / n_characters if n_characters else 0.0


@lru_cache(maxsize=2)
def _language_model(path: str):
    import fasttext  # 0.1 s and 10 MB that only this stage needs

    return fasttext.load_model(path)


def language(caption: str, model_path: str) -> tuple[str, float]:
    """The likeliest language of a caption and fastText's score of it.

    A call a caption: the scores of a call with a list differ from these, and the package
    fasttext-predict, which another package may have put in place, breaks on lists.
    """
    labels, scores = _language_model(model_path).predict(caption.replace("\n", " "))
    return labels[0].removeprefix("__label__"), float(scores[0])


def judge(caption: str, settings: FilterSettings) -> tuple[str | None, str | None]:
    """(reason, language) of one caption; the language is only asked of a caption that passes."""
    reason = caption_reason(caption, settings)
    if reason or not settings.language_model:
        return reason, None
    found, score = language(caption, settings.language_model)
    wanted = not settings.languages or found in settings.languages
    passes = wanted and score >= settings.language_min_score
    return None if passes else "wrong_language", found


def filter_pairs(
    batches: Iterator[pa.RecordBatch], settings: FilterSettings
) -> Iterator[pa.RecordBatch]:
    """Map: candidates to rows of `filtered`, each with its reason or none."""
    schema = TABLES["filtered"].schema
    for batch in batches:
        verdicts = [judge(caption, settings) for caption in batch["caption"].to_pylist()]
        columns = {name: batch[name] for name in batch.schema.names}
        columns["reason"] = pa.array([reason for reason, _ in verdicts], pa.string())
        columns["language"] = pa.array([found for _, found in verdicts], pa.string())
        yield pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
