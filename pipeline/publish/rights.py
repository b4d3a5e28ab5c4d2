"""What owners and officials ask of a build: whom to credit, and the summary of training content.

attribution/LICENCE.csv   a row a sample: author, page, licence, address
training_summary.md       the European Commission's sections, with what only people know as gaps
"""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pyarrow as pa

from pipeline.publish.card import GAP, NAME, TEMPLATES, shown
from pipeline.publish.dates import fetch_dates, span
from pipeline.publish.told import read_told
from queries.answers import markdown
from queries.engine.duck import DuckEngine
from queries.questions import answer, counts, sql, tables
from queries.tables.folder import manifest_tables
from queries.tables.manifest import files_by_table, manifest
from queries.tables.parts import written_whole
from queries.tables.store import workroom

SUMMARY, ATTRIBUTION = "training_summary.md", "attribution"
COLUMNS = ("key", "author", "page_url", "license", "license_id", "url", "source")
CREDITS = """
SELECT sample.key, extra.extra, sample.page_url, sample.license, sample.license_id, sample.url,
    sample.source
FROM sample LEFT JOIN (SELECT pair_id, MIN(extra) AS extra FROM extra GROUP BY pair_id) AS extra
    ON sample.pair_id = extra.pair_id
ORDER BY sample.key
"""
SAFETY = ("exclusions", "filters.blocked_words", "privacy.", "scorers.", "images.min_side")
FORMULA = re.compile(r"[=+\-@\t\r]")  # with which a spreadsheet begins to calculate


def write_rights(build: Path) -> list[Path]:
    """Write both into the build's folder, beside its card; returns the files."""
    files = list(write_attribution(build))
    with written_whole(build / SUMMARY) as beside:
        beside.write_text(training_summary(build), "utf-8")
    return [*files, build / SUMMARY]


# --- whom to credit -----------------------------------------------------------------------------


def write_attribution(build: Path) -> Iterator[Path]:
    """A CSV for each licence, put whole; memory is a shard's rows."""
    engine, files = DuckEngine(quiet=True), files_by_table(build)
    folder = build / ATTRIBUTION
    folder.mkdir(exist_ok=True)
    with workroom(build.parent, prefix=".rights.") as room:
        for shard in sorted(files["sample"]):
            rows = engine.ask({"sample": [shard], "extra": files["extra"]}, CREDITS).to_pylist()
            append_credits(room, rows)
        made = {path.name: path for path in sorted(room.glob("*.csv"))}
        for old in folder.glob("*.csv"):
            if old.name not in made:
                old.unlink()
        for name, path in made.items():
            with written_whole(folder / name) as beside:
                beside.write_bytes(path.read_bytes())
            yield folder / name


def append_credits(room: Path, rows: list[dict]) -> None:
    """Append each sample's row to the file of its licence."""
    for name in sorted({licence_file(row) for row in rows}):
        with (room / name).open("a", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            if not file.tell():
                writer.writerow(COLUMNS)
            for row in rows:
                if licence_file(row) == name:
                    credited = row | {"author": author_of(row["extra"])}
                    writer.writerow([cell(credited[column]) for column in COLUMNS])


def author_of(extra: str | None) -> str:
    """
    >>> author_of('{"author": "Zoë"}'), author_of('{"creator": "Max"}'), author_of(None)
    ('Zoë', 'Max', '')
    """
    fields = json.loads(extra or "{}")
    if not isinstance(fields, dict):
        return ""
    named = (fields.get(name) for name in ("author", "creator", "artist", "photographer"))
    return next((str(name) for name in named if name), "")


def licence_file(row: dict) -> str:
    """
    >>> licence_file({"license": "CC BY 4.0", "license_id": "CC-BY-4.0"})
    'CC-BY-4.0.csv'
    >>> licence_file({"license": "free?", "license_id": None})
    'other.csv'
    """
    plain = re.sub(r"[^A-Za-z0-9.+-]", "_", row["license_id"] or "")
    return f"{plain or ('other' if row['license'] else 'none_stated')}.csv"


def cell(value: str | None) -> str:
    """What a spreadsheet would calculate is made text: strangers wrote it.

    >>> cell("=1+1"), cell("Zoë"), cell(None)
    ("'=1+1", 'Zoë', '')
    """
    text = value or ""
    return f"'{text}" if FORMULA.match(text) else text


# --- the summary --------------------------------------------------------------------------------


def training_summary(build: Path) -> str:
    """The page, in Markdown."""
    engine = DuckEngine(quiet=True)
    inputs = tables(build, asked=sql("audit", "domains"))

    def audit(name: str) -> pa.Table:
        return answer(engine, inputs, sql("audit", name))

    domains, card, numbers = audit("domains"), read_told(build), counts(engine, inputs)
    n_bytes = sum(domains["image_bytes"].to_pylist())
    top = domains.slice(0, -(-domains.num_rows // 10))
    settings = manifest(build)["settings"]
    rows = manifest_tables(build)["setting"]
    kinds = {source["name"]: source["kind"] for source in settings.get("sources", ())}
    listed = audit("pairs_by_source").to_pylist()
    sources = [
        {"name": row["source"], "kind": kinds.get(row["source"], ""), "samples": row["kept"]}
        for row in listed
    ]
    environment = jinja2.Environment(  # noqa: S701  # Markdown: `markdown` escapes what is shown
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(SUMMARY).render(
        name=card.name or NAME,
        version=build.name,
        card=card,
        gap=GAP,
        told=lambda text, missing: text or f"{GAP} {missing}",
        counts=numbers,
        n_bytes=n_bytes,
        image_class=size_class(numbers["samples"], (10**6, 10**9), "images"),
        text_class=size_class(numbers["words"], (10**9, 10**13), "tokens"),
        fetched=span(fetch_dates(build)),
        languages=shown(audit("languages")),
        sources=sources,
        contact=settings.get("fetch", {}).get("contact", ""),
        n_domains=domains.num_rows,
        shown_domains=top.num_rows,
        percent_shown=round(100 * sum(top["image_bytes"].to_pylist()) / n_bytes, 1)
        if n_bytes
        else 0,
        domains=markdown(top),
        consent=shown(audit("consent")),
        policies=markdown(starting(rows, ("consent.",))),
        safety=markdown(starting(rows, SAFETY)),
        licences=shown(audit("licences")),
    )
    return page.rstrip("\n") + "\n"


def starting(settings: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    """The settings whose names begin so, but for the list of crawlers."""
    of = [row for row in settings.to_pylist() if row["name"].startswith(keys)]
    short = [row for row in of if row["name"] != "consent.crawlers"]
    return pa.Table.from_pylist(short, settings.schema)


def size_class(n: int, bounds: tuple[int, int], unit: str) -> str:
    """The range that the template asks to tick.

    >>> size_class(2_482, (10**6, 10**9), "images")
    'less than 1,000,000 images'
    """
    low, high = bounds
    if n < low:
        return f"less than {low:,} {unit}"
    return f"{low:,} to {high:,} {unit}" if n <= high else f"more than {high:,} {unit}"
