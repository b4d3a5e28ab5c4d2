"""The bytes of an XML export, plain or packed, and where they can be cut between two pages.

A multistream export is many bz2 streams of 100 pages each: each can be read alone, and a damaged
one costs no other. So it is with the members of a gzip file, though none says where it begins; of
a damaged zstd file what precedes the damage is read.
"""

import bz2
import os
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO

from pipeline.web.reading import BZ2, GZIP, raise_if_of_the_disk
from pipeline.wikipedia.pages import PAGE
from pipeline.wikipedia.plain_files import ZSTD, unzstd

READ_BYTES = 1 << 17
CHUNK_BYTES = 1 << 20
BZ2_STREAM = re.compile(rb"BZh[1-9]1AY&SY")
GZIP_STREAM = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]")
# Some programs compress in parallel and cut at any byte. Then no stream begins with a page, and
# to look into one takes up to 40 ms.
TRIES_TO_CUT, TRIES_AFTER_DAMAGE = 8, 100


class Dump:
    """An open export; `at` is where the stream begins that was read last."""

    def __init__(self, file: BinaryIO):
        self.file = file
        self.size = os.fstat(file.fileno()).st_size
        start = file.read(4)
        self.is_bz2, self.is_gzip = start.startswith(BZ2), start.startswith(GZIP)
        self.is_zstd = start == ZSTD
        self.at = 0

    def cuts(self, target_bytes: int) -> list[int]:
        """Where the export can be cut, at or after each multiple of `target_bytes`, in order.

        A cut is the byte at which a bz2 stream begins that begins with a page, or in plain XML a
        page; a file that is packed otherwise has none. It is looked for near its place; the index
        that Wikipedia offers is not used, since to decompress that takes a minute of the full
        export's, and all the looking ten seconds.
        """
        cuts = [0]
        while (wanted := (cuts[-1] // target_bytes + 1) * target_bytes) < self.size:
            cut = self._cut(wanted)
            if cut is None:
                break
            cuts.append(cut)
        return cuts[1:]

    def _cut(self, wanted: int) -> int | None:
        if self.is_bz2:
            heads = islice(self._places(BZ2_STREAM, wanted, self.size), TRIES_TO_CUT)
            return next((at for at in heads if self._head(at).startswith(PAGE)), None)
        if self.is_gzip or self.is_zstd:
            return None
        return next(self._places(re.compile(PAGE), wanted, self.size), None)

    def after_damage(self, stop: int) -> int | None:
        """Where the next stream begins that can be read alone; only bz2 and gzip have such."""
        if not (self.is_bz2 or self.is_gzip):
            return None
        pattern = BZ2_STREAM if self.is_bz2 else GZIP_STREAM
        heads = islice(self._places(pattern, self.at + 1, stop), TRIES_AFTER_DAMAGE)
        return next((at for at in heads if self._head(at)), None)

    def chunks(self, start: int, stop: int) -> Iterator[bytes]:
        """The range's bytes, of bz2 and gzip those of the streams that begin in it, decompressed.

        Raises OSError, EOFError or zlib.error for a damage, after all before it that could be read.
        """
        self.at = start
        self.file.seek(start)
        if self.is_zstd:
            return unzstd(self.file)
        packed = self.is_bz2 or self.is_gzip
        return self._decompressed(stop) if packed else self._plain(stop - start)

    def _plain(self, left: int) -> Iterator[bytes]:
        while chunk := self.file.read(min(CHUNK_BYTES, left)):
            left -= len(chunk)
            yield chunk

    def _decompressed(self, stop: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        decompressor: Callable[[], bz2.BZ2Decompressor | _Gunzip]
        decompressor = bz2.BZ2Decompressor if self.is_bz2 else _Gunzip
        ahead = b""
        while self.at < stop:
            stream = decompressor()
            while not stream.eof:
                if stream.needs_input and not ahead:
                    ahead = self.file.read(READ_BYTES)
                    if not ahead:
                        raise EOFError
                if chunk := stream.decompress(ahead, chunk_bytes):
                    yield chunk
                ahead = b""
            ahead = stream.unused_data
            while self.is_gzip and not ahead.strip(b"\0"):  # zeros may fill up a gzip file
                ahead = self.file.read(READ_BYTES)
                if not ahead:
                    return
            self.at = self.file.tell() - len(ahead)

    def _head(self, at: int) -> bytes:
        """How the stream begins that begins here, without spaces; empty if there is none."""
        self.at = at
        self.file.seek(at)
        try:
            return next(self._decompressed(at + 1, chunk_bytes=64), b"").lstrip()
        except (OSError, EOFError, zlib.error) as error:
            raise_if_of_the_disk(error)
            return b""

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


class _Gunzip:
    """One member of a gzip file, read as bz2.BZ2Decompressor reads a stream."""

    def __init__(self) -> None:
        self.stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.damage: zlib.error | None = None

    @property
    def eof(self) -> bool:
        return self.stream.eof

    @property
    def needs_input(self) -> bool:
        return not self.stream.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self.stream.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """What the data hold, before a damage all of it; the call after that raises zlib.error."""
        if self.damage:
            raise self.damage
        before, data = self.stream.copy(), self.stream.unconsumed_tail + data
        try:
            return self.stream.decompress(data, max_length)
        except zlib.error as error:
            self.damage = error
        pieces: list[bytes] = []
        with suppress(zlib.error):  # zlib gives nothing of a call in which it meets a damage
            for n in range(len(data)):
                pieces.append(before.decompress(data[n : n + 1]))
        return b"".join(pieces)
