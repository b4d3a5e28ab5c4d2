"""The folder of a run: which files are in it, and which of them are results of its model.

May import nothing heavy: "nothing to do" must not wait for torch.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

RESULTS = (
    "run.json",  # first: from then on the run counts as unfinished
    "last.safetensors",
    "checkpoint.safetensors",
    "best.safetensors",
    "zeroshot.json",
    "retrieval.json",
    "probe.json",
    "fewshot.json",
    "robustness.json",
    "robustness.svg",
    "overlap.json",
    "overlap.svg",
    "train.jsonl",
)
RESULT_TABLES = ("overlap", "neighbour", "evaluation", "clip_score")


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, by name."""

    root: Path

    @property
    def done(self) -> Path:
        """Written last, so its presence proves that the run is finished."""
        return self.root / "run.json"

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint.safetensors"

    @property
    def last(self) -> Path:
        """All that a run needs to go on; gone when it has finished."""
        return self.root / "last.safetensors"

    @property
    def best(self) -> Path:
        """The weights after the epoch of the lowest mean loss; what is left of one that failed."""
        return self.root / "best.safetensors"

    @property
    def settings(self) -> Path:
        return self.root / "run.toml"

    @property
    def tokenizer(self) -> Path:
        return self.root / "tokenizer.json"

    @property
    def log(self) -> Path:
        return self.root / "train.jsonl"

    def clear(self) -> None:
        """Remove what an earlier model left in the folder: its results are not the new one's."""
        for name in RESULTS:
            (self.root / name).unlink(missing_ok=True)
        for name in RESULT_TABLES:
            shutil.rmtree(self.root / "tables" / name, ignore_errors=True)
        shutil.rmtree(self.root / "overlap", ignore_errors=True)  # its pages
