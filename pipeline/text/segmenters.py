"""What cuts runs of scripts without spaces into words: ICU, or another one that is installed.

Each is an optional package, imported only where a build uses it. A segmenter other than ICU cuts
the scripts it knows; ICU, where it is installed, cuts the others.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

import numpy as np

from queries.tables.errors import UserError

# Of each segmenter, the packages whose versions decide its cuts: the code's, and its dictionary's.
PACKAGES = {
    "icu": ("icu4py",),
    "rjieba": ("rjieba",),
    "sudachi": ("sudachipy", "sudachidict_small"),
    "fugashi": ("fugashi", "unidic_lite"),
    "nlpo3": ("nlpo3", "newmm_tokenizer"),  # the one has code, the other PyThaiNLP's dictionary
    "none": (),
}
INSTALL = "pip install '.[languages]'"
Cut = Callable[[str], Iterable[str]]

# What each of them cuts of lines of runs: Han without kana, Han with kana, Thai. None is handed
# more characters at once than Sudachi takes (49,149 bytes).
_HAN = "\u2e80-\u303b\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_KANA = "\u3041-\u30ff\u31f0-\u31ff"
_CUTS = {
    "rjieba": re.compile(f"(?:(?<=\n)|^)[{_HAN}]{{1,10000}}(?=\n|$)"),
    "sudachi": re.compile(f"[{_HAN}{_KANA}]{{1,10000}}"),
    "fugashi": re.compile(f"[{_HAN}{_KANA}]{{1,10000}}"),
    "nlpo3": re.compile("[\u0e01-\u0e5b]{1,10000}"),
}
# Sara am is one character in writing and in dictionaries; NFKC has made it two.
_AM = (("\u0e4d", "\u0e32", "\u0e33"), ("\u0ecd", "\u0eb2", "\u0eb3"))


def resolve(name: str) -> tuple[str, str]:
    """The segmenter that a setting means, and its version with that of its dictionary.

    >>> resolve("none")
    ('none', '')

    "auto" is "icu" where icu4py is installed, else "none". Raises UserError for one that is not
    installed.
    """
    if name == "auto":
        try:
            return resolve("icu")
        except UserError:
            return "none", ""
    try:
        versions = [f"{package} {version(package)}" for package in PACKAGES[name]]
    except PackageNotFoundError as error:
        cure = INSTALL if name == "icu" else f"pip install {' '.join(PACKAGES[name])}"
        raise UserError(
            f"text.segmenter = {name!r}: {error.name} is not installed: {cure}"
        ) from None
    if name == "icu":
        from icu4py import icu_version  # an optional extra

        versions.append(f"ICU {icu_version}")
    elif name != "none":
        versions += filter(None, resolve("auto")[1:])
    return name, ", ".join(versions)


@lru_cache(maxsize=4)
def segmenter(name: str, expected: str) -> Callable[[str], np.ndarray]:
    """What says where words begin in a text of runs, one a line: int64, ascending.

    expected: the version that the build records. Raises UserError where another one is installed,
    as on a machine of a cluster: its cuts would be others.
    """
    here = resolve(name)[1]
    if here != expected:
        raise UserError(f"text.segmenter = {name!r}: the build began with {expected}; here: {here}")
    others = _icu() if name == "icu" or "icu4py" in here else _whole
    if name == "icu":
        return lambda runs: _as_written(runs, lambda text: _begins(others(text)))
    own, its_runs = _LOADED[name](), _CUTS[name]
    return lambda runs: _as_written(runs, lambda text: _begins_of_two(text, its_runs, own, others))


def _begins(words: Iterable[str]) -> np.ndarray:
    """Where each of the words, which together are a text, begins."""
    lengths = np.fromiter(map(len, words), np.int64)
    return np.cumsum(lengths) - lengths


def _begins_of_two(text: str, its_runs: re.Pattern[str], own: Cut, others: Cut) -> np.ndarray:
    """As `_begins`, where `own` cuts the spans that match `its_runs`, and `others` the rest."""
    parts: list[np.ndarray] = []
    at = 0
    for span in its_runs.finditer(text):
        parts += [
            _begins(others(text[at : span.start()])) + at,
            _begins(own(span[0])) + span.start(),
        ]
        at = span.end()
    return np.concatenate([*parts, _begins(others(text[at:])) + at])


def _as_written(runs: str, begins: Callable[[str], np.ndarray]) -> np.ndarray:
    """`begins` of the text as people and dictionaries write it, in places of the folded text."""
    if not any(sign in runs for sign, _, _ in _AM):
        return begins(runs)
    codes = np.frombuffer(runs.encode("utf-32-le"), "<u4")
    kept = np.ones(len(codes), np.bool_)
    for sign, vowel, both in _AM:
        kept[1:] &= (codes[:-1] != ord(sign)) | (codes[1:] != ord(vowel))
        runs = runs.replace(sign + vowel, both)
    return np.flatnonzero(kept).take(begins(runs))


def _whole(text: str) -> list[str]:
    """Each run as one word, where nothing cuts it."""
    return text.splitlines(keepends=True)


def _icu() -> Cut:
    from icu4py.breakers import WordBreaker  # an optional extra

    return lambda text: WordBreaker(text, "root")


def _rjieba() -> Cut:
    import rjieba  # an optional part

    return lambda text: rjieba.cut(text, False)


def _sudachi() -> Cut:
    from sudachipy import Dictionary, SplitMode  # an optional part

    tokeniser = Dictionary(dict="small").tokenizer(mode=SplitMode.A)
    return lambda text: [word.surface() for word in tokeniser.tokenize(text)]


def _fugashi() -> Cut:
    from fugashi import Tagger  # an optional part

    tagger = Tagger("-Owakati")
    return lambda text: tagger.parse(text).split()


def _nlpo3() -> Cut:
    import nlpo3  # an optional part

    words = files("newmm_tokenizer") / "words_th.txt"
    nlpo3.load_dict(str(words), "words_th")
    return lambda text: nlpo3.segment(text, "words_th", safe=True)


_LOADED = {"rjieba": _rjieba, "sudachi": _sudachi, "fugashi": _fugashi, "nlpo3": _nlpo3}
