"""A page of neighbours around the threshold: evaluation pictures beside the nearest training ones.

The page is one HTML file that loads nothing and runs nothing. Names and captions are untrusted and
are escaped. The paper chose its thresholds by looking at such neighbours (CLIP, appendix C).
"""

import base64
from html import escape
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import simplejpeg

from queries.tables.parts import written_whole
from trainer.copies.synthetic import SIDE
from trainer.copies.thumbnails import pictures_of
from trainer.data.reading import read_samples
from trainer.overlap.search import Overlap

SHOWN = 30  # pictures on each side of the threshold
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
<p>Left: the evaluation picture. Right: the training picture that is nearest to it.</p>
<h2>Nearer than the threshold</h2>{near}
<h2>Further than the threshold</h2>{far}
</body></html>
"""


def write_page(place: Path, build: Path, overlap: Overlap, choice: str) -> None:
    """Write the page of one set: SHOWN pictures on either side of the threshold, nearest to it."""
    nearest, ids, near = nearest_of(overlap)
    by_distance = np.lexsort((np.arange(len(nearest)), np.abs(nearest - overlap.threshold.value)))
    rows = [row for row in by_distance.tolist() if ids[row] >= 0]
    sides = {side: [row for row in rows if near[row] == side][:SHOWN] for side in (True, False)}
    shown = {int(ids[row]) for side in sides.values() for row in side}
    pictures = pictures_of(read_samples(build, SIDE), shown)
    captions = captions_of(build, shown)

    def items(side: bool) -> str:
        return "".join(
            _item(overlap, row, float(nearest[row]), side, pictures.get(int(ids[row])), caption)
            for row in sides[side]
            for caption in [captions.get(int(ids[row]), "")]
        )

    lists = {
        name: f"<ul>{items(side)}</ul>" if sides[side] else "<p>None.</p>"
        for name, side in (("near", True), ("far", False))
    }
    title = escape(f"Neighbours around the threshold: {overlap.seen.eval_set.name}")
    with written_whole(place) as beside:
        beside.write_text(PAGE.format(title=title, choice=escape(choice), **lists), "utf-8")


def nearest_of(overlap: Overlap) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(value, pair_id, whether it is near by this value) of each picture's nearest, (E,) each."""
    if overlap.by_detector is None:
        nearest = overlap.by_hash.nearest
        return nearest, overlap.by_hash.nearest_pair_id, nearest <= overlap.threshold.value
    nearest = overlap.by_detector.nearest
    return nearest, overlap.by_detector.nearest_pair_id, nearest >= overlap.threshold.value


def captions_of(build: Path, pair_ids: set[int]) -> dict[int, str]:
    """The captions of these pairs, by pair_id."""
    condition = [("pair_id", "in", sorted(pair_ids))] if pair_ids else None
    captions: dict[int, str] = {}
    for path in sorted((build / "shards").glob("*.parquet")) if condition else ():
        rows = pq.read_table(path, columns=["pair_id", "caption"], filters=condition)
        captions |= zip(rows["pair_id"].to_pylist(), rows["caption"].to_pylist(), strict=True)
    return captions


def _item(
    overlap: Overlap, row: int, value: float, near: bool, trained: np.ndarray | None, caption: str
) -> str:
    unit = "bits" if overlap.by_detector is None else "score"
    number = f"{value:.0f}" if overlap.by_detector is None else f"{value:.3f}"
    kept = overlap.overlap[row]
    verdict = "overlaps" if kept else "does not overlap"
    if near and not kept:
        nothing = overlap.seen.uniform[row]
        verdict += ": it shows nothing" if nothing else ": their pixels do not agree"
    name = escape(overlap.seen.names[row])
    pictures = "".join(_image(picture) for picture in (overlap.seen.thumbnails[row], trained))
    return (
        f'<li class="{"near" if near else "far"}">{pictures}'
        f"<b>{number} {unit}</b>, {verdict}<small>{name}</small>"
        f'<small class="caption">{escape(caption[:CAPTION])}</small></li>'
    )


def _image(pixels: np.ndarray | None) -> str:
    if pixels is None:
        return '<img alt="unreadable">'
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), QUALITY, "RGB", "444")
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'
