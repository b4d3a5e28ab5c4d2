"""Evaluation sets: CLIP_benchmark's webdataset layout, or folders of pictures.

A set is read in order of name, one picture at a time. An unreadable picture is noted in `bad` with
the reason. Archives are untrusted: no member is read beyond FILE_BYTES, and nothing is unpacked to
the disk.
"""

import tarfile
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from trainer.data.pixels import BadPictureError, decode
from trainer.settings import TrainerError

CLASSNAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
DEFAULT_TEMPLATES = ("a photo of a {c}.",)  # CLIP, section 3.1.4
BARE_TEMPLATES = ("{c}",)  # what the default is tried against: icons want no "photo of"
CAPTION_TEMPLATES = ("a photo of {c}",)  # CLIP, section 3.1.4: what retrieval prepends
DEFAULT = "default"  # key of the templates of sets without their own
SUFFIXES = ("jpg", "jpeg", "png", "webp")
SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
FILE_BYTES = 1 << 26  # a larger picture or caption is not read

Files = dict[str, Callable[[], bytes]]  # of one sample, by suffix


@dataclass(frozen=True)
class Picture:
    """One picture of an evaluation set: RGB uint8 (H, W, 3), its class's number, its captions."""

    name: str
    label: int  # -1 in a captioned set
    pixels: np.ndarray
    captions: tuple[str, ...] = ()


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

    @property
    def name(self) -> str:
        return self.root.resolve().name

    def has(self, split: str) -> bool:
        """Whether the set has pictures of a split: train, val or test."""
        return self._place(split) is not None

    def _place(self, split: str) -> Path | None:
        return _place(self.root, split, captioned=not self.classes)

    def pictures(self, split: str = "test") -> Iterator[Picture]:
        """Every readable picture of a split, once, in order of name."""
        self.bad.clear()
        place = self._place(split)
        if place is None:
            expected = " or ".join(f"{self.root / name}" for name in SPLITS[split])
            raise TrainerError(f"{self.root}: no split {split}, expected pictures in {expected}")
        for name, label, files in _samples(place, self.classes):
            try:
                yield self._picture(name, label, files)
            except BadPictureError as error:
                self.bad[name] = str(error)

    def _picture(self, name: str, label: int | None, files: Files) -> Picture:
        suffix = next(ending for ending in SUFFIXES if ending in files)
        if not self.classes:
            captions = _captions(files)
            return Picture(name, -1, decode(files[suffix]()), captions)
        if label is None:
            text = files["cls"]().strip() if "cls" in files else b""
            label = int(text) if text.isdigit() and len(text) < 10 else -1
        if not 0 <= label < len(self.classes):
            raise BadPictureError(f"class {label}: expected 0..{len(self.classes) - 1}")
        return Picture(name, label, decode(files[suffix]()))

    def prompts(self, label: int) -> list[str]:
        """The class in every template."""
        return in_templates(self.classes[label], self.templates)


def in_templates(text: str, templates: Sequence[str]) -> list[str]:
    """
    >>> in_templates("cat", ["a {c}.", "no {c}"])
    ['a cat.', 'no cat']
    """
    return [template.replace("{c}", text) for template in templates]


def read_eval_set(root: Path, templates: Mapping[str, list[str]] | None = None) -> EvalSet:
    """The set in a folder, its pictures unread. Raises TrainerError if it has neither layout.

    Its templates are those of `templates` by its name, else its own, else `templates`' default,
    else DEFAULT_TEMPLATES.
    """
    if (root / CLASSNAMES).is_file():
        classes = _lines(root / CLASSNAMES)
        if not any((root / "test").glob("*.tar")):
            raise TrainerError(f"{root}: has {CLASSNAMES}, expected test/*.tar beside it")
    else:
        place = _place(root, "test", captioned=False)
        folders = _class_folders(place) if place else []
        classes = [folder.name.replace("_", " ") for folder in folders]
    if len(classes) < 2:
        raise TrainerError(
            f"{root}: expected an evaluation set: {CLASSNAMES} and test/*.tar, or at least two "
            "folders of pictures, each named as its class"
        )
    chosen = _templates(root, templates or {}, ())
    return EvalSet(root, classes, chosen or list(DEFAULT_TEMPLATES), chosen=bool(chosen))


def read_captioned_set(root: Path, templates: Mapping[str, list[str]] | None = None) -> EvalSet:
    """The captioned set in a folder: test/*.tar, or a folder, of pictures each with a .txt."""
    if _place(root, "test", captioned=True) is None:
        raise TrainerError(
            f"{root}: expected a captioned set: test/*.tar of pictures with a .txt each, or a "
            "folder of pictures with a .txt beside each"
        )
    return EvalSet(root, [], _templates(root, templates or {}, CAPTION_TEMPLATES))


def read_templates(path: Path | None) -> dict[str, list[str]]:
    """The templates of a TOML: [templates] with a list for `default` or a set's folder's name."""
    if path is None:
        return {}
    try:
        toml = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise TrainerError(f"{path}: {error}, expected a TOML of templates") from None
    by_set = toml.pop("templates", None)
    if toml or not isinstance(by_set, dict):
        raise TrainerError(f"{path}: {', '.join(toml) or 'empty'}, expected [templates] alone")
    for name, templates in by_set.items():
        listed = isinstance(templates, list) and all(isinstance(text, str) for text in templates)
        if not listed:
            raise TrainerError(f"{path}: {name} {templates!r}, expected a list of templates")
        _check(templates, f"{path}: {name}")
    return by_set


def _templates(root: Path, by_set: Mapping[str, list[str]], default: Sequence[str]) -> list[str]:
    own = root / TEMPLATES
    if root.resolve().name in by_set:
        return by_set[root.resolve().name]
    if own.is_file():
        return _check(_lines(own), str(own))
    return list(by_set.get(DEFAULT, default))


def _check(templates: list[str], where: str) -> list[str]:
    for template in templates or [""]:
        if "{c}" not in template:
            raise TrainerError(f"{where}: template {template!r}, expected one with {{c}}")
    return templates


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: {error}, expected lines of UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def _place(root: Path, split: str, *, captioned: bool) -> Path | None:
    """The folder of a split's tars, classes or pictures; a set without splits is all test.

    A class may be named "test": its folder holds pictures, a split's folder holds classes.
    """
    holds = _pictures_in if captioned else _class_folders
    for name in SPLITS[split]:
        if any((root / name).glob("*.tar")) or holds(root / name):
            return root / name
    return root if split == "test" and holds(root) else None


def _class_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    return [folder for folder in folders if any(_pictures_in(folder))]


def _pictures_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower().lstrip(".") in SUFFIXES)


def _samples(place: Path, classes: list[str]) -> Iterator[tuple[str, int | None, Files]]:
    """(name, label or None, files) of every sample with a picture, in order."""
    if tars := sorted(place.glob("*.tar")):
        for path in tars:
            yield from ((name, None, files) for name, files in _tar_samples(path))
        return
    folders = _class_folders(place) if classes else [place]
    for folder in folders:
        label = _label(folder, classes) if classes else None
        for path in _pictures_in(folder):
            beside = {path.suffix, *([] if classes else [".txt"])}
            files: Files = {
                suffix.lower().lstrip("."): partial(_file_bytes, path.with_suffix(suffix))
                for suffix in beside
            }
            name = f"{folder.name}/{path.name}" if classes else path.name
            yield name, label, files


def _label(folder: Path, classes: list[str]) -> int:
    """The class's number by the folder's name; -1 if the test split lacks the class."""
    name = folder.name.replace("_", " ")
    return classes.index(name) if name in classes else -1


def _tar_samples(path: Path) -> Iterator[tuple[str, Files]]:
    try:
        with tarfile.open(path, "r:") as tar:
            for key, members in _by_key(tar):
                for suffix in sorted(members.keys() & set(SUFFIXES)):
                    others = {end: m for end, m in members.items() if end not in SUFFIXES}
                    chosen = {**others, suffix: members[suffix]}
                    files: Files = {
                        end: partial(_member_bytes, tar, member) for end, member in chosen.items()
                    }
                    yield f"{path.name}/{key}.{suffix}", files
    except (OSError, tarfile.TarError) as error:
        raise TrainerError(f"{path}: {error}, expected an uncompressed tar") from None


def _by_key(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Members by sample: webdataset's key ends at the first dot of the file's name."""
    samples: dict[str, dict[str, tarfile.TarInfo]] = {}
    for member in tar:
        folder, _, file = member.name.rpartition("/")
        stem, _, suffix = file.partition(".")
        if member.isfile() and stem:
            samples.setdefault(f"{folder}/{stem}".lstrip("/"), {})[suffix.lower()] = member
    yield from sorted(samples.items())


def _member_bytes(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(member)
    return b"" if file is None else _bounded(file.read(FILE_BYTES + 1))


def _file_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(FILE_BYTES + 1))
    except OSError as error:
        raise BadPictureError(f"{path.name}: {error.strerror}") from None


def _bounded(data: bytes) -> bytes:
    if len(data) > FILE_BYTES:
        raise BadPictureError(f"expected at most {FILE_BYTES:,} bytes")
    return data


def _captions(files: Files) -> tuple[str, ...]:
    """A caption a line, as CLIP_benchmark writes them."""
    text = files["txt"]().decode(errors="replace") if "txt" in files else ""
    captions = tuple(line.strip() for line in text.split("\n") if line.strip())
    if not captions:
        raise BadPictureError("no caption: expected lines in a .txt")
    return captions
