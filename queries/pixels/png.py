"""What must hold of a picture's bytes before a decoder sees them: pipeline and trainer both decode.

OpenCV's PNG reader makes room for a chunk of the length that the chunk says, up to 4 GB for a file
of 60 bytes, before it reads it.
"""

import struct

PNG = b"\x89PNG\r\n\x1a\n"
MOST_CHUNKS = 100_000  # writers make them of 8 kB and more


def png_fits(body: bytes) -> bool:
    """Whether every chunk of a PNG lies within the file; True for what is no PNG.

    >>> png_fits(PNG + b"\\0\\0\\0\\1IDATxCRC!"), png_fits(PNG + b"\\xff\\0\\0\\0IDATxCRC!")
    (True, False)
    """
    if not body.startswith(PNG):
        return True
    at = len(PNG)
    for _ in range(MOST_CHUNKS):
        if at + 8 > len(body):
            return True
        size, kind = struct.unpack_from(">I4s", body, at)
        if kind == b"IEND":
            return True
        at += 12 + size
        if at > len(body):
            return False
    return False
