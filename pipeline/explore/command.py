"""`python -m pipeline explore BUILD`: the explorer, until Ctrl-C."""

import argparse
import os
import socket
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from threading import Thread
from types import FrameType

from pipeline.explore import LOOPBACK
from queries.options import LocalPath
from queries.select import end_all
from queries.tables.errors import InputError, MachineError
from queries.tables.manifest import find, run_folder
from queries.tables.store import is_store

PORT = 8380
HOST = "127.0.0.1"
LONGEST_GOODBYE_S = 20  # for requests under way at Ctrl-C: longer than any question may take


def add_explore_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("build", help="a build, or a workspace")
    parser.add_argument(
        "--run", action=LocalPath, help="a run of the trainer, whose results are shown"
    )
    parser.add_argument("--port", type=int, default=PORT, help=f"{PORT} by default; 0: any free")
    parser.add_argument(
        "--host", default=HOST, help="address to listen on; by default this machine alone"
    )
    parser.add_argument("--no-open", action="store_true", help="open no browser")


def run_explore(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C. Raises UserError."""
    listening = bound(options.host, options.port)
    with listening:
        import python_multipart  # noqa: F401  # starlette says late and at length that it lacks
        import uvicorn

        from pipeline.explore.explorer import Explorer
        from pipeline.explore.server import application

        build = find(options.build)
        if is_store(build):
            raise InputError(f"{build}: expected a build of this machine: copy it here first")
        run_folder(options.run)
        explorer = Explorer(build.absolute(), options.run and Path(options.run).absolute())
        for line in explorer.doubts():
            print(line, file=sys.stderr)
        config = uvicorn.Config(
            application(explorer, options.host),
            log_level="error",
            server_header=False,
            lifespan="on",
            timeout_graceful_shutdown=LONGEST_GOODBYE_S,
        )

        class Server(uvicorn.Server):
            """Says where it is once it answers, and Ctrl-C ends it in order."""

            def handle_exit(self, sig: int, frame: FrameType | None) -> None:
                explorer.is_ending = True
                end_all()
                super().handle_exit(sig, frame)

            async def startup(self, sockets: list[socket.socket] | None = None) -> None:
                await super().startup(sockets)
                announce(build.name, options, listening.getsockname()[1])

        with suppress(KeyboardInterrupt):
            Server(config).run(sockets=[listening])
    print("\nended; the build is as it was")
    return 0


def announce(name: str, options: argparse.Namespace, port: int) -> None:
    """Say where the explorer is, and open it where a browser can be."""
    address = address_of(options.host, port)
    print(f"{address}  build {name}; Ctrl-C ends it", flush=True)
    if options.host not in LOOPBACK:
        print("whoever reaches this address sees the whole build", file=sys.stderr)
    elif not options.no_open and has_screen():
        Thread(target=webbrowser.open, args=[address], daemon=True).start()


def bound(host: str, port: int) -> socket.socket:
    """A socket bound to the address, before any work. Raises UserError."""
    if not 0 <= port < 1 << 16:
        raise InputError(f"--port {port}: expected 0 to 65535")
    try:
        family, *_, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError:
        raise InputError(f"--host {host}: expected an address of this machine") from None
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(place)
        listening.listen()
    except OSError as error:
        listening.close()
        raise MachineError(
            f"--port {port}: {error.strerror}; expected a free port: --port 0 takes any"
        ) from None
    return listening


def address_of(host: str, port: int) -> str:
    """
    >>> address_of("::1", 8380), address_of("0.0.0.0", 8380)
    ('http://[::1]:8380/', 'http://127.0.0.1:8380/')
    """
    shown = {"0.0.0.0": HOST, "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


def has_screen() -> bool:
    """Whether a browser can open here: on a server, one of text would take the terminal."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(os.environ.get(name) for name in screens)
