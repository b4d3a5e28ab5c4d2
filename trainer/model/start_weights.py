"""Weights that training starts from: of a run, or a file of open_clip's or OpenAI's weights.

A file is untrusted. It is read by safetensors or by torch's reader of tensors alone, which runs
nothing, and no weight is used before its shape is known to be the model's. Position embeddings of
another size are interpolated as open_clip does.
"""

import hashlib
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional as F

from queries.tables.errors import one_line
from trainer.model import CLIP, openai_names, tokenizer
from trainer.model.checkpoint import DAMAGE, LOGIT_BIAS, read_state
from trainer.model.tokenizer import Tokenizer
from trainer.run_folder import RunFolder
from trainer.settings import MODELS, TrainerError, config

POSITIONS = (
    "visual.positional_embedding",
    "visual.attnpool.positional_embedding",
    "positional_embedding",
)
LEFT_OUT = (LOGIT_BIAS, "attn_mask", "visual.attn_mask")  # no weight of ours
HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
HUB_CONFIG = "open_clip_config.json"
MOST_POSITIONS = 1 << 16
SHOWN = 3  # names of weights in a message


@dataclass(frozen=True)
class Source:
    """Weights by OpenAI's names, and what their file says of itself."""

    path: Path
    weights: dict[str, Tensor]
    activation: str | None  # None: it does not say
    tokenizer: Tokenizer | None = None  # a run's; open_clip's and OpenAI's have CLIP's


def weights_file(path: Path) -> Path:
    """The file of weights that a path names: a run's checkpoint, a hub model's, or itself."""
    if not path.is_dir():
        return path
    for name in (RunFolder(path).checkpoint.name, *HUB_WEIGHTS):
        if (path / name).is_file():
            return path / name
    raise TrainerError(f"init {path}: expected a finished run, or a folder with {HUB_WEIGHTS[0]}")


def digest(path: Path) -> str:
    """The sha256 of the file of weights that a path names, in hex."""
    try:
        with weights_file(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise TrainerError(f"init {one_line(error)}, expected a run or a file of weights") from None


def read_source(path: Path) -> Source:
    """The weights that a path names. Raises TrainerError for a file that holds none."""
    file = weights_file(path)
    try:
        weights = openai_names(_tensors(file))
    except UnpicklingError:
        raise TrainerError(
            f"init {file}: expected tensors alone, by safetensors or as a state_dict by "
            "torch.save; what else is in it is not read, as it could run a program"
        ) from None
    except (*DAMAGE, EOFError) as error:
        raise TrainerError(
            f"init {file}: expected weights by safetensors, or a state_dict by torch.save "
            f"({one_line(error):.200}){_hint(file)}"
        ) from None
    try:
        state = read_state(file)
        activation = str(state["model"].get("activation", "quick_gelu"))
        words = tokenizer.load(RunFolder(file.parent).tokenizer)
    except DAMAGE:
        return Source(file, weights, _activation(file.parent / HUB_CONFIG))
    if words.digest() != state.get("tokenizer"):
        raise TrainerError(f"init {file}: expected the run's tokenizer.json beside it")
    return Source(file, weights, activation, words)


def _tensors(file: Path) -> dict[str, Tensor]:
    with file.open("rb") as opened:
        is_torch = opened.read(4) in (b"PK\x03\x04", b"\x80\x02\x8a\n")
    if not is_torch:
        return load_file(file)
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            if any(member.compress_type for member in archive.infolist()):
                raise ValueError("a member is compressed, as torch.save writes none")
    value = torch.load(file, map_location="cpu", weights_only=True)
    for name in ("state_dict", "model"):  # as open_clip's and others' training saves it
        if isinstance(value, Mapping) and isinstance(value.get(name), Mapping):
            value = value[name]
    if not isinstance(value, Mapping):
        raise ValueError("no state_dict in it")
    return {
        str(name): tensor.detach() for name, tensor in value.items() if isinstance(tensor, Tensor)
    }


def _hint(file: Path) -> str:
    """OpenAI's own files are programs, in which nobody can tell what they would do."""
    with file.open("rb") as opened:
        head = opened.read(1 << 16)
    if b"/version" not in head and b"constants.pkl" not in head and b"/code/" not in head:
        return ""
    return "; of a TorchScript archive save the state_dict, where you trust it"


def _activation(path: Path) -> str | None:
    """What a hub model's configuration says, which has gelu unless it says quick_gelu."""
    try:
        about = json.loads(path.read_text("utf-8"))["model_cfg"]
        return "quick_gelu" if about.get("quick_gelu") else "gelu"
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def fitted(source: Source, model: CLIP, name: str, tower: str) -> dict[str, Tensor]:
    """The source's weights for one tower of the model or both, its positions at the model's size.

    name: the model's, for a message. Raises TrainerError where they are those of another model.
    """
    expected = {key: value for key, value in model.state_dict().items() if of(key, tower)}
    held = {
        key: value
        for key, value in source.weights.items()
        if of(key, tower) and key not in LEFT_OUT
    }
    for key in POSITIONS:
        if key in expected and key in held:
            held[key] = resized(held[key], expected[key].shape, grid=key != POSITIONS[-1])
    wrong = sorted(expected.keys() - held.keys()) + sorted(held.keys() - expected.keys())
    wrong += [
        key for key in expected.keys() & held.keys() if expected[key].shape != held[key].shape
    ]
    if wrong:
        raise TrainerError(
            f"init {source.path}: expected the weights of {name}; {_said(wrong, expected, held)}"
            f"{_other(source.weights, name)}"
        )
    if source.activation not in (None, model.config.activation):
        raise TrainerError(
            f"init {source.path}: its model has {source.activation}, expected "
            f"--activation {source.activation}"
        )
    return held


def of(key: str, tower: str) -> bool:
    """Whether a weight belongs to the tower; the temperature is of both.

    >>> [of("visual.proj", "text"), of("ln_final.bias", "text"), of("logit_scale", "image")]
    [False, True, False]
    """
    if tower == "both":
        return True
    return key != "logit_scale" and key.startswith("visual.") == (tower == "image")


def _said(wrong: list[str], expected: Mapping, held: Mapping) -> str:
    def one(key: str) -> str:
        if key not in held:
            return f"no {key}"
        shape = tuple(held[key].shape)
        return f"{key[:80]} {shape}" + (
            f" for {tuple(expected[key].shape)}" if key in expected else ", which it has not"
        )

    return "; ".join(map(one, wrong[:SHOWN])) + (f"; {len(wrong)} in all" if wrong[SHOWN:] else "")


def _other(weights: Mapping[str, Tensor], name: str) -> str:
    """Which of our models the weights are, if they are another's."""
    for other in MODELS:
        with torch.device("meta"):
            own = CLIP(config(other)).state_dict()
        if other != name and all(
            key in weights and weights[key].shape == value.shape for key, value in own.items()
        ):
            return f"; they are those of --model {other}"
    return ""


def resized(embedding: Tensor, shape: torch.Size, *, grid: bool) -> Tensor:
    """Positions (T, C) at another number of them, as open_clip's resize_pos_embed.

    grid: the first is the class token's, the others are those of a square. A text's are a line.
    Unchanged where nothing fits.
    """
    if embedding.shape == shape or embedding.shape[1:] != shape[1:]:
        return embedding
    if len(embedding) > MOST_POSITIONS:
        return embedding
    if not grid:
        line = F.interpolate(
            embedding.float().T[None], size=shape[0], mode="linear", align_corners=False
        )
        return line[0].T
    before, after = (math.isqrt(length - 1) for length in (len(embedding), shape[0]))
    if before < 1 or before**2 + 1 != len(embedding):
        return embedding
    square = embedding[1:].float().T.reshape(1, -1, before, before)
    square = F.interpolate(
        square, size=(after, after), mode="bicubic", antialias=True, align_corners=False
    )
    return torch.cat([embedding[:1].float(), square.flatten(2)[0].T])
