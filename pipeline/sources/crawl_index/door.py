"""The files of an index, and whether the source's settings fit them."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.settings.files import files_of, is_pattern
from pipeline.settings.sources import CommonCrawlIndexSource
from pipeline.settings.values import is_remote
from pipeline.sources.candidate import SourceError
from pipeline.sources.crawl.files import client_of, files
from pipeline.sources.crawl_index import cdxj, columnar
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.place import Found, expand, identity, name_of
from pipeline.sources.ranged import is_web
from pipeline.sources.unpacked import BROKEN, BombError
from pipeline.web.client import DownloadError
from queries.engine.condition import Condition
from queries.tables.errors import InputError, one_line

PLACES = ("url", "warc_filename", "warc_record_offset", "warc_record_length")
MOST_TRIED = 32  # files whose columns are looked at before the build starts
PARQUET = re.compile(r".*\.parquet", re.I)
LINES = re.compile(r"(?:.*\.cdxj?|(?:.*[.-])?cdx-\d+)(?:\.(?:gz|bz2|zst|xz))?", re.I)
KINDS = "a Parquet file of the columnar index, or CDXJ lines (cdx-00000.gz, NAME.cdxj)"


def check(source: CommonCrawlIndexSource) -> None:
    """Raise SourceError, in one line, unless the files are an index that the condition fits."""
    if is_web(source.base):
        client_of(source, source.base)
    elif not is_remote(source.base) and not Path(source.base).is_dir():
        raise SourceError(f"source {source.name}: base = {source.base!r}: expected a folder")
    listed = index_files(source)
    step = -(-len(listed) // MOST_TRIED)
    faults = [(file, _fault(file, source)) for file in listed[::step]]
    for file, (fault, is_broken) in faults:
        # Of several files a damaged one has a reason later.
        if fault and (not is_broken or all(broken for _, (_, broken) in faults)):
            raise SourceError(f"source {source.name}: {file.path}: {fault}")


def index_files(source: CommonCrawlIndexSource) -> list[Found]:
    """The files of the index in order; a folder or pattern stands for those in it."""
    listed: list[Found] = []
    for path in files(source):
        if is_web(path):
            client_of(source, path)
            listed.append(Found(path, name_of(path)))
        elif not is_remote(path) and is_pattern(Path(path)):
            listed += [Found(str(file), file.name) for file in files_of(Path(path))]
        else:
            listed += expand(path, is_index)
    for file in listed:
        if not is_index(file.path):
            raise SourceError(f"source {source.name}: {file.path}: expected {KINDS}")
    if not listed:
        raise SourceError(f"source {source.name}: {', '.join(source.paths)}: no index in there")
    return list(dict.fromkeys(listed))


def is_index(path: str) -> bool:
    """Whether a file's name is that of an index.

    >>> [is_index(name) for name in ("a/p-0.gz.parquet", "cdx-00299.gz", "a.CDXJ", "cluster.idx")]
    [True, True, True, False]
    """
    name = name_of(path)
    return bool(PARQUET.fullmatch(name) or LINES.fullmatch(name))


def indexes(source: CommonCrawlIndexSource, planning: Planning) -> Iterator[PlannedPart]:
    """A part for each file of the index.

    What a crawl has published on the web does not change: there the address is its identity.
    """
    for file in index_files(source):
        version = file.path if is_web(file.path) else identity(file.path, planning)
        folders = sorted(folder_values(file.path).items())
        yield file.name, (version, folders, source.where), {"path": [file.path]}


def folder_values(path: str) -> dict[str, str | None]:
    """The columns that folders name: crawl and subset of Common Crawl's table.

    >>> folder_values("s3://b/warc/crawl=CC-MAIN-2026-43/subset=warc/p.parquet")["subset"]
    'warc'
    """
    return Found(path, path.partition("?")[0]).folder_values


def open_index(path: str, source: CommonCrawlIndexSource) -> "columnar.Index | cdxj.Index":
    """An index file with its columns. Raises BROKEN and BombError for a damaged one, SourceError
    and DownloadError where a server fails."""
    contact = source.contact if is_web(path) else None
    if PARQUET.fullmatch(name_of(path)):
        return columnar.Index(path, folder_values(path), contact)
    return cdxj.Index(path, folder_values(path), contact)


def condition_of(index: "columnar.Index | cdxj.Index", where: str) -> Condition:
    """The condition on the columns of an index. Raises InputError where it does not fit them."""
    names = index.schema.names
    if lacking := [name for name in PLACES if name not in names]:
        raise InputError(f"expected a column {lacking[0]}; there are {', '.join(names)}")
    return Condition(where, index.schema)


def _fault(file: Found, source: CommonCrawlIndexSource) -> tuple[str | None, bool]:
    """(what is wrong with a file or with the condition on its columns, whether it is damaged)."""
    try:
        condition_of(open_index(file.path, source), source.where)
    except (SourceError, DownloadError) as error:
        raise SourceError(f"source {source.name}: {error}") from None
    except InputError as error:
        return str(error), False
    except (BombError, MemoryError, *BROKEN) as error:
        return f"expected {KINDS}: {one_line(error)}", True
    return None, False
