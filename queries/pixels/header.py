"""What a picture's first bytes say of it: type, size, transparency, orientation. Decodes nothing.

The bytes come from strangers: no reader here looks at more than MOST_STEPS chunks, allocates by a
number that the bytes give, or raises. What a decoder makes of the same bytes can differ, so
pipeline/images/judge.py compares the two.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

MOST_STEPS = 1_000  # segments, chunks or boxes; a real header has tens
SVG_WITHIN = 4_096  # bytes, in which the svg element opens
JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF markers; the rest are tables
JPEG_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
JPEG_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
JPEG_SCAN = 0xDA
TIFF_SIZES = {1: "B", 3: "H", 4: "I"}  # type of a TIFF field: the struct letter of its value
TIFF_WIDTH, TIFF_HEIGHT, TIFF_BITS, TIFF_COLOURS, ORIENTATION = 256, 257, 258, 262, 274
TIFF_CHANNELS, TIFF_EXTRA, TIFF_RGB = 277, 338, 2
PNG_GRAY, PNG_WITH_ALPHA = 0, (4, 6)  # colour types
ALPHA_PLANE = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0"  # ISO/IEC 23008-12, 6.5.8
# HEIF's orientation in EXIF's numbers: quarter turns counter-clockwise (irot 0..3) ...
QUARTER_TURNS = (1, 8, 3, 6)
# ... then mirrored (imir): 0 exchanges top and bottom, 1 left and right.
MIRRORED = {0: {1: 4, 8: 5, 3: 2, 6: 7}, 1: {1: 2, 8: 7, 3: 4, 6: 5}}


@dataclass(frozen=True)
class Header:
    """What a header says; sides are in pixels, before the orientation is applied."""

    type: str  # jpeg, png, gif, webp, tiff, bmp, jp2 or avif
    width: int
    height: int
    bits: int = 8  # of one channel's value, or of a palette's index
    alpha: bool = False  # pixels may be transparent
    clear: int | None = None  # of a gray PNG: the shade that is transparent, as the file counts
    animated: bool = False  # more than one frame, as far as the header tells
    scans: bool = False  # of a JPEG: in several, each of which costs a pass over the picture
    orientation: int = 1  # EXIF's 1..8: what is to be done to see the picture upright


def read_header(body: bytes) -> Header | None:
    """The header of a picture; None where the type is unknown or the header is not whole.

    >>> read_header(b"GIF89a" + bytes([5, 0, 3, 0, 0, 0, 0, 0x3B]))
    Header(type='gif', width=5, height=3, bits=8, alpha=True, clear=None, animated=False, \
scans=False, orientation=1)
    >>> read_header(b"<html>")
    """
    reader = next((reader for magic, reader in READERS if re.match(magic, body, re.DOTALL)), None)
    try:
        header = reader(body) if reader else None
    except (struct.error, ValueError):  # cut off, or a number that cannot be
        return None
    return header if header and header.width > 0 and header.height > 0 else None


def is_svg(body: bytes) -> bool:
    """Whether it is an SVG drawing, and not a page that shows one.

    >>> is_svg(b'<?xml version="1.0"?><svg width="9">')
    True
    >>> is_svg(b"<!doctype html><html><body><svg>")
    False
    """
    head = body[:SVG_WITHIN].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    opened = head.find(b"<svg")
    return head.startswith(b"<") and opened >= 0 and b"<html" not in head[:opened]


def _jpeg(body: bytes) -> Header | None:
    """Segments up to the first scan: the frame's, and the orientation of an Exif one."""
    header, channels, orientation, at = None, b"", 1, 2
    for _ in range(MOST_STEPS):
        start, marker = struct.unpack_from(">BB", body, at)
        if start != 0xFF:
            return None
        if marker == 0xFF:  # a filler
            at += 1
            continue
        if marker == JPEG_SCAN:
            several = header is not None and (header.scans or body[at + 4 : at + 5] != channels)
            return header and replace(header, scans=several, orientation=orientation)
        if marker in JPEG_ALONE:
            at += 2
            continue
        (size,) = struct.unpack_from(">H", body, at + 2)
        if size < 2:
            return None
        if marker in JPEG_FRAMES and header is None:
            bits, height, width = struct.unpack_from(">BHH", body, at + 4)
            channels = body[at + 9 : at + 10]
            header = Header("jpeg", width, height, bits, scans=marker in JPEG_PROGRESSIVE)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0", at + 4):
            orientation = _exif_orientation(body[at + 10 : at + 2 + size])
        at += 2 + size
    return None


def _png(body: bytes) -> Header | None:
    """Chunks up to the first of pixels."""
    header, at = None, 8
    for _ in range(MOST_STEPS):
        size, kind = struct.unpack_from(">I4s", body, at)
        if header is None:
            if kind != b"IHDR":
                return None
            width, height, bits, colours = struct.unpack_from(">IIBB", body, at + 8)
            header = Header("png", width, height, bits, colours in PNG_WITH_ALPHA)
        elif kind == b"IDAT":
            return header
        elif kind == b"tRNS":
            clear = struct.unpack_from(">H", body, at + 8)[0] if colours == PNG_GRAY else None
            header = replace(header, alpha=True, clear=clear)
        elif kind == b"acTL":
            header = replace(header, animated=struct.unpack_from(">I", body, at + 8)[0] > 1)
        elif kind == b"eXIf":
            turned = _exif_orientation(body[at + 8 : at + 8 + size])
            header = replace(header, orientation=turned)
        at += 12 + size
    return None


def _gif(body: bytes) -> Header:
    """The canvas, and whether a second frame begins within MOST_STEPS blocks."""
    width, height, flags = struct.unpack_from("<HHB", body, 6)
    at = 13 + _colours(flags)
    frames = steps = 0
    try:
        while frames < 2 and steps < MOST_STEPS:
            kind = body[at]
            if kind == 0x2C:  # a frame: its place, its palette, one byte
                frames += 1
                at += 11 + _colours(body[at + 9])
            elif kind == 0x21:  # an extension and its label
                at += 2
            else:
                break
            while body[at] and steps < MOST_STEPS:  # its data, in blocks of up to 255 bytes
                at += 1 + body[at]
                steps += 1
            at += 1
            steps += 1
    except IndexError:
        pass  # cut off: the decoder will tell
    return Header("gif", width, height, alpha=True, animated=frames > 1)


def _colours(flags: int) -> int:
    """Bytes of the palette that these flags of a GIF announce.

    >>> _colours(0), _colours(0x81)
    (0, 12)
    """
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _webp(body: bytes) -> Header | None:
    kind = body[12:16]
    if kind == b"VP8X":
        flags, *sides = struct.unpack_from("<B3xHBHB", body, 20)
        width, height = (low + (high << 16) + 1 for low, high in (sides[:2], sides[2:]))
        header = Header("webp", width, height, 8, bool(flags & 0x10), None, bool(flags & 0x02))
        return replace(header, orientation=_webp_orientation(body)) if flags & 0x08 else header
    if kind == b"VP8L" and body[20:21] == b"\x2f":
        (packed,) = struct.unpack_from("<I", body, 21)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        return Header("webp", width, height, alpha=bool(packed >> 28 & 1))
    if kind == b"VP8 " and body[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 26)
        return Header("webp", width & 0x3FFF, height & 0x3FFF)
    return None


def _webp_orientation(body: bytes) -> int:
    at = 12
    for _ in range(MOST_STEPS):
        if at + 8 > len(body):
            break
        kind, size = struct.unpack_from("<4sI", body, at)
        if kind == b"EXIF":
            return _exif_orientation(body[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0"))
        at += 8 + size + size % 2
    return 1


def _tiff(body: bytes) -> Header | None:
    """The first picture of the file. Its orientation is the decoder's: libtiff applies it."""
    fields = _tiff_fields(body)
    if TIFF_WIDTH not in fields or TIFF_HEIGHT not in fields:
        return None
    width, height = fields[TIFF_WIDTH], fields[TIFF_HEIGHT]
    if fields.get(ORIENTATION, 1) >= 5:
        width, height = height, width
    four = (fields.get(TIFF_COLOURS), fields.get(TIFF_CHANNELS)) == (TIFF_RGB, 4)
    return Header("tiff", width, height, fields.get(TIFF_BITS, 1), four or TIFF_EXTRA in fields)


def _exif_orientation(exif: bytes) -> int:
    """1 where Exif data are broken: a picture is not lost for that."""
    try:
        orientation = _tiff_fields(exif).get(ORIENTATION, 1)
    except struct.error:
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def _tiff_fields(body: bytes) -> dict[int, int]:
    """The first value of each whole-number field of the first directory.

    >>> _tiff_fields(b"MM\\0*" + struct.pack(">IHHHIHH", 8, 1, ORIENTATION, 3, 1, 6, 0))
    {274: 6}
    """
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(body[:4])
    if order is None:
        return {}
    (directory,) = struct.unpack_from(order + "I", body, 4)
    (n_fields,) = struct.unpack_from(order + "H", body, directory)
    fields = {}
    for at in range(directory + 2, directory + 2 + 12 * min(n_fields, MOST_STEPS), 12):
        tag, kind, count = struct.unpack_from(order + "HHI", body, at)
        letter = TIFF_SIZES.get(kind)
        if letter and count:
            inside = count * struct.calcsize(letter) <= 4
            place = at + 8 if inside else struct.unpack_from(order + "I", body, at + 8)[0]
            if place + 4 <= len(body):
                (fields[tag],) = struct.unpack_from(order + letter, body, place)
    return fields


def _bmp(body: bytes) -> Header:
    (size,) = struct.unpack_from("<I", body, 14)
    if size == 12:  # OS/2
        width, height, bits = struct.unpack_from("<HH2xH", body, 18)
    else:
        width, height, bits = struct.unpack_from("<ii2xH", body, 18)
    return Header("bmp", width, abs(height), min(bits, 8))  # a negative height: top row first


def _jp2(body: bytes) -> Header | None:
    """Sizes are the codestream's, by which it is decoded, not those that the box repeats."""
    for kind, start, _ in _boxes(body, 0, len(body)):
        if kind == b"jp2c" and body.startswith(b"\xff\x4f\xff\x51", start):
            right, bottom, left, top = struct.unpack_from(">IIII", body, start + 8)
            channels, depth = struct.unpack_from(">HB", body, start + 40)
            bits = (depth & 0x7F) + 1
            return Header("jp2", right - left, bottom - top, bits, alpha=channels == 4)
    return None


def _avif(body: bytes) -> Header | None:
    """The largest size named in the file, which is never below that of the main picture."""
    header = Header("avif", 0, 0, animated=body[8:12] == b"avis")
    turns, mirror = 0, None
    for kind, start, _ in _properties(body):
        if kind == b"ispe":
            sides = struct.unpack_from(">II", body, start + 4)
            width, height = max(
                sides, (header.width, header.height), key=lambda two: two[0] * two[1]
            )
            header = replace(header, width=width, height=height)
        elif kind == b"pixi":
            header = replace(header, bits=body[start + 5])
        elif kind == b"auxC" and body.startswith(ALPHA_PLANE, start + 4):
            header = replace(header, alpha=True)
        elif kind == b"irot":
            turns = body[start] & 3
        elif kind == b"imir":
            mirror = body[start] & 1
    turned = QUARTER_TURNS[turns]
    return replace(header, orientation=turned if mirror is None else MIRRORED[mirror][turned])


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


READERS = (
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"GIF8[79]a", _gif),
    (rb"RIFF....WEBP", _webp),
    (rb"II\*\0|MM\0\*", _tiff),
    (rb"BM", _bmp),
    (rb"\0\0\0\x0cjP  \r\n\x87\n", _jp2),
    (rb"....ftyp(?:avif|avis|mif1....(?:....)?avif)", _avif),
)
