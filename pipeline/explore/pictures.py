"""The pictures of a build, read from the tars of its shards, one by one."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from pipeline.explore.explorer import Explorer
from pipeline.explore.view import pair_ids
from queries.pixels.header import read_header
from queries.tables.errors import InputError
from queries.tables.tars import read_pictures

ID_BITS = 63  # of a pair_id: the leading ones name its shard
KEPT_S = 300  # for which a browser may show a picture again without asking
TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}  # of Header's types
TYPES |= {"gif": "image/gif", "avif": "image/avif"}


def picture_of(explorer: Explorer, pair_id: int) -> bytes | None:
    """The stored picture of a sample; None where the build has none."""
    for shard in shards_with(explorer.shards, pair_id):
        for _, body in read_pictures(shard, [pair_id]):
            return body
    return None


def shards_with(shards: list[Path], pair_id: int) -> list[Path]:
    """The shard of a pair: all of them where their number says that they are otherwise named.

    >>> shards_with([Path("0"), Path("1")], 1 << 62)
    [PosixPath('1')]
    """
    bits = max(len(shards) - 1, 0).bit_length()
    return [shards[pair_id >> (ID_BITS - bits)]] if len(shards) == 1 << bits else shards


def answer(explorer: Explorer, request: Request) -> Response:
    """A picture as an answer, with the type that its own header says, or none."""
    try:
        (pair_id,) = pair_ids([request.path_params["key"]])
        body = picture_of(explorer, pair_id)
    except (InputError, OSError, ValueError):
        body = None  # a damaged shard, or no key: shown as a picture that is missing
    header = read_header(body) if body else None
    if body is None or header is None or header.type not in TYPES:
        return Response(status_code=404)
    headers = {"Cache-Control": f"private, max-age={KEPT_S}", "Content-Disposition": "inline"}
    return Response(body, media_type=TYPES[header.type], headers=headers)
