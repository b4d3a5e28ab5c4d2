"""What a run of the trainer adds to the report: its training, its evaluations, its overlap."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from queries.tables.contracts import RUN_RECORD, TRAINING_LOG

ZEROSHOT = (
    *("set", "images", "classes", "top-1 %", "95% interval", "top-5 %", "mean per class %"),
    "chance %",
)
INTERVAL = "_interval_95"
FIGURES = ("set", "figure", "n", "%", "95% interval", "chance %")
TASKS = {
    "retrieval": "Retrieval, recall at 1, 5 and 10",
    "probe": "Linear probe",
    "fewshot": "Probes of few pictures a class",
    "robustness": "Robustness: zero-shot and a probe, in distribution and under shift",
}
ROBUSTNESS = (
    *("in distribution to shifted", "zero-shot above the line", "probe above the line"),
    "probe over zero-shot",
)
OVERLAP = (
    *("set", "detector", "images", "overlap", "contamination %", "uniform", "all %", "clean %"),
    *("overlap %", "99.5% interval", "all - clean", "p (one-sided)", "p after Bonferroni"),
)


def results(run: Path) -> Iterator[tuple[str, dict]]:
    """(title, grid) of each result that a trainer's run holds; there may be none yet."""
    names: tuple[str, ...]
    if trained := _json(run / RUN_RECORD):
        names = ("parameters", "samples", "images", "steps", "seconds", "loss")
        yield "Training", {"names": names, "rows": [[trained[name] for name in names]]}
    if sets := _json(run / "zeroshot.json"):
        single = {name: of for name, of in sets.items() if "top5" in of}
        if single:
            rows = [_zeroshot(*pair) for pair in single.items()]
            yield "Zero-shot", {"names": ZEROSHOT, "rows": rows}
        rows = [
            row for name, of in sets.items() if name not in single for row in _figures(name, of)
        ]
        if rows:
            yield "Zero-shot, several classes a picture", {"names": FIGURES, "rows": rows}
    for task, title in TASKS.items():
        if sets := _json(run / f"{task}.json"):
            rows = [row for result in sets.items() for row in _figures(*result)]
            yield title, {"names": FIGURES, "rows": rows}
    if sets := _json(run / "fewshot.json"):
        names = ("set", "a probe equals zero-shot at", "train pictures a class")
        yield (
            "What zero-shot is worth",
            {"names": names, "rows": [_equal(*s) for s in sets.items()]},
        )
    if sets := _json(run / "robustness.json"):
        title = "Effective and relative robustness, in points"
        yield title, {"names": ROBUSTNESS, "rows": [_robust(*result) for result in sets.items()]}
    if sets := _json(run / "overlap.json"):
        rows = [_overlap(*result) for result in sets.items()]
        title = "What the evaluation set shares with the dataset"
        yield title, {"names": OVERLAP, "rows": rows}


def training_lines(run: Path) -> list[dict]:
    """The lines of train.jsonl, but for one that a killed run has cut off."""
    path = run / TRAINING_LOG
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith("\n")]


def _zeroshot(name: str, of: dict) -> list:
    return [
        name,
        of["images"],
        of["classes"],
        _percent(of["top1"]),
        _between(of["top1_interval_95"]),
        _percent(of["top5"]),
        _percent(of.get("mean_per_class")),
        _percent(of["chance"]),
    ]


def _figures(name: str, of: dict) -> Iterator[list]:
    """A row for each figure: a result holds NAME, NAME_interval_95, NAME_chance and NAME_n."""
    for key in of:
        if key.endswith(INTERVAL):
            figure = key.removesuffix(INTERVAL)
            shares = [_percent(of[figure]), _between(of[key]), _percent(of[f"{figure}_chance"])]
            yield [name, figure.replace("_", " "), of[f"{figure}_n"], *shares]


def _equal(name: str, of: dict) -> list:
    bound = {"": "", "fewer": "fewer than", "more": "more than"}[of["equal_bound"]]
    return [name, bound, round(of["equal_shots"], 2)]


def _robust(name: str, of: dict) -> list:
    above = [_percent(of["effective"][way]) for way in ("zero-shot", "probe")]
    return [name, *above, _percent(of["relative"])]


def _overlap(name: str, of: dict) -> list:
    names = ("accuracy", "clean_accuracy", "overlap_accuracy")
    ps = (of.get(name) for name in ("p", "p_bonferroni"))
    return [
        name,
        of["detector"],
        of["n"],
        of["n_overlap"],
        _percent(of["contamination"]),
        of["n_uniform"],
        *(_percent(of.get(name)) for name in names),
        _between(of.get("overlap_interval")),
        _percent(of.get("gain")),
        *(p if p is None else float(f"{p:.2g}") for p in ps),
    ]


def _percent(share: float | None) -> float | None:
    """
    >>> _percent(0.12504), _percent(None)
    (12.5, None)
    """
    return None if share is None else round(100 * share, 2)


def _between(shares: Sequence[float] | None) -> str:
    """
    >>> _between([0.125, 0.5]), _between(None)
    ('12.50 to 50.00', '')
    """
    return " to ".join(f"{100 * share:.2f}" for share in shares or ())


def _json(path: Path) -> dict:
    return json.loads(path.read_text()) if path.exists() else {}
