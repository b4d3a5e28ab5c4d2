"""What the boxes of ISO files say of a picture: AVIF, HEIC, JPEG 2000 and JPEG XL.

Nothing here looks at more than MOST_STEPS boxes; numbers that are not there raise struct.error.
"""

import struct
from collections.abc import Iterator

MOST_STEPS = 1_000  # segments, chunks or boxes; a real header has tens
MOST_BRANDS = 64
# ISO/IEC 18181-1, D.2: a side's bits by its selector; then width to height by the ratio's number.
JXL_BITS = (9, 13, 18, 30)
JXL_RATIOS = ((0, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))


def brands(body: bytes) -> set[bytes]:
    """The major and the compatible brands of a file that begins with `ftyp`.

    >>> sorted(brands(b"\\0\\0\\0\\x18ftypmif1\\0\\0\\0\\0miafavif"))
    [b'avif', b'miaf', b'mif1']
    """
    (size,) = struct.unpack_from(">I", body)
    others = range(16, min(size, 16 + 4 * MOST_BRANDS, len(body)), 4)
    return {body[8:12], *(body[at : at + 4] for at in others)}


def largest_sides(body: bytes) -> tuple[int, int]:
    """(width, height) of the largest size that a HEIF file names; (0, 0) where there is none."""
    sides = [
        struct.unpack_from(">II", body, start + 4)
        for kind, start, _ in _properties(body)
        if kind == b"ispe"
    ]
    width, height = max(sides, key=lambda pair: pair[0] * pair[1], default=(0, 0))
    return width, height


def jp2_sides(body: bytes) -> tuple[int, int]:
    """Sizes are the codestream's, by which it is decoded, not those that the box repeats."""
    for kind, start, _ in _boxes(body, 0, len(body)):
        if kind == b"jp2c" and body.startswith(b"\xff\x4f\xff\x51", start):
            right, bottom, left, top = struct.unpack_from(">IIII", body, start + 8)
            return right - left, bottom - top
    return 0, 0


def jxl_sides(body: bytes) -> tuple[int, int]:
    """(width, height) of a JPEG XL codestream, bare or in the first box that holds one.

    >>> jxl_sides(bytes([0xFF, 0x0A, 0b01000101, 0]))  # 8 * 3 rows, ratio 1
    (24, 24)
    """
    start = 0
    if not body.startswith(b"\xff\x0a"):
        streams = _boxes(body, 0, len(body))
        start = next(
            (at + (4 if kind == b"jxlp" else 0) for kind, at, _ in streams if kind[:3] == b"jxl"),
            len(body),
        )
    bits = int.from_bytes(body[start + 2 : start + 14], "little")
    if not body.startswith(b"\xff\x0a", start):
        return 0, 0

    def take(n_bits: int) -> int:
        nonlocal bits
        value, bits = bits & ((1 << n_bits) - 1), bits >> n_bits
        return value

    def side(small: int) -> int:
        return 8 * (take(5) + 1) if small else take(JXL_BITS[take(2)]) + 1

    small = take(1)
    height = side(small)
    wide, high = JXL_RATIOS[take(3)]
    return (height * wide // high if wide else side(small)), height


def _properties(body: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The boxes in meta/iprp/ipco of a HEIF file."""
    for start, end in _named(b"meta", body, 0, len(body)):
        for first, last in _named(b"iprp", body, start + 4, end):  # after version and flags
            for begin, end in _named(b"ipco", body, first, last):
                yield from _boxes(body, begin, end)


def _named(kind: bytes, body: bytes, at: int, end: int) -> list[tuple[int, int]]:
    """The first box of a kind, if there is one: several would make the reading quadratic."""
    return [box[1:] for box in _boxes(body, at, end) if box[0] == kind][:1]


def _boxes(body: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, start, end) of the content of each ISO box in a range.

    >>> list(_boxes(b"\\0\\0\\0\\x0airotab" + b"\\0\\0\\0\\0mdat", 0, 18))
    [(b'irot', 8, 10), (b'mdat', 18, 18)]
    """
    for _ in range(MOST_STEPS):
        if at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", body, at)
        start = at + 8
        if size == 1:  # a size beyond 32 bits follows
            (size,) = struct.unpack_from(">Q", body, start)
            start += 8
        until = at + size if size else end  # 0: up to the end
        if until < start or until > end:
            return
        yield kind, start, until
        at = until
