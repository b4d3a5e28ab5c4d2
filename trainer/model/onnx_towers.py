"""The two towers as ONNX, for programs without torch; each is run once and held against ours."""

import logging
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from queries.tables.parts import written_whole
from trainer.model import CLIP
from trainer.settings import TrainerError

CLOSE = 1e-4  # of numbers of a vector of length 1: rounding alone makes some 1e-7


class ImageTower(nn.Module):
    """uint8 RGB (B, 3, S, S) -> (B, embed) of length 1: the normalisation is in the graph."""

    def __init__(self, model: CLIP):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        return F.normalize(self.model.encode_image(images), dim=-1)


class TextTower(nn.Module):
    """Token ids, int64 (B, context), zeros behind the end token -> (B, embed) of length 1."""

    def __init__(self, model: CLIP):
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor) -> Tensor:
        return F.normalize(self.model.encode_text(tokens), dim=-1)


def write_onnx(model: CLIP, folder: Path) -> tuple[Path, Path]:
    """Write image.onnx and text.onnx, any batch size, and run both once.

    TrainerError where a package is missing, or where ONNX Runtime's vectors are not ours.
    """
    images, tokens = _examples(model)
    paths = folder / "image.onnx", folder / "text.onnx"
    _write(ImageTower(model).eval(), "images", images, paths[0])
    _write(TextTower(model).eval(), "tokens", tokens, paths[1])
    return paths


def _examples(model: CLIP) -> tuple[Tensor, Tensor]:
    """Two pictures of noise, and two texts of which one is full."""
    text, side = model.config.text, model.config.vision.pixels
    noise = np.random.default_rng(0)
    images = torch.from_numpy(noise.integers(0, 256, (2, 3, side, side), np.uint8))
    start, end = text.vocabulary - 2, text.vocabulary - 1
    tokens = torch.from_numpy(noise.integers(1, start, (2, text.context)))
    tokens[:, 0], tokens[0, -1], tokens[1, 2], tokens[1, 3:] = start, end, end, 0
    return images, tokens


def _write(tower: nn.Module, name: str, example: Tensor, path: Path) -> None:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter asks for it, and it for onnx
    except ImportError as error:
        raise TrainerError(f"--onnx: {error}: pip install 'buildwit[onnx]'") from None
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it warns that torchvision is absent
    with written_whole(path) as beside:
        torch.onnx.export(
            tower,
            (example,),
            beside,
            input_names=[name],
            output_names=["embeddings"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        _without_traces(beside)
        session = onnxruntime.InferenceSession(beside, providers=["CPUExecutionProvider"])
        batch = torch.cat([example, example.flip(0)[:1]])  # of another size than the example's
        with torch.inference_mode():
            expected = tower(batch).numpy()
        worst = float(np.abs(session.run(None, {name: batch.numpy()})[0] - expected).max())
        if not worst <= CLOSE:
            raise TrainerError(f"{path}: ONNX Runtime's vectors are {worst:.1e} from ours")


def _without_traces(path: Path) -> None:
    """Torch notes at every node which line of which file of this machine made it."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for noted in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info):
        del noted.metadata_props[:]
    for weight in graph.initializer:
        del weight.metadata_props[:]
    onnx.save(model, path)
