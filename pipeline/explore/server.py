"""The explorer as a web server: its routes, and what it refuses before any of them.

A page of another site may make a browser send requests here. So the name by which the server is
asked must be its own, which a site that points its name at this machine (DNS rebinding) cannot
send; and what another site's page loads or sends is refused, except that a link may lead here.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.explore import (
    LOOPBACK,
    compare,
    dropped,
    export,
    grid,
    pair,
    pictures,
    query_pages,
    sql_box,
)
from pipeline.explore.explorer import HERE, Explorer
from pipeline.explore.meaning import map as map_page
from pipeline.explore.meaning import pages

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


MODULES = (
    *(grid, pictures, pair, query_pages, dropped, sql_box, export, compare),
    *(pages, map_page),
)


def routes_of(explorer: Explorer) -> list[BaseRoute]:
    """Every page: each module that has some gives its routes."""
    return [
        *(route for module in MODULES for route in module.routes(explorer)),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]


def application(explorer: Explorer, host: str) -> ASGIApp:
    """The server's application; `host` is the address that it listens on."""

    async def nothing(request: Request, error: Exception) -> Response:
        return explorer.page("fault.html", 404, fault="there is no such page here")

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with explorer.until_the_end:
            yield

    app = Starlette(
        routes=routes_of(explorer), exception_handlers={404: nothing}, lifespan=lifespan
    )
    return Guard(app, host)


class Guard:
    """Refuses what another site's page asks, and gives every answer the headers of safety."""

    def __init__(self, app: ASGIApp, host: str):
        self.app, self.host = app, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["Cache-Control"] = "no-store"
            await send(message)

        fault = refusal(scope["method"], Headers(scope=scope), self.host)
        answer = PlainTextResponse(fault, 403) if fault else self.app
        await answer(scope, receive, send_with_headers)


def refusal(method: str, headers: Headers, listening: str) -> str:
    """Why a request is refused; empty where it is not.

    >>> refusal("GET", Headers({"host": "evil.example:8380"}), "127.0.0.1")
    "Host 'evil.example:8380': expected 127.0.0.1, ::1, localhost"
    >>> refusal("GET", Headers({"host": "localhost:8380"}), "127.0.0.1")
    ''
    """
    host = headers.get("host", "")
    if not is_own(host, listening):
        return f"Host {host[:100]!r}: expected {', '.join(own_names(listening))}"
    origin = headers.get("origin")
    if origin is not None and netloc_of(origin) != host.lower():
        return f"Origin {origin[:100]!r}: expected this server"
    foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
    whole_page = headers.get("sec-fetch-dest", "document") == "document"  # and no frame of another
    is_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate" and whole_page
    if foreign and not is_link:
        return "another site may link to these pages, and neither load nor send anything"
    return ""


def netloc_of(address: str) -> str:
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""


def own_names(listening: str) -> Sequence[str]:
    """The names by which a server that listens at an address may be asked."""
    if listening in LOOPBACK:
        return LOOPBACK
    return (*LOOPBACK, listening, socket.gethostname())


def is_own(host: str, listening: str) -> bool:
    """Whether a Host header names this server.

    One that listens at all addresses may be asked by any: a number is no name that somebody else
    could point here.

    >>> is_own("[::1]:80", "127.0.0.1"), is_own("10.0.0.7", "0.0.0.0"), is_own("a.b", "0.0.0.0")
    (True, True, False)
    """
    name = host_name(host)
    if name in {own.lower() for own in own_names(listening)}:
        return True
    return listening in ("0.0.0.0", "::") and is_number(name)  # noqa: S104  # is not bound here


def host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
