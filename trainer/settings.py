"""What a model is and how it is trained: small frozen settings, and the papers' tables.

May import nothing heavy: `--help`, a wrong name and "nothing to do" must not wait for torch.
"""

from dataclasses import dataclass, replace
from pathlib import Path


class TrainerError(Exception):
    """The command cannot run: one line that says what was found and what was expected."""


@dataclass(frozen=True)
class VisionConfig:
    """Image tower: a modified ResNet if `blocks` has four stages, else a ViT of one number."""

    pixels: int  # side of the square input
    width: int  # of the stem (ResNet) or of the tokens (ViT)
    blocks: tuple[int, ...]  # per stage; a ViT has one stage
    heads: int  # of the attention pool (ResNet) or of every block (ViT)
    patch: int = 0  # pixels a side; 0 for a ResNet


@dataclass(frozen=True)
class TextConfig:
    """Text tower: a causal transformer over `context` token ids below `vocabulary`."""

    width: int
    heads: int
    layers: int = 12
    context: int = 77
    vocabulary: int = 49_408


@dataclass(frozen=True)
class ModelConfig:
    """Both towers and the width of the space that they share."""

    embed: int
    vision: VisionConfig
    text: TextConfig


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: CLIP's paper, section 2.5 and tables 18 to 20, for its models."""

    epochs: int
    batch: int  # pairs
    lr: float  # greatest, after the warm-up
    warmup_steps: int
    beta2: float
    eps: float
    weight_decay: float = 0.2  # on all but gains, biases and the temperature
    margin: float = 0.0  # the crop is taken from a picture resized to (1 + margin) * pixels


def _resnet(pixels: int, width: int, *blocks: int) -> VisionConfig:
    return VisionConfig(pixels, width, blocks, heads=width // 2)  # 32 * width / 64


def _vit(pixels: int, patch: int, width: int, layers: int, heads: int = 0) -> VisionConfig:
    return VisionConfig(pixels, width, (layers,), heads or width // 64, patch)


def _model(embed: int, vision: VisionConfig, text_width: int) -> ModelConfig:
    return ModelConfig(embed, vision, TextConfig(text_width, text_width // 64))


TINY_TEXT = TextConfig(width=128, heads=2, layers=3, context=32, vocabulary=4_096)

MODELS: dict[str, ModelConfig] = {
    "RN50": _model(1024, _resnet(224, 64, 3, 4, 6, 3), 512),
    "RN101": _model(512, _resnet(224, 64, 3, 4, 23, 3), 512),
    "RN50x4": _model(640, _resnet(288, 80, 4, 6, 10, 6), 640),
    "RN50x16": _model(768, _resnet(384, 96, 6, 8, 18, 8), 768),
    "RN50x64": _model(1024, _resnet(448, 128, 3, 15, 36, 10), 1024),
    "ViT-B-32": _model(512, _vit(224, 32, 768, 12), 512),
    "ViT-B-16": _model(512, _vit(224, 16, 768, 12), 512),
    "ViT-L-14": _model(768, _vit(224, 14, 1024, 24), 768),
    "ViT-L-14-336": _model(768, _vit(336, 14, 1024, 24), 768),
    "ViT-S-16": _model(512, _vit(224, 16, 384, 12, heads=12), 512),  # SLIP, section 4
    "tiny-rn": ModelConfig(256, _resnet(64, 16, 1, 1, 1, 1), TINY_TEXT),
    "tiny-vit": ModelConfig(256, _vit(64, 8, 128, 4), TINY_TEXT),
}

_PAPER_RESNET = Recipe(32, 32_768, 5e-4, 2_000, beta2=0.999, eps=1e-8)
_PAPER_VIT = replace(_PAPER_RESNET, beta2=0.98, eps=1e-6)
_TINY = Recipe(20, 128, 2e-3, 60, beta2=0.98, eps=1e-6, margin=0.125)

RECIPES: dict[str, Recipe] = {
    "RN50": _PAPER_RESNET,
    "RN101": _PAPER_RESNET,
    "RN50x4": _PAPER_RESNET,
    "RN50x16": replace(_PAPER_RESNET, lr=4e-4),
    "RN50x64": replace(_PAPER_RESNET, lr=3.6e-4),
    "ViT-B-32": _PAPER_VIT,
    "ViT-B-16": _PAPER_VIT,
    "ViT-L-14": replace(_PAPER_VIT, lr=4e-4),
    "ViT-L-14-336": replace(_PAPER_VIT, lr=2e-5, epochs=1),  # one more epoch, at 336 pixels
    "ViT-S-16": _PAPER_VIT,
    "tiny-rn": _TINY,
    "tiny-vit": _TINY,
}


@dataclass(frozen=True)
class TrainSettings:
    """All that decides a run's weights, besides the build."""

    model: str
    recipe: Recipe
    seed: int = 0
    max_seconds: float | None = None  # an upper bound; the schedule then ends in time
    precision: str = "auto"  # auto, bf16 or fp32

    def __post_init__(self) -> None:
        if self.recipe.epochs < 1 or self.recipe.batch < 2:
            raise TrainerError(
                f"epochs {self.recipe.epochs}, batch {self.recipe.batch}: expected at least 1 and 2"
            )
        if self.recipe.lr <= 0:
            raise TrainerError(f"lr {self.recipe.lr}: expected more than 0")
        if self.max_seconds is not None and self.max_seconds <= 0:
            raise TrainerError(f"max-seconds {self.max_seconds}: expected more than 0")


@dataclass(frozen=True)
class RunFolder:
    """The files of a run, by name."""

    root: Path

    @property
    def done(self) -> Path:
        """Written last, so its presence proves that the run is finished."""
        return self.root / "run.json"

    @property
    def checkpoint(self) -> Path:
        return self.root / "checkpoint.safetensors"

    @property
    def tokenizer(self) -> Path:
        return self.root / "tokenizer.json"

    @property
    def log(self) -> Path:
        return self.root / "train.jsonl"


def config(name: str) -> ModelConfig:
    """The model's configuration; an unknown name is a TrainerError that lists the known ones."""
    if name not in MODELS:
        raise TrainerError(f"unknown model {name!r}: expected one of {', '.join(MODELS)}")
    return MODELS[name]
