"""Embeddings by request, for a program that has no torch: JSON lines in, JSON lines out.

    {"text": "a red circle"}       -> {"embedding": [0.01, …]}
    {"picture": "BASE64"}          -> {"embedding": […]}, of a file's bytes
    {"text": "…"} that cannot be   -> {"error": "…"}

A line is an answer to a line, in order. What comes is a stranger's: lines have a greatest length,
texts are cut as captions are, and a picture is read as a build reads one.
"""

import base64
import binascii
import json
from typing import Any, BinaryIO

from queries.pixels.picture import read_picture
from trainer.data.pixels import centre, stacked
from trainer.embeddings.encoders import Encoder

MOST_PICTURE = 1 << 24  # bytes of a file
MOST_LINE = MOST_PICTURE * 4 // 3 + 1_024  # characters
MOST_PIXELS = 50_000_000  # as of a build's pictures
MOST_TEXT = 10_000  # characters


def serve(encoder: Encoder, requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every line until there are no more."""
    while line := requests.readline(MOST_LINE + 1):
        if len(line) > MOST_LINE:
            while line and not line.endswith(b"\n"):
                line = requests.readline(1 << 20)
            reply = {"error": f"a line of more than {MOST_LINE:,} bytes"}
        else:
            reply = answer(encoder, line)
        answers.write(json.dumps(reply).encode() + b"\n")
        answers.flush()


def answer(encoder: Encoder, line: bytes) -> dict[str, Any]:
    """What one line is answered.

    >>> answer(None, b"[]")
    {'error': 'expected an object with a text or a picture'}
    """
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {"error": "expected a line of JSON"}
    asked = request if isinstance(request, dict) else {}
    if isinstance(text := asked.get("text"), str):
        return _of_text(encoder, text)
    if isinstance(picture := asked.get("picture"), str):
        return _of_picture(encoder, picture)
    return {"error": "expected an object with a text or a picture"}


def _of_text(encoder: Encoder, text: str) -> dict[str, Any]:
    if len(text) > MOST_TEXT:
        return {"error": f"expected a text of at most {MOST_TEXT:,} characters"}
    if not text.strip():
        return {"error": "expected a text; it is empty"}
    (vector,) = encoder.embed_texts([text.encode("utf-8", "replace").decode()])
    return {"embedding": vector.tolist()}


def _of_picture(encoder: Encoder, text: str) -> dict[str, Any]:
    try:
        body = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return {"error": "expected the file's bytes in base64"}
    if len(body) > MOST_PICTURE:
        return {"error": f"expected a file of at most {MOST_PICTURE:,} bytes"}
    side = encoder.towers.pixels
    picture = read_picture(body, MOST_PIXELS, size=2 * side)
    if isinstance(picture, str):
        return {"error": picture}
    (vector,) = encoder.towers.images(stacked([centre(picture.pixels, side)]))
    return {"embedding": vector.tolist()}
