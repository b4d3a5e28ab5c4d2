"""An evaluation set: its classes, its prompts, and its pictures, which are read as a build's are.

Pictures are read in order of name, several at a time. An unreadable one is noted in `bad` with the
reason.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from queries.pixels.picture import read_picture
from queries.tables.reasons import REASONS
from trainer.data.pixels import BadPictureError
from trainer.data.shards import threads
from trainer.evaluation.sets.classes import need_names
from trainer.evaluation.sets.files import (
    ENDINGS,
    Files,
    Stored,
    ending,
    folders_in,
    pictures_in,
    tar_samples,
    tars_in,
    text_of,
)
from trainer.evaluation.sets.labels import one_label, several_labels
from trainer.evaluation.sets.prompts import in_templates, need_prompts
from trainer.evaluation.sets.splits import (
    SPLITS,
    find_split,
    holds_classes,
    holds_pictures,
    holds_tars,
)
from trainer.settings import TrainerError

MOST_PIXELS = 50_000_000  # the default of a build's max_pixels
AHEAD = 8  # pictures in memory for each thread, whatever the set holds


@dataclass(frozen=True)
class Picture:
    """One picture of an evaluation set: RGB uint8 (H, W, 3), its class's number, its captions."""

    name: str
    label: int  # -1 where pictures have no class, or several
    pixels: np.ndarray
    captions: tuple[str, ...] = ()
    labels: tuple[int, ...] = ()  # in a multi-label set: of all its classes


class Sample(NamedTuple):
    """A picture as it is stored: its label, None where a file holds it."""

    name: str
    label: int | None
    files: Files


@dataclass
class EvalSet:
    """Classes, prompts with `{c}` for the class, and pictures. `bad` fills as they are read.

    A captioned set has no classes; in its prompts `{c}` is the caption.
    """

    root: Path
    classes: list[str]
    templates: list[str]
    bad: dict[str, str] = field(default_factory=dict)  # picture's name to reason
    chosen: bool = True  # somebody chose the templates: they are not DEFAULT_TEMPLATES
    kind: str = "classes"  # or labels (several a picture), captions, pictures (nothing beside)
    place: Path = Path()  # of the pictures that are evaluated
    folders: tuple[str, ...] = ()  # of the classes, in a set of folders
    by_class: dict[str, list[str]] | None = None  # prompts of each class, in place of templates
    split: str | None = None  # the split that somebody chose
    upright: bool = True
    title: str = ""  # a name that tells it from another set of its folder's name

    @property
    def name(self) -> str:
        name = self.title or self.root.resolve().name
        return f"{name}-{self.split}" if self.split else name

    @property
    def where(self) -> str:
        """The folder that tells a set from others of its name."""
        return str(self.root.resolve())

    def lengthen(self, n_parts: int) -> None:
        """Be named by the last folders of the path, such as a-pets for 2 of /sets/a/pets."""
        self.title = "-".join(self.root.resolve().parts[1:][-n_parts:])

    def has(self, split: str) -> bool:
        """Whether the set has pictures of a split beside those that are evaluated."""
        place = self._find(split)
        return place is not None and (split == "test" or place != self.place)

    def _find(self, split: str) -> Path | None:
        if split == "test":
            return self.place
        if self.kind in ("captions", "pictures"):
            return find_split(self.root, split, holds_pictures)
        return find_split(self.root, split, holds_classes if self.folders else holds_tars)

    def pictures(self, split: str = "test", size: int | None = None) -> Iterator[Picture]:
        """Every readable picture of a split, once, in order of name; `test` is the evaluated one.

        size: the shorter side that is enough, in pixels; a picture may be decoded no larger.
        """
        self.bad.clear()
        place = self._find(split)
        if place is None:
            expected = " or ".join(f"{self.root / name}" for name in SPLITS[split])
            raise TrainerError(f"{self.root}: no split {split}, expected pictures in {expected}")
        for sample, picture in self._read_ahead(self.samples(place), size):
            if isinstance(picture, Picture):
                yield picture
            else:
                self.bad[sample.name] = picture

    def _read_ahead(
        self, samples: Iterator[Sample], size: int | None
    ) -> Iterator[tuple[Sample, Picture | str]]:
        """Each sample and its picture, or what is wrong with it, in order."""
        n = threads(remote=False)
        waiting: deque[tuple[Sample, Future[Picture | str]]] = deque()
        with ThreadPoolExecutor(n, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
            for sample in samples:
                waiting.append((sample, pool.submit(self._picture, sample, size)))
                if len(waiting) > n * AHEAD:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()

    def _picture(self, sample: Sample, size: int | None) -> Picture | str:
        try:
            return self._read(sample, size)
        except BadPictureError as error:
            return str(error)

    def _read(self, sample: Sample, size: int | None) -> Picture:
        name, label, files = sample
        suffix = next((end for end in ENDINGS if end in files), None)
        if suffix is None:
            raise BadPictureError("no picture beside its label or caption")
        captions: tuple[str, ...] = ()
        labels: tuple[int, ...] = ()
        if self.kind == "captions":
            captions, label = _captions(files), -1
        elif self.kind == "labels":
            labels, label = several_labels(files, len(self.classes)), -1
        elif self.kind == "classes":
            label = one_label(label, files, len(self.classes))
        picture = read_picture(files[suffix].read(), MOST_PIXELS, size, turned=self.upright)
        if isinstance(picture, str):
            raise BadPictureError(f"{picture}: {REASONS[picture]}")
        return Picture(name, -1 if label is None else label, picture.pixels, captions, labels)

    def samples(self, place: Path) -> Iterator[Sample]:
        """Every sample, in order."""
        if tars := tars_in(place):
            for path in tars:
                for key, files in tar_samples(path):
                    yield from _by_picture(f"{path.name}/{key}", files)
        elif self.folders:
            numbers = {folder: i for i, folder in reversed([*enumerate(self.folders)])}
            for folder in folders_in(place):
                for path in pictures_in(folder):
                    label = numbers.get(folder.name, -1)
                    files = {ending(path.name): Stored(path)}
                    yield Sample(path.relative_to(place).as_posix(), label, files)
        else:
            for path in pictures_in(place):
                beside = path.with_suffix(".txt")
                files = {ending(path.name): Stored(path)}
                files |= {"txt": Stored(beside)} if beside.is_file() else {}
                yield Sample(path.relative_to(place).as_posix(), None, files)

    def prompts(self, label: int) -> list[str]:
        """The class in every template, or its own prompts."""
        if self.by_class is not None:
            return self.by_class[self.classes[label]]
        return in_templates(self.classes[label], self.templates)

    def need_text(self) -> None:
        """Raise TrainerError if the classes cannot be put into prompts."""
        need_names(self.classes, self.root)
        if self.by_class is not None:
            need_prompts(self.by_class, self.classes, self.root)

    def need_single(self, command: str) -> None:
        """Raise TrainerError if a picture may have several classes."""
        if self.kind == "labels":
            raise TrainerError(
                f"{self.root}: several classes a picture, expected one for {command}; zeroshot "
                "evaluates it"
            )


def _by_picture(name: str, files: Files) -> Iterator[Sample]:
    """A sample for each picture of a key; a label without a picture is a sample, too."""
    others = {end: stored for end, stored in files.items() if end not in ENDINGS}
    suffixes = sorted(files.keys() & set(ENDINGS))
    for suffix in suffixes:
        yield Sample(f"{name}.{suffix}", None, {**others, suffix: files[suffix]})
    if not suffixes and others.keys() & {"cls", "npy", "txt"}:
        yield Sample(name, None, others)


def _captions(files: Files) -> tuple[str, ...]:
    """A caption a line, as CLIP_benchmark writes them."""
    try:
        text = text_of(files["txt"].read()) if "txt" in files else ""
    except UnicodeDecodeError:
        text = files["txt"].read().decode(errors="replace")
    captions = tuple(line.strip() for line in text.split("\n") if line.strip())
    if not captions:
        raise BadPictureError("no caption: expected lines in a .txt")
    return captions
