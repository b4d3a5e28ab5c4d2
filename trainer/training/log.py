"""Reports of a run under way: a progress bar, train.jsonl and, with --tensorboard, TensorBoard."""

import json
import math
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from queries.engine.progress import shown
from queries.tables.parts import digest, written_whole
from trainer.model import CLIP
from trainer.settings import TrainerError
from trainer.training.optim import Clock
from trainer.training.step import Taken

SHOWN = ("loss", "images_per_s", "data_wait", "temperature")  # beside the bar
CHARTED = (*SHOWN, "lr", "grad_norm")  # in TensorBoard


@dataclass
class Progress:
    """How many steps, batches and images a run has done, and its losses."""

    steps_planned: int
    steps: int = 0
    batches: int = 0  # of all epochs: those of a step, and those skipped as corrupt
    images: int = 0
    loss: float = float("nan")  # of the last step
    epoch_loss: float = 0.0  # sum over the steps of the epoch under way
    epoch_steps: int = 0
    best_loss: float | None = None  # the lowest mean of an epoch
    stale: int = 0  # epochs since the best
    held_out: dict[str, float] = field(default_factory=dict)  # the last measure of pairs held out
    ended_by: str = "epochs"  # or seconds, or patience


class Tally:
    """The losses since the progress was last told of them, kept on the device.

    A loss that is read as soon as its step is asked for makes a GPU stand still: `settle` reads
    them where they are reported, saved or judged.
    """

    def __init__(self, done: Progress, device: torch.device):
        self.total = torch.tensor(done.epoch_loss, dtype=torch.float64, device=device)
        self.n_finite = torch.zeros((), dtype=torch.int64, device=device)
        self.last, self.norm = self.total, self.total
        self.n_steps = 0

    def add(self, taken: Taken, done: Progress) -> None:
        """Count a step."""
        self.total = self.total + taken.loss
        self.n_finite += self.total.isfinite()
        self.last, self.norm = taken
        self.n_steps += 1
        done.steps += 1
        done.epoch_steps += 1

    def settle(self, done: Progress) -> None:
        """Tell the progress of the losses. Raises TrainerError where one is not finite."""
        if not self.n_steps:
            return
        done.loss, done.epoch_loss = self.last.item(), self.total.item()
        n_finite = int(self.n_finite)
        if n_finite < self.n_steps:
            kept = "no epoch was finished, so no weights are kept"
            if done.best_loss is not None:
                kept = f"best.safetensors keeps the epoch of the mean loss {done.best_loss:.4f}"
            raise TrainerError(
                f"step {done.steps - self.n_steps + n_finite + 1}: loss {done.loss}, expected a "
                f"number; a lower lr may help; {kept}"
            )
        self.n_finite.zero_()
        self.n_steps = 0

    def end_epoch(self, done: Progress) -> float:
        """The mean loss of the epoch that ends; the next one begins."""
        self.settle(done)
        mean = done.epoch_loss / done.epoch_steps
        done.epoch_loss, done.epoch_steps = 0.0, 0
        self.total = torch.zeros_like(self.total)
        return mean


class Log:
    """Writes a line to train.jsonl every `every` steps and at the last, after the lines there."""

    def __init__(self, path: Path, charts: Path | None, every: int, clock: Clock, done: Progress):
        self.every, self.clock = every, clock
        self.charts = None if charts is None else charts_in(charts, done.steps)
        self.file = path.open("a")
        self._showing = ExitStack()
        self._step = self._showing.enter_context(
            shown("train", done.steps_planned, "steps", before=done.steps, rate=True)
        )
        self.since, self.images, self.waited = time.monotonic(), done.images, 0.0

    def step(
        self, done: Progress, tally: Tally, lr: float, model: CLIP, keys: list[str], waited: float
    ) -> None:
        """Count a step, and report the steps since the last report if it is time."""
        self._step.update()
        self.waited += waited
        if done.steps % self.every and done.steps != done.steps_planned:
            return
        tally.settle(done)
        now = time.monotonic()
        seconds = now - self.since
        line = {
            "step": done.steps,
            "loss": round(done.loss, 6),
            "lr": round(lr, 8),
            "grad_norm": round(tally.norm.item(), 6),
            "temperature": round(model.temperature(), 4),
            "images_per_s": round((done.images - self.images) / seconds),
            "data_wait": round(self.waited / seconds, 3),  # share of the time
            "seconds": round(self.clock.seconds(), 2),
            "pairs": digest(keys),  # of this step, in this process
        }
        self.since, self.images, self.waited = now, done.images, 0.0
        self.file.write(json.dumps(line) + "\n")
        self.file.flush()
        self._step.say(", ".join(f"{name} {line[name]}" for name in SHOWN))
        if self.charts is not None:
            for name in CHARTED:
                self.charts.add_scalar(name, line[name], done.steps)

    def close(self) -> None:
        self._showing.close()
        self.file.close()
        if self.charts is not None:
            self.charts.close()


def charts_in(folder: Path, steps: int) -> Any:
    """TensorBoard's writer; it hides what an earlier process wrote of later steps."""
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=steps + 1)


def keep_lines(path: Path, steps: int) -> None:
    """Drop the lines of steps after a save, and a line cut by a kill: these steps run again."""
    if not path.is_file():
        return
    lines = path.read_text().splitlines(keepends=True)
    with written_whole(path) as beside:
        beside.write_text("".join(line for line in lines if _step(line) <= steps))


def _step(line: str) -> float:
    """The step of a line; infinite for a line that is cut or no line of ours."""
    try:
        return float(json.loads(line)["step"]) if line.endswith("\n") else math.inf
    except (ValueError, LookupError, TypeError):
        return math.inf
