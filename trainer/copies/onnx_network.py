"""Any ONNX network of pictures as the detector: its file, its input, and its settings.

onnxruntime is imported late: only who names such a file needs it (the extra `onnx`).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Len

from queries.tables.errors import first_line
from queries.tables.toml_files import TomlError, read_toml
from trainer.model.onnx_session import open_session
from trainer.settings import STRICT, TrainerError

SIDE = 224  # pixels, where neither the file nor the network says one
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet, which most have seen
BATCH = 16
MOST_NUMBERS = 8_192  # of an embedding

Share = Annotated[float, Ge(0), Le(1)]
Spread = Annotated[float, Gt(0), Le(255)]


@dataclass(frozen=True)
class OnnxSettings:
    """The table [detector] of a TOML."""

    __pydantic_config__ = STRICT
    onnx: str  # the network's file, from the folder of the TOML
    side: Annotated[int, Ge(8), Le(1_024)] | None = None  # pixels of the square input
    mean: Annotated[list[Share], Len(3, 3)] | None = None  # of red, green and blue in 0..1
    std: Annotated[list[Spread], Len(3, 3)] | None = None
    thresholds: Mapping[str, Annotated[float, Ge(-1), Le(1)]] | None = None  # by rate: {"1e-6": .7}


class OnnxNetwork:
    """Pictures uint8 (n, side, side, 3) -> embeddings (n, width) of length 1, by ONNX Runtime.

    Raises TrainerError, in one line, for a file that is no network of pictures.
    """

    orientations: tuple[int, ...] = (0, 4)  # in which a picture is sought: straight and mirrored
    middle = 1.0  # a large network is trained on borders, and slow

    def __init__(self, path: Path, settings: OnnxSettings):
        self._path, self._session = path, open_session(path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            shapes = ", ".join(str(each.shape) for each in inputs)
            raise self._unfit(f"inputs {shapes}", "one, (batch, 3, side, side) or channels last")
        self._input, shape = inputs[0].name, inputs[0].shape
        self._output = self._session.get_outputs()[0].name
        if 3 not in (shape[1], shape[3]):
            raise self._unfit(f"input {shape}", "3 channels, second or last")
        self._channels_first = shape[1] == 3
        own = [n for n in (shape[2], shape[3 if self._channels_first else 1]) if isinstance(n, int)]
        self.side = settings.side or (own[0] if own else SIDE)
        if any(n != self.side for n in own):
            raise self._unfit(f"input {shape}", f"a square, and side = {own[0]} or none")
        self._batch = shape[0] if isinstance(shape[0], int) else BATCH
        self._scale = self._scale_of(inputs[0].type, settings)
        self.width = self._tried()

    def _scale_of(self, kind: str, settings: OnnxSettings) -> tuple[np.ndarray, np.ndarray] | None:
        """The mean and spread of pixels 0..255; None for a network that takes uint8."""
        if kind == "tensor(uint8)":
            if settings.mean or settings.std:
                raise self._unfit(
                    "a network that takes uint8 normalises by itself", "no mean and no std"
                )
            return None
        if kind != "tensor(float)":
            raise self._unfit(f"an input of {kind}", "float or uint8")
        mean, std = (
            np.array(pick, np.float32) for pick in (settings.mean or MEAN, settings.std or STD)
        )
        return 255 * mean, 255 * std

    def _tried(self) -> int:
        """The numbers of an embedding, by that of a picture of noise."""
        noise = np.random.default_rng(0).integers(0, 256, (2, self.side, self.side, 3), np.uint8)
        embeddings = self._run(noise)
        if embeddings.shape[1] > MOST_NUMBERS:
            raise self._unfit(
                f"embeddings of {embeddings.shape[1]:,} numbers", f"at most {MOST_NUMBERS:,}"
            )
        if not np.isfinite(embeddings).all() or not embeddings.any(axis=1).all():
            raise self._unfit("an embedding that is zero or no finite number", "numbers")
        return embeddings.shape[1]

    def embed(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 (n, side, side, 3) -> (n, width) float32, of length 1."""
        embeddings = self._run(pictures)
        if embeddings.shape != (len(pictures), self.width) or not np.isfinite(embeddings).all():
            raise self._unfit("an embedding with numbers that are not finite", "finite ones")
        lengths = np.linalg.norm(embeddings, axis=1, keepdims=True)
        return embeddings / np.maximum(lengths, np.finfo(np.float32).tiny)

    def _run(self, pictures: np.ndarray) -> np.ndarray:
        blocks = []
        for at in range(0, len(pictures), self._batch):
            batch = pictures[at : at + self._batch]
            n = len(batch)
            if n < self._batch != BATCH:  # a network of a fixed batch
                batch = np.concatenate([batch, np.repeat(batch[-1:], self._batch - n, axis=0)])
            try:
                (output,) = self._session.run([self._output], {self._input: self._ready(batch)})
            except Exception as error:  # onnxruntime's errors share no base class
                raise self._unfit(first_line(error), "a network of pictures") from None
            if not output.ndim or len(output) != len(batch):
                raise self._unfit(
                    f"an output {output.shape} for {len(batch)} pictures", f"({len(batch)}, D)"
                )
            blocks.append(output.astype(np.float32).reshape(len(batch), -1)[:n])
        return np.concatenate(blocks)

    def _ready(self, pictures: np.ndarray) -> np.ndarray:
        if self._scale is not None:
            mean, std = self._scale
            pictures = (pictures - mean) / std
        if self._channels_first:
            pictures = pictures.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(pictures)

    def _unfit(self, fault: str, expected: str) -> TrainerError:
        return TrainerError(f"{self._path}: {fault}; expected {expected}")


def load_onnx(path: Path) -> tuple[OnnxNetwork, dict, str]:
    """The network of an .onnx, or of a TOML's table [detector]; its description and digest.

    The digest is of the network and its settings. Raises TrainerError, in one line.
    """
    settings, file = OnnxSettings(path.name), path
    if path.suffix.lower() == ".toml":
        settings = _settings(path)
        file = path.parent / settings.onnx
    network = OnnxNetwork(file, settings)
    prepared = json.dumps([network.side, settings.mean, settings.std])
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256")
    digest.update(prepared.encode())
    about = {"onnx": file.name, "side": network.side, "thresholds": dict(settings.thresholds or {})}
    return network, about, digest.hexdigest()


def _settings(path: Path) -> OnnxSettings:
    from pydantic import TypeAdapter, ValidationError

    from queries.tables.faults import faults, line

    try:
        toml = read_toml(path)
    except (OSError, TomlError) as error:
        raise TrainerError(f"{path}: {first_line(error)}, expected a table [detector]") from None
    if set(toml) != {"detector"}:
        raise TrainerError(f"{path}: tables {', '.join(toml) or 'none'}, expected [detector] alone")
    try:
        return TypeAdapter(OnnxSettings).validate_json(json.dumps(toml["detector"], default=str))
    except ValidationError as error:
        fault = "; ".join(line(each) for each in faults(error))
        raise TrainerError(f"{path}: [detector]: {fault}") from None
