"""The language of captions by fastText, many captions at once, with more tolerance for short ones.

The result of a caption depends on that caption alone: fastText scores a list of texts as it scores
each text by itself, which a test checks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pipeline.filters.language_model import Labels, load, spelt
from pipeline.settings.whole import FilterSettings
from pipeline.text.languages import Code, code_of, nearest
from pipeline.text.letters import letters_by_script, share_in
from queries.tables.errors import InputError
from queries.tables.table import OTHER

SLACK = 3e-5  # fastText adds 1e-5 to a threshold before it takes the logarithm
LATIN = {"Latn": 1}
ODDS, MIN_SCORE = 3.0, 0.0  # of these, where the table does not say
LEAST_SHARE = 0.1  # of a caption's letters; below it the letters rule the language out
MOST_NAMED = 200  # of a model's languages, in an error
NO_CAPITAL, NO_SMALL = (
    bytes(code for code in range(0x80) if not letters(chr(code)))
    for letters in (str.isupper, str.islower)
)


class Verdict(NamedTuple):
    """Of a caption: its likeliest language, the wanted one that it passes as, as the settings write
    it, and else the reason."""

    language: str
    passed: str | None
    reason: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What a label must reach, that share of the best score and that score, and what wants it."""

    code: str
    odds: float
    min_score: float

    def floor(self, best: float) -> float:
        return max(best / self.odds, self.min_score)


def languages(captions: Sequence[str], settings: FilterSettings) -> list[Verdict]:
    """The verdict on every caption.

    A language that the caption's letters rule out is none of it: "text in Han cannot be German".
    Of the others a wanted one must score at least `language_min_score`, and none may score more
    than `language_odds` times as much; of several it passes as the likeliest, and where none is
    wanted as the likeliest of all. A caption that fails is scored again in lower case, since
    the model takes capitalised words for names. One in capitals is scored in lower case alone: as
    written, half of any language's would pass for English (docs/filters.md). Raises InputError for
    a wanted language that the model lacks.
    """
    if not captions:
        return []
    judge = _Judge(load(str(settings.language_model)), settings)
    texts = [caption.replace("\n", " ") for caption in captions]
    texts = [text.lower() if in_capitals(text) else text for text in texts]
    verdicts = judge.all(texts)
    again = [
        n for n, verdict in enumerate(verdicts) if verdict.reason and texts[n] != texts[n].lower()
    ]
    if again:
        second = judge.all([texts[n].lower() for n in again])
        for n, verdict in zip(again, second, strict=True):
            if not verdict.reason:
                verdicts[n] = verdict
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


class _Judge:
    """The wanted languages as labels of a model, and what each of them must reach."""

    def __init__(self, labels: Labels, settings: FilterSettings):
        self.labels = labels
        self.wanted = _wanted(labels, settings)
        self.wanted_scripts = {labels.scripts[label] for label in self.wanted}

    def all(self, texts: list[str]) -> list[Verdict]:
        likeliest = zip(texts, *self.labels.model.predict(texts), strict=True)
        return [self.verdict(text, label, float(p)) for text, (label,), (p,) in likeliest]

    def verdict(self, text: str, best: str, score: float) -> Verdict:
        """Of one text, its likeliest label and that label's score."""
        names, scripts = self.labels.names, self.labels.scripts
        letters = _letters(text)
        fits = _fit(scripts[best], letters)
        wanted = self.wanted.get(best)
        if fits and wanted and score >= wanted.min_score:
            return Verdict(names[best], wanted.code)
        # Request only the scores above the floor: all 176 languages take four times as long.
        least = min(wanted.floor(score) for wanted in self.wanted.values()) if fits else 0.0
        every = zip(*self.labels.model.predict(text, -1, max(least - SLACK, 0.0)), strict=True)
        likely = [(label, float(p)) for label, p in every if _fit(scripts[label], letters)]
        if not fits and likely:
            best, score = likely[0]
        for label, p in likely:  # the likeliest first
            wanted = self.wanted.get(label)
            if wanted and p >= wanted.floor(score):
                return Verdict(names[best], wanted.code)
        may_be = any(_fit(scripts, letters) for scripts in self.wanted_scripts)
        return Verdict(names[best], None, "wrong_language" if may_be else "wrong_script")


def _letters(text: str) -> Mapping[str, int]:
    if text.isascii():
        return LATIN if text.lower() != text.upper() else {}
    return letters_by_script(text)


def _fit(scripts: frozenset[str], letters: Mapping[str, int]) -> bool:
    return share_in(scripts, letters) >= LEAST_SHARE


def check_labels(settings: FilterSettings, key: str, list_of_label: Mapping[str, str]) -> None:
    """Raise InputError for a wanted language that the model lacks, by the key that names it, and
    for a list that gets no caption, since to the model another list's language is the same."""
    labels = load(str(settings.language_model))
    wanted = _wanted(labels, settings, key)
    fed = {list_of_label.get(one.code) for one in wanted.values()}
    for code, language in list_of_label.items():
        if language not in fed:
            other = list_of_label[wanted[_of(labels, code, key)[0]].code]
            raise InputError(f"{key}: {language!r} and {other!r} are one language to the model")


def _wanted(
    labels: Labels, settings: FilterSettings, key: str = "filters.languages"
) -> dict[str, Wanted]:
    """What each wanted label must reach; all labels are wanted where the settings name none."""
    wanted = {
        label: code for code in _broad_first(settings.languages) for label in _of(labels, code, key)
    }
    wanted = wanted or labels.names
    odds = _by_label(labels, wanted, settings.language_odds, "language_odds", ODDS)
    scores = _by_label(labels, wanted, settings.language_min_score, "language_min_score", MIN_SCORE)
    return {label: Wanted(code, odds[label], scores[label]) for label, code in wanted.items()}


def _broad_first(codes: Iterable[str]) -> list[str]:
    """A language before its scripts, so that the later ones win: "zh", then "zh_Hant"."""
    return sorted(codes, key=lambda code: (bool((code_of(code) or Code("")).script), code))


def _by_label(
    labels: Labels,
    wanted: Mapping[str, str],
    values: float | dict[str, float],
    key: str,
    default: float,
) -> dict[str, float]:
    """The value of each wanted label: one for all, or by language, OTHER for all not named."""
    if not isinstance(values, dict):
        return dict.fromkeys(wanted, values)
    of_label = dict.fromkeys(wanted, values.get(OTHER, default))
    for code in _broad_first(values.keys() - {OTHER}):
        named = wanted.keys() & _of(labels, code, f"filters.{key}")
        if not named:
            raise InputError(f"filters.{key}: {code!r}: expected a language that is wanted")
        of_label |= dict.fromkeys(named, values[code])
    return of_label


def _of(labels: Labels, code: str, key: str) -> list[str]:
    """The labels that a code of the settings means: one of the model's own, or all it includes."""
    wanted = labels.code_named(code) or code_of(code)
    of_code = [label for label, its in labels.codes.items() if wanted and wanted.includes(its)]
    if of_code:
        return of_code
    named = {spelt(label): of_label for label, of_label in labels.codes.items()}
    near = nearest(code, named)
    listed = sorted(named)[:MOST_NAMED]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    raise InputError(
        f"{key}: {code!r}: expected one of {', '.join(listed)}{more}"
        + (f"; the nearest is {near!r}" if near else "")
    )
