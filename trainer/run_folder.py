"""The folder of a run: which files are in it, and which of them are results of its model."""

import shutil
from pathlib import Path

from queries.tables.contracts import RUN_RECORD, TRAINING_LOG
from queries.tables.embeddings import FOLDER
from queries.tables.schemas import OF_A_RUN

EPOCHS = "epochs"  # the folder of weights after epochs
RESULTS = (
    RUN_RECORD,  # first: from then on the run counts as unfinished
    *("last.safetensors", "previous.safetensors", "checkpoint.safetensors", "best.safetensors"),
    *(TRAINING_LOG, "val.jsonl"),
    *("zeroshot.json", "retrieval.json", "probe.json", "fewshot.json"),
    *("robustness.json", "robustness.svg", "overlap.json", "overlap.svg"),
)


class RunFolder:
    """The files of a run, by name."""

    def __init__(self, root: Path, *, best: bool = False):
        """best: read the best epoch's weights in place of the last step's."""
        self.root = root
        self.settings = root / "run.toml"
        self.tokenizer = root / "tokenizer.json"
        self.log = root / TRAINING_LOG
        self.lock = root / ".lock"  # held while somebody trains there
        self.last = root / "last.safetensors"  # the state to go on from; removed at the end
        self.previous = root / "previous.safetensors"  # the save before it; removed at the end
        self.best = root / "best.safetensors"  # after the epoch of the lowest loss
        self.checkpoint = root / "checkpoint.safetensors"
        self.weights = self.best if best else self.checkpoint  # what commands read
        self.val_log = root / "val.jsonl"
        self.done = root / RUN_RECORD  # written last: its presence proves that it is finished

    def of_epoch(self, epoch: int) -> Path:
        """The weights after an epoch, counted from 1, where a run keeps them."""
        return self.root / EPOCHS / f"{epoch:05d}.safetensors"

    def at_epoch(self, epoch: int) -> "RunFolder":
        """The same run with these weights to read."""
        folder = RunFolder(self.root)
        folder.weights = self.of_epoch(epoch)
        return folder

    def drop_epochs(self) -> None:
        """Remove the weights of all epochs."""
        shutil.rmtree(self.root / EPOCHS, ignore_errors=True)

    @property
    def names(self) -> set[str]:
        """The names of all files that a run writes."""
        return {*RESULTS, self.settings.name, self.tokenizer.name}

    def clear(self) -> None:
        """Remove an earlier model's weights and results from the folder."""
        for name in RESULTS:
            (self.root / name).unlink(missing_ok=True)
        self.drop_epochs()
        for name in OF_A_RUN:
            shutil.rmtree(self.root / "tables" / name, ignore_errors=True)
        shutil.rmtree(self.root / "overlap", ignore_errors=True)  # its pages
        shutil.rmtree(self.root / FOLDER, ignore_errors=True)  # its embeddings
