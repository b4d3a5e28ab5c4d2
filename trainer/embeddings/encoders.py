"""What embeds pictures and texts: a run's own model, a file of weights, or two ONNX networks.

`--towers FILE.toml` names another model than the run's. Paths are from the folder of the file:

    [towers]                              [towers]
    weights = "open_clip_model.safetensors"     image = "image.onnx"
    model = "ViT-B-32"                    text = "text.onnx"
    merges = "bpe_simple_vocab_16e6.txt.gz"     merges = "merges.txt.gz"
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch.nn import functional as F

from queries.tables.errors import first_line
from queries.tables.toml_files import TomlError, read_toml
from trainer.embeddings.onnx_pair import OnnxPair
from trainer.model import CLIP
from trainer.model.checkpoint import load
from trainer.model.start_weights import digest, fitted, read_source
from trainer.model.tokenizer import Tokenizer, read_merges
from trainer.run_folder import RunFolder
from trainer.settings import STRICT, Activation, TrainerError, config

VOCABULARY = 49_408  # of CLIP's merges


class Towers(Protocol):
    """Two networks into one space of `width` numbers; every vector has length 1."""

    pixels: int  # side of the pictures
    context: int  # most token ids of a text
    width: int

    def images(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, 3, S, S) -> float32 (B, width)."""

    def texts(self, tokens: np.ndarray) -> np.ndarray:
        """Token ids int64 (B, T), zeros behind the end token -> float32 (B, width)."""


@dataclass(frozen=True)
class Encoder:
    """Towers, the tokenizer of their texts, and what names them."""

    towers: Towers
    tokenizer: Tokenizer
    digest: str  # of the weights: equal ones give equal embeddings
    about: dict[str, Any]  # what `encoder_of` makes it of again

    def embed_texts(self, texts: list[str]) -> np.ndarray:
        """(B,) texts -> float32 (B, width)."""
        return self.towers.texts(self.tokenizer.encode(texts, self.towers.context))


@dataclass(frozen=True)
class TowerSettings:
    """The table [towers] of a TOML: `weights` and `model`, or `image` and `text`."""

    __pydantic_config__ = STRICT
    merges: str = ""  # CLIP's merges; default: those of a run that `weights` names
    weights: str = ""  # a run, a hub model's folder, or a file, as `train --init` takes it
    model: str = ""
    activation: Activation = "quick_gelu"
    image: str = ""  # an ONNX network of pictures
    text: str = ""  # an ONNX network of token ids
    mean: tuple[float, float, float] | None = None  # of pictures in 0..1; default: CLIP's
    std: tuple[float, float, float] | None = None


class TorchTowers:
    """Both towers of a CLIP model, on the GPU where there is one."""

    def __init__(self, model: CLIP):
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.model = model.eval().channels_last().to(self.device)
        self.pixels, self.context = model.config.vision.pixels, model.config.text.context
        self.width = model.config.embed

    @torch.inference_mode()
    def images(self, pictures: np.ndarray) -> np.ndarray:
        images = torch.from_numpy(pictures).to(self.device)
        return F.normalize(self.model.encode_image(images).float(), dim=-1).cpu().numpy()

    @torch.inference_mode()
    def texts(self, tokens: np.ndarray) -> np.ndarray:
        ids = torch.from_numpy(tokens).to(self.device)
        return F.normalize(self.model.encode_text(ids).float(), dim=-1).cpu().numpy()


def encoder_of_run(run: RunFolder) -> Encoder:
    """The run's own model. Raises TrainerError where there is none."""
    checkpoint = load(run)
    about = {"weights_file": run.weights.name}
    return Encoder(TorchTowers(checkpoint.model), checkpoint.tokenizer, digest(run.weights), about)


def encoder_of_towers(path: Path) -> Encoder:
    """The model that a TOML names. Raises TrainerError, in one line, for what does not fit."""
    return _encoder(path.absolute().parent, _settings(path), str(path))


def encoder_of(about: dict[str, Any], run: Path) -> Encoder:
    """The encoder that the manifest of a run's embeddings describes. Raises TrainerError."""
    towers = about.get("towers")
    if not isinstance(towers, dict):
        best = about.get("weights_file") == RunFolder(run).best.name
        return encoder_of_run(RunFolder(run, best=best))
    named = f"{run}: the towers of its embeddings"
    return _encoder(Path(str(towers.pop("folder", run))), _checked(towers, named), named)


def _encoder(folder: Path, settings: TowerSettings, named: str) -> Encoder:
    about = {"towers": {"folder": str(folder)} | _as_json(settings)}
    if settings.weights and settings.model and not (settings.image or settings.text):
        return replace(_of_weights(folder, settings), about=about)
    if settings.image and settings.text and settings.merges and not settings.weights:
        return replace(_of_onnx(folder, settings), about=about)
    raise TrainerError(
        f"{named}: [towers]: expected `weights` and `model`, or `image`, `text` and `merges`"
    )


def _of_weights(folder: Path, settings: TowerSettings) -> Encoder:
    path = folder / settings.weights
    weights_digest = digest(path)
    source = read_source(path)
    made = replace(config(settings.model), activation=settings.activation)
    model = CLIP(made)
    weights = fitted(source, model, settings.model, "both")
    model.load_state_dict(weights)
    if not (settings.merges or source.tokenizer):
        raise TrainerError(
            f"{path}: expected `merges` beside it, the merges of its text tower: "
            "bpe_simple_vocab_16e6.txt.gz, which the packages open_clip_torch and clip hold"
        )
    words = source.tokenizer
    if settings.merges:
        words = read_merges(folder / settings.merges, made.text.vocabulary)
    assert words is not None
    name = _joint(weights_digest, words.digest(), settings.model, settings.activation)
    return Encoder(TorchTowers(model), words, name, {})


def _of_onnx(folder: Path, settings: TowerSettings) -> Encoder:
    words = read_merges(folder / settings.merges, VOCABULARY)
    paths = folder / settings.image, folder / settings.text
    towers = OnnxPair(*paths, settings.mean, settings.std, words)
    name = _joint(*map(_sha256, paths), words.digest(), settings.mean, settings.std)
    return Encoder(towers, words, name, {})


def _joint(*pieces: object) -> str:
    return hashlib.sha256(json.dumps(pieces).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _as_json(settings: TowerSettings) -> dict[str, Any]:
    plain = TowerSettings()
    values = {name: getattr(settings, name) for name in vars(plain)}
    return {name: value for name, value in values.items() if value != getattr(plain, name)}


def _settings(path: Path) -> TowerSettings:
    try:
        toml = read_toml(path)
    except (OSError, TomlError) as error:
        raise TrainerError(f"{path}: {first_line(error)}, expected a table [towers]") from None
    if set(toml) != {"towers"}:
        raise TrainerError(f"{path}: tables {', '.join(toml) or 'none'}, expected [towers] alone")
    return _checked(toml["towers"], str(path))


def _checked(values: Any, named: str) -> TowerSettings:
    from pydantic import TypeAdapter, ValidationError

    from queries.tables.faults import faults, line

    try:
        return TypeAdapter(TowerSettings).validate_json(json.dumps(values, default=str))
    except ValidationError as error:
        fault = "; ".join(line(each) for each in faults(error))
        raise TrainerError(f"{named}: [towers]: {fault}") from None
