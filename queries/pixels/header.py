"""What a picture's first bytes say of it: its type and its sides. Decodes nothing.

The bytes come from strangers: no reader here looks at more than MOST_STEPS chunks, allocates by a
number that the bytes give, or raises. What a decoder makes of the same bytes can differ, so
queries/pixels/picture.py compares the two.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from queries.pixels import boxes
from queries.pixels.boxes import MOST_STEPS
from queries.pixels.png import PNG

SVG_WITHIN = 4_096  # bytes, in which the svg element opens
JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # SOF markers; the rest are tables
JPEG_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
JPEG_ALONE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
JPEG_SCAN = 0xDA
JPEG_PROFILE = b"ICC_PROFILE\0"
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
XMP_ORIENTATION = re.compile(rb"tiff:Orientation(?:=\"|>)([0-9])")  # where Exif tells none
# Type of a TIFF field: the struct letter of its value.
TIFF_SIZES = {1: "B", 3: "H", 4: "I", 16: "Q"}
TIFF_WIDTH, TIFF_HEIGHT, TIFF_BITS, ORIENTATION = 256, 257, 258, 274
TIFF_TILE_WIDTH, TIFF_TILE_HEIGHT = 322, 323
ICO_ENTRY, ICO_WIDE = 16, 256  # bytes; the side that the entry's byte 0 means


@dataclass(frozen=True)
class Header:
    """What a header says; sides are in pixels, before the orientation is applied.

    Of a file with several pictures (icons, tiles, previews) the sides are those of the largest.
    """

    type: str  # jpeg, png, gif, webp, tiff, bmp, ico, jp2, avif, heic or jxl
    width: int
    height: int
    bits: int = 8  # of one channel's value in a JPEG, PNG or TIFF, or of a palette's index
    animated: bool = False  # more than one frame, as far as the header tells
    scans: bool = False  # of a JPEG: in several, each of which costs a pass over the picture
    orientation: int = 1  # of a JPEG, EXIF's 1..8: what is to be done to see the picture upright
    profile: bytes | None = field(default=None, repr=False)  # of a JPEG: its colour profile


def read_header(body: bytes) -> Header | None:
    """The header of a picture; None where the type is unknown or the header is not whole.

    >>> read_header(b"GIF89a" + bytes([5, 0, 3, 0, 0, 0, 0, 0x3B]))
    Header(type='gif', width=5, height=3, bits=8, animated=False, scans=False, orientation=1)
    >>> read_header(b"<html>")
    """
    try:
        reader = next(reader for magic, reader in READERS if re.match(magic, body, re.DOTALL))
        header = reader(body)
    except (StopIteration, struct.error, ArithmeticError, ValueError):  # unknown, cut off, absurd
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
    """Segments up to the first scan: the frame's, the Exif orientation, the colour profile."""
    header, channels, turned, spoken = None, b"", None, None
    profile: list[bytes] = []
    for marker, at, end in segments(body):
        if marker == JPEG_SCAN and header is not None:
            scans = header.scans or body[at + 4 : at + 5] != channels
            orientation = turned or spoken or 1
            orientation = orientation if 1 <= orientation <= 8 else 1
            return replace(header, scans=scans, orientation=orientation, profile=_joined(profile))
        if marker in JPEG_FRAMES and header is None:
            bits, height, width = struct.unpack_from(">BHH", body, at + 4)
            channels = body[at + 9 : at + 10]
            header = Header("jpeg", width, height, bits, scans=marker in JPEG_PROGRESSIVE)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0", at + 4):
            turned = turned if turned is not None else _exif_orientation(body[at + 10 : end])
        elif marker == 0xE1 and body.startswith(JPEG_XMP, at + 4):
            words = XMP_ORIENTATION.search(body, at, end)
            spoken = int(words[1]) if words else spoken
        elif marker == 0xE2 and body.startswith(JPEG_PROFILE, at + 4):
            profile.append(body[at + 4 + len(JPEG_PROFILE) : end])
    return None


def segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment of a JPEG up to the first scan's, markers included.

    >>> list(segments(b"\\xff\\xd8\\xff\\xfe\\0\\2"))
    [(254, 2, 6)]
    """
    at = 2
    for _ in range(MOST_STEPS):
        at = body.find(b"\xff", at)
        if at < 0 or at + 4 > len(body):
            return
        marker = body[at + 1]
        if marker in (0, 0xFF) or marker in JPEG_ALONE:
            at += 1 if marker == 0xFF else 2
            continue
        (size,) = struct.unpack_from(">H", body, at + 2)
        end = at + 2 + size
        if size < 2 or end > len(body):
            return
        yield marker, at, end
        if marker == JPEG_SCAN:
            return
        at = end


def _joined(pieces: list[bytes]) -> bytes | None:
    """The profile in these pieces, each after its number and the number of all (ICC.1, B.4).

    >>> _joined([b"\\2\\2b", b"\\1\\2a"]), _joined([b"\\1\\2a"])
    (b'ab', None)
    """
    pieces = sorted(pieces)
    whole = bool(pieces) and pieces[0][1:2] == bytes([len(pieces) & 0xFF])
    return b"".join(piece[2:] for piece in pieces) if whole else None


def _png(body: bytes) -> Header | None:
    """Chunks up to the first of pixels."""
    header, at = None, 8
    for _ in range(MOST_STEPS):
        size, kind = struct.unpack_from(">I4s", body, at)
        if header is None:
            if kind != b"IHDR":
                return None
            header = Header("png", *struct.unpack_from(">IIB", body, at + 8))
        elif kind == b"IDAT":
            return header
        elif kind == b"acTL":
            header = replace(header, animated=struct.unpack_from(">I", body, at + 8)[0] > 1)
        at += 12 + size
    return None


def _gif(body: bytes) -> Header:
    """The canvas, to which the first frame may add, and whether a second one begins."""
    width, height, flags = struct.unpack_from("<HHB", body, 6)
    at = 13 + _colours(flags)
    frames = steps = 0
    try:
        while frames < 2 and steps < MOST_STEPS:
            kind = body[at]
            if kind == 0x2C:  # a frame: its place, its palette, one byte
                if not frames:
                    left, top, right, down = struct.unpack_from("<HHHH", body, at + 1)
                    width, height = max(width, left + right), max(height, top + down)
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
    except (IndexError, struct.error):
        pass  # cut off: the decoder will tell
    return Header("gif", width, height, animated=frames > 1)


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
        return Header("webp", width, height, animated=bool(flags & 0x02))
    if kind == b"VP8L" and body[20:21] == b"\x2f":
        (packed,) = struct.unpack_from("<I", body, 21)
        return Header("webp", (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and body[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", body, 26)
        return Header("webp", width & 0x3FFF, height & 0x3FFF)
    return None


def _tiff(body: bytes) -> Header | None:
    """The first picture of the file; or one of its tiles, which is decoded whole, if larger."""
    fields = _tiff_fields(body)
    sides = fields.get(TIFF_WIDTH, 0), fields.get(TIFF_HEIGHT, 0)
    tile = fields.get(TIFF_TILE_WIDTH, 0), fields.get(TIFF_TILE_HEIGHT, 0)
    wide = max(sides, tile, key=lambda pair: pair[0] * pair[1]) if all(sides) else sides
    return Header("tiff", *wide, fields.get(TIFF_BITS, 1))


def _exif_orientation(exif: bytes) -> int | None:
    """None where Exif data are broken or do not tell: a picture is not lost for that."""
    try:
        return _tiff_fields(exif).get(ORIENTATION)
    except (struct.error, ArithmeticError):
        return None


def _tiff_fields(body: bytes) -> dict[int, int]:
    """The first value of each whole-number field of the first directory.

    >>> _tiff_fields(b"MM\\0*" + struct.pack(">IHHHIHH", 8, 1, ORIENTATION, 3, 1, 6, 0))
    {274: 6}
    """
    order = {b"II": "<", b"MM": ">"}.get(body[:2])
    if order is None or len(body) < 8:
        return {}
    version, directory = struct.unpack_from(order + "HI", body, 2)
    number, entry, pointer = "H", "HHI", "I"
    if version == 43:  # BigTIFF
        (directory,) = struct.unpack_from(order + "Q", body, 8)
        number, entry, pointer = "Q", "HHQ", "Q"
    (n_fields,) = struct.unpack_from(order + number, body, directory)
    first = directory + struct.calcsize(number)
    size, room = struct.calcsize("=" + entry + pointer), struct.calcsize(pointer)
    fields = {}
    for at in range(first, first + size * min(n_fields, MOST_STEPS), size):
        tag, kind, count = struct.unpack_from(order + entry, body, at)
        letter = TIFF_SIZES.get(kind)
        if letter and count:
            inside = count * struct.calcsize(letter) <= room
            value = at + size - room
            place = value if inside else struct.unpack_from(order + pointer, body, value)[0]
            if place + struct.calcsize(letter) <= len(body):
                (fields[tag],) = struct.unpack_from(order + letter, body, place)
    return fields


def _bmp(body: bytes) -> Header:
    return Header("bmp", *_dib_sides(body, 14))


def _dib_sides(body: bytes, at: int) -> tuple[int, int]:
    """(width, height) of a Windows or OS/2 bitmap whose header begins there."""
    (size,) = struct.unpack_from("<I", body, at)
    width, height = struct.unpack_from("<HH" if size == 12 else "<ii", body, at + 4)
    return width, abs(height)  # a negative height: top row first


def _ico(body: bytes) -> Header:
    """The largest icon by what the pictures say of themselves, and the entries of them."""
    (n_icons,) = struct.unpack_from("<H", body, 4)
    widest = (0, 0)
    for at in range(6, 6 + ICO_ENTRY * min(n_icons, MOST_STEPS), ICO_ENTRY):
        width, height, start = struct.unpack_from("<BB10xI", body, at)
        sides = [(width or ICO_WIDE, height or ICO_WIDE)]
        if body.startswith(PNG, start):
            sides.append(struct.unpack_from(">II", body, start + 16))
        else:
            wide, twice = _dib_sides(body, start)  # colours above, the mask below
            sides.append((wide, twice // 2))
        widest = max(widest, *sides, key=lambda pair: pair[0] * pair[1])
    return Header("ico", *widest)


def _jp2(body: bytes) -> Header:
    return Header("jp2", *boxes.jp2_sides(body))


def _heif(body: bytes) -> Header | None:
    """AVIF or HEIC: the largest size named in the file, never below that of the main picture."""
    brands = boxes.brands(body)
    avif = {b"avif", b"avis"} & brands
    if not avif and not HEIC_BRANDS & brands:
        return None
    kind = "avif" if avif else "heic"
    return Header(kind, *boxes.largest_sides(body), animated=body[8:12] == b"avis")


def _jxl(body: bytes) -> Header:
    return Header("jxl", *boxes.jxl_sides(body))


HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
HEIC_BRANDS |= {b"mif1", b"msf1"}
READERS = (
    (rb"\xff\xd8\xff", _jpeg),
    (PNG, _png),
    (rb"GIF8[79]a", _gif),
    (rb"RIFF....WEBP", _webp),
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"BM", _bmp),
    (rb"\0\0\x01\0", _ico),
    (rb"\0\0\0\x0cjP  \r\n\x87\n", _jp2),
    (rb"....ftyp", _heif),
    (rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", _jxl),
)
