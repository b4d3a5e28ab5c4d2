"""The state of a run under way, saved twice.

`last` is the newest save and `previous` the one before it: where the newest is damaged, a run goes
on from the one before.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from queries.tables.errors import first_line
from trainer.model import checkpoint
from trainer.model.checkpoint import DAMAGE
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError


@dataclass(frozen=True)
class Save:
    """A whole save: its file and its state, no tensor kept."""

    path: Path
    state: dict


def write(
    folder: RunFolder, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer, state: dict
) -> None:
    """Write all that training needs to go on: weights, statistics, moments and the state.

    The save before stays as `previous`. Raises TrainerError where the disk refuses.
    """
    tensors = dict(modules.state_dict())
    for name, parameter in modules.named_parameters():
        for moment, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{moment}/{name}"] = value
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    checkpoint.write(folder.last, whole, state, before=folder.previous)


def newest(folder: RunFolder) -> Save | None:
    """The newest whole save of the folder; None where there is none.

    A damaged one is named on the terminal. Raises TrainerError where all saves are damaged.
    """
    damaged = []
    for path in (folder.last, folder.previous):
        if not path.exists():
            continue
        try:
            _, state = checkpoint.read(path)
            save = Save(path, state)
            steps = _checked_steps(state["progress"])
        except DAMAGE as error:
            damaged.append(f"{path}: damaged ({first_line(error):.200})")
            continue
        for line in damaged:
            print(f"{line}; going on from the save before it, of step {steps}", file=sys.stderr)
        return save
    if damaged:
        raise TrainerError(f"{damaged[0]}, expected a save; --anew begins without it")
    return None


def _checked_steps(progress: Mapping) -> int:
    """The steps of a save whose counts can be true. Raises ValueError, or what DAMAGE names."""
    steps = progress["steps"]
    names = ("epoch_steps", "steps", "batches", "steps_planned")
    counts = [0, *(progress[name] for name in names if name in progress)]
    if not all(type(count) is int for count in counts) or counts != sorted(counts):
        raise ValueError(f"its counts cannot be true: {dict(progress)}")
    return int(steps)


def restore(path: Path, modules: nn.ModuleDict, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, statistics and moments back, each in the memory that it had.

    A moment lies in memory as its weight does: the fused AdamW reads both in order of address.
    Raises what DAMAGE names for a file of another model.
    """
    tensors, _ = checkpoint.read(path)
    parameters = dict(modules.named_parameters())
    moments = {name: tensors.pop(name) for name in list(tensors) if "/" in name}
    modules.load_state_dict(tensors)
    for full_name, value in moments.items():
        moment, name = full_name.split("/", 1)
        parameter = parameters[name]
        kept = value.to(parameter.device)
        if moment != "step":
            kept = torch.zeros_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)
        optimizer.state.setdefault(parameter, {})[moment] = kept
    if len({tuple(sorted(moments)) for moments in optimizer.state.values()}) > 1:
        raise ValueError("a moment of a weight is lacking")
