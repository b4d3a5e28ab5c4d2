"""What is personal in candidates, as columns of `filtered` and as rows of `personal`."""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.filters.privacy.find import KINDS, Span, found, in_url, masked, may_be_in_url, shown
from pipeline.settings.privacy import PrivacySettings
from queries.tables.schemas import TABLES

Found = tuple[str, list[Span]]  # a text, and what is personal in it


def judge_privacy(
    columns: Mapping[str, pa.Array], settings: PrivacySettings
) -> dict[str, pa.Array]:
    """The columns reason, caption and personal of `filtered`, of all rows.

    A caption is masked where a kind in it is to be masked or dropped: what was dropped is listed,
    too. The pair_id stays that of the caption as given.
    """
    captions, urls, reasons = (columns[name] for name in ("caption", "url_key", "reason"))
    good = np.flatnonzero(np.asarray(pc.is_null(reasons)))
    rows = pa.array(good)
    good_urls = urls.take(rows)
    in_captions = found(captions.take(rows), good_urls)
    with_url = np.flatnonzero(may_be_in_url(good_urls))
    changed: dict[str, dict[int, str]] = {"caption": {}, "reason": {}, "personal": {}}
    for at in sorted({*in_captions, *with_url.tolist()}):
        row = int(good[at])
        caption, url = captions[row].as_py(), urls[row].as_py()
        places = {"caption": (caption, in_captions.get(at, [])), "url": in_url(url)}
        if listed := _listed(places, settings):
            changed["personal"][row] = json.dumps(listed, ensure_ascii=False)
            hidden = [span for span in places["caption"][1] if _hides(span, settings)]
            if hidden:
                changed["caption"][row] = masked(caption, hidden)
            if reason := _reason(places, settings):
                changed["reason"][row] = reason
    nothing = pa.nulls(len(captions), pa.string())
    old = {"caption": captions, "reason": reasons, "personal": nothing}
    return {name: _with(old[name], values) for name, values in changed.items()}


def personal_rows(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `filtered` in, rows of `personal` out."""
    schema = TABLES["personal"].schema
    for batch in batches:
        with_any = batch.filter(pc.is_valid(batch["personal"]))
        rows = [
            {"pair_id": pair_id, **listed}
            for pair_id, text in zip(
                with_any["pair_id"].to_pylist(), with_any["personal"].to_pylist(), strict=True
            )
            for listed in json.loads(text)
        ]
        yield pa.RecordBatch.from_pylist(rows, schema)


def _listed(places: Mapping[str, Found], settings: PrivacySettings) -> list[dict[str, object]]:
    """What stands in each place, by kind, with the shape of the first."""
    rows = []
    for place, (text, there) in places.items():
        for kind in KINDS:
            of_kind = [span for span in there if span.kind == kind]
            if of_kind:
                example = shown(text[of_kind[0].begin : of_kind[0].end])
                policy = settings.policy(kind)
                row = {"place": place, "kind": kind, "n": len(of_kind), "shown": example}
                rows.append({**row, "policy": policy})
    return rows


def _hides(span: Span, settings: PrivacySettings) -> bool:
    """Whether a span of a caption is masked; a notice of copyright never is."""
    return span.kind != "copyright" and settings.policy(span.kind) != "count"


def _reason(places: Mapping[str, Found], settings: PrivacySettings) -> str | None:
    there = {span.kind for _, spans in places.values() for span in spans}
    dropped = [kind for kind in KINDS if kind in there and settings.policy(kind) == "drop"]
    return f"personal_{dropped[0]}" if dropped else None


def _with(column: pa.Array, values: Mapping[int, str]) -> pa.Array:
    """The column with other values in some rows."""
    if not values:
        return column
    mask = np.zeros(len(column), bool)
    mask[list(values)] = True
    ordered = pa.array([values[row] for row in sorted(values)], pa.string())
    return pc.replace_with_mask(column, pa.array(mask), ordered)
