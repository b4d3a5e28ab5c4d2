"""Evaluation sets: CLIP_benchmark's webdataset layout, or an ImageFolder.

May import numpy and trainer's pictures. A set is read in the order of its names, one picture at
a time; a picture that cannot be read is counted and named, never lost.
"""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from trainer.pictures import BadPictureError, decode
from trainer.settings import TrainerError

CLASSNAMES = "classnames.txt"
TEMPLATES = "zeroshot_classification_templates.txt"
DEFAULT_TEMPLATES = ("a photo of a {c}.",)  # CLIP, section 3.1.4
SUFFIXES = ("jpg", "jpeg", "png", "webp")


@dataclass(frozen=True)
class Picture:
    """One picture of an evaluation set: RGB uint8 (H, W, 3) and the number of its class."""

    name: str
    label: int
    pixels: np.ndarray


@dataclass
class EvalSet:
    """Classes, prompts with `{c}` for the class, and pictures. `bad` fills as they are read."""

    root: Path
    classes: list[str]
    templates: list[str]
    bad: dict[str, str] = field(default_factory=dict)  # picture to what is wrong with it

    @property
    def name(self) -> str:
        return self.root.resolve().name

    def pictures(self) -> Iterator[Picture]:
        """Every readable picture, once, in order of name."""
        self.bad.clear()
        files = _tar_files if (self.root / CLASSNAMES).is_file() else _folder_files
        for name, label, data in files(self.root):
            try:
                if not 0 <= label < len(self.classes):
                    raise BadPictureError(f"class {label}: expected 0..{len(self.classes) - 1}")
                yield Picture(name, label, decode(data))
            except BadPictureError as error:
                self.bad[name] = str(error)

    def prompts(self, label: int) -> list[str]:
        """The class in every template."""
        return [template.replace("{c}", self.classes[label]) for template in self.templates]


def read_eval_set(root: Path) -> EvalSet:
    """The set in a folder, its pictures unread; TrainerError if it has neither layout."""
    if (root / CLASSNAMES).is_file():
        classes = _lines(root / CLASSNAMES)
        if not any((root / "test").glob("*.tar")):
            raise TrainerError(f"{root}: has {CLASSNAMES}, expected test/*.tar beside it")
    else:
        classes = [folder.name.replace("_", " ") for folder in _class_folders(root)]
    if len(classes) < 2:
        raise TrainerError(
            f"{root}: expected an evaluation set: {CLASSNAMES} and test/*.tar, or at least two "
            "folders of pictures, each named as its class"
        )
    path = root / TEMPLATES
    templates = _lines(path) if path.is_file() else list(DEFAULT_TEMPLATES)
    for template in templates or [""]:
        if "{c}" not in template:
            raise TrainerError(f"{path}: template {template!r}, expected one with {{c}}")
    return EvalSet(root, classes, templates)


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in path.read_text().splitlines() if line.strip()]


def _class_folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    return [folder for folder in folders if any(_picture_files(folder))]


def _picture_files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix.lower().lstrip(".") in SUFFIXES)


def _folder_files(root: Path) -> Iterator[tuple[str, int, bytes]]:
    for label, folder in enumerate(_class_folders(root)):
        for path in _picture_files(folder):
            yield f"{folder.name}/{path.name}", label, path.read_bytes()


def _tar_files(root: Path) -> Iterator[tuple[str, int, bytes]]:
    """(name, label, bytes) of each sample; one without a readable label gets label -1."""
    for path in sorted((root / "test").glob("*.tar")):
        try:
            with tarfile.open(path) as tar:
                for key, files in _samples(tar):
                    text = _member_bytes(tar, files["cls"]).strip() if "cls" in files else b""
                    label = int(text) if text.isdigit() and len(text) < 10 else -1
                    for suffix in sorted(files.keys() & set(SUFFIXES)):
                        name = f"{path.name}/{key}.{suffix}"
                        yield name, label, _member_bytes(tar, files[suffix])
        except (OSError, tarfile.TarError) as error:
            raise TrainerError(f"{path}: {error}, expected a tar") from None


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
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
    return b"" if file is None else file.read()
