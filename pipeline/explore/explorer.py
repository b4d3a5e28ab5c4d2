"""What every page of the explorer stands on: the locked tables of a build, and the templates."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
import pyarrow as pa
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pipeline.explore.view import key_of
from queries.locked import LockedTables
from queries.questions import sql
from queries.tables.contracts import RUN_RECORD
from queries.tables.errors import InputError
from queries.tables.manifest import MANIFEST, manifest
from queries.tables.reasons import REASONS

HERE = Path(__file__).parent
AT_ONCE, MOST_WAITING = 16, 64  # requests; threads are left for files such as style sheets
UPLOADS = (2, 8)  # that are sent at once, and wait: each is held in memory
LONGEST_CAPTION = 2_000  # characters that a page shows
Answer = Callable[[Request], Response]


class Places:
    """So many requests are answered at once, and so many wait, which takes no thread."""

    def __init__(self, at_once: int, waiting: int):
        self._free = asyncio.Semaphore(at_once)
        self._left = at_once + waiting

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """One of the places, when it is free. Raises InputError where too many wait."""
        if not self._left:
            raise InputError("too many questions at once: ask again in a moment")
        self._left -= 1
        try:
            async with self._free:
                yield
        finally:
            self._left += 1


class Explorer:
    """One build, with a run of the trainer where there is one."""

    def __init__(self, build: Path, run: Path | None = None):
        self.build, self.run = build, run
        self.manifest = manifest(build)
        self.tables = LockedTables(build, run)
        self.shards = sorted((build / "shards").glob("*.parquet"))
        self.has_map = run is not None and any((run / "tables" / "place").glob("*.parquet"))
        self.compared: tuple[Path, LockedTables] | None = None
        self.counted: dict[str, tuple[int, list[dict[str, Any]]]] = {}  # by a view's parameters
        self.is_ending = False  # then nothing new is begun
        self.places = Places(AT_ONCE, MOST_WAITING)
        self.uploads = Places(*UPLOADS)
        self.until_the_end = ExitStack()  # what ends with the server, such as a child process
        self._templates = templates()

    def doubts(self) -> list[str]:
        """What is not as it should be: a line for whoever opens the build."""
        listed = self.manifest.get("files", [])
        wrong = [row["path"] for row in listed if not is_whole(self.build / row["path"], row)]
        lines = []
        if wrong:
            n = f"{len(wrong):,} of {len(listed):,}"
            lines.append(
                f"{wrong[0]}: missing, or of another size than its manifest says ({n} files): "
                "what it held is not shown; python -m queries check --build BUILD"
            )
        if self.run is not None and (version := build_of(self.run)) != self.build.name:
            lines.append(
                f"{self.run}: a run of {version or 'no build'}, not of {self.build.name}: what it "
                "says is of other pairs"
            )
        return lines

    def ask(self, name: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows that queries/explore/NAME.sql gives for these values. Raises InputError."""
        return self.tables.ask(question(name), values or {}).to_pylist()

    def others(self) -> dict[str, Path]:
        """The other builds of the workspace, by their names."""
        beside = (path.parent for path in self.build.parent.glob(f"[!.]*/{MANIFEST}"))
        return {build.name: build for build in beside if build.name != self.build.name}

    def page(self, template: str, status: int = 200, **values: Any) -> Response:
        """A page made of a template; what strangers wrote is escaped in it."""
        shown = {"version": self.build.name, "run": self.run, "has_map": self.has_map, **values}
        return HTMLResponse(self._templates.get_template(template).render(shown), status)

    def route(
        self,
        path: str,
        answer: Answer,
        methods: tuple[str, ...] = ("GET",),
        places: Places | None = None,
    ) -> Route:
        """A route whose answer is made in a thread; an InputError is a page of one line."""

        async def answered(request: Request) -> Response:
            try:
                async with (places or self.places).taken():
                    # Who has hung up while waiting is asked nothing of.
                    gone = request.method == "GET" and await request.is_disconnected()
                    if gone or self.is_ending:
                        return Response(status_code=503)
                    return await run_in_threadpool(answer, request)
            except InputError as error:
                return self.page("fault.html", 400, fault=str(error))

        return Route(path, answered, methods=list(methods))


def build_of(run: Path) -> str:
    """The version of the build that a run trained on; empty where it is not said."""
    try:
        return str(json.loads((run / RUN_RECORD).read_text())["build_version"])
    except (OSError, ValueError, LookupError, TypeError):
        return ""


def is_whole(path: Path, row: Mapping[str, Any]) -> bool:
    """Whether a file of the manifest is there with its size."""
    try:
        return path.stat().st_size == row.get("bytes")
    except OSError:
        return False


@lru_cache
def question(name: str) -> str:
    """A question's SQL; one that asks of the rows of a view has their SQL before it."""
    own = sql("explore", name)
    for rows in ("chosen", "lost"):
        if f"-- inputs: {rows}" in own:
            return "\n".join([f"WITH {rows} AS (", sql("explore", rows), ")", own])
    return own


def templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(HERE / "templates")
    environment = jinja2.Environment(
        loader=loader, autoescape=True, undefined=jinja2.ChainableUndefined, trim_blocks=True
    )
    environment.filters |= {"key": key_of, "shortened": shortened, "count": "{:,}".format}
    environment.filters["about"] = about
    environment.globals |= {"reasons": REASONS}
    return environment


def about(column: pa.Field) -> str:
    """What a column of a declared table holds, in words."""
    return (column.metadata or {}).get(b"about", b"").decode()


def shortened(text: str | None, characters: int = LONGEST_CAPTION) -> str:
    """
    >>> shortened("a red house", 5)
    'a red… (11 characters)'
    """
    text = text or ""
    return text if len(text) <= characters else f"{text[:characters]}… ({len(text):,} characters)"
