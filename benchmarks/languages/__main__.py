"""Names planted into running text of scripts without spaces: found, and falsely found; and speed.

    python -m benchmarks.languages [--quick] [LANGUAGE …]

CLDR's names and keywords of emoji, 4,000 to 6,000 a language, are the queries. Each planted caption
is a sentence of the Universal Declaration of Human Rights with a name between two words of it, as a
second segmenter cuts them: rjieba, Sudachi, nlpo3, khmercut and laonlp; in Burmese the name stands
behind a clause. A trap is such a sentence with a longer word of that segmenter's dictionary which
holds a name, and which the segmenter leaves whole there, even where it cuts finely: a match of the
name is false. Each word of the dictionary is as likely as another, or, "by count", drawn as often
as the dictionary counts it, where it does. Languages with spaces are the controls.

Beside ours stand the matcher of before, which knows no boundary but spaces and signs, and MetaCLIP
2's free rule, which asks for none within such scripts (`text.boundaries = "free"`). The second
segmenters run in an environment of their own. `benchmarks.languages.speed` says what is timed.
"""

import argparse

import numpy as np
import pyarrow as pa

from benchmarks.harness import Row, show
from benchmarks.languages.planting import LANGUAGES, SPACELESS, Field, Planted
from benchmarks.languages.speed import speed_rows
from pipeline.match import Matcher
from pipeline.text.tokeniser import Tokeniser

FULL, QUICK = (
    {"captions": 3_000, "timed": 20_000, "rounds": 5},
    {
        "captions": 1_000,
        "timed": 5_000,
        "rounds": 3,
    },
)
RULES = {
    "ours": Tokeniser.of("icu"),
    "before": Tokeniser.of("none"),
    "free rule": Tokeniser.of("none", "free"),
}
LEAST_FOUND = {"zh-Hans": 97, "zh-Hant": 97, "ja": 97}  # percent; 93 in the other ones


def shares(names: list[str], captions: list[Planted]) -> dict[str, np.ndarray]:
    """Of each rule, whether each caption's own name is found in it: bool (N,)."""
    texts = pa.array([one.caption for one in captions])
    found = {}
    for rule, tokeniser in RULES.items():
        queries = sorted({tokeniser.normalise(name) for name in names})
        ids = {query: number for number, query in enumerate(queries)}
        wanted = [
            row * len(ids) + ids[tokeniser.normalise(one.name)] for row, one in enumerate(captions)
        ]
        match = Matcher(pa.array(queries), tokeniser=tokeniser).match(texts)
        keys = match["row"].to_numpy() * len(ids) + match["query_id"].to_numpy()
        found[rule] = np.isin(wanted, keys)
    return found


def percent(names: list[str], captions: list[Planted]) -> dict[str, list[float]]:
    return {rule: [100 * float(hits.mean())] for rule, hits in shares(names, captions).items()}


def language_rows(language: str, n: int) -> list[Row]:
    field = Field(language)
    found = percent(field.names, field.planted(n))
    rows = [Row(f"{language}: found", "%", found["ours"], "before", found["before"])]
    if language in SPACELESS:
        least = [float(LEAST_FOUND.get(language, 93))]
        rows.append(Row(f"{language}: found", "%", found["ours"], "at least", least))
    peer = "free rule" if language in SPACELESS else "before"
    for what, by_count in {"false": False, "false, by count": True}.items():
        if traps := field.traps(n, by_count):
            false = percent(field.names, traps)
            rows.append(Row(f"{language}: {what}", "%", false["ours"], peer, false[peer]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.languages", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("language", nargs="*", help=f"of {', '.join(LANGUAGES)}: without speed")
    asked = parser.parse_args()
    size = QUICK if asked.quick else FULL
    rows = [
        row for name in asked.language or LANGUAGES for row in language_rows(name, size["captions"])
    ]
    if not asked.language:
        rows += speed_rows(size["timed"], size["rounds"])
    show("Scripts without spaces", rows, segmenter=RULES["ours"].version)


if __name__ == "__main__":
    main()
