"""The language of captions by fastText, many at once, with lenience for the short ones.

What is found for a caption depends on it alone: fastText's scores of a list are those of its texts
one by one, which a test holds.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from pipeline.settings.whole import FilterSettings
from queries.tables.errors import InputError

PREFIX = "__label__"
SLACK = 3e-5  # fastText adds 1e-5 to a threshold before it takes the logarithm


@lru_cache(maxsize=2)
def _model(path: str) -> Any:
    import fasttext  # 0.1 s and 10 MB that only this stage needs

    return fasttext.load_model(path)


def languages(captions: Sequence[str], settings: FilterSettings) -> list[tuple[str, bool]]:
    """(likeliest language, whether the caption passes) of every caption.

    It passes if a wanted language has `language_min_score`, and if none is more than
    `language_odds` times as likely: as it is written, or in lower case, since a title's capitals
    make names of its words. Raises InputError for a wanted language that the model does not know.
    """
    if not captions:
        return []
    model = _model(str(settings.language_model))
    wanted = _labels(model, settings.languages)
    texts = [caption.replace("\n", " ") for caption in captions]
    found = _look(model, texts, wanted, settings)
    again = [
        n for n, (_, passes) in enumerate(found) if not passes and texts[n] != texts[n].lower()
    ]
    if again:
        second = _look(model, [texts[n].lower() for n in again], wanted, settings)
        for n, (name, passes) in zip(again, second, strict=True):
            if passes:
                found[n] = name, True
    return found


def _look(
    model: Any, texts: list[str], wanted: set[str], settings: FilterSettings
) -> list[tuple[str, bool]]:
    labels, scores = model.predict(texts)
    return [
        (label.removeprefix(PREFIX), _passes(model, text, label, float(score), wanted, settings))
        for text, (label,), (score,) in zip(texts, labels, scores, strict=True)
    ]


def _passes(
    model: Any, text: str, best: str, score: float, wanted: set[str], settings: FilterSettings
) -> bool:
    floor = max(score / settings.language_odds, settings.language_min_score)
    if best in wanted or not wanted:
        return score >= floor
    # Only what is above the floor is asked for: all 176 languages take four times as long.
    labels, scores = model.predict(text, k=-1, threshold=max(floor - SLACK, 0.0))
    return any(one in wanted and at >= floor for one, at in zip(labels, scores, strict=True))


def _labels(model: Any, codes: tuple[str, ...]) -> set[str]:
    known = set(model.get_labels())
    for code in codes:
        if PREFIX + code not in known:
            some = ", ".join(sorted(one.removeprefix(PREFIX) for one in known))
            raise InputError(f"filters.languages: {code!r}: expected one of {some}")
    return {PREFIX + code for code in codes}
