"""The language of captions by fastText, many captions at once, with more tolerance for short ones.

The result of a caption depends on that caption alone: fastText scores a list of texts as it scores
each text by itself, which a test checks.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.settings.whole import FilterSettings
from queries.tables.errors import InputError

PREFIX = "__label__"
SLACK = 3e-5  # fastText adds 1e-5 to a threshold before it takes the logarithm
NO_CAPITAL, NO_SMALL = (
    bytes(code for code in range(0x80) if not letters(chr(code)))
    for letters in (str.isupper, str.islower)
)


@lru_cache(maxsize=2)
def _model(path: str) -> Any:
    import fasttext  # 0.1 s and 10 MB that only this stage needs

    return fasttext.load_model(path)


def languages(captions: Sequence[str], settings: FilterSettings) -> list[tuple[str, str | None]]:
    """(likeliest language, wanted language that the caption passes as or None) of every caption.

    A caption passes if a wanted language scores at least `language_min_score`, and no language
    scores more than `language_odds` times as much; of several it passes as the likeliest, and
    where none is wanted as the likeliest of all. A caption that fails is scored again in lower
    case, since the model takes capitalised words for names. One in capitals is scored in lower case
    alone: as written, half of any language's would pass for English (docs/filters.md). Raises
    InputError for a wanted language that the model lacks.
    """
    if not captions:
        return []
    model = _model(str(settings.language_model))
    wanted = _labels(model, settings.languages)
    texts = [caption.replace("\n", " ") for caption in captions]
    texts = [text.lower() if in_capitals(text) else text for text in texts]
    verdicts = _look(model, texts, wanted, settings)
    again = [
        n for n, (_, passed) in enumerate(verdicts) if not passed and texts[n] != texts[n].lower()
    ]
    if again:
        second = _look(model, [texts[n].lower() for n in again], wanted, settings)
        for n, (name, passed) in zip(again, second, strict=True):
            if passed:
                verdicts[n] = name, passed
    return verdicts


def in_capitals(text: str) -> bool:
    """Whether at least half of the letters that have a case are capitals.

    >>> in_capitals("SALE: IPHONE 6s Case"), in_capitals("A Photo of NYC"), in_capitals("写真 12")
    (True, False, False)
    """
    if text.isascii():  # a fifth of the time
        letters = text.encode()
        n_capital, n_small = (
            len(letters.translate(None, others)) for others in (NO_CAPITAL, NO_SMALL)
        )
    else:
        n_capital, n_small = sum(map(str.isupper, text)), sum(map(str.islower, text))
    return 0 < n_capital >= n_small


def _look(
    model: Any, texts: list[str], wanted: set[str], settings: FilterSettings
) -> list[tuple[str, str | None]]:
    labels, scores = model.predict(texts)
    return [
        (label.removeprefix(PREFIX), _passed(model, text, label, float(score), wanted, settings))
        for text, (label,), (score,) in zip(texts, labels, scores, strict=True)
    ]


def _passed(
    model: Any, text: str, best: str, score: float, wanted: set[str], settings: FilterSettings
) -> str | None:
    floor = max(score / settings.language_odds, settings.language_min_score)
    if best in wanted or not wanted:
        return best.removeprefix(PREFIX) if score >= floor else None
    # Request only the scores above the floor: all 176 languages take four times as long.
    labels, scores = model.predict(text, k=-1, threshold=max(floor - SLACK, 0.0))  # likeliest first
    passing = (
        label.removeprefix(PREFIX)
        for label, p in zip(labels, scores, strict=True)
        if label in wanted and p >= floor
    )
    return next(passing, None)


def check_labels(settings: FilterSettings, key: str) -> None:
    """Raise InputError for a wanted language that the model lacks, by the key that names it."""
    _labels(_model(str(settings.language_model)), settings.languages, key)


def _labels(model: Any, codes: tuple[str, ...], key: str = "filters.languages") -> set[str]:
    labels = set(model.get_labels())
    for code in codes:
        if PREFIX + code not in labels:
            names = ", ".join(sorted(label.removeprefix(PREFIX) for label in labels))
            raise InputError(f"{key}: {code!r}: expected one of {names}")
    return {PREFIX + code for code in codes}
