"""Files that are read piece by piece: here, in a store by fsspec, on a web server by our client."""

import io
from pathlib import Path
from typing import IO

from pipeline.settings.values import is_remote
from pipeline.settings.whole import DownloadSettings
from pipeline.sources.place import open_file, read_range
from pipeline.web import ranges
from pipeline.web.client import Client

BACKOFF_S = 2.0


class MissingError(ValueError):
    """A piece of which the file has no byte, or a file that is not there: what was found."""


def is_web(path: str) -> bool:
    """Whether a file is on a web server, which needs the client's manners; else a store has it."""
    return path.startswith(("http:", "https:"))


def open_ranged(path: str, contact: str | None = None) -> IO[bytes]:
    """A file's bytes, wherever a reader goes. Raises what `open_file` does, and DownloadError.

    With a contact, which may be empty, our own client asks a web server; else fsspec does.
    """
    if contact is None or not is_web(path):
        return open_file(path)
    settings = DownloadSettings(contact=contact, backoff_s=BACKOFF_S)
    client = Client(settings, contact_key="contact", keeps=True)
    raw: io.RawIOBase = ranges.RangedFile(client, path)
    return raw  # type: ignore[return-value]


def read_piece(path: str, start: int, length: int, client: Client) -> bytes:
    """A piece of a file; fewer bytes where the file ends within it. The client is for the web.

    Raises MissingError, SourceError and DownloadError where a server fails, OSError for a file of
    this machine that cannot be read.
    """
    try:
        if is_web(path):
            return ranges.read_range(client, path, start, length)
        if is_remote(path):
            piece = read_range(path, start, length)
        else:
            if not Path(path).is_file():
                raise FileNotFoundError
            with open(path, "rb") as file:
                file.seek(start)
                piece = file.read(length)
    except ranges.GoneError as error:
        raise MissingError(str(error).removeprefix(f"{path}: ")) from None
    except FileNotFoundError:
        raise MissingError("no such file") from None
    if not piece:
        raise MissingError("the file ends before it")
    return piece
