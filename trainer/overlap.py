"""What an evaluation set shares with the training data, and what that does to its accuracy.

May import torch (by zeroshot), scipy, queries and trainer. Source: CLIP, section 5 and appendix
C; the detector here is the perceptual hash that the build stores for every sample.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from queries.build import manifest
from queries.fingerprint import phash
from queries.parts import write_part
from queries.schemas import TABLES
from trainer import checkpoint
from trainer.evalset import EvalSet, Picture
from trainer.neighbours import Neighbours, neighbours, trained_hashes
from trainer.settings import RunFolder
from trainer.zeroshot import Predictions, add_result, classify

CONFIDENCE = 0.995  # of the interval on the overlap's accuracy: CLIP, figure 17


@dataclass(frozen=True)
class Splits:
    """Accuracy on All, Clean and Overlap (CLIP, section 5); None where a split is empty."""

    n: int
    n_overlap: int
    contamination: float  # n_overlap / n
    accuracy: float
    clean_accuracy: float | None
    overlap_accuracy: float | None
    gain: float | None  # accuracy - clean_accuracy: what the overlap adds
    p: float | None  # one-sided: of so many hits on the overlap at the clean accuracy
    overlap_interval: tuple[float, float] | None  # Clopper-Pearson, 99.5%


def splits(correct: np.ndarray, overlap: np.ndarray) -> Splits:
    """Both bool (N,), one row per picture.

    >>> splits(np.array([True, True, False, False]), np.array([True, False, False, False])).p
    0.3333333333333333
    """
    n, n_overlap, hits = len(correct), int(overlap.sum()), int(correct[overlap].sum())
    accuracy = float(correct.mean())
    clean = float(correct[~overlap].mean()) if n_overlap < n else None
    test = binomtest(hits, n_overlap, clean or 0.0, "greater") if n_overlap else None
    interval = binomtest(hits, n_overlap).proportion_ci(CONFIDENCE) if n_overlap else None
    return Splits(
        n=n,
        n_overlap=n_overlap,
        contamination=n_overlap / n,
        accuracy=accuracy,
        clean_accuracy=clean,
        overlap_accuracy=hits / n_overlap if n_overlap else None,
        gain=None if clean is None else accuracy - clean,
        p=None if test is None or clean is None else float(test.pvalue),
        overlap_interval=None if interval is None else (float(interval.low), float(interval.high)),
    )


def overlap(build: Path, run: RunFolder, eval_set: EvalSet, near_bits: int) -> dict:
    """Find the overlap, write the run's two tables and overlap.json, and return the summary."""
    found = checkpoint.load(run)
    hashes: list[int] = []
    predictions = classify(found, eval_set, _hashed(eval_set.pictures(), hashes))
    near = neighbours(np.array(hashes, np.int64), trained_hashes(build), near_bits)
    write_tables(run, eval_set, predictions, near, near_bits)
    version = manifest(build)["version"]
    result = {
        "eval_set": eval_set.name,
        "build_version": version,
        "trained_on_this_build": found.state.build_version == version,
        "near_bits": near_bits,
        "bad_images": dict(eval_set.bad),
        "neighbours": len(near.row),
    } | vars(splits(predictions.top1, near.nearest_distance <= near_bits))
    add_result(run, "overlap.json", result)
    return result


def _hashed(pictures: Iterable[Picture], hashes: list[int]) -> Iterator[Picture]:
    """The pictures on their way to the model, their perceptual hashes noted in `hashes`."""
    for picture in pictures:
        hashes.append(phash(picture.pixels))
        yield picture


def write_tables(
    run: RunFolder, eval_set: EvalSet, predictions: Predictions, near: Neighbours, near_bits: int
) -> None:
    """Write RUN/tables/overlap/SET.parquet and RUN/tables/neighbour/SET.parquet."""
    names = pa.array(predictions.names, pa.string())
    pictures = [
        pa.array([eval_set.name] * len(names), pa.string()),
        names,
        pa.array([eval_set.classes[label] for label in predictions.labels], pa.string()),
        pa.array(predictions.top1),
        pa.array(near.nearest_distance <= near_bits),
        pa.array(near.nearest_distance, pa.int32()),
        pa.array(near.nearest_pair_id, pa.int64()),
    ]
    pairs = [
        pa.array([eval_set.name] * len(near.row), pa.string()),
        names.take(pa.array(near.row)),
        pa.array(near.pair_id, pa.int64()),
        pa.array(near.distance, pa.int32()),
    ]
    for declared, columns in ((TABLES["overlap"], pictures), (TABLES["neighbour"], pairs)):
        batch = pa.RecordBatch.from_arrays(columns, schema=declared.schema)
        path = run.root / "tables" / declared.name / f"{eval_set.name}.parquet"
        write_part(path, declared, [batch])


def show(result: dict, console: Console) -> None:
    """Print sizes, accuracies and the test, as the paper's section 5 reports them."""
    title = f"overlap, {result['eval_set']}: pHash distance <= {result['near_bits']} of 64"
    table = Table(title=title)
    for heading in ("split", "images", "zero-shot top-1 %", "99.5% interval"):
        table.add_column(heading, justify="left" if heading == "split" else "right")
    n, n_overlap = result["n"], result["n_overlap"]
    low, high = result["overlap_interval"] or (None, None)
    table.add_row("All", f"{n:,}", _percent(result["accuracy"]), "")
    table.add_row("Clean", f"{n - n_overlap:,}", _percent(result["clean_accuracy"]), "")
    interval = "" if low is None else f"{_percent(low)} to {_percent(high)}"
    table.add_row("Overlap", f"{n_overlap:,}", _percent(result["overlap_accuracy"]), interval)
    console.print(table)
    p = "-" if result["p"] is None else f"{result['p']:.3g}"
    console.print(
        f"contamination {_percent(result['contamination'])}%, "
        f"All - Clean {_percent(result['gain'])} points, "
        f"one-sided binomial p {p} (Overlap against Clean)"
    )
    if not result["trained_on_this_build"]:
        console.print("The run was trained on another build than the one compared here.")


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{100 * rate:.2f}"
