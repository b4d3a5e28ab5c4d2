"""The raw rows of a shard: of its samples, then of the addresses that gave no picture."""

from collections.abc import Iterator
from typing import Any

from pipeline.settings.sources import DownloadedSource
from pipeline.sources.candidate import Raw
from pipeline.sources.downloaded.samples import Picture, Sample, of_folder, of_tar, samples
from pipeline.sources.tables import parquet
from pipeline.sources.tables.layouts import Layout
from pipeline.sources.tables.rows import raws
from pipeline.sources.unpacked import BROKEN, BombError
from pipeline.web.reading import json_object

MOST_SAMPLES = 1_000_000  # of a shard; img2dataset writes 10,000 into one
DISALLOWED = "X-Robots-Tag"  # in img2dataset's message where a header forbids the use
LICENCE = "license"  # the column, where the settings name none
HELD = "held"  # ours among the extra columns: a shard's own would name any file

Row = dict[str, Any]


def read(row: dict, source: DownloadedSource) -> Iterator[Raw]:
    """The raw rows of the shard that `parts` planned: each sample and each row of the listing."""
    layout = layout_of(source)
    seen: set[str] = set()
    waiting: dict[str, Sample] = {}  # samples without a .json, which the listing may describe
    for sample in _samples(row):
        if sample is None:
            yield Raw(reason="bad_stream")
        elif len(seen) == MOST_SAMPLES:
            yield Raw(reason="file_bomb")
            break
        elif sample.about is None and row["listing"] and sample.picture:
            waiting[last(sample.key)] = sample
        elif not sample.about and sample.about is not None:
            seen.add(last(sample.key))
            yield Raw(reason="row_invalid", extra=where(sample.picture))
        else:
            seen.add(last(sample.key))
            yield from of_sample(sample, layout)
    if row["listing"]:
        yield from _of_listing(row["listing"], layout, seen, waiting)
    for sample in waiting.values():
        yield from of_sample(sample, layout)


def layout_of(source: DownloadedSource) -> Layout:
    """Which keys of a .json, and columns of a listing, hold what."""
    columns = source.columns
    captions = (columns.caption,) if isinstance(columns.caption, str) else columns.caption
    return Layout(
        columns.url,
        captions,
        columns.license or LICENCE,
        columns.page_url,
        extra="all",
        html=source.html,
        also=((LICENCE, LICENCE.upper()),),  # as LAION's listings have it
        ready=False,
    )


def of_sample(sample: Sample, layout: Layout, about: Row | None = None) -> Iterator[Raw]:
    """The raw rows of a sample, one a caption; `about` is what the listing says of it."""
    if about is None and sample.about is not None:
        about = json_object(sample.about)
        if about is None:
            yield Raw(reason="row_invalid", extra=where(sample.picture))
            return
    about = _without_place(about or {})
    if sample.text is not None and not any(name in about for name in layout.captions):
        about[layout.captions[0]] = sample.text
    reason = None if sample.picture else "picture_missing"
    for raw in raws(about, layout):
        extra = (raw.extra or {}) | (where(sample.picture, about.get("sha256")) or {})
        yield raw._replace(reason=raw.reason or reason, extra=extra)
    for _ in sample.others:  # which of them the caption describes, nobody says
        yield Raw(reason="row_invalid")


def where(picture: Picture | None, stated: Any = None) -> Row | None:
    """Where a picture is held, for the extra columns of its pair; None where it is not.

    `as_served`: whether its bytes are those that were downloaded, whose hash img2dataset states; or
    else they were encoded anew. None where it states none.
    """
    if picture is None:
        return None
    stated = stated.decode("ascii", "replace") if isinstance(stated, bytes) else stated
    as_served = stated.lower() == picture.sha256 if isinstance(stated, str) and stated else None
    return {HELD: {**picture._asdict(), "as_served": as_served}}


def last(key: str) -> str:
    """The key without its folder, as a listing has it."""
    return key.rpartition("/")[2]


def _samples(row: dict) -> Iterator[Sample | None]:
    match row["kind"]:
        case "tar":
            return samples(of_tar(row["path"], row["name"]))
        case "folder":
            return samples(of_folder(row["path"], row["name"]))
        case _:
            return iter(())


def _of_listing(
    path: str, layout: Layout, seen: set[str], waiting: dict[str, Sample]
) -> Iterator[Raw]:
    """The raw rows of the listing's rows whose sample was not complete."""
    try:
        for about in parquet.rows(path, layout):
            key = text((about or {}).get("key"))
            if about is None or not key:
                yield Raw(reason="row_invalid")
            elif key in waiting:
                yield from of_sample(waiting.pop(key), layout, about)
            elif key not in seen:
                yield from _without_picture(about, layout)
    except (BombError, MemoryError):
        yield Raw(reason="file_bomb")
    except BROKEN:
        yield Raw(reason="bad_stream")


def _without_picture(about: Row, layout: Layout) -> Iterator[Raw]:
    """The raw row of an address that gave no picture; one, however many captions it has."""
    reason = "not_downloaded" if text(about.get("status")) != "success" else "picture_missing"
    if DISALLOWED in (text(about.get("error_message")) or ""):
        reason = "opted_out"
    yield next(raws(_without_place(about), layout))._replace(reason=reason)


def _without_place(about: Row) -> Row:
    return {name: value for name, value in about.items() if name != HELD}


def text(value: Any) -> str | None:
    """A value of a listing as text; None for no text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else None
