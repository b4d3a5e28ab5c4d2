"""The records of a WARC or ARC file, one after another: the plain reader.

`warc.py` reads most files with fastwarc. This reader reads what fastwarc does not: ARC, and WARC
whose fields are not spelt as in the standard, or whose lines end in a bare LF.
"""

import re
import zlib
from collections.abc import Generator
from typing import Any, NamedTuple, Protocol

from fastwarc.stream_io import ZstdReader

from pipeline.sources.crawl.answer import MOST_HEAD_BYTES, end_of_head
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from pipeline.web.reading import raise_if_of_the_disk

MOST_RECORD_BYTES = 256 << 20  # a record with a larger stated length lies, or is a bomb
PIECE_BYTES = 1 << 16
LONGEST_LINE = 10_000  # of ARC: an address and a few fields

GZIP, ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
VERSION = re.compile(rb"WARC/\d{1,2}\.\d{1,2}\r?\n")
FIELD = re.compile(r"^([\w-]{1,80})[ \t]*:[ \t]*([^\r\n]*)", re.M | re.A)
# URL, IP address, date, [type, …,] length: the end of an ARC record's first line, or all of it.
ARC_LINE = re.compile(
    rb"([a-z][a-z0-9+.-]{1,20}:[^\r\n]{0,8000}) ([0-9a-f.:]{3,45}) (\d{8,20})"
    rb"(?: ([^\r\n ]{1,200})(?: [^\r\n]{1,500})?)? ([^\r\n ]{1,12})\r?\n",
    re.I,
)


class File(Protocol):
    """What a crawl is read from. `read` gives fewer bytes than `size` only at the end."""

    def read(self, size: int, /) -> bytes: ...
    def seek(self, place: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...


class Record(NamedTuple):
    """A record; its block is cut at MOST_PAGE_BYTES."""

    kind: str  # response, resource, metadata …
    url: str
    content_type: str  # of the block
    identified: str  # the type of what the server sent, as the crawler found it
    block: bytes
    is_cut: bool
    date: str = ""  # when the crawler asked


class Stop(NamedTuple):
    """Where the reader stopped at what it cannot read."""

    place: int  # in the file
    is_exact: bool  # else the place is that of the gzip member, where other records begin, too


class UnreadableError(ValueError):
    """What is no record, or no whole one."""


def records(file: File, start: bytes, begin: int) -> Generator[Record, None, Stop | None]:
    """The whole records from a place on, and where they end; None at the end of the file.

    A record is whole if another begins, or the file ends, where its stated length says.
    """
    stream = _Stream(file, start, begin)
    stop = Stop(begin, True)
    try:
        while not stream.is_at_end():
            stop = stream.stop()
            record = _arc(stream) if stream.starts_arc() else _warc(stream)
            if not (stream.is_whole() if stream.is_at_end() else stream.starts_record()):
                return stop
            yield record
    except UnreadableError:
        return stop
    return stream.stop() if stream.is_damaged else None


def _warc(stream: "_Stream") -> Record:
    head = stream.head()
    if not VERSION.match(head):
        raise UnreadableError("no record")
    fields: dict[str, str] = {}
    for name, value in FIELD.findall(head.decode("utf-8", "replace")):
        fields.setdefault(name.lower(), value.strip())
    length, kind = fields.get("content-length", ""), fields.get("warc-type", "")
    if not kind or not re.fullmatch(r"[0-9]{1,12}", length):
        raise UnreadableError("no length, or no type")
    block, is_cut = stream.block(int(length))
    return Record(
        kind.lower(),
        fields.get("warc-target-uri", ""),
        fields.get("content-type", ""),
        fields.get("warc-identified-payload-type", ""),
        block,
        is_cut,
        fields.get("warc-date", ""),
    )


def _arc(stream: "_Stream") -> Record:
    line = ARC_LINE.match(stream.arc_line())
    if line is None or not line[5].isdigit():
        raise UnreadableError("no line of a record, or no length")
    block, is_cut = stream.block(int(line[5]))
    url, kind = line[1].decode("utf-8", "replace"), (line[4] or b"").decode("latin-1")
    is_file = url.lower().startswith("filedesc:")
    kind_of_record = "warcinfo" if is_file else "response"
    return Record(kind_of_record, url, kind, kind, block, is_cut, line[3].decode("ascii"))


class _Stream:
    """The unpacked bytes of a file from a place on."""

    def __init__(self, file: File, start: bytes, begin: int):
        file.seek(begin)
        self.file: Any = ZstdReader(file) if start == ZSTD else file  # type: ignore[arg-type]
        self.is_gzip = start == GZIP
        self.data, self.offset = b"", 0  # what is unpacked and not yet read; where it begins
        self.packed, self.packed_from = b"", begin
        self.unpacker: zlib._Decompress | None = None
        # Of gzip members: (where in the unpacked bytes, where in the file). Plain bytes are one.
        self.members = [(0, begin)]
        self.is_plain = start not in (GZIP, ZSTD)
        self.is_damaged = False  # then the bytes before the damage are all

    def is_at_end(self) -> bool:
        """Whether only empty lines are left, which are skipped."""
        while True:
            rest = self.data.lstrip(b"\r\n")
            self.offset += len(self.data) - len(rest)
            self.data = rest
            if self.data or not self._more():
                return not self.data

    def is_whole(self) -> bool:
        """Whether the member that ends here is not damaged, whatever the next may be."""
        return not self.is_damaged or self.members[-1][0] == self.offset

    def stop(self) -> Stop:
        """The place of the next byte."""
        while len(self.members) > 1 and self.members[1][0] <= self.offset:
            del self.members[0]
        offset, place = self.members[0]
        if self.is_plain:
            return Stop(place + self.offset - offset, True)
        return Stop(place, offset == self.offset)

    def starts_record(self) -> bool:
        return (self._holds(5) and self.data.startswith(b"WARC/")) or self.starts_arc()

    def starts_arc(self) -> bool:
        return ARC_LINE.match(self._line()) is not None

    def arc_line(self) -> bytes:
        return self._taken(len(self._line()))

    def head(self) -> bytes:
        """The bytes up to an empty line."""
        while (end := end_of_head(self.data)) < 0:
            if len(self.data) > MOST_HEAD_BYTES or not self._more():
                raise UnreadableError("a head without an end")
        return self._taken(end)

    def block(self, length: int) -> tuple[bytes, bool]:
        """(the next bytes, cut at MOST_PAGE_BYTES; whether there are more)."""
        if length > MOST_RECORD_BYTES:
            raise UnreadableError(f"more than {MOST_RECORD_BYTES} bytes")
        wanted = min(length, MOST_PAGE_BYTES)
        whole = self._holds(wanted)
        block, left = self._taken(wanted), length - wanted
        while whole and left:
            whole = self._holds(1)
            left -= len(self._taken(min(left, len(self.data))))
        if not whole:
            raise UnreadableError("shorter than it says")
        return block, length > MOST_PAGE_BYTES

    def _line(self) -> bytes:
        """The bytes up to the end of the line, if it comes soon."""
        while not (end := self.data.find(b"\n", 0, LONGEST_LINE) + 1):
            if len(self.data) >= LONGEST_LINE or not self._more():
                return b""
        return self.data[:end]

    def _holds(self, n_bytes: int) -> bool:
        """Unpack until so many bytes are held; whether there are as many."""
        pieces, length = [self.data], len(self.data)
        while length < n_bytes and (piece := self._piece()):
            pieces.append(piece)
            length += len(piece)
        self.data = b"".join(pieces)
        return length >= n_bytes

    def _more(self) -> bool:
        piece = self._piece()
        self.data += piece
        return bool(piece)

    def _taken(self, n_bytes: int) -> bytes:
        taken, self.data = self.data[:n_bytes], self.data[n_bytes:]
        self.offset += len(taken)
        return taken

    def _piece(self) -> bytes:
        """More unpacked bytes; none at the end, and from a damage on."""
        if self.is_damaged:
            return b""
        try:
            return self._inflated() if self.is_gzip else self.file.read(PIECE_BYTES)
        except (OSError, EOFError, zlib.error) as error:
            raise_if_of_the_disk(error)
            self.is_damaged = True
            return b""

    def _inflated(self) -> bytes:
        while True:
            if not self.packed:
                self.packed = self.file.read(PIECE_BYTES)
                if not self.packed and self.unpacker is None:
                    return b""
                if not self.packed:
                    raise EOFError
            if self.unpacker is None:
                self.unpacker = zlib.decompressobj(31)
                self.members.append((self.offset + len(self.data), self.packed_from))
            piece = self.unpacker.decompress(self.packed, PIECE_BYTES)
            rest = self.unpacker.unused_data if self.unpacker.eof else self.unpacker.unconsumed_tail
            self.packed_from += len(self.packed) - len(rest)
            self.packed = rest
            if self.unpacker.eof:
                self.unpacker = None
            if piece:
                return piece
