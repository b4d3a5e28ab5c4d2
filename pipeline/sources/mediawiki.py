"""Wikimedia Commons, or any MediaWiki, searched query after query.

A picture has one caption, since a build keeps one for each address: its description in the wanted
language as plain text, else its name, else the file's name without the ending. Its address is a
thumbnail's, or the original's where that is not wider. Every file in the results gives one row.
"""

import re
from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import urljoin

from pipeline.settings.sources import MediaWikiSource
from pipeline.sources import search
from pipeline.sources.candidate import Raw
from pipeline.sources.descriptions import in_language, text_of_html
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.search import Answer, Site
from pipeline.web.client import DownloadError
from pipeline.web.reading import at

MOST_AT_ONCE = 50  # results of one request; a server that gives fewer says how to go on
SPARE_REQUESTS = 20  # beyond one a result: a server may name a next page for ever
LAG_S = 5  # of the server's replicas; with more, the server asks to wait
FIELDS = "ImageDescription|ObjectName|Artist|LicenseShortName|LicenseUrl"
SVG = "image/svg+xml"
BOOK = "image/vnd.djvu"
ICON = "/file-type-icons/"  # in the address of an icon, for a file that cannot be drawn

# Temporary errors, which come in an answer of status 200.
PASSING = {"maxlag", "ratelimited", "readonly", "cirrussearch-too-busy-error"}
# Errors about who asks, or about searching as such: every query meets them, as with status 403.
DENIED = re.compile(
    r"denied|blocked|^badaccess|loggedin|^login|^assert\w*failed|^mwoauth-|-disabled$|^noapi|captcha"
)
INTERNAL = re.compile(r"^internal_api_error_|search-error$|^cirrussearch-")  # of the engine
INTERNAL_TRIES = 2  # a query on which the server fails each time must not stop the build


def check(source: MediaWikiSource) -> None:
    """Raise SourceError unless the server may be asked."""
    Site(source).admit(source.api)


def parts(source: MediaWikiSource, planning: Planning) -> Iterator[PlannedPart]:
    """The parts of `queries_per_part` queries each."""
    request = {
        "kind": source.kind,
        "api": source.api,
        "results": source.results_per_query,
        **_params(source, ""),
    }
    yield from search.parts(source, planning, request, source.language)


def read(row: dict, source: MediaWikiSource) -> Iterator[Raw]:
    """The raw rows of a part: the files found for each query, the best first."""
    for query, answer in search.answers(row, partial(find, Site(source), source)):
        yield from (_raw(page, query, source) for page in answer["pages"])
        yield from search.failed(query, answer)


def find(site: Site, source: MediaWikiSource, query: str) -> Answer:
    """The pages of the files in the results, by rank, and the error if there was one.

    Raises DownloadError if the server does not answer, or refuses the client.
    """
    files: dict[str, dict] = {}  # by title: a page's fields may come in several answers
    request = {**_params(source, query), "maxlag": LAG_S}
    params = request
    refusals = iter(range(INTERNAL_TRIES))

    def later(answer: Any) -> str | None:
        code = str(at(answer, "error", "code"))
        passing = code in PASSING or (INTERNAL.search(code) and next(refusals, None) is not None)
        return f"the error {code[:80]!r}" if passing else None

    for _ in range(source.results_per_query + SPARE_REQUESTS):
        answer = site.ask(source.api, params, later)
        pages, going_on = at(answer, "query", "pages") or [], at(answer, "continue")
        if error := _error(answer, pages):
            if DENIED.search(error.partition(":")[0]):
                raise DownloadError(f"{source.api}: it refuses to be searched: {error}")
            break
        for page in pages:
            title = str(page.get("title", f"no title: {len(files)}"))
            files[title] = {**files.get(title, {}), **page}
        whole = at(answer, "batchcomplete") is not None
        if not isinstance(going_on, dict) or (whole and len(files) >= source.results_per_query):
            break
        params = {**request, **going_on}
    else:
        error = "endless: the server always says how to go on"
    best = sorted(files.values(), key=_rank)[: source.results_per_query]
    return {"pages": best, "error": error} if error else {"pages": best}


def _error(answer: Any, pages: Any) -> str | None:
    """The error that the server names, or what is wrong with its answer; None for a good answer.

    >>> _error({"error": {"code": "badvalue", "info": "<b>No</b>"}}, [])
    'badvalue: No'
    """
    error = at(answer, "error")
    if error is not None:
        return f"{at(error, 'code')}: {text_of_html(at(error, 'info'))}"[:300]
    well = isinstance(answer, dict) and isinstance(pages, list)
    return None if well and all(isinstance(page, dict) for page in pages) else "no list of pages"


def _params(source: MediaWikiSource, query: str) -> dict[str, Any]:
    """The parameters of a query that decide the answer."""
    return {
        "action": "query",
        "generator": "search",
        "gsrsearch": f"{search.phrase(query)} {source.also}".strip(),
        "gsrwhat": "text",  # else some engines search titles only, as long as any has the words
        "gsrnamespace": 6,  # files
        "gsrlimit": min(MOST_AT_ONCE, source.results_per_query),
        "prop": "imageinfo",
        "iiprop": "url|size|mime|sha1|extmetadata",
        "iiextmetadatafilter": FIELDS,
        "iiextmetadatamultilang": 1,
        "iiurlwidth": source.width,
        "format": "json",
        "formatversion": 2,
    }


def _rank(page: dict) -> float:
    """The page's rank in the results, which come in the order of page ids."""
    index = at(page, "index")
    return index if isinstance(index, int) else float("inf")


def _raw(page: dict, query: dict[str, Any], source: MediaWikiSource) -> Raw:
    info, title = at(page, "imageinfo", 0), at(page, "title")
    fields = {name: at(info, "extmetadata", name, "value") for name in FIELDS.split("|")}
    fields = {name: in_language(value, source.language) for name, value in fields.items()}
    mime = at(info, "mime")
    extra = {
        **query,
        "title": title,
        "author": fields["Artist"] or None,
        "license_url": fields["LicenseUrl"] or None,
        "description_url": at(info, "descriptionurl"),
        "mime": mime,
        "width": at(info, "width"),
        "height": at(info, "height"),
        "sha1": at(info, "sha1"),
        "index": at(page, "index"),
    }
    return Raw(
        url=address(info, source),
        caption=fields["ImageDescription"] or fields["ObjectName"] or name_of(title),
        license=fields["LicenseShortName"] or None,
        page_url=at(info, "descriptionurl"),
        reason=None if mime is None or is_picture(mime) else "not_a_picture",
        extra=extra,
    )


def address(info: Any, source: MediaWikiSource) -> str | None:
    """The address of the picture in the wanted width; only a drawing is scaled up.

    >>> source = MediaWikiSource(kind="mediawiki", name="w", api="https://w.org/api.php", width=120)
    >>> info = {"url": "https://w.org/a.jpg", "thumburl": "https://w.org/120px-a.jpg", "width": 99}
    >>> address(info, source), address({**info, "width": 800}, source)
    ('https://w.org/a.jpg', 'https://w.org/120px-a.jpg')
    """
    original, thumbnail, width = (at(info, key) for key in ("url", "thumburl", "width"))
    narrow = isinstance(width, int) and width <= source.width and at(info, "mime") != SVG
    drawn = isinstance(thumbnail, str) and ICON not in thumbnail and not at(info, "thumberror")
    chosen = thumbnail if drawn and not narrow else original
    try:
        return urljoin(source.api, chosen) if isinstance(chosen, str) else None
    except ValueError:
        return chosen  # no address: the candidate gets the reason


def is_picture(mime: Any) -> bool:
    """Whether a file of this type is a picture, or a drawing whose thumbnail is a picture.

    >>> is_picture("image/svg+xml"), is_picture("image/vnd.djvu"), is_picture("video/webm")
    (True, False, False)
    """
    return isinstance(mime, str) and mime.startswith("image/") and mime != BOOK


def name_of(title: Any) -> str | None:
    """The name of a file as words, from the title of its page.

    >>> name_of("File:Red_kite over Wales.JPG"), name_of("Datei:Rotmilan")
    ('Red kite over Wales', 'Rotmilan')
    """
    if not isinstance(title, str):
        return None
    file = title.partition(":")[2] or title
    stem, dot, _ = file.rpartition(".")
    return (stem if dot else file).replace("_", " ").strip()
