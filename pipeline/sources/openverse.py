"""Openverse's catalogue of openly licensed pictures, searched query after query: opt-in.

A picture's caption is its title, the only text in the catalogue. Its address is at the site that
holds the picture. Every result gives one row.
"""

from collections.abc import Iterator
from functools import partial
from typing import Any

from pipeline.settings.sources import OpenverseSource
from pipeline.sources import search
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.sources.search import Answer, Site
from pipeline.web.client import StatusError
from pipeline.web.reading import at

RESULTS_PER_PAGE = 20  # the maximum without an account


def check(source: OpenverseSource) -> None:
    """Raise SourceError unless its terms are accepted and its server may be asked."""
    if not source.accept_terms:
        raise SourceError(
            f"source {source.name}: accept_terms = false: expected true: Openverse's terms forbid "
            "to scrape its catalogue, to go around its limits and to burden others with requests"
        )
    Site(source).admit(source.base)


def parts(source: OpenverseSource, planning: Planning) -> Iterator[PlannedPart]:
    """The parts of `queries_per_part` queries each."""
    request = {
        "kind": source.kind,
        "base": source.base,
        "results": source.results_per_query,
        **_params(source, "", 1),
    }
    yield from search.parts(source, planning, request)


def read(row: dict, source: OpenverseSource) -> Iterator[Raw]:
    """The raw rows of a part: the pictures found for each query, the best first."""
    for query, answer in search.answers(row, partial(find, Site(source), source)):
        for index, result in enumerate(answer["results"], 1):
            yield _raw(result, {**query, "index": index})
        yield from search.failed(query, answer)


def find(site: Site, source: OpenverseSource, query: str) -> Answer:
    """The results, the best first, and the error if there was one.

    Raises DownloadError if the server does not answer, or refuses the client.
    """
    address = f"{source.base.rstrip('/')}/v1/images/"
    pictures: list[Any] = []
    for page in range(1, 2 + (source.results_per_query - 1) // RESULTS_PER_PAGE):
        try:
            answer = site.ask(address, _params(source, query, page))
        except StatusError as refused:
            if refused.status == 404 and page > 1:  # the answer for a page after the last
                break
            if refused.status not in (400, 404, 414, 422):
                raise
            return {"results": pictures, "error": f"HTTP {refused.status}"}
        results = at(answer, "results")
        if not isinstance(results, list):
            return {"results": pictures, "error": "an answer without results"}
        pictures += results
        pages = at(answer, "page_count")
        if not results or (isinstance(pages, int) and page >= pages):
            break
    return {"results": pictures[: source.results_per_query]}


def _params(source: OpenverseSource, query: str, page: int) -> dict[str, Any]:
    """The parameters that request a page of a query's results."""
    request = {
        "q": search.phrase(query),
        "page": page,
        "page_size": min(RESULTS_PER_PAGE, source.results_per_query),
    }
    return {**request, "license": source.license} if source.license else request


def _raw(result: Any, query: dict[str, Any]) -> Raw:
    license_parts = [at(result, "license"), at(result, "license_version")]
    license = " ".join(part for part in license_parts if isinstance(part, str) and part)
    extra = {
        **query,
        "id": at(result, "id"),
        "author": at(result, "creator"),
        "license_url": at(result, "license_url"),
        "provider": at(result, "provider"),
        "source": at(result, "source"),
        "width": at(result, "width"),
        "height": at(result, "height"),
    }
    return Raw(
        url=at(result, "url"),
        caption=at(result, "title"),
        license=license or None,
        page_url=at(result, "foreign_landing_url"),
        extra=extra,
    )
