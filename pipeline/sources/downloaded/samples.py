"""The samples of a shard: members of a tar, or files of a folder, that share a key.

As in WebDataset, a key is what stands before the first dot of a name, and the members of a sample
stand behind each other. Nothing is ever unpacked to the disk: a name is only a key, a link has no
content. Memory is bounded by the texts of one sample.
"""

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import IO, NamedTuple

from pipeline.sources.place import is_hidden, open_file
from pipeline.sources.unpacked import BROKEN
from queries.tables.tars import LINK, PLAIN_FILE, whole_members

# Endings of pictures: img2dataset writes the first three, and whatever it is told to.
PICTURES = frozenset(
    ["jpg", "png", "webp", "jpeg", "jfif", "gif", "bmp", "tif", "tiff", "avif", "heic", "jxl"]
)
MOST_TEXT_BYTES = 1 << 20  # of a sample's .json or .txt; more is no text of a sample
CHUNK = 1 << 20  # bytes


class Member(NamedTuple):
    """A member of a tar or a file of a folder; a link has no bytes."""

    name: str
    file: str  # in which it lies, by its name in the source
    offset: int
    n_bytes: int
    read: Callable[[int, int], bytes]  # of a place in the file, so many bytes


class Picture(NamedTuple):
    """Where a sample's picture lies, and its hash."""

    file: str
    offset: int
    bytes: int
    sha256: str


@dataclass
class Sample:
    """The members of one key; what it lacks is None, and b"" what is too long to be read."""

    key: str
    picture: Picture | None = None
    about: bytes | None = None  # its .json
    text: bytes | None = None  # its .txt
    others: list[str] = field(default_factory=list)  # more pictures of the same key


def samples(members: Iterator[Member | None]) -> Iterator[Sample | None]:
    """The samples in the order of their first members; None where the shard is damaged."""
    sample = None
    for member in members:
        name = member.name if member else ""
        if member and is_hidden("/".join(step for step in name.split("/") if step.strip("."))):
            continue
        key, ending = split(name)
        if sample and (member is None or key != sample.key):
            yield sample
            sample = None
        if member is None:
            yield None
        else:
            sample = sample or Sample(key)
            _add(sample, member, ending)
    if sample:
        yield sample


def split(name: str) -> tuple[str, str]:
    """(key, ending) of a member.

    >>> split("00000/000000012.seg.PNG"), split("./7.jpg")
    (('00000/000000012', 'seg.png'), ('7', 'jpg'))
    """
    folder, _, last = name.removeprefix("./").rpartition("/")
    key, _, ending = last.partition(".")
    return (f"{folder}/{key}" if folder else key), ending.lower()


def _add(sample: Sample, member: Member, ending: str) -> None:
    match ending:
        case "json":
            sample.about = _text(member)
        case "txt":
            sample.text = _text(member)
        case _ if ending in PICTURES and sample.picture:
            sample.others.append(member.name)
        case _ if ending in PICTURES and member.n_bytes:
            where = (member.file, member.offset, member.n_bytes)
            sample.picture = Picture(*where, _sha256(member))


def _text(member: Member) -> bytes:
    if member.n_bytes > MOST_TEXT_BYTES:
        return b""
    return member.read(member.offset, member.n_bytes)


def _sha256(member: Member) -> str:
    digest, at, end = hashlib.sha256(), member.offset, member.offset + member.n_bytes
    while at < end and (data := member.read(at, min(CHUNK, end - at))):
        digest.update(data)
        at += len(data)
    return digest.hexdigest()


def of_tar(path: str, name: str) -> Iterator[Member | None]:
    """The members of a tar, and None at the place where it is damaged."""
    with open_file(path) as raw:
        tar = raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw, CHUNK)  # type: ignore[type-var]

        def read(offset: int, n_bytes: int) -> bytes:
            tar.seek(offset)
            return tar.read(n_bytes)

        try:
            for inner, offset, n_bytes in whole_members(tar, (*PLAIN_FILE, *LINK)):
                yield Member(inner, name, offset, n_bytes, read)
        except (*BROKEN, ValueError):
            yield None


def of_folder(folder: str, name: str) -> Iterator[Member | None]:
    """The files of a folder of this machine by their names; links and pipes have no bytes."""
    with os.scandir(folder) as entries:
        inside = sorted(entry.name for entry in entries)
    for inner in sorted(inside, key=split):
        state = os.lstat(Path(folder, inner))
        n_bytes = state.st_size if S_ISREG(state.st_mode) else 0
        file = f"{name}/{inner}" if name else inner
        yield Member(inner, file, 0, n_bytes, _reader(Path(folder, inner)))


def _reader(path: Path) -> Callable[[int, int], bytes]:
    def read(offset: int, n_bytes: int) -> bytes:
        if not n_bytes:
            return b""
        file: IO[bytes]
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(n_bytes)

    return read
