"""What sources that search have in common: the plan, the journal, the requests to a server.

A part is a number of queries. Its journal has a line for each query that was answered, so an
interrupted part sends only the others. A search that ended in an error is no answer: a later build
that makes the part again sends it again. The journal is named after the requests alone and stays in
the workspace: a part that is made again with another seed or language sends no request. Delete the
folder `work/search` to send the requests again.
"""

import json
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import requests

from pipeline.settings.sources import SearchSource
from pipeline.settings.whole import DownloadSettings
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.interface import PlannedPart, Planning
from pipeline.web.client import AgainError, Client, DownloadError
from pipeline.web.manners import retry_after_s
from pipeline.web.reading import at, json_object
from queries.tables.errors import InputError
from queries.tables.parts import digest

FORM = 1  # raise it when a journal's lines get another form
BACKOFF_S = 5.0  # what Wikimedia asks for where it names no time
MOST_ANSWER_BYTES = 16 << 20

Answer = dict[str, Any]  # a query's results: JSON-able, in the source's own form


class Site:
    """A server to search: one request at a time, a pause before each."""

    def __init__(self, source: SearchSource):
        self.pause_s = source.pause_s
        self.client = Client(
            DownloadSettings(contact=source.contact, connections=1, backoff_s=BACKOFF_S),
            contact_key="contact",
        )
        self.name = source.name

    def admit(self, address: str) -> None:
        """Raise SourceError for a server that may not be asked: one on the web needs a contact."""
        try:
            self.client.admit(address)
        except InputError as error:
            raise SourceError(f"source {self.name}: {error}") from None

    def ask(
        self,
        address: str,
        params: dict[str, Any],
        later: Callable[[Any], str | None] = lambda answer: None,
    ) -> Any:
        """The JSON of a GET. `later` returns why to ask again after an answer, None to accept it.

        Raises StatusError for a status that will not pass, DownloadError for a server that stays
        away.
        """
        url = f"{address}?{urlencode(params)}"

        def attempt() -> Any:
            time.sleep(self.pause_s)
            with self.client.opened(url, {"Accept-Encoding": "gzip"}) as response:
                answer = self._read(url, response)
                wait = response.headers.get("Retry-After", "")
            if why := later(answer):
                raise AgainError(why, retry_after_s(wait, time.time()))
            return answer

        return self.client.retried(address, attempt)

    def _read(self, url: str, response: requests.Response) -> Any:
        """The answer, of at most MOST_ANSWER_BYTES unpacked. Raises AgainError if it is no JSON."""
        packed = response.headers.get("Content-Encoding", "") == "gzip"
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16) if packed else None
        body = bytearray()
        try:
            for chunk in self.client.chunks(response):
                room = MOST_ANSWER_BYTES + 1 - len(body)
                body += unpacker.decompress(chunk, room) if unpacker else chunk
                if len(body) > MOST_ANSWER_BYTES:
                    raise DownloadError(f"{url}: expected at most {MOST_ANSWER_BYTES} bytes")
            return json.loads(body)
        except zlib.error:
            raise AgainError("an answer that does not unpack") from None
        except (ValueError, RecursionError):
            raise AgainError("an answer that is no JSON") from None


class Journal:
    """The answers of a part on disk, a line of JSON each.

    A last line that is not whole is removed, and its query is asked again.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("a+b")
        self.places: dict[str, int] = {}  # where the line of a query begins
        self.file.seek(0)
        whole = 0
        for line in self.file:
            if not line.endswith(b"\n"):
                break
            noted = json_object(line)
            query = at(noted, "query")
            if isinstance(query, str) and at(noted, "error") is None:  # 0.1.0 noted errors, too
                self.places[query] = whole
            whole += len(line)
        self.file.truncate(whole)

    def get(self, query: str) -> Answer | None:
        """The noted answer to a query, or None."""
        if query not in self.places:
            return None
        self.file.seek(self.places[query])
        return json.loads(self.file.readline())

    def note(self, query: str, answer: Answer) -> None:
        """Write an answer at once: the process may end before the next."""
        self.places[query] = self.file.seek(0, 2)
        self.file.write(json.dumps({**answer, "query": query}).encode() + b"\n")
        self.file.flush()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def parts(
    source: SearchSource, planning: Planning, request: Answer, *decided_by: object
) -> Iterator[PlannedPart]:
    """The parts of `queries_per_part` queries each, in the order of the query list.

    `request` is what decides the answers to a query, `decided_by` what decides the rows made of
    them. Each part is one row: its queries, their ids and its journal.
    """
    assert planning.queries is not None  # the class of its settings says that it searches
    # Of several languages the head is that of each list in turn; of one list the order of query_id.
    order = [("rank", "ascending"), ("query_id", "ascending")]
    queries = planning.queries.sort_by(order).select(["query_id", "text"])
    queries = queries.slice(0, source.most_queries or None)
    for start in range(0, len(queries), source.queries_per_part):
        ids, texts = queries.slice(start, source.queries_per_part).to_pydict().values()
        journal = planning.journals / f"{digest(FORM, request, texts)}.jsonl"
        rows = {"query_id": [ids], "query": [texts], "journal": [str(journal)]}
        yield f"{ids[0]}-{ids[-1]}", (request, ids, texts, *decided_by), rows


def answers(row: dict, ask: Callable[[str], Answer]) -> Iterator[tuple[dict[str, Any], Answer]]:
    """(query with its id, answer) for each query of a part, from the journal or from the server."""
    with Journal(Path(row["journal"])) as journal:
        for query_id, query in zip(row["query_id"], row["query"], strict=True):
            answer = journal.get(query)
            if answer is None:
                answer = ask(query)
                if "error" not in answer:
                    journal.note(query, answer)
            yield {"query": query, "query_id": query_id}, answer


def failed(searched: dict[str, Any], answer: Answer) -> Iterator[Raw]:
    """A row with a reason, if the search failed or broke off."""
    if "error" in answer:
        yield Raw(reason="search_failed", extra={**searched, "error": answer["error"]})


def phrase(query: str) -> str:
    """The query in quotes: these words in this order. A query has letters and digits only, and in
    quotes no word is an operator.

    >>> phrase("not red kites")
    '"not red kites"'
    """
    return f'"{query}"'
