"""What a run of the trainer adds to the report: its training, its zero-shot results, its overlap.

May import nothing of ours: it reads the run's JSON files, of which any may be missing.
"""

import json
from collections.abc import Iterator
from pathlib import Path

OVERLAP = (
    *("set", "images", "overlap", "contamination %", "all %", "clean %", "overlap %"),
    *("all - clean", "p (one-sided)"),
)


def results(run: Path) -> Iterator[tuple[str, dict]]:
    """(title, grid) of each result that a trainer's run holds; there may be none yet."""
    names: tuple[str, ...]
    if trained := _json(run / "run.json"):
        names = ("parameters", "samples", "images", "steps", "seconds", "loss")
        yield "Training", {"names": names, "rows": [[trained[one] for one in names]]}
    if sets := _json(run / "zeroshot.json"):
        names = ("set", "images", "classes", "top-1 %", "95% interval", "top-5 %", "chance %")
        yield "Zero-shot", {"names": names, "rows": [_zeroshot(*one) for one in sets.items()]}
    if sets := _json(run / "overlap.json"):
        rows = [_overlap(*one) for one in sets.items()]
        title = "What the evaluation set shares with the dataset"
        yield title, {"names": OVERLAP, "rows": rows}


def training_lines(run: Path) -> list[dict]:
    """The lines of train.jsonl, but for one that a killed run has cut off."""
    path = run / "train.jsonl"
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _zeroshot(name: str, of: dict) -> list:
    interval = " to ".join(map(_percent, of["top1_interval_95"]))
    return [
        name,
        of["images"],
        of["classes"],
        _percent(of["top1"]),
        interval,
        _percent(of["top5"]),
        _percent(of["chance"]),
    ]


def _overlap(name: str, of: dict) -> list:
    shares = [
        of[one]
        for one in ("contamination", "accuracy", "clean_accuracy", "overlap_accuracy", "gain")
    ]
    p = "" if of["p"] is None else f"{of['p']:.2g}"
    return [name, of["n"], of["n_overlap"], *map(_percent, shares), p]


def _percent(share: float | None) -> str:
    """
    >>> _percent(0.125), _percent(None)
    ('12.50', '')
    """
    return "" if share is None else f"{100 * share:.2f}"


def _json(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}
