"""The learned copy detector: a small network whose embeddings of copies are alike, and its file.

Source: CLIP, appendix C, made small. A detector is one frozen safetensors file, named by its
digest. Its score is a cosine, normalised by a background of pictures of the build that is searched:
a picture that looks like much of the build (a drawing on white) needs a higher cosine to count.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from queries.tables.errors import first_line
from queries.tables.parts import written_whole
from trainer.copies.onnx_network import load_onnx
from trainer.copies.poses import ORIENTATIONS, oriented
from trainer.copies.synthetic import SIDE
from trainer.copies.thumbnails import middles, mirrored
from trainer.settings import TrainerError

STATE = "buildwit-detector"  # key of the description in the file's metadata
WIDTHS = (32, 64, 128, 192)  # of the blocks
HIDDEN = 512  # of the head
EMBED = 128
POWER = 3  # of the generalised means, as SSCD has it
NEAREST = 10  # of the background, whose mean similarity says how common a picture's looks are
WEIGHT = 0.25  # of the means in a score: cosine - WEIGHT * (mean of one + mean of the other)
BATCH = 256
MEAN, SCALE = 128.0, 64.0

Pictures: TypeAlias = np.ndarray | Sequence[np.ndarray]


class Block(nn.Module):
    """Two 3 x 3 convolutions and their shortcut (He et al. 2016, figure 2)."""

    def __init__(self, width_in: int, width: int, stride: int):
        super().__init__()
        self.first = nn.Conv2d(width_in, width, 3, stride, 1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        self.past: nn.Module = nn.Identity()
        if stride > 1 or width_in != width:
            self.past = nn.Sequential(
                nn.AvgPool2d(stride), nn.Conv2d(width_in, width, 1, bias=False)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.first_norm(self.first(x)))
        return F.relu(self.second_norm(self.second(y)) + self.past(x))


def strongest(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C): generalised means, which weigh what is strong (Radenović 2018)."""
    return x.float().clamp(min=1e-4).pow(POWER).mean((2, 3)).pow(1 / POWER)


class Embedder(Protocol):
    """What a detector needs of a network: this one's, or any of trainer/copies/onnx_network.py."""

    side: int  # pixels of a square picture
    width: int  # numbers of an embedding
    orientations: tuple[int, ...]  # in which a picture is sought: see trainer/copies/poses.py
    middle: float  # of each side, in which it is sought once more, and mirrored; 1: no more

    def embed(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, side, side, 3) -> embeddings float32 (B, width) of length 1."""


class Network(nn.Module):
    """Pictures uint8 (B, 3, SIDE, SIDE) -> embeddings float32 (B, EMBED) of length 1."""

    side, width = SIDE, EMBED
    orientations: tuple[int, ...] = (*range(ORIENTATIONS),)  # it is trained on no turned copies
    middle = 0.75  # without a border, the bands of a meme, or the corners of a rotation

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, WIDTHS[0], 7, 4, 3, bias=False)
        self.stem_norm = nn.BatchNorm2d(WIDTHS[0])
        widths = (WIDTHS[0], *WIDTHS)
        self.blocks = nn.Sequential(
            *(Block(widths[i], widths[i + 1], stride) for i, stride in enumerate((1, 2, 2, 1)))
        )
        self.head = nn.Sequential(
            nn.Linear(WIDTHS[-1] * 5, HIDDEN, bias=False),
            nn.BatchNorm1d(HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, EMBED),
        )

    def forward(self, images: Tensor) -> Tensor:
        x = (images.float() - MEAN) / SCALE
        x = F.relu(self.stem_norm(self.stem(x)))
        x = self.blocks(x)  # (B, 192, 4, 4)
        layout = F.adaptive_avg_pool2d(x, 2).flatten(1)  # where things are: (B, 768)
        pooled = torch.cat([strongest(x), layout], dim=1)
        return F.normalize(self.head(pooled).float(), dim=-1)

    @torch.inference_mode()
    def embed(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 (B, SIDE, SIDE, 3) -> embeddings (B, EMBED), on the network's device."""
        images = torch.from_numpy(pictures).to(self.stem.weight.device).permute(0, 3, 1, 2)
        return self(images).cpu().numpy()


@dataclass(frozen=True)
class Detector:
    """A trained network, its description, and the background that normalises its scores.

    `about` holds the least scores at which the false-positive rates of its own calibration are
    reached; pictures, steps, seconds and the build's version of ours, the file of an ONNX network.
    """

    network: Embedder
    about: dict
    digest: str = ""
    background: np.ndarray | None = None  # (K, D) float32

    def beside(self, pictures: np.ndarray) -> "Detector":
        """The detector with these pictures, uint8 (K, SIDE, SIDE, 3), as its background."""
        return self.with_background(self.embed(pictures))

    def with_background(self, embeddings: np.ndarray) -> "Detector":
        """The detector with pictures of these embeddings (K, D) as its background."""
        return replace(self, background=embeddings)

    @property
    def side(self) -> int:
        """Pixels of the square pictures that it takes."""
        return self.network.side

    @property
    def name(self) -> str:
        """The name in results: `learned-` or `onnx-`, and the first 12 digits of the digest."""
        return f"{'onnx' if 'onnx' in self.about else 'learned'}-{self.digest[:12]}"

    def embed(self, pictures: Pictures) -> np.ndarray:
        """Pictures uint8 (N, side, side, 3) -> embeddings (N, D) float32, of length 1."""
        blocks = [self.network.embed(batch) for batch in _batches(pictures)]
        return np.concatenate([np.empty((0, self.network.width), np.float32), *blocks])

    def embed_both(self, pictures: Pictures) -> np.ndarray:
        """Embeddings (2 * N, D): of each picture, then of each mirror image."""
        turned = [self.network.embed(mirrored(batch)) for batch in _batches(pictures)]
        return np.concatenate([self.embed(pictures), *turned])

    def embed_views(self, pictures: Pictures) -> np.ndarray:
        """Embeddings (V, N, D) of pictures as they are sought, in V views, the upright first.

        The views are the network's orientations of the whole picture, then of its middle alone.
        """
        network, views = self.network, []
        for batch in _batches(pictures):
            turned = [oriented(batch, each) for each in network.orientations]
            if network.middle < 1:
                middle = middles(batch, network.middle)
                turned += [middle, mirrored(middle)]
            views.append(np.stack([network.embed(view) for view in turned]))
        return np.concatenate(views, axis=1)

    def commonness(self, embeddings: np.ndarray) -> np.ndarray:
        """The mean cosine (N,) of embeddings (N, D) to the NEAREST pictures of the background.

        The very nearest is left out: it may be the picture itself.
        """
        background = self.background
        if background is None or len(background) < 2:
            raise ValueError("no background: expected at least two pictures")
        n = min(NEAREST, len(background) - 1)
        nearest_means = []
        for block in _split(embeddings):
            best = np.partition(block @ background.T, -n - 1, axis=1)[:, -n - 1 :]
            nearest_means.append((best.sum(axis=1) - best.max(axis=1)) / n)
        return np.concatenate([np.empty(0, np.float32), *nearest_means])

    def sought(self, embeddings: np.ndarray) -> np.ndarray:
        """Vectors (N, D + 2) whose inner product with those of `compared` is the score."""
        common = -WEIGHT * self.commonness(embeddings)
        return np.column_stack([embeddings, np.ones_like(common), common]).astype(np.float32)

    def compared(self, embeddings: np.ndarray) -> np.ndarray:
        """Vectors (N, D + 2) of the pictures that `sought` is compared with."""
        common = -WEIGHT * self.commonness(embeddings)
        return np.column_stack([embeddings, common, np.ones_like(common)]).astype(np.float32)


def _batches(pictures: Pictures) -> Iterator[np.ndarray]:
    return (np.asarray(pictures[at : at + BATCH]) for at in range(0, len(pictures), BATCH))


def _split(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[at : at + BATCH] for at in range(0, len(rows), BATCH))


def save(path: Path, network: Network, about: dict) -> Detector:
    """Write the detector to a file, whole, and return it as read back."""
    tensors = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    with written_whole(path) as beside:
        save_file(tensors, beside, {STATE: json.dumps(about, sort_keys=True)})
    return load(path)


def load(path: Path) -> Detector:
    """The detector of a file that `trainer detector` wrote, or of an ONNX network.

    An .onnx, or a .toml of trainer/copies/onnx_network.py. TrainerError for another file.
    """
    if path.suffix.lower() in (".onnx", ".toml"):
        return Detector(*load_onnx(path))
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})[STATE])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        network = Network()
        network.load_state_dict(tensors)
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise TrainerError(
            f"{path}: {first_line(error)}, expected a detector that "
            "`python -m trainer detector` made, an .onnx, or a .toml with a table [detector]"
        ) from None
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Detector(network, about, digest)
