"""The shards of an output of img2dataset: tars or folders of samples, each with its listing.

A listing is the Parquet beside a shard. It has a row for each address that was asked for, also for
those that gave no picture; it is not needed, since outputs are often passed on without.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pipeline.settings.sources import DownloadedSource
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import SourceError
from pipeline.sources.downloaded.read import read
from pipeline.sources.downloaded.samples import PICTURES
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.place import Found, companion, expand, identity, name_of, open_file
from pipeline.sources.tables import parquet
from pipeline.sources.tables.layouts import listed
from pipeline.sources.unpacked import BROKEN, BombError
from queries.tables.errors import one_line
from queries.tables.tars import BLOCK, check_first_header

EXPECTED = "expected what img2dataset writes as webdataset (00000.tar) or files (00000/)"
FEWEST_COLUMNS = {"key", "status"}  # of a listing
MOST_TRIED = 32  # shards whose first samples are read at the door
SAMPLED = 1_000  # rows of them


@dataclass(frozen=True)
class Shard:
    """A tar, a folder, or a listing that has neither; its root is what its path has before it."""

    root: str  # the number of the path in the settings
    name: str  # in the folder that the path names
    path: str
    listing: str | None
    kind: str  # tar, folder or listing

    @property
    def rows(self) -> dict[str, str | None]:
        """What `read` needs of it."""
        name = f"{self.root}/{self.name}" if self.name else self.root
        return {"name": name, "path": self.path, "listing": self.listing, "kind": self.kind}


def check(source: DownloadedSource) -> None:
    """Raise SourceError unless there are shards, and a sample with an address among the first."""
    all_shards = shards(source)
    for shard in all_shards:
        if shard.kind == "listing":
            _check_listing(source, str(shard.listing))
    step = -(-len(all_shards) // MOST_TRIED)
    faults = [_fault(source, shard) for shard in all_shards[::step]]
    if all(faults):
        raise SourceError(f"source {source.name}: {faults[0]}")


def parts(source: DownloadedSource, planning: Planning) -> Iterator[PlannedPart]:
    """A part for each shard, decided by the contents of its files."""
    for shard in shards(source):
        files = [path for path in (shard.path, shard.listing) if path]
        decided_by = [shard.root, shard.name, *(identity(path, planning) for path in files)]
        decided_by += [source.columns.model_dump(), source.html]
        columns: dict[str, list] = {name: [value] for name, value in shard.rows.items()}
        yield f"{shard.root}/{shard.name}", tuple(decided_by), columns


def shards(source: DownloadedSource) -> list[Shard]:
    """The shards of all paths, in order. Raises SourceError where a path has none."""
    all_shards = []
    for number, text in enumerate(source.paths):
        files = expand(text, _is_of_shard)
        of_path = list(_shards_of(source, str(number), text, files))
        if not of_path:
            raise SourceError(f"source {source.name}: {text}: {EXPECTED}; there is none")
        all_shards += of_path
    return all_shards


def roots(source: DownloadedSource) -> dict[str, str]:
    """What stands before a shard's name in its path, for each path of the settings."""
    before_names: dict[str, str] = {}
    for shard in shards(source):
        if shard.path:
            before = shard.path.removesuffix(shard.name) if shard.name else f"{shard.path}/"
            before_names.setdefault(shard.root, before)
    return before_names


def _is_of_shard(name: str) -> bool:
    ending = name.rpartition(".")[2].lower()
    return ending in {"tar", "parquet", *PICTURES}


def _shards_of(
    source: DownloadedSource, root: str, text: str, files: list[Found]
) -> Iterator[Shard]:
    names = {file.name: file.path for file in files}
    folders = {
        name.rpartition("/")[0] for name in names if name.rpartition(".")[2].lower() in PICTURES
    }
    if folders and (is_remote(text) or not Path(text).is_dir()):
        raise SourceError(
            f"source {source.name}: {text}: pictures as files are read from a folder of this "
            "machine only; pack each folder of them as a tar"
        )
    listings = {name for name in names if name.lower().endswith(".parquet")}
    for folder in sorted(folders):
        path = str(Path(text, folder)) if folder else text
        listing = names.get(f"{folder}.parquet") if folder else _beside(path, name_of(path))
        listings.discard(f"{folder}.parquet")
        yield Shard(root, folder, path, listing, "folder")
    for name in sorted(name for name in names if name.lower().endswith(".tar")):
        path, stem = names[name], name.rpartition(".")[0]
        if not path.endswith(name):
            raise SourceError(f"source {source.name}: {text}: expected an address without a query")
        listing = names.get(f"{stem}.parquet")
        if len(names) == 1:
            listing = _beside(path, stem.rpartition("/")[2])
        listings.discard(f"{stem}.parquet")
        yield Shard(root, name, path, listing, "tar")
    for name in sorted(listings):
        yield Shard(root, name, "", names[name], "listing")


def _beside(path: str, stem: str) -> str | None:
    try:
        return companion(path.rstrip("/"), f"{stem}.parquet", ())
    except FileNotFoundError:
        return None


def _check_listing(source: DownloadedSource, path: str) -> None:
    """Raise SourceError unless a Parquet without samples says why it has none."""
    try:
        names = parquet.column_names(path)
    except (*BROKEN, BombError):
        return  # a reason later
    if PICTURES & set(names):
        raise SourceError(
            f"source {source.name}: {path}: img2dataset wrote it as parquet, pictures and all; "
            f"{EXPECTED}"
        )
    if not set(names) >= FEWEST_COLUMNS:
        raise SourceError(
            f"source {source.name}: {path}: {EXPECTED}, with listings that have the columns key "
            f"and status; it has: {listed(names)}"
        )


def _fault(source: DownloadedSource, shard: Shard) -> str | None:
    """Why none of the first rows of a shard is of use; None if one is, or if all have failed."""
    if shard.kind == "tar" and (fault := _no_tar(shard.path)):
        return f"{shard.path}: {EXPECTED}; {fault}"
    raws = list(islice(read(shard.rows, source), SAMPLED))
    columns = source.columns
    if not raws or any(raw.reason == "not_downloaded" or raw.url for raw in raws):
        return None if raws else f"{shard.path}: {EXPECTED}; it has no sample"
    names = sorted({name for raw in raws for name in raw.extra or ()} - {"held"})
    return (
        f"{shard.path or shard.listing}: no {columns.url!r} in the .json of its first "
        f"{len(raws):,} samples; they have: {listed(names)}"
    )


def _no_tar(path: str) -> str | None:
    try:
        with open_file(path) as file:
            start = file.read(BLOCK)
            check_first_header(start)
    except (OSError, ValueError) as error:
        return one_line(error)
    return None if start else "it is empty"
