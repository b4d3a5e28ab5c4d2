"""Pictures: those of a build, read from the tars of its shards one by one, and one that is sent.

What is sent is a stranger's: it is bounded, and decoded only after the checks of the fetch's guard.
"""

import asyncio
from pathlib import Path

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Message

from pipeline.explore.explorer import Explorer
from pipeline.explore.view import PAGE_ROWS, pair_ids
from queries.pixels.fingerprint import phash
from queries.pixels.header import read_header
from queries.pixels.picture import read_picture
from queries.tables.errors import InputError
from queries.tables.reasons import REASONS
from queries.tables.tars import read_pictures

ID_BITS = 63  # of a pair_id: the leading ones name its shard
KEPT_S = 300  # for which a browser may show a picture again without asking
MOST_UPLOAD = 10 << 20  # bytes
UPLOAD_S = 60  # that a picture may take to come
MOST_PIXELS = 20_000_000
SIDE = 256  # pixels, to which it is made smaller
FAR_BITS = 16  # of 64, beyond which pictures are not alike
TYPES = {"jpeg": "image/jpeg", "png": "image/png", "webp": "image/webp"}  # of Header's types
TYPES |= {"gif": "image/gif", "avif": "image/avif"}


def routes(explorer: Explorer) -> list[BaseRoute]:
    async def upload(request: Request) -> Response:
        if request.method == "GET":
            return explorer.page("upload.html", here="/upload")
        try:
            return await run_in_threadpool(like_it, explorer, await uploaded(explorer, request))
        except InputError as error:
            return explorer.page("upload.html", 400, here="/upload", fault=str(error))

    return [
        explorer.route("/picture/{key}", lambda request: answer(explorer, request)),
        Route("/upload", upload, methods=["GET", "POST"]),
    ]


def shards_of(explorer: Explorer, other: str) -> list[Path]:
    """The shards of the build, or of one beside it."""
    if not other:
        return explorer.shards
    folder = explorer.others().get(other)
    return sorted((folder / "shards").glob("*.parquet")) if folder else []


def picture_of(shards: list[Path], pair_id: int) -> bytes | None:
    """The stored picture of a sample; None where the build has none."""
    for shard in shards_with(shards, pair_id):
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
        body = picture_of(shards_of(explorer, request.query_params.get("of", "")), pair_id)
    except (InputError, OSError, ValueError):
        body = None  # a damaged shard, or no key: shown as a picture that is missing
    header = read_header(body) if body else None
    if body is None or header is None or header.type not in TYPES:
        return Response(status_code=404)
    headers = {"Cache-Control": f"private, max-age={KEPT_S}", "Content-Disposition": "inline"}
    return Response(body, media_type=TYPES[header.type], headers=headers)


async def uploaded(explorer: Explorer, request: Request) -> bytes:
    """The picture that a form sends. Raises InputError for none, and for one that is too large."""
    async with explorer.uploads.taken():
        try:
            async with asyncio.timeout(UPLOAD_S):
                sent_bytes = await _body(request)
        except TimeoutError:
            raise InputError(f"the picture was not here after {UPLOAD_S} s") from None
    messages: list[Message] = [{"type": "http.request", "body": sent_bytes}]

    async def receive() -> Message:
        return messages.pop()

    try:
        async with Request(request.scope, receive).form(max_files=1, max_fields=4) as form:
            sent = form.get("picture")
            body = b"" if sent is None or isinstance(sent, str) else await sent.read()
    except HTTPException as error:
        raise InputError(f"expected a form with one picture: {error.detail}") from None
    if not body:
        raise InputError("expected a picture: choose a file")
    return body


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MOST_UPLOAD:
            raise InputError(f"expected a picture of at most {MOST_UPLOAD >> 20} MiB")
        chunks.append(chunk)
    return b"".join(chunks)


def decoded(body: bytes) -> np.ndarray:
    """The pixels (H, W, 3) of a stranger's picture. Raises InputError."""
    picture = read_picture(body, MOST_PIXELS, SIDE)
    if isinstance(picture, str):
        raise InputError(f"the picture is {picture}: {REASONS[picture]}")
    return picture.pixels


def like_it(explorer: Explorer, body: bytes) -> Response:
    """The samples whose perceptual hash is nearest to a picture's. Raises InputError."""
    near_hash = phash(decoded(body))
    values = {"phash": near_hash, "pair": -1, "most_bits": FAR_BITS, "rows": PAGE_ROWS}
    rows = explorer.ask("near_samples", values)
    samples = [{**row, "distance": f"{row['bits']} of 64 bits differ"} for row in rows]
    return explorer.page("upload.html", here="/upload", samples=samples, asked=True)
