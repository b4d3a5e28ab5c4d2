"""The hash of a picture's bytes that a source states, in one normal form.

Lists write them in hex or base64, as raw bytes, and with the algorithm in front; an md5, a sha1 and
a sha256 differ in length, which alone says which it is.
"""

import base64
import binascii
import re
from typing import Any

N_BYTES = {"md5": 16, "sha1": 20, "sha256": 32}
PREFIX = re.compile(r"(md5|sha-?1|sha-?256)[:-]", re.IGNORECASE)
HEX = re.compile("(?:[0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64})")
BASE64 = re.compile("[0-9a-zA-Z+/_-]{22,43}={0,2}")
LONGEST = 80  # characters: sha256:, 64 hex digits, blanks


def stated_hash(value: Any) -> str | None:
    """The hash in lower hex; None where the source states none. Raises ValueError for another.

    >>> stated_hash("1B2M2Y8AsgTpgAmY7PhCfg=="), stated_hash(" ")
    ('d41d8cd98f00b204e9800998ecf8427e', None)
    """
    if value is None or value != value:  # NaN is how pandas writes what is missing
        return None
    if isinstance(value, bytes) and len(value) in N_BYTES.values():
        text = value.decode("latin-1")
        return text.lower() if HEX.fullmatch(text) else value.hex()
    text = value.decode("ascii") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError("expected an md5, sha1 or sha256 in hex or base64")
    text = text.strip()
    if not text:
        return None
    prefix = PREFIX.match(text)
    name = prefix[1].lower().replace("-", "") if prefix else None
    digest = _bytes(text[prefix.end() :] if prefix else text)
    if len(digest) not in ([N_BYTES[name]] if name else N_BYTES.values()):
        raise ValueError("expected an md5, sha1 or sha256 in hex or base64")
    return digest.hex()


def _bytes(text: str) -> bytes:
    """What hex digits or base64 write, with or without padding; b"" for neither."""
    if HEX.fullmatch(text):
        return bytes.fromhex(text)
    if not BASE64.fullmatch(text):
        return b""
    bare = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except binascii.Error:
        return b""
