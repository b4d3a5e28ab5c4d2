"""The walk of a tar's headers is that of tarfile, and no bytes make it fail."""

import io
import tarfile
from contextlib import suppress

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from queries.tables.tars import (
    DamagedTarError,
    members,
    picture_places,
    read_pictures,
    whole_members,
    with_places,
)
from tests.tables import rows
from tests.trainer_fixtures import write_tar

KEYS = [f"{pair_id:016x}" for pair_id in (3, 5, 7)]


def shard(folder):
    """Three samples and the Parquet of their rows."""
    files = {f"{KEYS[0]}.jpg": b"first", f"{KEYS[0]}.txt": b"t" * 600, f"{KEYS[1]}.png": b"second"}
    write_tar(folder / "00000.tar", files | {f"{KEYS[2]}.webp": b""})
    sample = rows("sample", *[{"key": key, "pair_id": int(key, 16)} for key in KEYS])
    path = folder / "00000.parquet"
    pq.write_table(with_places(sample, path.with_suffix(".tar")), path)
    return path


def test_the_members_are_those_of_tarfile(tmp_path):
    tar = shard(tmp_path).with_suffix(".tar")
    with tarfile.open(tar) as file:
        expected = [(member.name, member.offset_data, member.size) for member in file]
    with tar.open("rb") as file:
        assert list(members(file)) == expected


def test_the_places_are_the_same_with_columns_and_without(tmp_path):
    path = shard(tmp_path)
    places = list(picture_places(path))
    assert places == [(3, 512, 5), (5, 3072, 6), (7, 4096, 0)]
    assert dict(read_pictures(path, {3, 5})) == {3: b"first", 5: b"second"}
    pq.write_table(pq.read_table(path).drop_columns(["offset", "bytes"]), path)  # as 0.1.0
    assert list(picture_places(path)) == places
    assert dict(read_pictures(path, {3, 5})) == {3: b"first", 5: b"second"}


def test_a_place_outside_of_the_tar_is_no_picture(tmp_path):
    path = shard(tmp_path)
    table = pq.read_table(path)
    for name, values in (("offset", [-1, 1 << 40, 0]), ("bytes", [5, 5, 1 << 62])):
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, path)
    assert list(read_pictures(path, {3, 5, 7})) == []


def test_folders_links_and_long_names_do_not_disturb_the_index():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        link = tarfile.TarInfo("link.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name in ("é" * 200, "a.jpg"):
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    index = {name: place for name, *place in members(file)}
    begin, size = index["a.jpg"]
    assert file.getvalue()[begin : begin + size] == b"abc"
    assert not {"link.jpg", "folder"} & set(index)


NAMES = ["a.jpg", "train.v1/é.txt", "f" * 99 + "/" + "g" * 80 + ".jpg", "x/" * 90 + "long.txt"]


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_every_form_are_those_of_tarfile(form):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as tar:
        for name in NAMES if form != tarfile.USTAR_FORMAT else NAMES[:3]:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    file.seek(0)
    with tarfile.open(fileobj=file) as tar:
        expected = [(member.name, member.offset_data, member.size) for member in tar]
    assert list(whole_members(file)) == expected


def test_a_size_beyond_8_gib_is_read_in_the_forms_of_gnu_and_of_posix(tmp_path):
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        member = tarfile.TarInfo("large.bin")
        member.size = 9 << 30
        head = member.tobuf(format=form)
        with (tmp_path / "large.tar").open("wb") as file:
            file.write(head)
            file.truncate(len(head) + member.size)
        with (tmp_path / "large.tar").open("rb") as file:
            assert list(whole_members(file)) == [("large.bin", len(head), 9 << 30)]


def packed(*names):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return file.getvalue()


LONG = packed("l" * 300)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (packed("a.jpg", "b.jpg")[:1030], "its end is at byte 1024, but not that of the file"),
        (packed("a.jpg", "b.jpg")[:1538], "a file of 3 bytes at byte 1024 is cut off"),
        (packed("a.jpg")[:1024] + b"rubbish" * 100, "no header at byte 1024"),
        (packed("a.jpg") + packed("b.jpg"), "its end is at byte 1024"),  # joined by `cat`
        (LONG[:700], "a header of 310 bytes at byte 0"),
        (LONG[:1024], "its end is at byte 1024"),
    ],
)
def test_a_tar_that_does_not_go_on_as_one_says_where(data, fault):
    with pytest.raises(DamagedTarError, match=fault):
        list(whole_members(io.BytesIO(data)))
    list(members(io.BytesIO(data)))


@given(st.binary(max_size=2000))
def test_any_bytes_are_members_or_a_value_error(data):
    with suppress(ValueError):
        for _, offset, size in members(io.BytesIO(data)):
            assert 0 < offset <= offset + size <= len(data)
