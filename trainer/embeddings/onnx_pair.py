"""Two ONNX networks as the towers of a model: ours of `export --onnx`, or any other's.

A network of pictures takes uint8, or floats that are normalised here, channels first. A network of
texts takes token ids, and an attention mask where it asks for one. Its first output of two
dimensions, or the one whose name has "embed" in it, is the embedding.
"""

from pathlib import Path
from typing import Any

import numpy as np

from queries.tables.errors import first_line
from trainer.model import IMAGE_MEAN, IMAGE_STD
from trainer.model.onnx_session import open_session
from trainer.model.tokenizer import Tokenizer
from trainer.settings import TrainerError

SIDE, CONTEXT = 224, 77  # where a network does not say them: CLIP's
MOST_WIDTH = 8_192  # numbers of an embedding
NUMBERS = {
    "tensor(uint8)": np.uint8,
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class OnnxPair:
    """Towers by ONNX Runtime. Raises TrainerError, in one line, for files that do not fit."""

    def __init__(
        self,
        image: Path,
        text: Path,
        mean: tuple[float, ...] | None,
        std: tuple[float, ...] | None,
        tokenizer: Tokenizer,
    ):
        self._image, self._text = _Network(image), _Network(text)
        shape = self._image.shape
        if len(shape) != 4 or shape[1] != 3:
            raise self._image.unfit(f"input {shape}", "(batch, 3, side, side)")
        self.pixels = shape[2] if isinstance(shape[2], int) else SIDE
        if any(isinstance(side, int) and side != self.pixels for side in shape[2:]):
            raise self._image.unfit(f"input {shape}", "a square")
        if len(self._text.shape) != 2:
            raise self._text.unfit(f"input {self._text.shape}", "token ids (batch, context)")
        length = self._text.shape[1]
        self.context = length if isinstance(length, int) else CONTEXT
        self._fixed = isinstance(length, int)
        self._mean, self._std = (
            255 * np.array(values, np.float32).reshape(3, 1, 1)
            for values in (mean or IMAGE_MEAN, std or IMAGE_STD)
        )
        self.width = self._tried(tokenizer)

    def images(self, pictures: np.ndarray) -> np.ndarray:
        """uint8 RGB (B, 3, S, S) -> float32 (B, width) of length 1."""
        if self._image.number is not np.uint8:
            pictures = (pictures - self._mean) / self._std
        return self._image.run(np.ascontiguousarray(pictures))

    def texts(self, tokens: np.ndarray) -> np.ndarray:
        """Token ids int64 (B, T), zeros behind the end token -> float32 (B, width) of length 1."""
        if self._fixed:
            tokens = np.pad(tokens, ((0, 0), (0, self.context - tokens.shape[1])))
        return self._text.run(tokens)

    def _tried(self, tokenizer: Tokenizer) -> int:
        """The numbers of an embedding, by a picture of noise and a text of one word."""
        noise = np.random.default_rng(0).integers(
            0, 256, (2, 3, self.pixels, self.pixels), np.uint8
        )
        widths = [
            self.images(noise).shape[1],
            self.texts(tokenizer.encode(["a picture", "a"], self.context)).shape[1],
        ]
        if widths[0] != widths[1] or not 0 < widths[0] <= MOST_WIDTH:
            raise self._text.unfit(
                f"embeddings of {widths[1]} numbers beside {widths[0]} of pictures",
                f"as many of both, at most {MOST_WIDTH}",
            )
        return widths[0]


class _Network:
    """One network: what it takes first, and its embedding."""

    def __init__(self, path: Path):
        self._path, self._session = path, open_session(path)
        inputs = self._session.get_inputs()
        first = next((each for each in inputs if each.name == "input_ids"), inputs[0])
        self._masks = [each for each in inputs if each.name == "attention_mask"]
        if len(inputs) != 1 + len(self._masks) or first.type not in NUMBERS:
            named = ", ".join(f"{each.name} {each.type}" for each in inputs)
            raise self.unfit(f"inputs {named}", "pictures, or token ids with an attention mask")
        self._name, self.shape, self.number = first.name, first.shape, NUMBERS[first.type]
        outputs = self._session.get_outputs()
        flat = [each.name for each in outputs if len(each.shape) == 2]
        if not flat:
            raise self.unfit("no output of two dimensions", "embeddings (batch, width)")
        self._output = next((name for name in flat if "embed" in name), flat[0])

    def run(self, values: np.ndarray) -> np.ndarray:
        """The embeddings float32 (B, width), of length 1, of what the network takes first."""
        feed: dict[str, Any] = {self._name: values.astype(self.number, copy=False)}
        for mask in self._masks:
            ends = values.argmax(axis=1)[:, None]  # the end token has the highest id
            feed[mask.name] = (np.arange(values.shape[1]) <= ends).astype(NUMBERS[mask.type])
        try:
            (output,) = self._session.run([self._output], feed)
        except Exception as error:  # onnxruntime's errors share no base class
            raise self.unfit(first_line(error), "a tower") from None
        if output.ndim != 2 or len(output) != len(values):
            raise self.unfit(f"an output {output.shape}", f"({len(values)}, width)")
        vectors = output.astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        if not (np.isfinite(vectors).all() and lengths.all()):
            raise self.unfit("an embedding that is zero or no finite number", "numbers")
        return vectors / lengths

    def unfit(self, fault: str, expected: str) -> TrainerError:
        return TrainerError(f"{self._path}: {fault}; expected {expected}")
