"""What a model is and how it is trained: small frozen settings, and the papers' tables.

Pydantic checks what a user sets. Only `checked` imports it, as it takes longer to load than all
else that `python -m trainer --help` needs.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Gt, Le, Lt

from queries.tables.errors import UserError
from queries.tables.toml_files import TomlError, read_toml


class TrainerError(UserError):
    """The command cannot run: one line that says what was found and what was expected."""


@dataclass(frozen=True)
class VisionConfig:
    """Image tower: a modified ResNet if `blocks` has four stages, else a ViT of one number."""

    pixels: int  # side of the square input
    width: int  # of the stem (ResNet) or of the tokens (ViT)
    blocks: tuple[int, ...]  # per stage; a ViT has one stage
    heads: int  # of the attention pool (ResNet) or of every block (ViT)
    patch: int = 0  # pixels a side; 0 for a ResNet

    @property
    def features(self) -> int:
        """How wide an image's features are before their projection."""
        return self.width if self.patch else 32 * self.width


@dataclass(frozen=True)
class TextConfig:
    """Text tower: a causal transformer over `context` token ids below `vocabulary`."""

    width: int
    heads: int
    layers: int = 12  # 0: CBOW, the mean of the words
    context: int = 77
    vocabulary: int = 49_408


@dataclass(frozen=True)
class ModelConfig:
    """Both towers and the width of the space that they share."""

    embed: int
    vision: VisionConfig
    text: TextConfig
    activation: str = "quick_gelu"  # OpenAI's; most of open_clip's own models have gelu


ObjectiveName = Literal["clip", "slip", "simclr", "siglip"]
Precision = Literal["auto", "bf16", "fp16", "fp32"]
Activation = Literal["quick_gelu", "gelu"]
Tower = Literal["both", "image", "text"]
ACTIVATIONS: tuple[Activation, ...] = get_args(Activation)
TOWERS: tuple[Tower, ...] = get_args(Tower)
OBJECTIVES: tuple[ObjectiveName, ...] = get_args(ObjectiveName)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
MOST = 2**53 - 1  # of a whole number, as in pipeline's settings
STRICT: Any = {"strict": True, "extra": "forbid"}  # to pydantic, as in pipeline's settings


@dataclass(frozen=True)
class Recipe:
    """How a model is trained: CLIP's paper, section 2.5 and tables 18 to 20, for its models."""

    epochs: Annotated[int, Ge(1), Le(MOST)]
    batch: Annotated[int, Ge(2), Le(MOST)]  # pairs
    lr: Annotated[float, Gt(0), Lt(float("inf"))]  # greatest, after the warm-up
    warmup_steps: Annotated[int, Ge(0), Le(MOST)]
    beta2: float
    eps: float
    weight_decay: float = 0.2  # on all but gains, biases and the temperature
    margin: float = 0.0  # the crop is taken from a picture resized to (1 + margin) * pixels
    objective: ObjectiveName = "clip"
    lr_first: float = 0.0  # where the warm-up starts
    lr_last: float = 0.0  # where the cosine ends
    warmup_epochs: float = 0.0  # beside warmup_steps: the longer of the two
    head_width: Annotated[int, Ge(1), Le(MOST)] = 4_096  # of the hidden layers of SimCLR's head
    # Pairs of a shared rare query that stand together in a batch; 0: none.
    hard_negatives: Annotated[int, Ge(0), Le(MOST)] = 0
    grad_clip_norm: Annotated[float, Ge(0)] = 0.0  # the norm of all gradients at most; 0: no bound
    crop_scale: Annotated[float, Gt(0), Le(1)] = 1.0  # least area of a crop of the square crop
    # Most turn, shear, scale and shift, on a white page: 1 is 10 degrees and a tenth of a side.
    affine: Annotated[float, Ge(0), Le(2)] = 0.0
    strokes: Annotated[float, Ge(0), Le(1)] = 0.0  # share of drawings redrawn thick, thin, outlined
    flip: bool = False  # mirror half of the pictures
    colour: Annotated[float, Ge(0), Le(1)] = 0.0  # most change of brightness, contrast, saturation
    half_moments: bool = False  # Adam's, in 16 bits: CLIP, section 2.5
    half_text: bool = False  # the text tower's matrices, in 16 bits: the same
    __pydantic_config__ = STRICT


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
    "tiny-rn-cbow": ModelConfig(256, _resnet(64, 16, 1, 1, 1, 1), replace(TINY_TEXT, layers=0)),
}

_PAPER_RESNET = Recipe(32, 32_768, 5e-4, 2_000, beta2=0.999, eps=1e-8)
_PAPER_VIT = replace(_PAPER_RESNET, beta2=0.98, eps=1e-6)
_TINY = Recipe(20, 128, 2e-3, 60, beta2=0.98, eps=1e-6, margin=0.125, head_width=512)

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
    "tiny-rn-cbow": _TINY,
}


# SLIP, section 4 and its code: what it changes of a model's own recipe.
SLIP: dict[str, Any] = {
    "epochs": 25,
    "batch": 4_096,
    "lr": 3e-3,
    "warmup_steps": 0,
    "warmup_epochs": 1.0,
    "lr_first": 1e-6,
    "lr_last": 1e-5,
    "beta2": 0.98,
    "eps": 1e-8,
    "weight_decay": 0.1,
}
SIMCLR = SLIP | {"lr": 3.2e-3}  # alone: the README of SLIP's code


def recipe(model: str, objective: str = "clip") -> Recipe:
    """The papers' recipe for a model and its objective. Raises TrainerError for unknown names.

    SLIP's changes are for the papers' models; a tiny model keeps its own batch and epochs.

    >>> recipe("ViT-S-16", "slip").batch, recipe("tiny-rn", "siglip").batch
    (4096, 128)
    """
    config(model)
    if objective not in OBJECTIVES:
        raise TrainerError(f"objective {objective!r}: expected one of {', '.join(OBJECTIVES)}")
    changes = {"slip": SLIP, "simclr": SIMCLR}.get(objective, {})
    if RECIPES[model] is _TINY:
        changes = {}
    return replace(RECIPES[model], objective=objective, **changes)


@dataclass(frozen=True)
class Means:
    """How a step is computed: time and memory change, gradients only by rounding.

    One thing differs: a ResNet's batch statistics are those of a micro-batch.
    """

    micro_batch: Annotated[int, Ge(0), Le(MOST)] = 0  # pairs in memory at once; 0: the batch
    length_groups: Annotated[int, Ge(1), Le(MOST)] = 4  # of texts, each cut to its longest
    checkpointing: bool = False  # a block keeps only its input, and is computed again backwards
    compile: bool = False  # torch.compile: pays off after minutes
    tf32: bool = False  # float32's products on a GPU: of a cosine times 100 up to 0.05 is lost
    cudnn_benchmark: bool = True  # a GPU tries its convolutions at first, and takes the fastest
    __pydantic_config__ = STRICT


@dataclass(frozen=True)
class TrainSettings:
    """All that decides a run's weights, besides the build and the files that it names."""

    model: str
    recipe: Recipe
    seed: Annotated[int, Ge(0), Le(2**63 - 1)] = 0
    max_seconds: Annotated[float, Gt(0)] | None = None  # the schedule then ends within them
    precision: Precision = "auto"
    val: Annotated[float, Ge(0), Le(0.5)] = 0.0  # share of the pairs that is held out
    patience: Annotated[int, Ge(0), Le(MOST)] = 0  # epochs without a better held-out loss; 0: all
    where: str | None = None  # a condition in SQL over `sample`: train on the rows that meet it
    scores: str | None = None  # a table by pair_id, as of `trainer score`, for `where`
    weights: tuple[
        Annotated[float, Gt(0), Lt(1_000)], ...
    ] = ()  # times an epoch shows each data set
    init: str | None = None  # a run, or a file of weights, that training starts from
    init_tower: Tower = "both"  # of them; the rest has weights from the seed
    lock: Literal["image", "text"] | None = None  # a tower that stays as it is at first
    activation: Activation = "quick_gelu"
    merges: str | None = None  # a merges file in CLIP's form; None: learned from the captions
    # Where a WebDataset has its captions, "txt" or "json:caption", and the share of each.
    captions: dict[str, Annotated[float, Gt(0), Lt(float("inf"))]] = field(default_factory=dict)
    means: Means = field(default_factory=Means)
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if self.lock and (self.init is None or self.init_tower not in ("both", self.lock)):
            raise TrainerError(f"lock {self.lock}: expected --init with the weights of that tower")
        if self.lock == "image" and self.recipe.objective in ("slip", "simclr"):
            raise TrainerError(
                f"lock image: expected an objective that has texts, not {self.recipe.objective}"
            )
        if self.scores is not None and self.where is None:
            raise TrainerError(
                f"scores {self.scores}: expected --where beside it, such as 'clip_score > 0.2'"
            )
        if self.patience and not self.val:
            raise TrainerError(f"patience {self.patience}: expected val beside it, such as 0.02")
        if self.val and self.recipe.objective == "simclr":
            raise TrainerError("val: expected an objective with texts; simclr has none")
        if self.recipe.half_text and not self.recipe.half_moments:
            raise TrainerError("half_text: expected half_moments = true beside it")

    @property
    def config(self) -> ModelConfig:
        """The model's configuration. Raises TrainerError for an unknown name."""
        return replace(config(self.model), activation=self.activation)

    def scores_digest(self) -> str:
        """sha256 of the file of scores, in hex; empty where there is none."""
        if self.scores is None:
            return ""
        try:
            with Path(self.scores).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TrainerError(f"scores {error}, expected a file of `trainer score`") from None

    def toml(self) -> str:
        """The settings as the one TOML of the run, which `read` takes."""
        top, sections = [], []
        for name, value in asdict(self).items():
            if isinstance(value, dict):
                lines = [f"{_key(key)} = {json.dumps(setting)}" for key, setting in value.items()]
                sections += ["\n".join(["", f"[{name}]", *lines])] if lines else []
            elif value is not None:
                top.append(f"{name} = {json.dumps(value)}")
        return "\n".join([*top, *sections]) + "\n"


def with_defaults(recorded: dict[str, Any]) -> dict[str, Any]:
    """Settings as an earlier version recorded them: what it did not know had its default."""
    plain = TrainSettings("", RECIPES["tiny-rn"])
    defaults = asdict(plain) | {"recipe": asdict(plain.recipe)}
    recipe = defaults["recipe"] | recorded.get("recipe", {})
    return json.loads(json.dumps(defaults | recorded | {"recipe": recipe}))


def _key(name: str) -> str:
    return name if name.isidentifier() and name.isascii() else json.dumps(name)


def read(path: Path | None, flags: dict[str, dict[str, Any]]) -> TrainSettings:
    """The paper's recipe, changed by a TOML, changed by `flags`: {"": {...}, "recipe": {...}}.

    An unknown key or a wrong type is a TrainerError that names the key, the value and what was
    expected.
    """
    try:
        toml = read_toml(path) if path else {}
    except (OSError, TomlError) as error:
        raise TrainerError(f"{path}: {error}, expected a TOML of settings") from None
    for section, values in flags.items():
        into = toml.setdefault(section, {}) if section else toml
        if not isinstance(into, dict):
            raise TrainerError(f"{section}: {into!r}, expected a section [{section}]")
        into |= values
    model, changes = toml.get("model", "tiny-rn"), toml.get("recipe", {})
    if not isinstance(model, str) or not isinstance(changes, dict):
        raise TrainerError(f"model {model!r}, recipe {changes!r}: expected a name and a section")
    papers = asdict(recipe(model, changes.get("objective", "clip")))
    return checked(toml | {"model": model, "recipe": papers | changes})


def checked(values: dict[str, Any]) -> TrainSettings:
    """The settings with these values. Raises TrainerError with a line for each fault."""
    from pydantic import TypeAdapter, ValidationError

    from queries.tables.faults import UNKNOWN, faults, line, nearest

    # As JSON, since a strict dataclass takes no dict. A date, which JSON lacks, becomes a list,
    # which no setting is.
    text = json.dumps(values, default=lambda date: [str(date)])
    try:
        return TypeAdapter(TrainSettings).validate_json(text)
    except ValidationError as error:
        sections: dict[Any, Any] = {(): TrainSettings, ("recipe",): Recipe, ("means",): Means}
        lines = []
        for fault in faults(error):
            names = ""
            if fault["type"] in UNKNOWN:
                names_of = [field.name for field in fields(sections[fault["loc"][:-1]])]
                guess = nearest(fault["loc"][-1], names_of)
                names = f", expected one of {', '.join(names_of)}"
                names += f"; did you mean {guess}?" if guess else ""
            lines.append(line(fault) + names)
        raise TrainerError("\n".join(lines)) from None


def config(name: str) -> ModelConfig:
    """The model's configuration; an unknown name is a TrainerError that lists the known ones."""
    if name not in MODELS:
        raise TrainerError(f"unknown model {name!r}: expected one of {', '.join(MODELS)}")
    return MODELS[name]
