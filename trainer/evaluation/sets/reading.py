"""Which set stands in a folder: of CLIP_benchmark's layout, of folders, or of captions."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from trainer.evaluation.sets.classes import (
    CLASSNAMES,
    Classes,
    folder_classes,
    listed_classes,
)
from trainer.evaluation.sets.eval_set import EvalSet
from trainer.evaluation.sets.files import folders_in, read_text
from trainer.evaluation.sets.prompts import (
    CAPTION_TEMPLATES,
    DEFAULT_TEMPLATES,
    Templates,
    templates_of,
)
from trainer.evaluation.sets.splits import (
    SPLITS,
    evaluated_split,
    find_split,
    holds_classes,
    holds_pictures,
    holds_tars,
)
from trainer.settings import TrainerError

TYPE = "dataset_type.txt"  # of CLIP_benchmark: multilabel, retrieval, or of one class a picture


@dataclass(frozen=True)
class Choice:
    """What may be chosen about sets: the file of names, the split, and the way up."""

    classnames: Path | None = None
    split: str | None = None  # None: test, or val where there is no test
    upright: bool = True  # pictures are turned as their orientation says


CHOICE = Choice()


def read_eval_set(
    root: Path, templates: Mapping[str, Templates] | None = None, choice: Choice = CHOICE
) -> EvalSet:
    """The set in a folder, its pictures unread. Raises TrainerError if it has neither layout.

    Its templates are those of `templates` by its name, else its own, else `templates`' default,
    else DEFAULT_TEMPLATES.
    """
    kind = _type(root)
    if kind == "retrieval":
        raise TrainerError(f"{root}: a captioned set ({TYPE}), expected one of classes: retrieval")
    splits = (*SPLITS, choice.split or "test")
    if holds_tars(root) or any(find_split(root, name, holds_tars) for name in splits):
        place, classes = _of_tars(root, choice)
    else:
        place = evaluated_split(root, choice.split, holds_classes)
        folders = [path.name for path in folders_in(place)] if holds_classes(place) else []
        classes = folder_classes(folders, (root, place), choice.classnames)
    if len(classes.names) < 2:
        raise TrainerError(
            f"{root}: expected an evaluation set: {CLASSNAMES} and test/*.tar, or at least two "
            "folders of pictures, each named as its class"
        )
    texts = templates_of(root, templates or {}, ())
    return EvalSet(
        root,
        classes.names,
        (texts if isinstance(texts, list) else []) or list(DEFAULT_TEMPLATES),
        chosen=bool(texts),
        kind="labels" if kind == "multilabel" else "classes",
        place=place,
        folders=tuple(classes.folders),
        by_class=None if isinstance(texts, list) else texts,
        split=choice.split,
        upright=choice.upright,
    )


def _of_tars(root: Path, choice: Choice) -> tuple[Path, Classes]:
    path = choice.classnames or root / CLASSNAMES
    if not path.is_file():
        raise TrainerError(f"{root}: tars without {CLASSNAMES}, expected it beside test/")
    return evaluated_split(root, choice.split, holds_tars), listed_classes(path)


def read_captioned_set(
    root: Path, templates: Mapping[str, Templates] | None = None, choice: Choice = CHOICE
) -> EvalSet:
    """The captioned set in a folder: test/*.tar, or a folder, of pictures each with a .txt."""
    place = evaluated_split(root, choice.split, holds_pictures)
    if not holds_pictures(place):
        raise TrainerError(
            f"{root}: expected a captioned set: test/*.tar of pictures with a .txt each, or a "
            "folder of pictures with a .txt beside each"
        )
    texts = templates_of(root, templates or {}, CAPTION_TEMPLATES)
    if not isinstance(texts, list):
        raise TrainerError(f"{root}: prompts of classes, expected templates for its captions")
    return EvalSet(
        root,
        [],
        texts,
        kind="captions",
        place=place,
        split=choice.split,
        upright=choice.upright,
    )


def read_any_set(
    root: Path, templates: Mapping[str, Templates] | None = None, choice: Choice = CHOICE
) -> EvalSet:
    """A set of classes, a captioned set, or a folder of pictures and nothing else."""
    try:
        return read_eval_set(root, templates, choice)
    except TrainerError as error:
        captioned = _captioned_or_none(root, choice)
        if captioned is None:
            raise error from None
    if any("txt" in sample.files for sample in captioned.samples(captioned.place)):
        return captioned
    return replace(captioned, kind="pictures")


def _captioned_or_none(root: Path, choice: Choice) -> EvalSet | None:
    """The captioned set; None if there is none, or classes are meant."""
    if _type(root) != "retrieval" and (root / CLASSNAMES).is_file():
        return None
    with suppress(TrainerError):
        return read_captioned_set(root, None, choice)
    return None


def _type(root: Path) -> str:
    path = root / TYPE
    return read_text(path).strip().lower() if path.is_file() else ""
