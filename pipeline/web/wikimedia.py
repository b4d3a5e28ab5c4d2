"""From an address of the settings to the files it stands for: one, the hub's, a Wikimedia dump's.

Only this module knows the paths of Wikimedia's dumps, as of 2026; the base address is a setting,
since it moves.
"""

import re
from collections.abc import Callable, Iterable
from posixpath import basename
from urllib.parse import unquote, urldefrag, urlsplit

from pipeline.settings.hub import HF, resolved
from pipeline.settings.whole import DownloadSettings
from pipeline.web.client import Client
from pipeline.web.download import Remote
from queries.tables.errors import InputError

SHORT = "wikimedia:"
EXAMPLES = (
    "enwiki/20261101/multistream, enwiki/2026-11-01/content_current, enwiki/20261101/cirrus, "
    "enwiki/20261101/page, enwiki/20261101/redirect, pageviews/2026-10 or "
    "pageviews/20261101-060000"
)
SUM_LINE = re.compile(r"([0-9a-f]{40}|[0-9a-f]{64}) [ *](?:\./)?([\w.=+-]+)", re.ASCII)
LINK = re.compile(r'href="([^"?#]+\.json\.bz2)"')

Read = Callable[[str], str]  # the text at an address


def expand(text: str, settings: DownloadSettings) -> list[Remote]:
    """The files that an address of the settings stands for; lists of files are asked for.

    Raises InputError for an address of another form and for a dump that lacks its files,
    DownloadError if a list cannot be read.

    >>> expand("https://example.org/a%20b.gz", DownloadSettings())
    [Remote(url='https://example.org/a%20b.gz', name='a b.gz', checksum='')]
    """
    if text.startswith(HF):
        if (url := resolved(text)) is None:
            raise InputError(f"{text[:200]!r}: expected hf://datasets/ORG/NAME/PATH of one file")
        return [Remote(url, basename(unquote(urlsplit(url).path)))]
    if not text.startswith(SHORT):
        url, checksum = urldefrag(text)
        return [Remote(url, unquote(basename(urlsplit(url).path)), checksum.lower())]
    read, base = Client(settings).read_list, settings.base.rstrip("/")
    for form, files in FORMS:
        if match := re.fullmatch(form, text.removeprefix(SHORT), re.ASCII):
            return files(read, base, *match.groups())
    raise InputError(f"{text[:200]!r}: expected {SHORT} and {EXAMPLES}")


def _dated(ending: str) -> Callable[..., list[Remote]]:
    """The one file WIKI-DATE-ENDING of a dump's folder."""

    def files(read: Read, base: str, wiki: str, date: str) -> list[Remote]:
        folder, stem = f"{base}/{wiki}/{date}/", f"{wiki}-{date}-"
        return _listed(folder, _sums(read, f"{folder}{stem}sha1sums.txt"), [stem + ending])

    return files


def _content_current(read: Read, base: str, wiki: str, date: str) -> list[Remote]:
    """The export in files by ranges of page ids."""
    folder = f"{base}/other/mediawiki_content_current/{wiki}/{date}/xml/bzip2/"
    sums = _sums(read, f"{folder}SHA256SUMS")
    part = re.compile(rf"{wiki}-{date}-p\d+p\d+\.xml\.bz2")
    return _listed(folder, sums, filter(part.fullmatch, sums))


def _cirrus(read: Read, base: str, wiki: str, date: str) -> list[Remote]:
    """The articles of the search index: the folder's page lists them, with no sums."""
    folder = f"{base}/other/cirrus_search_index/{date}/index_name={wiki}_content/"
    names = {unquote(basename(link)): "" for link in LINK.findall(read(folder))}
    return _listed(folder, names, names)


def _month(_: Read, base: str, year: str, month: str) -> list[Remote]:
    name = f"pageviews-{year}{month}-user.bz2"
    return [Remote(f"{base}/other/pageview_complete/monthly/{year}/{year}-{month}/{name}", name)]


def _hour(_: Read, base: str, year: str, month: str, rest: str) -> list[Remote]:
    name = f"pageviews-{year}{month}{rest}.gz"
    return [Remote(f"{base}/other/pageviews/{year}/{year}-{month}/{name}", name)]


FORMS: tuple[tuple[str, Callable[..., list[Remote]]], ...] = (
    # The export in streams of 100 pages; its streams are found without the index.
    (r"([a-z0-9_]+)/(\d{8})/multistream", _dated("pages-articles-multistream.xml.bz2")),
    (r"([a-z0-9_]+)/(\d{8})/page", _dated("page.sql.gz")),
    (r"([a-z0-9_]+)/(\d{8})/redirect", _dated("redirect.sql.gz")),
    (r"([a-z0-9_]+)/(\d{4}-\d\d-\d\d)/content_current", _content_current),
    (r"([a-z0-9_]+)/(\d{8})/cirrus", _cirrus),
    (r"pageviews/(\d{4})-(\d\d)", _month),
    (r"pageviews/(\d{4})(\d\d)(\d\d-\d{6})", _hour),
)


def _sums(read: Read, url: str) -> dict[str, str]:
    """The files of a list of sums, lines of `SUM  NAME`, each with its sum as Remote writes it."""
    lines = (SUM_LINE.fullmatch(line.strip()) for line in read(url).splitlines())
    return {
        line[2]: f"{'sha1' if len(line[1]) == 40 else 'sha256'}={line[1]}" for line in lines if line
    }


def _listed(folder: str, sums: dict[str, str], names: Iterable[str]) -> list[Remote]:
    """The named files in the order of the numbers in their names."""
    wanted = list(names)
    missing = [name for name in wanted if name not in sums]
    if missing or not wanted:
        raise InputError(f"{folder}: expected the files of a dump; {missing or 'none'} listed")
    return [Remote(folder + name, name, sums[name]) for name in sorted(wanted, key=_in_order)]


def _in_order(name: str) -> list[tuple[int, str]]:
    """A sort key by which p9 comes before p10.

    >>> sorted(["p10.bz2", "p9.bz2"], key=_in_order)
    ['p9.bz2', 'p10.bz2']
    """
    return [(int(piece) if piece.isdecimal() else -1, piece) for piece in re.split(r"(\d+)", name)]
