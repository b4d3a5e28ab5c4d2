"""The report's pictures: samples with the queries that kept them, and near duplicates in pairs.

A shard holds the pairs of some leading bits of a hash, so the first shards are a random part of the
dataset: the gallery reads no other, however many there are. Every picture is decoded and made
small; one that is not there or does not decode is shown as missing.
"""

import base64
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.engine.duck import DuckEngine
from queries.pixels.header import read_header
from queries.pixels.png import png_fits
from queries.questions import answer, sql
from queries.tables.contracts import FETCHED, IMAGES
from queries.tables.parts import read_rows
from queries.tables.store import opened
from queries.tables.tars import read_pictures

SHOWN_PICTURES = 200  # the limit in queries/report/gallery.sql
SHOWN_QUERIES = 24  # of a sample
SHOWN_CHARACTERS = 10_000  # of a caption: were all so long and all quotes, they would be 10 MB
MOST_PIXELS = 200_000_000  # that the settings allow
LONGEST_LINK = 2_000  # characters
SIDE, QUALITY = 192, 70  # of a picture: 200 photographs are 2 MB, and 5 MB if they are noise
Tables = Mapping[str, list[Path] | pa.Table]


def gallery(build: Path, engine: DuckEngine, inputs: Tables) -> list[dict]:
    """Some samples, each with its picture and its queries, in the order of selection."""
    shards = {"sample": first_shards(build)}
    rows = answer(engine, {**inputs, **shards}, sql("report", "gallery")).to_pylist()
    samples = []
    for _, rows_of_pair in groupby(rows, key=lambda row: row["pair_id"]):
        first, *more = rows_of_pair
        queries = [first["query"], *(row["query"] for row in more)]
        samples.append(
            {
                **first,
                "caption": shortened(first["caption"]),
                "queries": queries[:SHOWN_QUERIES],
                "more": len(queries[SHOWN_QUERIES:]),
                "page": web_page(first["page_url"]),
            }
        )
    return with_pictures(build, samples)


def web_page(address: str | None) -> str:
    """The address of a page, for a link; "" for what is no plain address of the web.

    >>> web_page("https://a.org/b"), web_page("javascript:alert(1)"), web_page(None)
    ('https://a.org/b', '', '')
    """
    text = address or ""
    return text if text.startswith(("https://", "http://")) and len(text) <= LONGEST_LINK else ""


def first_shards(build: Path) -> list[Path]:
    """The Parquet files of the first shards that hold as many samples as are shown, or all."""
    chosen: list[Path] = []
    samples = 0
    for path in sorted((build / "shards").glob("*.parquet")):
        if samples < SHOWN_PICTURES:
            samples += pq.read_metadata(opened(path)).num_rows
            chosen.append(path)
    return chosen


def near_duplicates(build: Path, engine: DuckEngine, inputs: Tables) -> list[dict]:
    """Some pairs that were left out, each beside the kept one that is all but the same."""
    rows = answer(engine, inputs, sql("report", "near_examples")).to_pylist()
    left_out = dict(fetched_pictures(build.parent, {row["pair_id"] for row in rows}))
    kept = dict(shard_pictures(build, {row["kept_id"] for row in rows}))
    return [
        {
            "bits": row["bits"],
            "kept": {"caption": shortened(row["kept_caption"]), "data": kept.get(row["kept_id"])},
            "left_out": {
                "caption": shortened(row["caption"]),
                "data": left_out.get(row["pair_id"]),
            },
        }
        for row in rows
    ]


def neighbours(build: Path, engine: DuckEngine, inputs: Tables) -> list[dict]:
    """Samples that are near duplicates of pictures of evaluation sets, with their pictures."""
    rows = answer(engine, inputs, sql("report", "neighbour_examples")).to_pylist()
    return with_pictures(build, [{**row, "caption": shortened(row["caption"])} for row in rows])


def with_pictures(build: Path, rows: list[dict]) -> list[dict]:
    """The rows, each with `data`: the picture of its pair_id, or None."""
    pictures = dict(shard_pictures(build, {row["pair_id"] for row in rows}))
    return [{**row, "data": pictures.get(row["pair_id"])} for row in rows]


def shard_pictures(build: Path, pair_ids: Collection[int]) -> Iterator[tuple[int, str]]:
    """(pair_id, picture) of those that the build's shards hold."""
    for path in sorted((build / "shards").glob("*.parquet")):
        if wanted := those_in(path, pair_ids):
            with suppress(OSError, ValueError):  # a damaged shard: the page shows what is missing
                for pair_id, picture in read_pictures(path, wanted):
                    if small := thumbnail(picture):
                        yield pair_id, small


def fetched_pictures(workspace: Path, pair_ids: Collection[int]) -> Iterator[tuple[int, str]]:
    """(pair_id, picture) of those that a workspace's image parts still hold."""
    if not pair_ids:
        return
    for path in sorted(workspace.glob(f"images/*/[!.]*/{IMAGES}")):
        if wanted := those_in(path.with_name(FETCHED), pair_ids):
            rows = read_rows(path, filters=[("pair_id", "in", sorted(wanted))])
            for row in rows.to_pylist():
                if picture := thumbnail(row["jpg"]):
                    yield row["pair_id"], picture


def those_in(path: Path, pair_ids: Collection[int]) -> set[int]:
    """The pair_ids of which a Parquet file has a row."""
    if not pair_ids:
        return set()
    rows = read_rows(path, columns=["pair_id"], filters=[("pair_id", "in", sorted(pair_ids))])
    return set(rows["pair_id"].to_pylist())


def thumbnail(content: bytes) -> str | None:
    """A picture made small, as base64 of a JPEG; None where it does not decode, or is no picture
    that a build holds: the build may be another's."""
    header = read_header(content)
    if not header or header.width * header.height > MOST_PIXELS or not png_fits(content):
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None  # no bytes, or a header that promises too many pixels
    if pixels is None:
        return None
    height, width = pixels.shape[:2]
    scale = min(1.0, SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    _, jpg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return base64.b64encode(jpg.tobytes()).decode()


def shortened(text: str | None, characters: int = SHOWN_CHARACTERS) -> str:
    """The text; one that is longer is cut, and says so.

    >>> shortened("a red house", 5)
    'a red … (11 characters)'
    """
    text = text or ""
    return text if len(text) <= characters else f"{text[:characters]} … ({len(text):,} characters)"
