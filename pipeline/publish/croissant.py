"""A dataset in Croissant 1.1, with the vocabulary of responsible AI (RAI 1.0) and PROV.

What the build does not know is marked as a gap, as in the datasheet; no licence is guessed.
docs.mlcommons.org/croissant has both specifications.
"""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from pipeline.publish.layout import Layout
from pipeline.publish.responsible import Told, responsible
from queries.tables.schemas import TABLES

KINDS = {
    pa.int32(): "sc:Integer",
    pa.int64(): "sc:Integer",
    pa.float32(): "sc:Float",
    pa.float64(): "sc:Float",
    pa.bool_(): "sc:Boolean",
    pa.string(): "sc:Text",
}
OF_CROISSANT = (  # words of Croissant 1.1 that keep their names
    "arrayShape citeAs column containedIn equivalentProperty extract field fileObject fileProperty "
    "fileSet format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet "
    "references regex repeated replace samplingRate separator source subField transform"
)
CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{word: f"cr:{word}" for word in OF_CROISSANT.split()},
}
FORMATS = {
    ".parquet": "application/x-parquet",
    ".tar": "application/x-tar",
    ".json": "application/json",
    ".txt": "text/plain",
}
PICTURES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


def croissant(about: Told, layout: Layout, files: list[dict], tables: Iterable[str]) -> dict:
    """The dataset: every file by its hash, every table by its columns, captions and pictures."""
    named = {row["path"] for row in files}
    sets, records = [], []
    for table in sorted(tables):
        pattern = layout.rows if table == "sample" else f"tables/{table}/*.parquet"
        if table in TABLES and any(Path(path).match(pattern) for path in named):
            sets.append(file_set(f"{table}-files", TABLES[table].grain, pattern))
            records.append(record_set(table))
    tars = [path for path in sorted(named) if Path(path).match(layout.shards)]
    if tars:
        sets += [member_set(ending, tars) for ending in (*layout.endings, "txt")]
        records += [pictures(ending) for ending in layout.endings]
        records.append(captions())
    if layout.embedded:
        grain = "one row per sample, with its picture"
        sets.append(file_set("embedded-files", grain, layout.embedded))
        records.append(embedded())
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [
            "http://mlcommons.org/croissant/1.1",
            "http://mlcommons.org/croissant/RAI/1.0",
        ],
        **about_the_whole(about),
        **responsible(about),
        "distribution": [*map(file_object, files), *sets],
        "recordSet": records,
    }


def about_the_whole(about: Told) -> dict:
    """Name, licence, makers, citation and dates."""
    card, counts = about.card, about.counts
    people = [{"@type": "sc:Person", "name": name} for name in card.creators]
    published = card.published or about.made.isoformat()
    values = {
        "name": about.name,
        "description": card.description
        or (
            f"{counts['samples']:,} pairs of an image and its caption, balanced over "
            f"{counts['queries']:,} search phrases. Each pair's licence, page and source are "
            "columns, as its source states them; a null licence is one that is not known."
        ),
        "version": f"1.0.0+{about.version}",
        "identifier": f"sha256:{about.content}",
        "license": card.license
        or "Each picture under its own licence, as the column license states it; null: not known.",
        "citeAs": citation(about),
        "creator": people,
        "publisher": {"@type": "sc:Organization", "name": card.publisher}
        if card.publisher
        else None,
        "dateCreated": about.made.isoformat(),
        "datePublished": published,
        "inLanguage": list(about.languages),
        "keywords": list(card.keywords) or ["image-text pairs", "CLIP", "buildwit"],
        "url": card.url,
        "isLiveDataset": False,
    }
    return {key: value for key, value in values.items() if value not in ("", None, [])}


def citation(about: Told) -> str:
    """As people have told, else what names the data: the version and the digest of its content."""
    made = f"version {about.version}, content sha256:{about.content}"
    if about.card.citation:
        return about.card.citation
    makers = [*about.card.creators, about.card.publisher]
    author = " and ".join(filter(None, makers))
    by = f"author = {{{author}}}, " if author else ""
    title = f"title = {{{about.name}}}, year = {about.made.year}, note = {{{made}}}"
    return f"@misc{{{about.name}, {by}{title}}}"


# --- files and records --------------------------------------------------------------------------


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


def file_set(name: str, about: str, pattern: str) -> dict:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": about,
        "encodingFormat": FORMATS[".parquet"],
        "includes": pattern,
    }


def member_set(ending: str, tars: list[str]) -> dict:
    """The files of one ending in all shards."""
    return {
        "@type": "cr:FileSet",
        "@id": f"{ending}-files",
        "name": f"{ending}-files",
        "description": f"files {ending} in the shards, one per sample, named by its key",
        "containedIn": [{"@id": tar} for tar in tars],
        "encodingFormat": PICTURES.get(ending, "text/plain"),
        "includes": f"*.{ending}",
    }


def pictures(ending: str) -> dict:
    """Records of the shards' pictures of one ending: key and picture."""
    name = "pictures" if ending == "jpg" else f"pictures-{ending}"
    return of_members(name, "one row per picture", ending, "image", "sc:ImageObject")


def captions() -> dict:
    return of_members("captions", "one row per caption", "txt", "caption", "sc:Text")


def of_members(name: str, about: str, ending: str, column: str, kind: str) -> dict:
    """Records of files in the shards: the sample's key from the name, and the content."""
    files = {"fileSet": {"@id": f"{ending}-files"}}
    by_name = {**files, "extract": {"fileProperty": "filename"}}
    key = {**by_name, "transform": {"regex": r"^([0-9a-f]{16})\..*$"}}
    content = {**files, "extract": {"fileProperty": "content"}}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": about,
        "field": [
            field(f"{name}/key", "key of the sample", "sc:Text", key),
            field(f"{name}/{column}", f"content of the file {ending}", kind, content),
        ],
    }


def embedded() -> dict:
    """Records of the Parquet with pictures."""
    source = {"fileSet": {"@id": "embedded-files"}}
    columns = {"key": "key of the sample", "caption": "the caption"}
    image = {
        **source,
        "extract": {"column": "image"},
        "transform": {"jsonPath": "bytes"},
    }
    return {
        "@type": "cr:RecordSet",
        "@id": "default",
        "name": "default",
        "description": "one row per sample, with its picture",
        "field": [
            field("default/image", "the picture", "sc:ImageObject", image),
            *(
                field(f"default/{name}", about, "sc:Text", {**source, "extract": {"column": name}})
                for name, about in columns.items()
            ),
        ],
    }


def record_set(table: str) -> dict:
    """A table as records: a field for each column."""
    files = {"fileSet": {"@id": f"{table}-files"}}
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": TABLES[table].grain,
        "field": [
            field(
                f"{table}/{column.name}",
                (column.metadata or {}).get(b"about", b"").decode(),
                KINDS[column.type],
                {**files, "extract": {"column": column.name}},
            )
            for column in TABLES[table].schema
        ],
    }


def field(name: str, about: str, kind: str, source: dict) -> dict:
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name,
        "description": about,
        "dataType": kind,
        "source": source,
    }
