"""Pictures that a source holds already: their bytes are read from its files, nobody is asked.

What no server was asked for was not refused by one either: robots.txt, headers and tdmrep.json are
not known here. The bytes themselves are judged as an answer's are.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fsspec.core import url_to_fs

from pipeline.fetch.blame import OutageError
from pipeline.fetch.guard import Answer, Guard
from pipeline.fetch.wire import LARGE_BODY
from queries.tables.errors import UserError, one_line
from queries.tables.store import is_address, tried


@contextmanager
def answered(url: str, held: str | None, guard: Guard) -> Iterator[Answer]:
    """The picture of an address: the one that is held, or else what the guard fetches.

    `held` is [path, offset, bytes, sha256] as JSON. Raises OutageError where the file is not there
    or has changed: no row is to be lost for that.
    """
    if held is None:
        with guard.fetched(url) as answer:
            yield answer
        return
    path, offset, n_bytes, sha256 = json.loads(held)
    if n_bytes > guard.settings.max_bytes:
        yield Answer("too_large", url=url, message=f"{n_bytes} bytes in {path}")
    elif n_bytes > LARGE_BODY:
        with guard.hosts.large_bodies:
            yield Answer(None, _read(path, offset, n_bytes, sha256), url=url)
    else:
        yield Answer(None, _read(path, offset, n_bytes, sha256), url=url)


def _read(path: str, offset: int, n_bytes: int, sha256: str) -> bytes:
    try:
        if is_address(path) or "::" in path:
            files, key = url_to_fs(path)
            body = tried(path, lambda: files.cat_file(key, offset, offset + n_bytes))
        else:
            with Path(path).open("rb") as file:
                file.seek(offset)
                body = file.read(n_bytes)
    except (OSError, UserError) as error:
        raise OutageError(
            f"{path}: a picture cannot be read from there: {one_line(error)}; bring the file back, "
            "then the same command goes on"
        ) from None
    if hashlib.sha256(body).hexdigest() != sha256:
        raise OutageError(
            f"{path} has changed since its captions were read; the same command reads them again"
        )
    return body
