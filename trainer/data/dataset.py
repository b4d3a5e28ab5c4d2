"""What `--data` names: builds of this program, or WebDatasets of anybody's, tars alone.

A WebDataset is a folder of tars, a glob of them, a name with braces, or an index of wids, on this
machine or at an address that fsspec knows: `data/*.tar`, `s3://bucket/cc12m/{00000..01242}.tar`.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from queries.tables import store
from queries.tables.errors import one_line
from queries.tables.manifest import LATEST, LISTS, MANIFEST, find
from trainer.data.shards import Tar, file_system
from trainer.settings import TrainerError

MOST_TARS = 1_000_000
EXPECTED = (
    "expected a build, or tars of a WebDataset: their folder, a glob such as DIR/*.tar, "
    "DIR/{00000..00099}.tar, or an index of wids (.json)"
)
RANGE = re.compile(r"\{(\d{1,18})\.\.(\d{1,18})\}")
CHOICE = re.compile(r"\{([^{}]*,[^{}]*)\}")
ABSOLUTE = re.compile(r"/|[a-z0-9+]+://")
MOST_INDEX = 1 << 26  # bytes
PACKED = (".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".tar.bz2")


@dataclass(frozen=True)
class Dataset:
    """One of the data sets of a run: a build's folder, or the tars of a WebDataset by name."""

    path: str  # as it was given
    build: Path | None = None
    tars: tuple[tuple[str, Tar], ...] = ()


def find_data(data: Path | str) -> Dataset:
    """The build or the tars of a path, a glob or an address. Raises UserError if there are none."""
    text = str(data)
    if not store.is_address(text) or text.partition("://")[0] in store.STORES:
        place = store.place(text)
        store.reach(place)
        marks = (place / MANIFEST, place / LATEST, place / LISTS / LATEST)
        if any(_is_file(mark) for mark in marks):
            return Dataset(text, find(place))
    names_of = _in_index(text) if text.endswith(".json") else braces(text)
    paths = [path for name in names_of for path in _tars(name)]
    if not paths:
        raise TrainerError(f"{text}: {EXPECTED}{_packed(text)}")
    return Dataset(text, tars=tuple(zip(names([tar.path for tar in paths]), paths, strict=True)))


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (ValueError, OSError):  # a glob's name is too long for a file, or it is a store's fault
        return False


def braces(text: str) -> list[str]:
    """The names that braces stand for, as in a shell.

    >>> braces("cc{08..11..1}.tar"), braces("a{08..10}.tar"), braces("{x,y}/{0..1}")
    (['cc{08..11..1}.tar'], ['a08.tar', 'a09.tar', 'a10.tar'], ['x/0', 'x/1', 'y/0', 'y/1'])
    """
    names = [""]
    at = 0
    while at < len(text):
        matches = min(
            filter(None, (RANGE.search(text, at), CHOICE.search(text, at))),
            key=lambda match: match.start(),
            default=None,
        )
        if matches is None:
            break
        before, chosen = text[at : matches.start()], _choices(matches)
        if len(chosen) * len(names) > MOST_TARS:
            raise TrainerError(f"{text:.200}: expected braces of at most {MOST_TARS:,} names")
        names = [name + before + choice for name in names for choice in chosen]
        at = matches.end()
    return [name + text[at:] for name in names]


def _in_index(text: str) -> list[str]:
    """The tars that an index of wids lists; those without a folder of their own are beside it."""
    files, key = file_system(text)
    try:
        data = files.cat_file(key, start=0, end=MOST_INDEX)
        shards = json.loads(data)["shardlist"]
        urls = [shard["url"] for shard in shards]
        beside = text.rpartition("/")[0]
        return [url if ABSOLUTE.match(url) or not beside else f"{beside}/{url}" for url in urls]
    except store.faults() as error:
        raise TrainerError(f"{text}: {one_line(error)}, expected an index of wids") from None
    except (ImportError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise TrainerError(
            f"{text}: expected an index of wids, with a shardlist ({one_line(error):.200})"
        ) from None


def _choices(match: re.Match) -> Sequence[str]:
    if match.re is CHOICE:
        return match[1].split(",")
    first, last = match[1], match[2]
    width = len(first) if first.startswith("0") else 0
    step = 1 if int(last) >= int(first) else -1
    numbers = range(int(first), int(last) + step, step)
    if len(numbers) > MOST_TARS:
        raise TrainerError(f"{match[0]}: expected at most {MOST_TARS:,} names")
    return [str(number).zfill(width) for number in numbers]


def _tars(name: str) -> list[Tar]:
    """The tars of one name: itself, those that a glob meets, or those of a folder, in order."""
    if store.is_address(name):
        return _tars_at(name)
    path = Path(name)
    if path.is_dir():
        matches = sorted(path.glob("*.tar")) or sorted(path.glob("**/*.tar"))
    elif any(mark in name for mark in "*?["):
        root = Path(path.anchor or ".")
        matches = sorted(root.glob(str(path.relative_to(path.anchor))))
    else:
        matches = [path] if path.is_file() else []
        if not matches and name.endswith(".tar"):
            raise TrainerError(f"{path}: no such file, {EXPECTED}")
    return [Tar(str(path)) for path in matches if path.is_file() and path.suffix == ".tar"]


def _tars_at(address: str) -> list[Tar]:
    files, key = file_system(address)
    if any(mark in key for mark in "*?["):
        return [Tar(str(path), files) for path in _listed(address, lambda: files.glob(key))]
    if key.endswith(".tar"):
        return [Tar(key, files)]
    for pattern in (f"{key.rstrip('/')}/*.tar", f"{key.rstrip('/')}/**/*.tar"):
        if matches := _listed(address, lambda pattern=pattern: files.glob(pattern)):
            return [Tar(path, files) for path in matches]
    return []


def _listed(address: str, glob) -> list[str]:
    return sorted(str(path) for path in store.tried(address, glob) if str(path).endswith(".tar"))


def _packed(text: str) -> str:
    """What may be said of a folder whose tars are compressed."""
    path = Path(text)
    files = [path, *path.iterdir()] if path.is_dir() else [path]
    packed = [file.name for file in files if file.name.endswith(PACKED)]
    return f"; {packed[0]} is compressed, so no picture in it can be read alone" if packed else ""


def names(paths: Sequence[str]) -> list[str]:
    """A name for each tar, by which its samples are numbered: of files that moved, the same.

    >>> names(["/d/a/00.tar", "/d/a/01.tar"]), names(["/d/a/00.tar", "/d/b/00.tar"])
    (['00', '01'], ['a/00', 'b/00'])
    """
    stems = [path.removesuffix(".tar") for path in paths]
    short = [stem.rpartition("/")[2] for stem in stems]
    if max(Counter(short).values()) == 1:
        return short
    first, last = min(stems).split("/"), max(stems).split("/")
    shared = sum(
        1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    )
    return ["/".join(stem.split("/")[shared:]) for stem in stems]
