"""A checkpoint: one safetensors file with the weights and, as metadata, their model and run.

One file, so weights and state cannot come apart; it is written beside and renamed, so a kill leaves
the one before. It names the SHA-256 of its tensors, so a flipped bit is noticed. Nothing is ever
unpickled. The saves of a run under way, which also hold the optimiser's moments, are in
`trainer.training.saves`.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from queries.tables.contracts import CHECKPOINT_STATE
from queries.tables.errors import first_line
from queries.tables.parts import written_whole
from trainer.model import CLIP, tokenizer
from trainer.model.tokenizer import Tokenizer
from trainer.run_folder import RunFolder
from trainer.settings import (
    ACTIVATIONS,
    ModelConfig,
    TextConfig,
    TrainerError,
    TrainSettings,
    VisionConfig,
)

DIGEST = "tensors_sha256"
LOGIT_BIAS = "logit_bias"  # SigLIP's: for those who train on, as no embedding depends on it

# What reading raises for a file that is no checkpoint, or that was made to do harm.
DAMAGE = (
    *(OSError, SafetensorError, LookupError, ValueError, TypeError, AttributeError),
    *(RuntimeError, ArithmeticError, AssertionError),
)


@dataclass(frozen=True)
class State:
    """The model, settings, steps and build that the weights come from."""

    model: ModelConfig
    settings: dict  # as TrainSettings
    step: int
    build_version: str
    tokenizer: str  # its digest
    toml: str = ""  # the run's settings, as RUN/run.toml
    build_digest: str = ""  # sha256 of the build's manifest; of other data, of what it holds
    data_digests: tuple[str, ...] = ()  # of each data set, where there are several


@dataclass(frozen=True)
class Checkpoint:
    """A model in evaluation mode, the tokenizer that it reads, and its state."""

    model: CLIP
    tokenizer: Tokenizer
    state: State
    weights: str = "checkpoint.safetensors"  # the file's name


def save(
    run: RunFolder,
    model: CLIP,
    settings: TrainSettings,
    step: int,
    version: str,
    build_digest: str = "",
    path: Path | None = None,
    data_digests: Sequence[str] = (),
    logit_bias: Tensor | None = None,
) -> None:
    """Write the model beside the run's tokenizer, whole: to run.checkpoint, or to `path`."""
    named = tokenizer.load(run.tokenizer).digest()
    state = State(
        model.config,
        asdict(settings),
        step,
        version,
        named,
        settings.toml(),
        build_digest,
        tuple(data_digests),
    )
    tensors = model.state_dict()
    if logit_bias is not None:
        tensors[LOGIT_BIAS] = logit_bias.detach()
    weights = {name: weight.cpu().contiguous() for name, weight in tensors.items()}
    write(path or run.checkpoint, weights, asdict(state))


def write(
    path: Path, tensors: Mapping[str, Tensor], state: dict, before: Path | None = None
) -> None:
    """Whole, and on the disk before the file has its name: also after a power failure.

    before: where the file that has the name now goes, in place of being lost. Raises TrainerError
    where the disk refuses.
    """
    try:
        with written_whole(path) as beside:
            state = state | {DIGEST: _digest(tensors)}
            save_file(dict(tensors), beside, {CHECKPOINT_STATE: json.dumps(state)})
            _sync(beside)
            if before and path.exists():
                path.replace(before)
        _sync(path.parent)
    except (OSError, SafetensorError) as error:
        raise TrainerError(f"{path}: cannot be saved: {first_line(error)}") from None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(path: Path) -> tuple[dict[str, Tensor], dict]:
    """The tensors and the state of a file of `write`. Raises what DAMAGE names.

    Files of 0.1.0 name no digest, and are read as they are.
    """
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    state = read_state(path)
    if DIGEST in state and state.pop(DIGEST) != _digest(tensors):
        raise ValueError("its tensors are not those that were saved")
    return tensors, state


def _digest(tensors: Mapping[str, Tensor]) -> str:
    """The SHA-256 over names, types, shapes and bytes, in hex."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()


def read_state(path: Path) -> dict:
    """The state alone. Raises what DAMAGE names."""
    with safe_open(path, framework="pt") as file:
        state = json.loads((file.metadata() or {})[CHECKPOINT_STATE])
    if not isinstance(state, dict):
        raise ValueError("its state is no object")
    return state


def load(run: RunFolder) -> Checkpoint:
    """The run's model; TrainerError if there is none, or if its tokenizer is another's."""
    try:
        weights, metadata = read(run.weights)
        weights.pop(LOGIT_BIAS, None)
        state = _state(metadata)
        words = tokenizer.load(run.tokenizer)
        _check_sizes(state.model, weights)
    except DAMAGE as error:
        raise TrainerError(
            f"{run.root}: expected a run that `python -m trainer train` made "
            f"({first_line(error):.300})"
        ) from None
    if words.digest() != state.tokenizer:
        raise TrainerError(
            f"{run.tokenizer}: digest {words.digest()}, expected {state.tokenizer}, "
            "with which the model was trained"
        )
    model = CLIP(state.model)
    model.load_state_dict(weights)
    return Checkpoint(model.eval().channels_last(), words, state, run.weights.name)


def _check_sizes(config: ModelConfig, weights: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the model has these weights: what a file says of its size may be
    anything, and no memory is taken before it is known to be true."""
    if config.text.layers + sum(config.vision.blocks) > len(weights):
        raise ValueError("more layers than weights")
    with torch.device("meta"):
        expected = {name: weight.shape for name, weight in CLIP(config).state_dict().items()}
    if expected != {name: weight.shape for name, weight in weights.items()}:
        raise ValueError("the weights are those of another model")


def _state(value: dict) -> State:
    model = value["model"]
    vision = model["vision"] | {"blocks": tuple(model["vision"]["blocks"])}
    activation = model.get("activation", "quick_gelu")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation {activation!r:.40}")
    towers = (VisionConfig(**vision), TextConfig(**model["text"]))
    return State(**(value | {"model": ModelConfig(model["embed"], *towers, activation)}))
