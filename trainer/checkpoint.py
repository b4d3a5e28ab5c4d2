"""A checkpoint: one safetensors file with the weights and, as its metadata, what they are.

May import torch and safetensors. One file, so weights and state cannot come apart.
"""

import json
from dataclasses import asdict, dataclass

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from queries.parts import written_whole
from trainer import tokenizer
from trainer.model import CLIP
from trainer.settings import (
    ModelConfig,
    RunFolder,
    TextConfig,
    TrainerError,
    TrainSettings,
    VisionConfig,
)
from trainer.tokenizer import Tokenizer

STATE = "buildwit"  # key of the state in the file's metadata


@dataclass(frozen=True)
class State:
    """What the weights are: of which model, after how many steps, of which build."""

    model: ModelConfig
    settings: dict  # as TrainSettings
    step: int
    build_version: str
    tokenizer: str  # its digest


@dataclass(frozen=True)
class Checkpoint:
    """A model in evaluation mode, the tokenizer that it reads, and its state."""

    model: CLIP
    tokenizer: Tokenizer
    state: State


def save(run: RunFolder, model: CLIP, settings: TrainSettings, step: int, version: str) -> None:
    """Write the model beside the run's tokenizer, whole."""
    named = tokenizer.load(run.tokenizer).digest()
    state = State(model.config, asdict(settings), step, version, named)
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with written_whole(run.checkpoint) as beside:
        save_file(weights, beside, {STATE: json.dumps(asdict(state))})


def load(run: RunFolder) -> Checkpoint:
    """The run's model; TrainerError if there is none, or if its tokenizer is another's."""
    try:
        with safe_open(run.checkpoint, framework="pt") as file:
            state = _state(json.loads((file.metadata() or {})[STATE]))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        words = tokenizer.load(run.tokenizer)
    except (OSError, SafetensorError, KeyError) as error:
        raise TrainerError(
            f"{run.root}: expected a run that `python -m trainer train` made ({error})"
        ) from None
    if words.digest() != state.tokenizer:
        raise TrainerError(
            f"{run.tokenizer}: digest {words.digest()}, expected {state.tokenizer}, "
            "with which the model was trained"
        )
    model = CLIP(state.model)
    model.load_state_dict(weights)
    return Checkpoint(model.eval().channels_last(), words, state)


def _state(value: dict) -> State:
    model = value["model"]
    vision = model["vision"] | {"blocks": tuple(model["vision"]["blocks"])}
    config = ModelConfig(model["embed"], VisionConfig(**vision), TextConfig(**model["text"]))
    return State(**(value | {"model": config}))
