"""Hashes of the bytes that came: are they what the source states, and what may lists ask for."""

import hashlib
import json
from collections.abc import Iterable

ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256"}  # by hex digits


def changed(body: bytes, source_hash: str | None) -> str | None:
    """What the bytes hash to where that is another than was stated; None where they agree.

    >>> changed(b"", "d41d8cd98f00b204e9800998ecf8427e"), changed(b"", None)
    (None, None)
    >>> changed(b"a", "d41d8cd98f00b204e9800998ecf8427e")
    'md5 0cc175b9c0f1b6a831c399e269772661, not d41d8cd98f00b204e9800998ecf8427e'
    """
    if source_hash is None:
        return None
    name = ALGORITHMS[len(source_hash)]
    came = _hash(name, body)
    return None if came == source_hash else f"{name} {came}, not {source_hash}"


def as_text(body: bytes, kinds: Iterable[str]) -> str | None:
    """The hashes of a picture for a column of text; None where no kind is asked for."""
    hashes = {kind: _hash(kind, body) for kind in kinds}
    return json.dumps(hashes) if hashes else None


def rows_of(text: str | None, pair_id: int, attempt: int) -> list[dict[str, object]]:
    """Rows of table `hashed` from what as_text wrote.

    >>> rows_of(as_text(b"", ["md5"]), 7, 1)[0]["value"], rows_of(None, 7, 1)
    ('d41d8cd98f00b204e9800998ecf8427e', [])
    """
    hashes = json.loads(text) if text else {}
    keys = {"pair_id": pair_id, "attempt": attempt}
    return [keys | {"kind": kind, "value": value} for kind, value in hashes.items()]


def _hash(kind: str, body: bytes) -> str:
    return hashlib.new(kind, body, usedforsecurity=False).hexdigest()
