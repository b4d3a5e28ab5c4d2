"""Pages of neighbours: every pair that would be excluded, and the nearest that would not.

A page is one HTML file that loads nothing and runs nothing. Names and captions are untrusted and
are escaped. The paper chose its thresholds by looking at such neighbours (CLIP, appendix C).
"""

import base64
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow.parquet as pq
import simplejpeg

from queries.tables.parts import written_whole
from trainer.copies.synthetic import SIDE
from trainer.copies.thumbnails import pictures_of
from trainer.data.reading import read_samples
from trainer.data.samples import Samples
from trainer.overlap.search import Overlap, near_rows

PAIRS = 200  # shown on a page: about 2 MB
NEAREST = 60  # pictures shown that no training picture is near
CAPTION = 200  # characters shown
QUALITY = 85
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem;
 padding: 0 1rem; color: #222; background: #fff }}
ul {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem;
 padding: 0; list-style: none }}
li {{ border: 1px solid #ccc; border-radius: 4px; padding: .6rem; overflow-wrap: anywhere }}
img {{ width: 7rem; height: 7rem; image-rendering: auto; background: #eee }}
.near {{ border-left: 5px solid #7b3fa0 }}
.far {{ border-left: 5px solid #8a8a8a }}
small {{ color: #555; display: block }}
</style></head><body>
<h1>{title}</h1>
<p>{choice}</p>
<p>Left: the evaluation picture. Right: the training picture.</p>
{places}{body}{places}
</body></html>
"""


@dataclass(frozen=True)
class Shown:
    """A pair on a page: the picture's row, the training pair, how near they are, and a verdict."""

    row: int
    pair_id: int
    nearness: str
    near: bool
    verdict: str


def write_pages(place: Path, build: Path, overlap: Overlap, choice: str) -> list[Path]:
    """Write the pages of a set: SET.html, then SET/2.html and so on; returns their paths.

    First come the pairs that would be excluded, the least near first: these are to be looked at.
    """
    name, samples = overlap.seen.eval_set.name, read_samples(build, SIDE)
    near, far = excluded_pairs(overlap), nearest_others(overlap)
    shutil.rmtree(place.with_suffix(""), ignore_errors=True)  # pages of an earlier search
    blocks = [near[at : at + PAIRS] for at in range(0, len(near), PAIRS)] or [[]]
    pages = [place, *(place.with_suffix("") / f"{n}.html" for n in range(2, len(blocks) + 1))]
    for n, (page, block) in enumerate(zip(pages, blocks, strict=True)):
        body = f"<h2>Would be excluded: {len(near):,} pairs</h2>"
        body += _list(overlap, samples, build, block)
        if page is pages[-1]:
            body += "<h2>The nearest that would not</h2>" + _list(overlap, samples, build, far)
        text = PAGE.format(
            title=escape(f"Neighbours around the threshold: {name}"),
            choice=escape(choice),
            places=_places(pages, n),
            body=body,
        )
        with written_whole(page) as beside:
            beside.write_text(text, "utf-8")
    return pages


def excluded_pairs(overlap: Overlap) -> list[Shown]:
    """Every picture that shows something with each training pair near it, the least near first."""
    shows = ~overlap.seen.uniform
    rows = [(pair, values) for pair, values in near_rows(overlap).items() if shows[pair[0]]]
    rows.sort(key=lambda item: (item[1].get("score", 2.0), -item[1].get("distance", 0), item[0]))
    return [
        Shown(row, pair_id, _in_words(values), True, "excluded") for (row, pair_id), values in rows
    ]


def nearest_others(overlap: Overlap) -> list[Shown]:
    """The NEAREST pictures that do not overlap, and the training pair nearest to each."""
    nearest, ids, within = nearest_of(overlap)
    farness = nearest if overlap.by_detector is None else -nearest
    order = np.lexsort((np.arange(len(nearest)), farness))
    kept = overlap.overlap
    rows = [row for row in order.tolist() if ids[row] >= 0 and not kept[row]][:NEAREST]
    unit = "distance" if overlap.by_detector is None else "score"
    shown = []
    for row in rows:
        verdict = "not excluded"
        if within[row]:
            nothing = overlap.seen.uniform[row]
            verdict += ": it shows nothing" if nothing else ": their pixels do not agree"
        words = _in_words({unit: float(nearest[row])})
        shown.append(Shown(row, int(ids[row]), words, False, verdict))
    return shown


def _in_words(values: Mapping[str, float]) -> str:
    """
    >>> _in_words({"distance": 2, "score": 0.9134})
    '2 bits, 0.913 score'
    """
    bits = [f"{values['distance']:.0f} bits"] if "distance" in values else []
    return ", ".join(
        [*bits, *(f"{values[k]:.3f} {k}" for k in ("score", "agreement") if k in values)]
    )


def nearest_of(overlap: Overlap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(value, pair_id, whether it is near by this value) of each picture's nearest, (E,) each."""
    if overlap.by_detector is None:
        nearest = overlap.by_hash.nearest
        return nearest, overlap.by_hash.nearest_pair_id, nearest <= overlap.threshold.value
    nearest = overlap.by_detector.nearest
    return nearest, overlap.by_detector.nearest_pair_id, nearest >= overlap.threshold.value


def _places(pages: Sequence[Path], at: int) -> str:
    """Links to the other pages."""
    if len(pages) == 1:
        return ""
    up = "../" if at else ""
    links = []
    for n, page in enumerate(pages):
        file = f"{up}{quote(pages[0].name)}"
        if n:
            file = f"{up}{quote(page.parent.name)}/{page.name}"
        links.append(f"<b>{n + 1}</b>" if n == at else f'<a href="{file}">{n + 1}</a>')
    return f"<nav>Pages {' '.join(links)}</nav>"


def _list(overlap: Overlap, samples: Samples, build: Path, shown: Sequence[Shown]) -> str:
    if not shown:
        return "<p>None.</p>"
    ids = {pair.pair_id for pair in shown}
    pictures, captions = pictures_of(samples, ids), captions_of(build, ids)
    items = [
        _item(overlap, pair, pictures.get(pair.pair_id), captions.get(pair.pair_id, ""))
        for pair in shown
    ]
    return f"<ul>{''.join(items)}</ul>"


def captions_of(build: Path, pair_ids: set[int]) -> dict[int, str]:
    """The captions of these pairs, by pair_id."""
    condition = [("pair_id", "in", sorted(pair_ids))] if pair_ids else None
    captions: dict[int, str] = {}
    for path in sorted((build / "shards").glob("*.parquet")) if condition else ():
        rows = pq.read_table(path, columns=["pair_id", "caption"], filters=condition)
        captions |= zip(rows["pair_id"].to_pylist(), rows["caption"].to_pylist(), strict=True)
    return captions


def _item(overlap: Overlap, pair: Shown, trained: np.ndarray | None, caption: str) -> str:
    pictures = "".join(_image(pixels) for pixels in (overlap.seen.thumbnails[pair.row], trained))
    return (
        f'<li class="{"near" if pair.near else "far"}">{pictures}'
        f"<b>{pair.nearness}</b>, {pair.verdict}"
        f"<small>{escape(overlap.seen.names[pair.row])}, pair {pair.pair_id}</small>"
        f'<small class="caption">{escape(caption[:CAPTION])}</small></li>'
    )


def _image(pixels: np.ndarray | None) -> str:
    if pixels is None:
        return '<img alt="unreadable">'
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), QUALITY, "RGB", "444")
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
