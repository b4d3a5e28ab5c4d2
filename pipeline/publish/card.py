"""A build's card: a datasheet and a hub's README in Markdown, and Croissant in JSON-LD.

All are derived from the build's tables and settings, and are no part of the manifest. What the
build does not know is marked as a gap, and no licence is ever guessed.
"""

import json
import re
from dataclasses import replace
from pathlib import Path

import jinja2
import pyarrow as pa

from pipeline.publish.croissant import croissant
from pipeline.publish.dates import fetch_dates, made_on, span
from pipeline.publish.layout import BUILD, SPLIT, Layout, feature_lines
from pipeline.publish.responsible import Told
from pipeline.publish.told import keep_told, read_told
from pipeline.settings.card import CardSettings
from queries.answers import markdown
from queries.engine.duck import DuckEngine
from queries.questions import Inputs, answer, counts, sql, tables
from queries.tables.folder import manifest_tables
from queries.tables.manifest import content, files_by_table, manifest
from queries.tables.parts import read_rows, written_whole
from queries.tables.store import reading
from queries.tables.tars import PICTURES, members

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN = ("README.md", "datasheet.md")
CROISSANT = "croissant.json"
CARD = (*MARKDOWN, CROISSANT)
SHOWN_ROWS = 20
GAP = "**Not known to the build:**"
NAME = "buildwit"  # of a dataset that nobody has named
HUB_LICENSES = {  # that the hub of Hugging Face knows, of those that data have
    name: name
    for name in (
        *("cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0", "odc-by"),
        *("cc-by-nd-4.0", "cc-by-nc-nd-4.0", "pddl", "mit", "apache-2.0", "odbl"),
    )
}
SHOWN = (
    *("funnel", "settings_cost", "query_sources", "balance", "pairs_by_source", "languages"),
    *("licences", "hosts", "image_sizes", "image_aspects", "caption_words", "total_words"),
    *("duplicates", "rounds", "fetch_by_reason", "consent", "consent_by_host", "eval_overlap"),
)


def write_card(
    build: Path, run: Path | None = None, name: str = "", answers: CardSettings | None = None
) -> list[Path]:
    """Write README.md, datasheet.md and croissant.json into the build's folder.

    They stand beside tables/ and shards/, to which their paths lead. The `answers` of people are
    kept beside them, so that a later card has it, too.
    """
    keep_told(build, answers or CardSettings())
    card = read_told(build)
    if name and name != card.name:
        card = card.model_copy(update={"name": name})
    layout = replace(BUILD, endings=endings(build))
    files = manifest(build)["files"]
    pages = card_pages(build, layout, files, card, run)
    for file, text in pages.items():
        with written_whole(build / file) as beside:
            beside.write_text(text, "utf-8")
    return [build / file for file in pages]


def card_pages(
    build: Path, layout: Layout, files: list[dict], card: CardSettings, run: Path | None = None
) -> dict[str, str]:
    """The card's pages, by name, for a folder that has these files of the build."""
    engine, inputs = DuckEngine(quiet=True), tables(build, run)
    values = facts(build, engine, inputs, card)
    environment = jinja2.Environment(  # noqa: S701  # Markdown: `text` escapes what is shown
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    values |= {"layout": layout, "features": "\n".join(feature_lines(layout)), "split": SPLIT}
    values["hub_license"] = HUB_LICENSES.get(card.license.lower(), "other")
    pages = {page: environment.get_template(page).render(**values) for page in MARKDOWN}
    sources = answer(engine, inputs, sql("audit", "pairs_by_source"))["source"].to_pylist()
    about = Told(
        name=values["name"],
        version=build.name,
        content=values["content"],
        counts=values["counts"],
        languages=tuple(values["languages"]),
        sources=tuple(dict.fromkeys(sources)),
        settings=manifest(build)["settings"],
        card=card,
        made=made_on(build),
        fetched=values["fetched"],
    )
    described = croissant(about, layout, files, inputs)
    pages[CROISSANT] = json.dumps(described, indent=1, ensure_ascii=False)
    return {page: text.rstrip("\n") + "\n" for page, text in pages.items()}


def endings(build: Path) -> tuple[str, ...]:
    """The endings of the pictures in the shards, jpg first; only originals may be of several."""
    images = manifest(build)["settings"].get("images", {})
    if not (isinstance(images, dict) and images.get("keep_originals")):
        return ("jpg",)
    there = set()
    for tar in sorted((build / "shards").glob("*.tar")):
        with reading(tar) as file:
            there |= {name.rpartition(".")[2] for name, _, _ in members(file)}
    return tuple(ending for ending in PICTURES if ending in there) or ("jpg",)


def facts(build: Path, engine: DuckEngine, inputs: Inputs, card: CardSettings) -> dict:
    """What the templates tell: counts, answers of audits as Markdown, and settings."""
    languages = answer(engine, inputs, sql("audit", "languages")).to_pylist()
    settings = manifest_tables(build)["setting"].sort_by("name")
    numbers = counts(engine, inputs)
    return {
        "name": card.name or NAME,
        "card": card,
        "version": build.name,
        "content": content(build),
        "fetched": span(fetch_dates(build)),
        "counts": numbers,
        "size": size_category(numbers["samples"]),
        "languages": list(
            dict.fromkeys(
                row["language"].partition("-")[0]  # a hub knows no scripts: "zh-Hant" is "zh"
                for row in languages
                if row["samples"] and re.fullmatch("[a-z]{2,3}(-[A-Z][a-z]{3})?", row["language"])
            )
        ),
        "build": read_rows(files_by_table(build)["build"]).to_pylist()[0],
        "settings": markdown(settings),
        "blocked": any(
            row["name"].startswith("filters.blocked_words") and row["value"] != "[]"
            for row in settings.to_pylist()
        ),
        "audit": {audit: shown(answer(engine, inputs, sql("audit", audit))) for audit in SHOWN},
        "gap": GAP,
    }


def shown(rows: pa.Table) -> str:
    """The first rows of an answer as Markdown, and how many more there are."""
    if not rows.num_rows:
        return "None.\n"
    more = rows.num_rows - SHOWN_ROWS
    return markdown(rows.slice(0, SHOWN_ROWS)) + (
        f"\nand {more:,} rows more.\n" if more > 0 else ""
    )


def size_category(samples: int) -> str:
    """The class of sizes that hubs write.

    >>> size_category(2_013), size_category(999), size_category(12_000_000)
    ('1K<n<10K', 'n<1K', '10M<n<100M')
    """
    steps = ["1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B"]
    place = len(str(samples)) - 4
    if place < 0:
        return "n<1K"
    return f"{steps[place]}<n<{steps[place + 1]}" if place + 1 < len(steps) else "n>10B"
