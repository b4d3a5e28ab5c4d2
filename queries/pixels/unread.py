"""Pictures of types and variants that no reader here makes pixels of.

is_unread(b"P6 2 2 255 ...")  # True: a picture, but of no type of READERS
"""

import re

from queries.pixels.header import segments

# First bytes of types that pages hardly ever show, so that none has a reader here.
STARTS = (
    rb"P[1-6]\s(?:\s|#[^\n]{0,200}\n){0,20}\d{1,7}\s{1,9}\d|P7\nWIDTH |P[Ff]\n\d",  # PNM, PAM, PFM
    rb"\x0a[\0-\x05][\0\x01][\x01\x02\x04\x08]",  # PCX
    rb"\xff\x4f\xff\x51",  # JPEG 2000, a codestream without a file around it
    rb"II\xbc\x01",  # JPEG XR
    rb"\0\0[\x02\x03\x0a\x0b]\0{5}.{8}[\x08\x0f\x10\x18\x20]",  # TGA, of which many lack the footer
    rb"\0\0\x02\0[\x01-\x40]\0",  # a cursor
    rb"8BPS\0[\x01\x02]|gimp xcf |icns....|\x76\x2f\x31\x01|SIMPLE  = +T",  # PSD, XCF, ICNS, EXR
    rb"#\?(?:RADIANCE|RGBE)\n|qoif|DDS \x7c|BLP[12]|\x01\xda[\0\x01][\x01\x02]",  # HDR, QOI, SGI
    rb"FORM....(?:ILBM|PBM )|\xd7\xcd\xc6\x9a|BPG\xfb|FLIF|DanM|LinS",  # ILBM, WMF, BPG, FLIF, MSP
    rb"#define [\w-]{1,99}_width \d",  # XBM
)
ANY = re.compile(rb"|".join(STARTS), re.DOTALL)
JPEG_LS = 0xF7  # its frame
TGA_END = b"TRUEVISION-XFILE.\0"
# What Pillow and libjpeg say of whole files that they do not read; a number is a compression.
UNSUPPORTED = re.compile(
    r"unknown pixel mode|\d+|.*not (?:supported|implemented|available).*"
    r"|Unsupported (?:JPEG|color|BMP) .*",
    re.I,
)


def is_unread(body: bytes) -> bool:
    """Whether the bytes are a picture of a type without a reader.

    >>> is_unread(b"P5 # gray\\n64 48\\n255\\n"), is_unread(b"P5 is a book"), is_unread(b"<html>")
    (True, False, False)
    """
    if body.startswith(b"\xff\xd8"):
        return any(marker == JPEG_LS for marker, _, _ in segments(body))
    return bool(ANY.match(body)) or body.endswith(TGA_END)


def reason_for(error: Exception) -> str:
    """Why a picture of a known type was not decoded, by what its decoder says.

    >>> reason_for(ValueError("Unsupported JPEG data precision 12")), reason_for(OSError("torn"))
    ('image_unsupported', 'image_damaged')
    """
    return "image_unsupported" if UNSUPPORTED.fullmatch(str(error)) else "image_damaged"
