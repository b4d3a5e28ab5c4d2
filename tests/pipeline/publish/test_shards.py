"""Shards: every kept pair once, equal bytes for equal rows, readable by what people use."""

import json
import tarfile
from functools import partial

import pyarrow as pa
import pytest

from pipeline.publish.shards import cut, pack, shard_bits, shard_digest
from queries.tables.folder import tar_samples
from tests.tables import rows

IDS = [0, 5, 2**61, 2**62, 2**62 + 1, 2**63 - 1]
PICKED = rows(
    "picked",
    *[
        {"pair_id": one, "caption": f"pair number {one}", "image_part": f"p{place % 2}"}
        for place, one in enumerate(IDS)
    ],
)


def read_images(folder, lowest, highest):
    number = int(folder.name[1:])
    for place, one in enumerate(IDS):
        if place % 2 == number and lowest <= one <= highest:
            yield one, f"jpg of {one}".encode()


def packed(folder, table) -> list[dict]:
    function = partial(
        pack, folder=folder, images=folder, read_images=read_images, image_digest="i"
    )
    return [row for batch in function(iter(table.to_batches())) for row in batch.to_pylist()]


@pytest.mark.parametrize("bits", [0, 1, 3])
def test_every_pair_is_in_the_shard_of_its_leading_bits(bits):
    shards = dict(cut(PICKED, bits))
    assert list(shards) == list(range(1 << bits))
    for number, of in shards.items():
        assert all(one >> (63 - bits) == number for one in of["pair_id"].to_pylist())
    assert pa.concat_tables(shards.values())["pair_id"].to_pylist() == IDS


def test_the_number_of_shards_follows_from_the_number_of_samples():
    assert [shard_bits(n, 100) for n in (0, 100, 101, 200, 201, 100_000)] == [0, 0, 1, 1, 2, 10]


def test_a_tar_holds_picture_caption_and_columns_under_one_key(tmp_path):
    samples = packed(tmp_path, PICKED)
    with tarfile.open(tmp_path / f"{shard_digest(PICKED, 'i')}.tar") as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}
    assert [row["key"] for row in samples] == [f"{one:016x}" for one in IDS]
    assert content["0000000000000005.jpg"] == b"jpg of 5"
    assert content["0000000000000005.txt"] == b"pair number 5"
    assert json.loads(content["0000000000000005.json"])["pair_id"] == 5
    assert len(content) == 3 * len(IDS)
    assert samples[1]["n_words"] == 3


def test_a_sample_says_where_its_picture_is_in_the_tar(tmp_path):
    samples = packed(tmp_path, PICKED)
    content = (tmp_path / f"{shard_digest(PICKED, 'i')}.tar").read_bytes()
    pictures = [content[row["offset"] : row["offset"] + row["bytes"]] for row in samples]
    assert pictures == [f"jpg of {one}".encode() for one in IDS]


def test_an_original_has_the_ending_of_its_type(tmp_path):
    bodies = {IDS[0]: b"\x89PNG\r\n", IDS[1]: b"RIFF\0\0\0\0WEBPVP8 ", IDS[2]: b"\xff\xd8\xff"}
    rows_of = PICKED.slice(0, 3)
    function = partial(
        pack,
        folder=tmp_path,
        images=tmp_path,
        read_images=lambda folder, lowest, highest: iter(bodies.items()),
        image_digest="i",
    )
    list(function(iter(rows_of.to_batches())))
    samples = tar_samples(tmp_path / f"{shard_digest(rows_of, 'i')}.tar")
    assert [row["image_bytes"] for row in samples] == [6, 16, 3]
    with tarfile.open(tmp_path / f"{shard_digest(rows_of, 'i')}.tar") as tar:
        assert tar.getnames()[::3] == [f"{IDS[0]:016x}.png", f"{5:016x}.webp", f"{2**61:016x}.jpg"]


def test_equal_rows_give_equal_bytes(tmp_path):
    for name in ("one", "two"):
        packed(tmp_path / name, PICKED)
    one, two = (next((tmp_path / name).glob("*.tar")) for name in ("one", "two"))
    assert one.name == two.name
    assert one.read_bytes() == two.read_bytes()


def test_a_picture_that_is_missing_is_a_failure_and_leaves_no_tar(tmp_path):
    lost = rows("picked", {"pair_id": 77, "caption": "lost", "image_part": "p0"})
    with pytest.raises(KeyError):
        packed(tmp_path, lost)
    assert not list(tmp_path.glob("*.tar"))


def test_an_empty_shard_is_still_a_shard(tmp_path):
    assert packed(tmp_path, PICKED.slice(0, 0)) == []
    assert len(list(tmp_path.glob("*.tar"))) == 1
