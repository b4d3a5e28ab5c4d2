"""Where the pictures of a shard are in its tar.

The columns `offset` and `bytes` of the table `sample` say it, so a reader opens a tar only to read
pictures. Builds made by 0.1.0 lack these columns: here their tars are walked instead, header by
header. The checks walk every tar, and compare it with the columns.
"""

import os
import re
import zlib
from collections.abc import Collection, Iterator
from contextlib import suppress
from io import BufferedIOBase
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables import store
from queries.tables.parts import read_rows

BLOCK = 512  # bytes of a header; the content of a member is padded to a multiple of it
PLAIN_FILE = (b"0", b"\0", b"7")  # types of a member
LINK = (b"1", b"2")  # which have no content
EXTENDED = (b"x", b"g", b"L", b"K")  # types of a header that says more of the next member
MOST_EXTENDED = 1 << 16  # bytes of such a header
USTAR = b"ustar\0"
SIZE = re.compile(r"[0-9]{1,18}")
END = 20 * BLOCK  # a tar ends in blank blocks up to a multiple of this
PICTURES = ("jpg", "png", "webp")  # endings of a sample's picture: originals may be any
PLACE = ["offset", "bytes"]  # columns of `sample`


def members(tar: BinaryIO | BufferedIOBase) -> Iterator[tuple[str, int, int]]:
    """(name, offset of its content, bytes) of each plain file of a tar; reads headers only.

    Where a tar is damaged or cut off, the walk ends. Raises ValueError for a file that does not
    begin as a tar.
    """
    with suppress(DamagedTarError):
        yield from whole_members(tar)


class DamagedTarError(ValueError):
    """A tar is damaged or cut off: what stands behind the place is lost."""


def whole_members(
    tar: BinaryIO | BufferedIOBase, kinds: tuple[bytes, ...] = PLAIN_FILE
) -> Iterator[tuple[str, int, int]]:
    """As `members`, but raises DamagedTarError where a tar does not go on as one.

    Names are read in the forms of POSIX and of GNU, long ones too. A tar without the blank blocks
    at its end is whole, as other readers have it.
    """
    end, at = tar.seek(0, os.SEEK_END), 0
    said: dict[str, str] = {}  # by an extended header, of the member behind it
    while at + BLOCK <= end:
        tar.seek(at)
        header = tar.read(BLOCK)
        size = member_bytes(header)
        if size is None:
            if at == 0:
                check_first_header(header)
            if not header.strip(b"\0"):
                break
            raise DamagedTarError(f"no header at byte {at}")
        kind, offset = header[156:157], at + BLOCK
        if kind in EXTENDED:
            if size > MOST_EXTENDED or offset + size > end:
                raise DamagedTarError(f"a header of {size} bytes at byte {at}")
            said |= _extended(kind, tar.read(size))
        else:
            size = int(said.get("size", size))
            if kind in kinds:
                if offset + size > end:
                    raise DamagedTarError(f"a file of {size} bytes at byte {at} is cut off")
                yield said.get("path") or _name(header), offset, size
            said = {}
        at = offset + -(-size // BLOCK) * BLOCK
    tar.seek(min(at, end))
    if said or tar.read(END).strip(b"\0"):
        raise DamagedTarError(f"its end is at byte {at}, but not that of the file")


def _name(header: bytes) -> str:
    """The name that a header has room for; POSIX puts the folders of a longer one beside it."""
    name = header[:100].partition(b"\0")[0]
    if header[257:263] == USTAR and (folders := header[345:500].partition(b"\0")[0]):
        name = folders + b"/" + name
    return name.decode(errors="replace")


def _extended(kind: bytes, content: bytes) -> dict[str, str]:
    """What an extended header says of the member behind it: its path and its size.

    >>> _extended(b"x", b"12 path=a/b\\n11 size=42\\n"), _extended(b"L", b"a/b\\0")
    ({'path': 'a/b', 'size': '42'}, {'path': 'a/b'})
    """
    if kind == b"L":
        return {"path": content.rstrip(b"\0").decode(errors="replace")}
    said, at = {}, 0
    while kind == b"x" and at < len(content):
        digits, blank, _ = content[at : at + 20].partition(b" ")
        if not blank or not digits.isdigit() or int(digits) <= len(digits) + 1:
            break
        line = content[at + len(digits) + 1 : at + int(digits) - 1]
        name, _, value = line.decode(errors="replace").partition("=")
        if name == "path" or (name == "size" and SIZE.fullmatch(value)):
            said[name] = value
        at += int(digits)
    return said


def check_first_header(header: bytes) -> None:
    """Raise ValueError unless a tar, which may be empty, can begin with this header."""
    if header.strip(b"\0") and member_bytes(header) is None:
        raise ValueError("no tar header at its beginning")


def member_bytes(header: bytes) -> int | None:
    """The size of the content that follows a header; None where its checksum is wrong."""
    try:
        checksum = int(header[148:156].rstrip(b"\0 "), 8)
        if header[124:125] == b"\x80":  # 8 GiB and more, as GNU writes them
            size = int.from_bytes(header[125:136])
        else:
            size = int(header[124:136].rstrip(b"\0 "), 8)
    except ValueError:
        return None
    blank = header[:148] + b" " * 8 + header[156:]
    computed = zlib.adler32(blank) & 0xFFFF  # 1 and the sum of the bytes, modulo 65,521
    return size if computed == (1 + checksum) % 65_521 and size >= 0 else None


def picture_names(key: str) -> list[str]:
    """The names that the picture of a sample may have in its tar.

    >>> picture_names("0000000000000005")[:2]
    ['0000000000000005.jpg', '0000000000000005.png']
    """
    return [f"{key}.{ending}" for ending in PICTURES]


def picture_places(
    parquet: Path, pair_ids: Collection[int] | None = None
) -> Iterator[tuple[int, int, int]]:
    """(pair_id, offset, bytes) of a shard's pictures: of all, or of those of these pairs."""
    filters = None if pair_ids is None else [("pair_id", "in", sorted(pair_ids))]
    has_places = set(PLACE) <= set(pq.read_schema(store.opened(parquet)).names)
    columns = ["pair_id", *(PLACE if has_places else [])]
    rows = read_rows(parquet, columns, filters=filters)
    if has_places:
        yield from zip(*(rows[name].to_pylist() for name in columns), strict=True)
        return
    ids = {name: n for n in rows["pair_id"].to_pylist() for name in picture_names(f"{n:016x}")}
    with store.reading(parquet.with_suffix(".tar")) as tar:
        for name, offset, size in members(tar):
            if name in ids:
                yield ids[name], offset, size


def with_places(sample: pa.RecordBatch, tar: Path) -> pa.RecordBatch:
    """Rows of `sample` with the places in this tar, in which they are; 0 bytes where it lacks one.

    Rows without the columns, of a build made by 0.1.0, stay as they are.
    """
    with store.reading(tar) as file:
        places = {name: place for name, *place in members(file)}
    picture_of_rows = [
        next((places[name] for name in picture_names(key) if name in places), (0, 0))
        for key in sample["key"].to_pylist()
    ]
    for name, column in zip(PLACE, zip(*picture_of_rows, strict=True), strict=False):
        if (at := sample.schema.get_field_index(name)) >= 0:
            sample = sample.set_column(at, sample.field(at), pa.array(column, pa.int64()))
    return sample


def read_pictures(parquet: Path, pair_ids: Collection[int]) -> Iterator[tuple[int, bytes]]:
    """(pair_id, picture) of those of these pairs that a shard holds whole."""
    places = [place for place in picture_places(parquet, pair_ids) if None not in place]
    block = max((size for _, _, size in places), default=1)
    with store.reading(parquet.with_suffix(".tar"), block) as tar:
        end = tar.seek(0, os.SEEK_END)
        for pair_id, offset, size in places:
            if 0 <= offset <= offset + size <= end:
                tar.seek(offset)
                yield pair_id, tar.read(size)
