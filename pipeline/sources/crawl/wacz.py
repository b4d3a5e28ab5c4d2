"""The crawls in a WACZ file, which is a zip with WARC files in its folder `archive`.

The zip's list of members is a stranger's: it is bounded, and of a member only its name, its place
and its length are used. Nothing is unpacked to the disk.
"""

import io
import zipfile

from pipeline.sources.crawl.records import File
from pipeline.sources.crawl.warc import NoCrawlError
from pipeline.sources.unpacked import OF_ZIPS, Bounded
from pipeline.web.reading import raise_if_of_the_disk

ZIP = b"PK\x03\x04"
CRAWLS = (".warc", ".warc.gz", ".warc.zst", ".arc", ".arc.gz")
MOST_CRAWLS = 10_000
MOST_PACKED_BYTES = 64 << 20  # of a crawl that the zip packs, which is then held in memory
MOST_PLACE = 1 << 62
LOCAL_HEAD_BYTES = 30
DAMAGES = (*OF_ZIPS, ValueError, EOFError, OSError)


def archives(file: File) -> list[File]:
    """The WARC files in a WACZ file, in the order of their names. Raises NoCrawlError."""
    try:
        members = zipfile.ZipFile(Bounded(file))
        crawls = sorted(
            (member for member in members.infolist() if member.filename.lower().endswith(CRAWLS)),
            key=lambda member: member.filename,
        )
        if not 0 < len(crawls) <= MOST_CRAWLS:
            raise NoCrawlError(f"got a zip with {len(crawls)} crawls in it")
        return [_opened(file, members, member) for member in crawls]
    except NoCrawlError:
        raise
    except DAMAGES as error:
        raise_if_of_the_disk(error)
        raise NoCrawlError(f"got a zip that cannot be read ({error})") from None


def _opened(file: File, members: zipfile.ZipFile, member: zipfile.ZipInfo) -> File:
    if member.compress_type != zipfile.ZIP_STORED:  # against the format, but small ones are read
        if member.file_size > MOST_PACKED_BYTES:
            raise NoCrawlError("got a zip whose crawls are packed: WACZ stores them as they are")
        with members.open(member) as packed:
            return io.BytesIO(packed.read(MOST_PACKED_BYTES))
    if not 0 <= member.header_offset < MOST_PLACE:
        raise NoCrawlError("got a zip whose list names places outside of it")
    file.seek(member.header_offset)
    head = file.read(LOCAL_HEAD_BYTES)
    lengths = head[26:28], head[28:30]  # of the name and of the extra fields, which may differ
    start = member.header_offset + LOCAL_HEAD_BYTES
    start += sum(int.from_bytes(length, "little") for length in lengths)
    return Slice(file, start, member.file_size)


class Slice:
    """A part of a file, as a file."""

    def __init__(self, file: File, start: int, size: int):
        self.file, self.start, self.size, self.place = file, start, size, 0

    def tell(self) -> int:
        return self.place

    def seek(self, place: int, whence: int = 0, /) -> int:
        self.place = place + (0, self.place, self.size)[whence]
        return self.place

    def read(self, size: int, /) -> bytes:
        self.file.seek(self.start + self.place)
        content = self.file.read(max(0, min(size, self.size - self.place)))
        self.place += len(content)
        return content
