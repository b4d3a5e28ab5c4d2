"""The audit of overlap: what evaluation sets share with a build, and the effect on accuracy.

Source: CLIP, section 5 and appendix C. The detectors are in trainer/overlap/search.py, the
statistics in trainer/overlap/stats.py.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from queries.tables.manifest import manifest
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from trainer.copies.alignment import LEAST_AGREEMENT
from trainer.evaluation.results import add_result, percent
from trainer.evaluation.sets import EvalSet
from trainer.evaluation.zeroshot import classify
from trainer.model.checkpoint import Checkpoint, load
from trainer.overlap import plot
from trainer.overlap.exclusions import write_exclusions
from trainer.overlap.page import write_pages
from trainer.overlap.search import (
    EQUAL_BITS,
    MOST_CANDIDATES,
    Overlap,
    Search,
    SetPictures,
    near_rows,
    search,
    stored_side,
)
from trainer.overlap.stats import bonferroni, splits
from trainer.run_folder import RunFolder

PLOT = "overlap.svg"
CHOICES = {
    "given": "given",
    "measured": "chosen for {rate:.1g} false positives a pair: of {n_pairs:,} pairs {which}, "
    "{n_false:,} are as near",
    "tail": "chosen for {rate:.1g} false positives a pair, which is not measurable below "
    "{least:.1g} (1/n) on {n_pairs:,} pairs {which}: {n_false:,} of them are as near, and the tail "
    "of the others goes on to the rate",
    "detector": "the detector's own for {rate:.1g} false positives a pair: the set has too few "
    "pairs {which}",
    "beyond": "beyond the detector's own for {rate:.1g} false positives a pair, the least that its "
    "file notes: a lower rate was asked for, and the set has too few pairs {which}",
    "default": "the default: the set has too few pairs {which}",
}


def overlap(
    build: Path,
    run: RunFolder | None,
    eval_sets: Sequence[EvalSet],
    method: Search,
    to: Path | None,
) -> list[dict]:
    """Find every set's overlap with a build, and return a summary of each set.

    With a run, its model's accuracies are compared, and its folder gets overlap.json, overlap.svg,
    a page per set in overlap/, and the tables overlap and neighbour. With `to`, the overlap is
    added to this list of exclusions.
    """
    model = load(run) if run else None
    size = stored_side(build)
    sets = [SetPictures(eval_set, method.embeddings()).read(size) for eval_set in eval_sets]
    correct = [_answers(model, seen) for seen in sets]
    overlaps = search(build, sets, method)
    if to is not None:
        write_exclusions(to, overlaps)
    version = manifest(build)["version"]
    about = {"build_version": version, "detector": method.name}
    if model is not None:
        about["trained_on_this_build"] = model.state.build_version == version
    results = [
        about | _summary(overlap, right) for overlap, right in zip(overlaps, correct, strict=True)
    ]
    ps = bonferroni([result.get("p") for result in results])
    for result, p in zip(results, ps, strict=True):
        result |= {"p_bonferroni": p, "n_tests": sum(p is not None for p in ps)}
    if run is not None:
        _keep(build, run, overlaps, correct, results)
    return results


def _answers(model: Checkpoint | None, seen: SetPictures) -> np.ndarray | None:
    """bool (E,): the pictures that the model classifies right; None without model or classes.

    The model reads the pictures again, in the size and, if so chosen, the way up that it is
    evaluated on; so its accuracy is that of zeroshot.
    """
    if model is None or not seen.has_classes:
        return None
    return classify(model, seen.eval_set).top1


def _summary(overlap: Overlap, correct: np.ndarray | None) -> dict:
    seen, chosen = overlap.seen, overlap.threshold
    summary = {
        "eval_set": seen.eval_set.name,
        "path": seen.eval_set.where,
        "threshold": asdict(chosen),
        "choice": choice(overlap),
        "bad_images": dict(seen.eval_set.bad),
        "n": len(seen),
        "n_overlap": int(overlap.overlap.sum()),
        "contamination": float(overlap.overlap.mean()),
        "n_uniform": int(seen.uniform.sum()),
        "n_uniform_near": int((seen.uniform & overlap.near).sum()),
        "n_candidates": overlap.n_candidates,
        "n_unchecked": overlap.n_unchecked,
        "training_pairs": len(overlap.pair_ids()),
    }
    return summary if correct is None else summary | vars(splits(correct, overlap.overlap))


def choice(overlap: Overlap) -> str:
    """The threshold and how it was chosen, in words."""
    chosen = overlap.threshold
    if overlap.by_detector is None:
        begin = f"pHash distance of at most {chosen.value:.0f} of 64 bits"
    else:
        begin = (
            f"score of at least {chosen.value:.3f} and pixels that agree to at least "
            f"{LEAST_AGREEMENT}, or pHash distance of at most {EQUAL_BITS} bits"
        )
    which = "of different classes" if overlap.seen.has_classes else "of two of its pictures"
    about = asdict(chosen) | {"which": which, "least": 1 / max(1, chosen.n_pairs)}
    return f"{begin}; the threshold is {CHOICES[chosen.how].format(**about)}."


def _keep(
    build: Path,
    run: RunFolder,
    overlaps: Sequence[Overlap],
    correct: Sequence[np.ndarray | None],
    results: Sequence[dict],
) -> None:
    """Write the tables, pages, results and plot of overlaps into the run's folder."""
    for overlap, right, result in zip(overlaps, correct, results, strict=True):
        name = overlap.seen.eval_set.name
        write_tables(run, overlap, right)
        write_pages(run.root / "overlap" / f"{name}.html", build, overlap, choice(overlap))
        result["page"] = f"overlap/{name}.html"
        add_result(run, "overlap.json", result)
    plot.draw(results, run.root / PLOT)


def write_tables(run: RunFolder, overlap: Overlap, correct: np.ndarray | None) -> None:
    """Write RUN/tables/overlap/SET.parquet and RUN/tables/neighbour/SET.parquet."""
    seen, by_detector = overlap.seen, overlap.by_detector
    n, name, names = len(seen), seen.eval_set.name, pa.array(seen.names, pa.string())
    nulls = pa.nulls(n)
    pictures = {
        "eval_set": pa.array([name] * n, pa.string()),
        "image": names,
        "class_name": pa.array(seen.class_names(), pa.string()),
        "correct": nulls if correct is None else pa.array(correct),
        "overlap": pa.array(overlap.overlap),
        "uniform": pa.array(seen.uniform),
        "nearest_distance": pa.array(overlap.by_hash.nearest.astype(np.int32)),
        "nearest_pair_id": pa.array(overlap.by_hash.nearest_pair_id),
        "score": nulls if by_detector is None else pa.array(by_detector.nearest.round(4)),
        "score_pair_id": nulls if by_detector is None else pa.array(by_detector.nearest_pair_id),
    }
    write_rows(run, "overlap", name, pictures)
    rows = near_rows(overlap)
    pairs = {
        "eval_set": pa.array([name] * len(rows), pa.string()),
        "image": names.take(pa.array([row for row, _ in rows], pa.int64())),
        "pair_id": pa.array([pair_id for _, pair_id in rows], pa.int64()),
        **{
            column: pa.array([near.get(column) for near in rows.values()])
            for column in ("distance", "score", "agreement")
        },
    }
    write_rows(run, "neighbour", name, pairs)


def write_rows(run: RunFolder, table: str, name: str, columns: dict[str, pa.Array]) -> None:
    declared = TABLES[table]
    cast = [columns[field.name].cast(field.type) for field in declared.schema]
    batch = pa.RecordBatch.from_arrays(cast, schema=declared.schema)
    write_part(run.root / "tables" / table / f"{name}.parquet", declared, [batch])


def show(results: Sequence[dict], console: Console) -> None:
    """Print a row per set, as CLIP's figure 17, and how its threshold was chosen."""
    first = results[0]
    title = f"overlap with build {first['build_version']}, detector {first['detector']}"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    names = ("set", "images", "overlap", "%", "All %", "Clean %", "Overlap %", "All - Clean", "p")
    for name in names:
        table.add_column(name, justify="left" if name == "set" else "right")
    rates = ("accuracy", "clean_accuracy", "overlap_accuracy", "gain")
    for result in results:
        table.add_row(
            escape(result["eval_set"]),
            f"{result['n']:,}",
            f"{result['n_overlap']:,}",
            percent(result["contamination"]),
            *(percent(result.get(rate)) for rate in rates),
            number(result.get("p")),
        )
    console.print(table)
    for result in results:
        console.print(" ".join(remarks(result)), markup=False)
    if not first.get("trained_on_this_build", True):
        console.print("The run was trained on another build than the one compared here.")


def remarks(result: dict) -> Iterator[str]:
    """Sentences about a set for which the table has no room."""
    yield f"{result['eval_set']}: {result['choice']}"
    yield f"{result['training_pairs']:,} training pairs are near."
    if result.get("overlap_interval"):
        low, high = map(percent, result["overlap_interval"])
        yield f"Overlap accuracy, 99.5% interval: {low} to {high}."
    if result["n_tests"] > 1:
        yield f"p after Bonferroni over {result['n_tests']} sets: {number(result['p_bonferroni'])}."
    if result["n_uniform"]:
        yield f"{result['n_uniform']:,} pictures show nothing, {result['n_uniform_near']:,} of them"
        yield "near something: not counted as overlap."
    if result["n_unchecked"]:
        yield f"{result['n_unchecked']:,} candidates were not compared by pixels, since their"
        yield f"pictures have {MOST_CANDIDATES:,} nearer ones."
    if result["bad_images"]:
        yield f"{len(result['bad_images'])} unreadable."


def number(p: float | None) -> str:
    """
    >>> number(0.01234), number(None)
    ('0.012', '-')
    """
    return "-" if p is None else f"{p:.2g}"
