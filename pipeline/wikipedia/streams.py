"""The bytes of an XML export, plain or bz2, and where they can be cut between two pages.

A multistream export is many bz2 streams of 100 pages each: each can be read alone, and a damaged
one costs no other.
"""

import bz2
import os
import re
from collections.abc import Iterator
from itertools import islice
from typing import BinaryIO

from pipeline.web.reading import BZ2, raise_if_of_the_disk

READ_BYTES = 1 << 17
CHUNK_BYTES = 1 << 20
STREAM = re.compile(rb"BZh[1-9]1AY&SY")
PAGE = re.compile(rb"<page>")  # within a text it is written &lt;page>
# Some programs compress in parallel and cut at any byte. Then no stream begins with a page, and
# to look into one takes up to 40 ms.
TRIES_TO_CUT, TRIES_AFTER_DAMAGE = 8, 100


class Dump:
    """An open export; `at` is where the stream begins that was read last."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        self.compressed = file.read(3) == BZ2
        self.at = 0

    def cuts(self, target_bytes: int) -> list[int]:
        """Where the export can be cut, at or after each multiple of `target_bytes`, in order.

        A cut is the byte at which a bz2 stream begins that begins with a page, or in plain XML a
        page. It is looked for near its place; the index that Wikipedia offers is not used, since
        to decompress that takes a minute of the full export's, and all the looking ten seconds.
        """
        cuts = [0]
        while (wanted := (cuts[-1] // target_bytes + 1) * target_bytes) < self.size:
            cut = self._cut(wanted)
            if cut is None:
                break
            cuts.append(cut)
        return cuts[1:]

    def _cut(self, wanted: int) -> int | None:
        if self.compressed:
            return self._page_stream(wanted, self.size, TRIES_TO_CUT)
        return next(self._places(PAGE, wanted, self.size), None)

    def after_damage(self, stop: int) -> int | None:
        """Where the next stream begins that can be read alone; plain XML has none."""
        if not self.compressed:
            return None
        return self._page_stream(self.at + 1, stop, TRIES_AFTER_DAMAGE)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The range's bytes, of bz2 those of the streams that begin in it, decompressed.

        Raises OSError or EOFError for a damage, after all before it that could be read.
        """
        self.at = start
        self.file.seek(start)
        return self._decompressed(stop) if self.compressed else self._plain(stop - start)

    def _plain(self, left: int) -> Iterator[bytes]:
        while chunk := self.file.read(min(CHUNK_BYTES, left)):
            left -= len(chunk)
            yield chunk

    def _decompressed(self, stop: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        ahead = b""
        while self.at < stop:
            stream = bz2.BZ2Decompressor()
            while not stream.eof:
                if stream.needs_input and not ahead:
                    ahead = self.file.read(READ_BYTES)
                    if not ahead:
                        raise EOFError
                if chunk := stream.decompress(ahead, chunk_bytes):
                    yield chunk
                ahead = b""
            ahead = stream.unused_data
            self.at = self.file.tell() - len(ahead)

    def _page_stream(self, start: int, stop: int, tries: int) -> int | None:
        """Where the first bz2 stream from `start` on begins that begins with a page."""
        heads = islice(self._places(STREAM, start, stop), tries)
        return next((head for head in heads if self._begins_with_page(head)), None)

    def _begins_with_page(self, head: int) -> bool:
        self.at = head
        self.file.seek(head)
        try:
            start = next(self._decompressed(head + 1, chunk_bytes=64), b"")
        except (OSError, EOFError) as error:
            raise_if_of_the_disk(error)
            return False
        return start.lstrip().startswith(b"<page>")

    def _places(self, pattern: re.Pattern[bytes], start: int, stop: int) -> Iterator[int]:
        """Where the pattern, of at most 10 bytes, begins in a range of the file."""
        window = b""
        while start < stop:
            self.file.seek(start)
            chunk = self.file.read(min(READ_BYTES, stop - start))
            if not chunk:
                return
            window += chunk
            start += len(chunk)
            done = 0
            for match in pattern.finditer(window):
                yield start - len(window) + match.start()
                done = match.end()
            window = window[max(done, len(window) - 9) :]
