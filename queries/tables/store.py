"""Folders of this machine, or of a store that fsspec reaches: one kind of path for both.

In a store nothing is renamed: an object is put whole or is not there, so what is written last
decides.
"""

import atexit
import hashlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedIOBase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar, cast

from queries.tables.addresses import EXPECTED, hidden
from queries.tables.errors import InputError, MachineError, UserError, one_line

# Stores whose objects appear whole or not at all, with what fsspec is told beside the address:
# others write there too, so no listing is remembered.
STORES: dict[str, dict[str, object]] = {
    "s3": {"use_listings_cache": False},
    "gs": {"use_listings_cache": False},
    "abfs": {"use_listings_cache": False},
    "az": {"use_listings_cache": False},
    "memory": {},
}
BLOCK = 1 << 20  # bytes that a read asks for at least, as a Parquet file is read in pieces
AT_ONCE = 16  # requests: what a thread waits for is mostly the network
TRIES = 4
PAUSE_S = 0.5  # before the second try, then doubled
ANSWER_S = 5.0  # in which a store answers first
UNREACHED = {  # faults of the way to a store
    *("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"),
    *("ClientConnectorError", "ClientConnectorDNSError", "ServiceRequestError", "gaierror"),
}
EXPECTED_CREDENTIALS = "expected them in the environment or in the store's own configuration file"

Given = TypeVar("Given")
Got = TypeVar("Got")


def is_address(text: str) -> bool:
    """
    >>> is_address("s3://bucket/wit"), is_address("wit")
    (True, False)
    """
    return "://" in text


def place(text: str | Path) -> Path:
    """A path of this machine, or one like it for an address; InputError if none can be there.

    An address's path is no Path, but has its methods: all that this program uses of them.

    >>> place("wit/1"), str(place("memory://wit") / "1")
    (PosixPath('wit/1'), 'memory://wit/1')
    """
    address = str(text)
    if not address.strip():
        raise InputError(f"{address!r}: expected a folder or an address; it is empty")
    if not is_address(address):
        return Path(address)
    if (shown := hidden(address)) != address:
        raise InputError(f"{shown}: expected {EXPECTED}")
    protocol = address.partition("://")[0]
    if protocol not in STORES:
        schemes = ", ".join(f"{scheme}://" for scheme in STORES)
        raise InputError(f"{address}: expected a folder, or an address of {schemes}")
    try:
        from upath import UPath

        path: Any = UPath(address.rstrip("/"), **cast(Any, STORES[protocol]))
        _ = path.fs
        _end_with_program()
    except ImportError as error:
        hint = ": pip install '.[s3]'" if protocol == "s3" else ""
        raise InputError(f"{address}: {one_line(error)}{hint}") from None
    return cast(Path, path)


@lru_cache(maxsize=1)
def _end_with_program() -> None:
    """End fsspec's thread before Python ends: of what it holds DuckDB's binding complains."""
    from fsspec import asyn

    def end() -> None:
        if asyn.loop[0] is not None and asyn.iothread[0] is not None:
            asyn.loop[0].call_soon_threadsafe(asyn.loop[0].stop)
            asyn.iothread[0].join(TRIES * PAUSE_S)

    atexit.register(end)


@lru_cache(maxsize=64)
def reach(path: Path) -> None:
    """Raise UserError for a path in a store that does not answer, instead of trying for minutes.

    What the store answers is not looked at: it may well lack what is to be written.
    """
    if not is_store(path) or not fs_of(path).async_impl:
        return
    fs = fs_of(path)
    from fsspec.asyn import sync
    from fsspec.exceptions import FSTimeoutError

    try:
        sync(fs.loop, fs._info, key_of(path), timeout=ANSWER_S)
    except (FSTimeoutError, *faults()) as error:
        kind = type(error).__name__
        if kind == "NoCredentialsError":
            raise InputError(f"{path}: no credentials: {EXPECTED_CREDENTIALS}") from None
        if isinstance(error, FSTimeoutError) or kind in UNREACHED:
            raise MachineError(
                f"{path}: the store cannot be reached ({one_line(error) or kind}); expected an "
                f"answer in {ANSWER_S:g} s: is the network up, and the address of the store right?"
            ) from None


def is_store(path: Path) -> bool:
    """Whether a path of `place` is at an address."""
    return not isinstance(path, Path)


def fs_of(path: Path) -> Any:
    """The fsspec file system of a path in a store."""
    return cast(Any, path).fs


def key_of(path: Path) -> str:
    """The key of a path in its store's file system."""
    return str(cast(Any, path).path)


def with_listings(paths: Sequence[Path]) -> Any:
    """The file system of these paths, with their folders listed: one request a folder.

    DuckDB asks it for a file's size and date again and again, and opens files without saying how
    much is to be read ahead.
    """
    fs = fs_of(paths[0])
    listed = type(fs)(**{**fs.storage_options, "use_listings_cache": True})
    listed.default_block_size = BLOCK  # s3fs's own 50 MB would come with every piece of a column

    def look(folder: Path) -> None:
        tried(folder, lambda: listed.ls(key_of(folder), detail=True, refresh=True))

    for _ in each(look, sorted({path.parent for path in paths}), paths[0]):
        pass
    return listed


def opened(path: Path, block: int = BLOCK) -> Any:
    """What pyarrow reads a file from: the path itself, or an open object of a store."""
    return cast(Any, path).open("rb", block_size=block) if is_store(path) else path


def reading(path: Path, block: int = 16 * BLOCK) -> BufferedIOBase:
    """A file's bytes from the first to the last."""
    return cast(BufferedIOBase, opened(path, block)) if is_store(path) else path.open("rb")


def put(source: Path, path: Path) -> None:
    """Put a file of this machine into a store, whole. Raises UserError where it cannot be done."""
    tried(path, lambda: fs_of(path).put_file(str(source), key_of(path)))


def copy(source: Path, path: Path) -> None:
    """Copy an object within its store: its bytes do not pass through here."""
    tried(path, lambda: fs_of(path).copy(key_of(source), key_of(path)))


def caches() -> Path:
    """The folder of this machine for files on the way to or from a store."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "buildwit"


def bring(address: str) -> Path:
    """A file at any address that fsspec reads, as one of this machine.

    It is kept under what its store says of it, so it comes again when it has changed. Raises
    UserError where it cannot be had.
    """
    import fsspec

    if address.partition("://")[0] in STORES:
        reach(place(address))

    def come() -> Path:
        files, key = fsspec.core.url_to_fs(address)
        state = hashlib.sha256(repr(sorted(files.info(key).items())).encode()).hexdigest()[:16]
        path = caches() / "inputs" / state / key.rstrip("/").rpartition("/")[2]
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=path.parent) as room:
                beside = Path(room) / path.name
                files.get_file(key, str(beside))
                beside.rename(path)
        return path

    try:
        return tried(address, come)
    except (ImportError, ValueError) as error:
        raise InputError(said(address, error)) from None


def clear(path: Path) -> None:
    """Remove all objects below a path of a store."""

    def remove() -> None:
        if path.exists():
            fs_of(path).rm(key_of(path), recursive=True)

    tried(path, remove)


def tried(path: Path | str, function: Callable[[], Got]) -> Got:
    """What the function returns. The store's library tries a request again; this, what it gave up.

    Raises UserError after the last try.
    """
    for left in reversed(range(TRIES)):
        try:
            return function()
        except faults() as error:
            lasting = isinstance(error, (FileNotFoundError, PermissionError, FileExistsError))
            if lasting or not left:
                raise UserError(said(path, error)) from None
            time.sleep(PAUSE_S * 2 ** (TRIES - 1 - left))
    raise AssertionError("not reached")


def faults() -> tuple[type[Exception], ...]:
    """What a store's library raises when the store does not do as asked."""
    amazon, web = (sys.modules.get(name) for name in ("botocore.exceptions", "aiohttp"))
    of_amazon = (amazon.BotoCoreError, amazon.ClientError) if amazon else ()
    return (OSError, *of_amazon, *((web.ClientError,) if web else ()))


def said(path: Path | str, error: BaseException) -> str:
    """A store's fault in one line.

    >>> said(Path("wit"), PermissionError("Access\\nDenied"))
    'wit: PermissionError: Access Denied'
    """
    return f"{path}: {type(error).__name__}: {one_line(error)}"


def each(function: Callable[[Given], Got], of: Iterable[Given], where: Path) -> Iterator[Got]:
    """What the function returns for each, in order: many at once where each waits for a store."""
    if not is_store(where):
        yield from map(function, of)
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield from pool.map(function, of)


@dataclass(frozen=True)
class FileState:
    """What is known of a file without reading it; `path` is relative to where it was asked for."""

    path: str
    bytes: int
    changed: float  # seconds since 1970
    inode: object  # files with several hard links share it
    n_links: int = 1


def files_below(folder: Path, name: str) -> Iterator[FileState]:
    """Every file below a folder, in no order; `name` stands for the folder in their paths."""
    if is_store(folder):
        objects = tried(folder, lambda: fs_of(folder).find(key_of(folder), detail=True))
        for key, about in objects.items():
            relative = name + key.removeprefix(key_of(folder))
            put_at = _put_at(about)
            if math.isinf(put_at):  # of a listing without dates
                put_at = _put_at(fs_of(folder).info(key))
            yield FileState(relative, about["size"], put_at, key)
        return
    for at, _, names in os.walk(folder):
        for file in (Path(at, each_name) for each_name in names):
            of = file.stat(follow_symlinks=False)
            relative = (Path(name) / file.relative_to(folder)).as_posix()
            inode = (of.st_dev, of.st_ino)
            yield FileState(relative, of.st_size, of.st_mtime, inode, of.st_nlink)


def changed_at(path: Path) -> float:
    """When a file was written, in seconds since 1970."""
    if is_store(path):
        return _put_at(tried(path, lambda: fs_of(path).info(key_of(path))))
    return path.stat().st_mtime


def _put_at(about: dict[str, Any]) -> float:
    """When an object was put; of a store that does not say, it counts as new."""
    for key in ("LastModified", "updated", "last_modified", "created"):
        if hasattr(about.get(key), "timestamp"):
            return float(about[key].timestamp())
    return math.inf


def there(paths: list[Path]) -> set[Path]:
    """The files that exist; a store is asked for one listing of each folder."""
    if not paths or not is_store(paths[0]):
        return {path for path in paths if path.exists()}

    def names(folder: Path) -> set[Path]:
        return tried(folder, lambda: set(folder.glob("*")))

    listings = each(names, {path.parent for path in paths}, paths[0])
    return set(paths) & {path for folder in listings for path in folder}


@contextmanager
def workroom(folder: Path, prefix: str | None = None) -> Iterator[Path]:
    """An empty folder for what is on its way: in that folder, or beside a store on this machine."""
    with TemporaryDirectory(dir=None if is_store(folder) else folder, prefix=prefix) as made:
        yield Path(made)
