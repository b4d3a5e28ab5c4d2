"""A build's card: a datasheet and a hub's README in Markdown, and Croissant in JSON-LD.

All are derived from the build's tables and settings, and are no part of the manifest. What the
build does not know is marked as a gap, and no licence is ever guessed.
"""

import json
import re
from pathlib import Path

import jinja2
import pyarrow as pa

from queries.answers import markdown
from queries.engine.duck import DuckEngine
from queries.questions import Inputs, answer, counts, sql, tables
from queries.tables.folder import manifest_tables
from queries.tables.manifest import files_by_table, manifest
from queries.tables.parts import read_rows, written_whole
from queries.tables.schemas import TABLES

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN = ("README.md", "datasheet.md")
CROISSANT = "croissant.json"
CARD = (*MARKDOWN, CROISSANT)
SHOWN_ROWS = 20
GAP = "**Not known to the build:**"
KINDS = {
    pa.int32(): "sc:Integer",
    pa.int64(): "sc:Integer",
    pa.float32(): "sc:Float",
    pa.float64(): "sc:Float",
    pa.bool_(): "sc:Boolean",
    pa.string(): "sc:Text",
}
OF_CROISSANT = (  # words of Croissant 1.0 that keep their names
    "citeAs column equivalentProperty extract field fileObject fileProperty fileSet "
    "format includes isLiveDataset jsonPath key md5 parentField path recordSet references "
    "regex repeated replace samplingRate separator source subField transform"
)
CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{word: f"cr:{word}" for word in OF_CROISSANT.split()},
}
FORMATS = {".parquet": "application/x-parquet", ".tar": "application/x-tar"}
SHOWN = (
    *("funnel", "drops_by_reason", "query_sources", "balance", "pairs_by_source", "languages"),
    *("licences", "hosts", "image_sizes", "image_aspects", "caption_words", "total_words"),
    *("duplicates", "rounds", "fetch_by_reason", "consent", "eval_overlap"),
)


def write_card(build: Path, run: Path | None = None, name: str = "buildwit") -> list[Path]:
    """Write README.md, datasheet.md and croissant.json into the build's folder.

    They stand beside tables/ and shards/, to which their paths lead, so that the folder can go to
    a hub as it is.
    """
    engine, inputs = DuckEngine(quiet=True), tables(build, run)
    values = facts(build, engine, inputs, name)
    environment = jinja2.Environment(  # noqa: S701  # Markdown: `text` escapes what is shown
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages = {page: environment.get_template(page).render(**values) for page in MARKDOWN}
    described = croissant(build, inputs, name, values["counts"])
    pages[CROISSANT] = json.dumps(described, indent=1, ensure_ascii=False) + "\n"
    for file, content in pages.items():
        with written_whole(build / file) as beside:
            beside.write_text(content.rstrip("\n") + "\n", "utf-8")
    return [build / file for file in pages]


def facts(build: Path, engine: DuckEngine, inputs: Inputs, name: str) -> dict:
    """What the templates tell: counts, answers of audits as Markdown, and settings."""
    languages = answer(engine, inputs, sql("audit", "languages")).to_pylist()
    settings = manifest_tables(build)["setting"].sort_by("name")
    numbers = counts(engine, inputs)
    return {
        "name": name,
        "version": build.name,
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


def croissant(build: Path, inputs: Inputs, name: str, counts: dict[str, int]) -> dict:
    """The build in Croissant 1.0: every published file by its hash, every table by its columns."""
    published = manifest(build)["files"]
    files = [file_object(row) for row in published]
    sets, records = [], []
    for table in sorted(set(inputs) & set(TABLES)):
        folder = "shards" if table == "sample" else f"tables/{table}"
        pattern = f"{folder}/*.parquet"
        if any(Path(row["path"]).match(pattern) for row in published):
            sets.append(file_set(table, pattern))
            records.append(record_set(table))
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": (
            f"{counts['samples']:,} pairs of an image and its caption, balanced over "
            f"{counts['queries']:,} search phrases. Each pair's licence, page and source are "
            "columns, as its source states them; a null licence is one that is not known."
        ),
        "version": f"1.0.0+{build.name}",
        "distribution": [*files, *sets],
        "recordSet": records,
    }


def file_object(row: dict) -> dict:
    path = row["path"]
    return {
        "@type": "cr:FileObject",
        "@id": path,
        "name": path,
        "contentUrl": path,
        "contentSize": f"{row['bytes']} B",
        "encodingFormat": FORMATS.get(Path(path).suffix, "application/octet-stream"),
        "sha256": row["sha256"],
    }


def file_set(table: str, pattern: str) -> dict:
    return {
        "@type": "cr:FileSet",
        "@id": f"{table}-files",
        "name": f"{table}-files",
        "description": TABLES[table].grain,
        "encodingFormat": FORMATS[".parquet"],
        "includes": pattern,
    }


def record_set(table: str) -> dict:
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": TABLES[table].grain,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table}/{column.name}",
                "name": f"{table}/{column.name}",
                "description": (column.metadata or {}).get(b"about", b"").decode(),
                "dataType": KINDS[column.type],
                "source": {
                    "fileSet": {"@id": f"{table}-files"},
                    "extract": {"column": column.name},
                },
            }
            for column in TABLES[table].schema
        ],
    }
