"""The files of evaluation sets: texts, tars, and what a file manager has left between them.

Archives and pictures are untrusted: no file is read beyond FILE_BYTES, and nothing is unpacked to
the disk. Where a sample's bytes stand is noted first, so that several threads can read them.
"""

import codecs
import os
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.data.pixels import BadPictureError
from trainer.settings import TrainerError

FILE_BYTES = 1 << 26  # a larger picture or text is not read
# Endings of pictures: of what a build reads, and of others, which are listed as unreadable.
ENDINGS = (
    *("jpg", "jpeg", "jpe", "jfif", "pjpeg", "png", "apng", "webp", "gif", "bmp", "dib"),
    *("tif", "tiff", "avif", "ico", "jp2", "heic", "heif", "jxl", "ppm", "pgm", "pbm", "svg"),
)
JUNK = {  # lower case; names that begin with a dot are left out, too
    *("@eadir", "__macosx", "__pycache__", "thumbs.db", "desktop.ini", "lost+found"),
    *("$recycle.bin", "system volume information", "#recycle", "@recycle", "#snapshot"),
}
MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
N_SHARDS = "nshards.txt"  # of CLIP_benchmark: how many tars a split has


@dataclass(frozen=True)
class Stored:
    """Where bytes stand: a file, or `size` bytes of one from `offset` on. Threads may share it."""

    path: Path
    offset: int = 0
    size: int | None = None  # None: to the end

    def read(self) -> bytes:
        """The bytes. Raises BadPictureError for more than FILE_BYTES, or without the right."""
        size = FILE_BYTES + 1 if self.size is None else min(self.size, FILE_BYTES + 1)
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                data = file.read(size)
        except OSError as error:
            raise BadPictureError(f"{self.path.name}: {error.strerror}") from None
        if len(data) > FILE_BYTES:
            raise BadPictureError(f"expected at most {FILE_BYTES:,} bytes")
        return data


Files = dict[str, Stored]  # of one sample, by ending


def is_junk(name: str) -> bool:
    """Whether a file or folder is a system's own: hidden, or of a list of known names.

    >>> is_junk("._x.jpg"), is_junk("@eaDir"), is_junk("cat")
    (True, True, False)
    """
    return name.startswith(".") or name.lower() in JUNK


def ending(name: str) -> str:
    """
    >>> ending("a.b.JPG"), ending("jpg")
    ('jpg', '')
    """
    return name.rpartition(".")[2].lower() if "." in name else ""


def text_of(data: bytes) -> str:
    """Text of UTF-8, or of UTF-16 with a byte order mark; lines end in "\\n". UnicodeDecodeError.

    >>> text_of(b"\\xef\\xbb\\xbfcat\\r\\ndog"), text_of("cat".encode("utf-16"))
    ('cat\\ndog', 'cat')
    """
    mark, encoding = next((m for m in MARKS if data.startswith(m[0])), (b"", "utf-8"))
    text = data[len(mark) :].decode(encoding)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """The text of a small file. Raises TrainerError."""
    try:
        return text_of(Stored(path).read())
    except (BadPictureError, UnicodeDecodeError) as error:
        raise TrainerError(f"{path}: {error}, expected lines of UTF-8") from None


def read_lines(path: Path) -> list[str]:
    """Every line, empty ones too, as their places are what labels name; without outer spaces."""
    text = read_text(path)
    return [line.strip() for line in text.removesuffix("\n").split("\n")] if text else []


def pictures_in(folder: Path) -> Iterator[Path]:
    """The pictures of a folder and of folders in it, in order of name; junk is left out.

    Links to folders are followed, each folder once.
    """
    seen: set[tuple[int, int]] = set()
    waiting = [folder]
    while waiting:
        place = waiting.pop()
        if not _new(place, seen):
            continue
        inside = sorted(path for path in _listed(place) if not is_junk(path.name))
        yield from (path for path in inside if ending(path.name) in ENDINGS and path.is_file())
        waiting += [path for path in reversed(inside) if path.is_dir()]


def has_own_picture(folder: Path) -> bool:
    """Whether a picture stands in the folder itself, and not in one of its folders."""
    names = (path for path in _listed(folder) if not is_junk(path.name))
    return any(ending(path.name) in ENDINGS and path.is_file() for path in names)


def folders_in(folder: Path) -> list[Path]:
    """The folders directly in a folder, in order of name; junk is left out."""
    return sorted(path for path in _listed(folder) if path.is_dir() and not is_junk(path.name))


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise TrainerError(f"{folder}: {error.strerror}, expected a folder to read") from None


def _new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    try:
        about = os.stat(folder)
    except OSError:
        return False
    key = (about.st_dev, about.st_ino)
    if key in seen:
        return False
    seen.add(key)
    return True


def tars_in(folder: Path) -> list[Path]:
    """The tars of a split in order: those that nshards.txt counts, or all. Raises TrainerError.

    CLIP_benchmark reads 0.tar to (nshards - 1).tar and nothing else.
    """
    tars = [path for path in _listed(folder) if path.suffix == ".tar" and not is_junk(path.name)]
    if tars and (folder / N_SHARDS).is_file():
        text = read_text(folder / N_SHARDS).strip()
        if not re.fullmatch("[0-9]{1,6}", text):
            raise TrainerError(f"{folder / N_SHARDS}: {text[:40]!r}, expected a number of tars")
        counted = [folder / f"{i}.tar" for i in range(int(text))]
        if len(tars) == len(counted) and set(tars) != set(counted):
            counted = sorted(tars, key=_in_numbers)  # as many, by other names
        if lacks := [path.name for path in counted if not path.is_file()]:
            raise TrainerError(f"{folder}: {N_SHARDS} says {text} tars, expected {lacks[0]}, too")
        return counted
    return sorted(tars, key=_in_numbers)


def _in_numbers(path: Path) -> list[tuple[int, str]]:
    """
    >>> sorted(map(Path, ("10.tar", "9.tar", "a.tar")), key=_in_numbers)[0].name
    '9.tar'
    """
    pieces = re.split("([0-9]{1,18})", path.name)
    return [(int(text), "") if i % 2 else (-1, text) for i, text in enumerate(pieces)]


def tar_samples(path: Path) -> Iterator[tuple[str, Files]]:
    """(key, files by ending) of every sample of a tar, in order of key. Raises TrainerError.

    webdataset's key ends at the first dot of the file's name.
    """
    samples: dict[str, Files] = {}
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                *folders, file = member.name.split("/")
                stem, _, suffix = file.partition(".")
                left_out = any(is_junk(name) for name in (*folders, file) if name != ".")
                if member.isfile() and stem and not left_out:
                    key = "/".join([*folders, stem]).lstrip("/")
                    where = Stored(path, member.offset_data, member.size)
                    samples.setdefault(key, {})[suffix.lower()] = where
    except (OSError, tarfile.TarError) as error:
        raise TrainerError(f"{path}: {error}, expected an uncompressed tar") from None
    yield from sorted(samples.items())
