"""Where an evaluation set has its splits: folders of tars, of classes, or of pictures."""

from collections.abc import Callable
from pathlib import Path

from trainer.evaluation.sets.files import folders_in, has_own_picture, pictures_in, tars_in
from trainer.settings import TrainerError

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}

Holds = Callable[[Path], bool]  # whether a folder is a split of a set


def holds_tars(place: Path) -> bool:
    return bool(tars_in(place))


def holds_classes(place: Path) -> bool:
    """Whether it has folders of pictures and no picture of its own: that would make it a class."""
    return not has_own_picture(place) and any(map(_any_picture, folders_in(place)))


def holds_pictures(place: Path) -> bool:
    return holds_tars(place) or _any_picture(place)


def _any_picture(folder: Path) -> bool:
    return next(pictures_in(folder), None) is not None


def find_split(root: Path, split: str, holds: Holds) -> Path | None:
    """The folder of train, val or test, or of a split by another name; None if there is none."""
    places = (root / name for name in SPLITS.get(split, (split,)))
    return next((place for place in places if holds(place)), None)


def evaluated_split(root: Path, split: str | None, holds: Holds) -> Path:
    """The folder of the pictures to evaluate: of `split`, or of test, val, or all. TrainerError.

    ImageNet has no labelled test pictures, so where test is missing, val is evaluated.
    """
    places = {name: find_split(root, name, holds) for name in SPLITS}
    if split is not None:
        place = find_split(root, split, holds)
        if place is None:
            there = ", ".join(name for name, path in places.items() if path) or "none"
            raise TrainerError(f"{root}: no split {split}, expected one that is there: {there}")
        return place
    place = places["test"] or places["val"]
    if place is None and places["train"]:
        raise TrainerError(f"{root}: train alone, expected test or val beside it, or --split train")
    return place or root
