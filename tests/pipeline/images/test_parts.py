"""Pictures of image parts: read by ranges, and from published shards once they were given up."""

import tarfile
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.images.parts import prune, read_images, write_images
from pipeline.publish.shards import pack
from pipeline.settings.whole import SAMPLE, load
from pipeline.workspace.folder import Workspace
from queries.tables.contracts import IMAGES, MOVED
from queries.tables.errors import UserError
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import rows

PICTURES = {one: bytes([one]) * (one + 1) for one in range(6)}
EVERY = (0, 2**63 - 1)


def part_of(workspace: Path) -> Path:
    """An image part of six pictures, where a workspace has it."""
    folder = workspace / "images" / "settings" / "part"
    folder.mkdir(parents=True)
    write_images(folder / IMAGES, PICTURES.items())
    return folder


def publish(workspace: Path, version: str, *kept: int) -> pa.Table:
    """A build whose one shard holds these pairs; returns its table `picked`."""
    picked = rows("picked", *[{"pair_id": one, "image_part": "part"} for one in kept])
    shards, images = workspace / version / "shards", workspace / "images" / "settings"
    function = partial(
        pack, folder=shards, images=images, read_images=read_images, image_digest=version
    )
    samples = list(function(iter(picked.to_batches())))
    (tar,) = shards.glob("*.tar")
    write_part(tar.with_suffix(".parquet"), TABLES["sample"], samples)
    return picked


def give_up(workspace: Path, version: str, picked: pa.Table) -> int:
    return prune(workspace / "images" / "settings", workspace / version, picked)


def stored(folder: Path) -> list[int]:
    return pq.read_table(folder / IMAGES)["pair_id"].to_pylist()


def test_pictures_lie_in_row_groups_that_a_range_selects(tmp_path):
    write_images(tmp_path / IMAGES, ((n, bytes([n % 256])) for n in range(600)))
    assert pq.ParquetFile(tmp_path / IMAGES).num_row_groups == 3
    assert list(read_images(tmp_path, 255, 257)) == [(255, b"\xff"), (256, b"\0"), (257, b"\1")]


def test_large_originals_lie_in_row_groups_that_memory_holds(tmp_path):
    write_images(tmp_path / IMAGES, ((n, bytes(1 << 25)) for n in range(5)))
    file = pq.ParquetFile(tmp_path / IMAGES)
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2, 2, 1]


def test_what_a_shard_holds_leaves_the_part_and_is_read_from_the_shard(tmp_path):
    folder = part_of(tmp_path)
    picked = publish(tmp_path, "first", 1, 3, 4)
    assert give_up(tmp_path, "first", picked) == sum(len(PICTURES[one]) for one in (1, 3, 4))
    assert stored(folder) == [0, 2, 5]
    assert dict(read_images(folder, *EVERY)) == PICTURES
    assert [pair_id for pair_id, _ in read_images(folder, 1, 4)] == [1, 2, 3, 4]


def test_a_later_version_is_packed_from_the_shards_of_the_earlier_one(tmp_path):
    folder = part_of(tmp_path)
    give_up(tmp_path, "first", publish(tmp_path, "first", 1, 3, 4))
    second = publish(tmp_path, "second", 0, 3, 4)
    (path,) = (tmp_path / "second" / "shards").glob("*.tar")
    with tarfile.open(path) as tar:
        packed = {member.name: tar.extractfile(member).read() for member in tar}
    assert {name: content for name, content in packed.items() if name.endswith(".jpg")} == {
        f"{one:016x}.jpg": PICTURES[one] for one in (0, 3, 4)
    }
    assert give_up(tmp_path, "second", second) == len(PICTURES[0])
    assert stored(folder) == [2, 5]
    tars = {row["pair_id"]: row["tar"] for row in pq.read_table(folder / MOVED).to_pylist()}
    assert {one: tar.split("/")[3] for one, tar in tars.items()} == {
        **{0: "second", 3: "second", 4: "second"},
        1: "first",
    }
    assert dict(read_images(folder, *EVERY)) == PICTURES


def test_pruning_again_changes_nothing(tmp_path):
    folder = part_of(tmp_path)
    picked = publish(tmp_path, "first", 1, 3)
    give_up(tmp_path, "first", picked)
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert give_up(tmp_path, "first", picked) == 0
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_kill_between_noting_a_picture_and_leaving_it_out_loses_nothing(tmp_path):
    folder = part_of(tmp_path)
    before = (folder / IMAGES).read_bytes()
    picked = publish(tmp_path, "first", 1, 3)
    give_up(tmp_path, "first", picked)
    (folder / IMAGES).write_bytes(before)
    assert list(read_images(folder, *EVERY)) == sorted(PICTURES.items())
    assert give_up(tmp_path, "first", picked) == len(PICTURES[1]) + len(PICTURES[3])
    assert stored(folder) == [0, 2, 4, 5]


def test_what_a_killed_prune_was_writing_is_cleared_away(tmp_path):
    folder = part_of(tmp_path)
    torn = [folder / f".{name}.torn" for name in (IMAGES, MOVED)]
    for path in torn:
        path.write_bytes(b"torn")
    Workspace(tmp_path, load(SAMPLE)).lock()
    assert not any(path.exists() for path in torn)
    assert stored(folder) == sorted(PICTURES)


def test_a_picture_whose_shard_has_other_bytes_stays(tmp_path):
    folder = part_of(tmp_path)
    picked = publish(tmp_path, "first", 1, 3)
    (path,) = (tmp_path / "first" / "shards").glob("*.tar")
    path.write_bytes(path.read_bytes().replace(PICTURES[3], b"none"))
    give_up(tmp_path, "first", picked)
    assert stored(folder) == [0, 2, 3, 4, 5]


@pytest.mark.parametrize("left", [None, 100], ids=["gone", "cut off"])
def test_a_shard_that_is_gone_is_named_with_what_to_do(tmp_path, left):
    folder = part_of(tmp_path)
    give_up(tmp_path, "first", publish(tmp_path, "first", 1, 3))
    (path,) = (tmp_path / "first" / "shards").glob("*.tar")
    content = path.read_bytes()
    path.unlink()
    if left is not None:
        path.write_bytes(content[:left])
    with pytest.raises(UserError, match=r"first/shards/.*only this shard has the bytes") as told:
        list(read_images(folder, 1, 1))
    assert "\n" not in str(told.value)
