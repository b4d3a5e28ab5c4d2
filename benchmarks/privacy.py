"""What personal data costs to find, and how often the finding is wrong on 10,000 real captions.

    python -m benchmarks.privacy [--quick] [--show] [--agreement]

The captions are LAION's (`../shared`). privacy_by_eye.csv beside this file says what a person read:
every caption that was flagged, 300 random ones that were not, and what was missed besides, by row
of the file. privacy_second_reading.csv: what a second reader, who had not seen the labels, found
in 300 of these captions. `--show` prints what is flagged, for reading; `--agreement` prints how far
the two readers agree.
"""

import argparse
import csv
from collections import Counter
from collections.abc import Hashable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.filters import LAION, SETTINGS, laion
from benchmarks.harness import Row, rates, show, take_turns
from pipeline.filters.privacy import evidence
from pipeline.filters.privacy.find import KINDS, Span, found
from pipeline.filters.rows import filter_pairs
from pipeline.settings.privacy import PrivacySettings
from pipeline.sources.candidate import candidates
from pipeline.sources.markup import text_of_markup

BY_EYE = Path(__file__).with_name("privacy_by_eye.csv")
SECOND = Path(__file__).with_name("privacy_second_reading.csv")
Label = dict[tuple[int, str], str]  # of a row and kind: right, wrong, missed or nothing


def flagged() -> tuple[list[str], dict[int, list[Span]]]:
    """The captions of the file, and what is found in each, by row."""
    table = pq.read_table(LAION)
    captions = [text_of_markup(text or "") for text in table["TEXT"].to_pylist()]
    urls = [url or "" for url in table["URL"].to_pylist()]
    return captions, found(pa.array(captions), pa.array(urls))


def by_eye() -> Label:
    with BY_EYE.open(encoding="utf-8") as lines:
        return {(int(row["row"]), row["kind"]): row["label"] for row in csv.DictReader(lines)}


def readings() -> list[tuple[frozenset[str], frozenset[str]]]:
    """The kinds that the first and the second reader found in each caption which both have read."""
    first = [key for key, label in by_eye().items() if label in ("right", "missed")]
    with SECOND.open(encoding="utf-8") as lines:
        second = [(int(row["row"]), row["kind"]) for row in csv.DictReader(lines)]
    return [(_kinds(first, row), _kinds(second, row)) for row in sorted({row for row, _ in second})]


def _kinds(labels: list[tuple[int, str]], row: int) -> frozenset[str]:
    return frozenset(kind for of, kind in labels if of == row and kind)


def kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float:
    """Cohen's kappa (1960): agreement of two readers beyond that of chance; 1 is all, 0 is chance.

    >>> kappa([(1, 1), (1, 0), (0, 0), (0, 0)])
    0.5
    """
    firsts, seconds = (Counter(side) for side in zip(*pairs, strict=True))
    by_chance = sum(n * seconds[label] for label, n in firsts.items()) / len(pairs) ** 2
    agreed = sum(first == second for first, second in pairs) / len(pairs)
    return (agreed - by_chance) / (1 - by_chance)


def show_agreement() -> None:
    pairs = readings()
    same = sum(first == second for first, second in pairs)
    low, high = interval(same, len(pairs))
    with_any = sum(bool(second) for _, second in pairs)
    print(
        f"{same} of {len(pairs)} captions have the same kinds ({low:.1%} to {high:.1%}), "
        f"{with_any} of them any; Cohen's kappa {kappa(pairs):.2f}"
    )


def interval(n: int, of: int) -> tuple[float, float]:
    """Wilson's interval of 95% of a share.

    >>> [round(end, 3) for end in interval(1, 300)]
    [0.001, 0.019]
    """
    z, p = 1.96, n / of
    middle, width = p + z**2 / (2 * of), z * (p * (1 - p) / of + z**2 / (4 * of**2)) ** 0.5
    return (middle - width) / (1 + z**2 / of), (middle + width) / (1 + z**2 / of)


def show_rates(labels: Label) -> dict[str, dict[str, int]]:
    """Print right, wrong and missed by kind, and what the sample says of all that was missed."""
    grid = Grid("kind", "right", "wrong", "right of flagged, 95%", "missed, as far as read")
    counts = {
        kind: Counter(label for (_, of), label in labels.items() if of == kind) for kind in KINDS
    }
    for kind, count in counts.items():
        n = count["right"] + count["wrong"]
        low, high = interval(count["right"], n) if n else (0.0, 1.0)
        share = f"{100 * low:.0f} to {100 * high:.0f}%" if n else ""
        grid.add_row(kind, str(count["right"]), str(count["wrong"]), share, str(count["missed"]))
    Console(width=120).print(grid)
    return {kind: dict(count) for kind, count in counts.items()}


def speed_row(rounds: int) -> Row:
    """All filters with the search for personal data, beside the same without it."""
    batches = list(candidates(laion(), "laion", 0))
    n_rows = sum(batch.num_rows for batch in batches)
    searching = evidence.found

    def run(search: bool) -> None:
        evidence.found = searching if search else lambda texts, urls: {}
        try:
            list(filter_pairs(iter(batches), SETTINGS, privacy=PrivacySettings()))
        finally:
            evidence.found = searching

    contest = {"with": lambda: run(True), "without": lambda: run(False)}
    take_turns(contest, rounds=1)
    seconds = take_turns(contest, rounds=rounds)
    of = {name: rates(n_rows, cpu) for name, cpu in seconds.items()}
    loop = "without the search for personal data"
    return Row("all filters", "captions/s", of["with"], loop, of["without"])


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.privacy", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--show", action="store_true", help="print what is flagged instead")
    parser.add_argument("--agreement", action="store_true", help="of the two readings, instead")
    asked = parser.parse_args()
    if asked.agreement:
        return show_agreement()
    if not LAION.exists():
        raise SystemExit(f"{LAION}: expected the captions")
    if asked.show:
        captions, there = flagged()
        for row, spans in there.items():
            for span in spans:
                print(row, span.kind, captions[row][span.begin : span.end], sep="\t")
        return
    show("Privacy", [speed_row(5 if asked.quick else 15)], by_eye=show_rates(by_eye()))


if __name__ == "__main__":
    main()
