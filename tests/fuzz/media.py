"""Targets that read pictures and tars."""

import io
import tarfile
from contextlib import suppress
from functools import cache

import cv2
import numpy as np
from hypothesis import strategies as st
from PIL import Image

from pipeline.images.judge import Picture, judge_picture
from pipeline.query_list.wordnet import read_synsets
from pipeline.report.gallery import thumbnail
from pipeline.settings.images import ImageSettings
from queries.tables.errors import InputError
from queries.tables.folder import tar_samples
from queries.tables.reasons import FETCH
from queries.tables.tars import members
from tests.fuzz.files import asked
from tests.fuzz.inputs import changed, tokens
from tests.fuzz.limits import MAX_PIXELS
from tests.fuzz.target import Target, file_of
from trainer.data.pixels import BadPictureError, decode


@cache
def drawn() -> list[bytes]:
    """A small picture in each format that is read."""
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 4), dtype=np.uint8)
    picture = Image.fromarray(noise)
    found = []
    for name, mode, more in (
        ("PNG", "RGBA", {}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("GIF", "P", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("JPEG", "CMYK", {}),
        ("WEBP", "RGBA", {}),
        ("WEBP", "RGB", {"lossless": True}),
        ("TIFF", "RGBA", {"compression": "tiff_lzw"}),
        ("BMP", "RGB", {}),
    ):
        out = io.BytesIO()
        shown = Image.fromarray(noise[..., 0].astype(np.uint16)) if mode == "I;16" else picture
        shown = shown if mode == "I;16" else shown.convert("RGB").convert(mode)
        shown.save(out, name, **more)
        found.append(out.getvalue())
    for ending in (".jp2", ".avif"):
        try:
            done, encoded = cv2.imencode(ending, noise[..., :3])
        except cv2.error:  # this OpenCV cannot write it
            continue
        found += [encoded.tobytes()] if done else []
    return found


PICTURE_TOKENS = tokens(
    b"\xff\xd8\xff|\xff\xda\0\x08|\xff\xc0\0\x11\x08|\xff\xe1\0\x08Exif\0\0|\x89PNG\r\n\x1a\n|IHDR|"
    b"IDAT|tRNS|acTL|eXIf|GIF89a|\x2c\0\0\0\0|\x21\xf9\4|RIFF|WEBPVP8X|VP8L\x2f|II*\0|MM\0*|BM|ftyp|"
    b"ispe|meta|iprp|ipco|\0\0\0\x0cjP  |\xff\x4f\xff\x51|<svg|\0|\xff"
)
KEEPING = (ImageSettings(max_pixels=MAX_PIXELS), ImageSettings(keep_originals=True, size=16))


def picture(body: bytes) -> None:
    for one in KEEPING:
        found = judge_picture(body, one.model_copy(update={"max_pixels": MAX_PIXELS}))
        assert isinstance(found, Picture) or found in FETCH
    with suppress(BadPictureError):
        assert decode(body, 16).shape[2] == 3
    thumbnail(body)


@cache
def packed_tars() -> list[bytes]:
    """Tars as a build writes them, and with what an archive may hold besides."""
    found = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            for name in ("0000000000000005.jpg", "/etc/passwd", "../../a.jpg", "ä.jpg", "0" * 99):
                member = tarfile.TarInfo(name)
                member.size = 3
                tar.addfile(member, io.BytesIO(b"abc"))
            link = tarfile.TarInfo("0000000000000005.txt")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
        found.append(out.getvalue())
    return found


TAR_TOKENS = tokens(
    b"ustar\0|\0|0000000000000005.jpg|../|/|77777777777|\x80\0\0\0|-1| |L|x|g|S|K|\xff"
)


def tar(data: bytes) -> None:
    try:
        for _, begin, size in members(io.BytesIO(data)):
            assert 0 <= begin <= begin + size <= len(data)
    except ValueError:
        pass
    with file_of(data, ".tar") as path:
        tar_samples(path)
        with suppress(InputError):
            list(read_synsets(asked(path)))


TARGETS = (
    Target("pictures", st.deferred(lambda: changed(drawn(), PICTURE_TOKENS)), picture),
    Target("tars", st.deferred(lambda: changed(packed_tars(), TAR_TOKENS)), tar),
)
