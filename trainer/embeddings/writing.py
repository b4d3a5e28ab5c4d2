"""A build's embeddings as Parquet parts beside the run: `write(samples, folder, encoder)`.

A part is PART_ROWS samples in order of pair_id, embedded by itself: a killed run goes on from its
last whole part and gives equal bytes. A sample whose picture cannot be read has no row.
"""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from queries.engine.progress import shown
from queries.tables.embeddings import FOLDER, INDEX, schema
from queries.tables.manifest import MANIFEST
from queries.tables.parts import digest, write_json, written_whole
from trainer.data.ids import Ids
from trainer.data.loader import Loader
from trainer.data.prefetch import prefetched
from trainer.data.samples import Samples
from trainer.embeddings.encoders import Encoder

PART_ROWS = 1 << 14
BATCH = 128
WORK = b"buildwit_embeddings"  # in a part's footer: what decides its rows
CORRUPT = b"buildwit_unreadable"  # and which of its pictures are not there, and why


@dataclass(frozen=True)
class Written:
    """The number of embedded pairs, of those that were there already, and the unreadable ones."""

    n: int
    n_before: int
    corrupt: dict[str, str]  # key to reason


class InPart(Loader):
    """Rows in the order that `ordered` has, each once: the middle squares, as in evaluation."""

    def plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        assert self.ordered is not None
        rows = self.ordered(epoch)
        return rows, np.zeros(len(rows), np.uint64)

    def corners(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        middle = np.full(len(bits), 0.5)
        return middle, middle


def write(samples: Samples, run: Path, encoder: Encoder, part_rows: int = PART_ROWS) -> Written:
    """Write RUN/embeddings of all samples; what is there of the same work stays.

    What is there of other work, or was made of it, is removed first.
    """
    folder = run / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    samples.cache_bytes = 0  # every picture is read once
    order = np.argsort(samples.pair_ids, kind="stable")
    work = digest(samples.digest, encoder.digest, len(order), part_rows)
    starts = range(0, len(order), part_rows)
    names = [f"{number:05d}.parquet" for number in range(len(starts))]
    whole = [name for name in names if _work(folder / name) == work]
    _clear(folder, whole)
    corrupt: dict[str, str] = {}
    n_before = sum(_rows(folder / name) for name in whole)
    with shown("embed", len(order), "pairs", rate=True) as step:
        for name, start in zip(names, starts, strict=True):
            rows = order[start : start + part_rows]
            if name in whole:
                step.before += len(rows)
                step.update(len(rows))
            else:
                _write_part(folder / name, samples, rows, encoder, work, step)
            corrupt |= _unreadable(folder / name)
    rows_of = [_rows(folder / name) for name in names]
    about = {
        "build_version": samples.version,
        "build_digest": samples.digest,
        "checkpoint": encoder.digest,
        "width": encoder.towers.width,
        "count": sum(rows_of),
        "unreadable": len(corrupt),
        "parts": [{"path": name, "rows": rows} for name, rows in zip(names, rows_of, strict=True)],
        **encoder.about,
    }
    write_json(folder / MANIFEST, about)
    return Written(sum(rows_of), n_before, corrupt)


def _clear(folder: Path, whole: Sequence[str]) -> None:
    """Remove what is no whole part of this work; the manifest too, unless all stays."""
    others = [path for path in folder.glob("*") if path.name not in whole]
    if {path.name for path in others} <= {MANIFEST, INDEX}:
        return  # finished, or killed before its manifest: its index names what it was made of
    for path in sorted(others, key=lambda path: path.name != MANIFEST):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write_part(
    path: Path, samples: Samples, rows: np.ndarray, encoder: Encoder, work: str, step
) -> None:
    towers = encoder.towers
    loader = InPart(
        samples,
        encoder.tokenizer,
        towers.context,
        towers.pixels,
        BATCH,
        seed=0,
        ordered=lambda epoch: rows,
        ids=Ids(0),  # every caption is read once
    )
    ids: list[np.ndarray] = [np.empty(0, np.int64)]
    images: list[np.ndarray] = [np.empty((0, towers.width), np.float16)]
    texts: list[np.ndarray] = [np.empty((0, towers.width), np.float16)]
    with closing(prefetched(loader.epoch(0))) as batches:
        for batch in batches:
            if batch.keys:
                ids.append(batch.pair_ids)
                images.append(towers.images(batch.images).astype(np.float16))
                texts.append(towers.texts(batch.tokens).astype(np.float16))
            step.update(len(batch.keys))
            batch.release()
    columns = [
        pa.array(np.concatenate(ids)),
        *(_lists(np.concatenate(vectors), towers.width) for vectors in (images, texts)),
    ]
    keys = samples.keys(rows)
    lost = {key: samples.corrupt[key] for key in keys if key in samples.corrupt}
    about = {WORK: work, CORRUPT: json.dumps(lost, sort_keys=True)}
    table = pa.Table.from_arrays(columns, schema=schema(towers.width))
    with written_whole(path) as beside:
        # Numbers that look like noise: what packs them saves nothing and costs time.
        options = {"compression": "none", "use_dictionary": False, "write_statistics": ["pair_id"]}
        pq.write_table(table.replace_schema_metadata(about), beside, **options)


def _lists(vectors: np.ndarray, width: int) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), width)


def _footer(path: Path) -> pq.FileMetaData | None:
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return None


def _work(path: Path) -> str:
    """What decided a part's rows; "" where there is no whole part."""
    footer = _footer(path)
    return (footer.metadata or {}).get(WORK, b"").decode() if footer else ""


def _rows(path: Path) -> int:
    footer = _footer(path)
    assert footer is not None
    return footer.num_rows


def _unreadable(path: Path) -> dict[str, str]:
    footer = _footer(path)
    assert footer is not None
    return json.loads((footer.metadata or {}).get(CORRUPT, b"{}"))
