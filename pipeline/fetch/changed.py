"""Whether the bytes that came are those whose hash the source states."""

import hashlib

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
    came = hashlib.new(name, body, usedforsecurity=False).hexdigest()
    return None if came == source_hash else f"{name} {came}, not {source_hash}"
