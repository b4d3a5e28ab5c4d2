"""The second segmenters, run by the Python of an environment of their own: `python segmenters.py`.

They say where running text has words, so that names are planted between words as somebody else
than ICU sees them, and they give the longer words for the traps. Reads {"language": …, "texts":
[…], "fine": …, "words": …} from stdin, and writes {"cuts": [[word, …], …], "words": [[word, count],
…]}: the words with what the segmenter's dictionary counts of each, 1 where it counts nothing. A
fine cut has the short words inside compounds, where the segmenter knows them: jieba's search mode,
Sudachi's mode A. Nothing of the project is imported here.
"""

import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

PACKAGES = {
    "zh": ["rjieba==0.2.2", "jieba==0.42.1"],  # rjieba's dictionary is jieba's, which is readable
    "ja": ["sudachipy==0.7.0", "sudachidict-small==20261015"],
    "th": ["nlpo3==1.4.0", "pythainlp==5.4.0"],  # the code, its dictionary and counts
    "km": ["khmercut==0.2.0", "khmer-viterbi-segmenter==0.3.2"],  # a model; a dictionary
    "lo": ["laonlp==1.3.0"],
    "my": ["burmesenlp==1.2.0"],
}
Cut = Callable[[str], list[str]]
Segmenter = tuple[Cut, Cut, dict[str, int]]  # its cut, its fine cut, its words with their counts


def folder(package: str) -> Path:
    spec = find_spec(package)
    assert spec
    return Path(str(spec.origin)).parent


def counted(path: Path, separator: str | None = None) -> dict[str, int]:
    """The words of a file whose lines begin with a word and its count."""
    lines = (line.split(separator) for line in path.read_text("utf-8").splitlines())
    return {line[0]: int(line[1]) for line in lines}


def alike(cut: Cut, words: dict[str, int]) -> Segmenter:
    """A segmenter without a fine cut."""
    return cut, cut, words


def zh() -> Segmenter:
    import rjieba

    lines = (folder("jieba") / "dict.txt").read_text("utf-8").splitlines()
    parts = (line.rsplit(" ", 2) for line in lines)  # words may hold spaces
    return rjieba.cut, rjieba.cut_for_search, {word: int(count) for word, count, _ in parts}


def ja() -> Segmenter:
    import sudachipy

    dictionary = sudachipy.Dictionary(dict="small")
    tokenizer = dictionary.tokenizer()

    def cut(text: str, mode: sudachipy.SplitMode = sudachipy.SplitMode.C) -> list[str]:
        return [one.raw_surface() for one in tokenizer.tokenize(text, mode)]

    words = dict.fromkeys(sorted({one.surface() for one in dictionary.entries()}), 1)
    return cut, lambda text: cut(text, sudachipy.SplitMode.A), words


def th() -> Segmenter:
    import nlpo3

    corpus = folder("pythainlp") / "corpus"
    nlpo3.load_dict(str(corpus / "words_th.txt"), "words")
    counts = counted(corpus / "tnc_freq.txt", "\t")
    words = (corpus / "words_th.txt").read_text("utf-8").split()
    return alike(lambda text: nlpo3.segment(text, "words"), {w: counts.get(w, 1) for w in words})


def km() -> Segmenter:
    import khmercut

    data = folder("khmer_segmenter") / "dictionary_data"
    counts = json.loads((data / "khmer_word_frequencies.json").read_text("utf-8"))
    words = (data / "khmer_dictionary_official_2022_words.txt").read_text("utf-8").split()
    return alike(khmercut.tokenize, {word: int(counts.get(word, 1)) or 1 for word in words})


def lo() -> Segmenter:
    from laonlp import word_tokenize
    from laonlp.corpus import lao_words

    return alike(word_tokenize, dict.fromkeys(sorted(lao_words()), 1))


def my() -> Segmenter:
    """Clauses: burmesenlp takes 3.6 CPU seconds for the words of one sentence.

    Its lexicon serves for the traps.
    """
    words = json.loads((folder("burmesenlp") / "lexicon/data/default.json").read_text("utf-8"))
    clause = re.compile(r"[^၊။]*[၊။]+\s*|[^၊။]+")
    return alike(clause.findall, dict.fromkeys(words, 1))


def spaces(texts: list[str]) -> Segmenter:
    """For languages that write spaces: words with the space behind them; the texts' own words."""
    words = Counter(word for text in texts for word in re.findall(r"\w+", text))
    return alike(re.compile(r"\s*\S+\s*").findall, dict(sorted(words.items())))


def answers() -> Iterator[tuple[str, object]]:
    asked = json.load(sys.stdin)
    makers = {"zh": zh, "ja": ja, "th": th, "km": km, "lo": lo, "my": my}
    maker = makers.get(asked["language"])
    cut, fine, words = maker() if maker else spaces(asked["texts"])
    yield "cuts", [(fine if asked["fine"] else cut)(text) for text in asked["texts"]]
    yield "words", list(words.items()) if asked["words"] else []


if __name__ == "__main__":
    json.dump(dict(answers()), sys.stdout)
