"""The loader: exact resume, the same batches however many processes, filters, remote builds."""

import json
import os
import subprocess
import sys
import tarfile
import threading
import time
import tracemalloc
import uuid

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests import ROOT
from tests.processes import WAIT_S
from tests.trainer_fixtures import make_build, place_anew, png, write_tar
from trainer.data.loader import Loader, borders, order
from trainer.data.pixels import decode
from trainer.data.prefetch import prefetched
from trainer.data.reading import read_samples
from trainer.model import tokenizer
from trainer.settings import TrainerError

WORDS = tokenizer.train(["a red circle"], 520, {})


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """48 pairs in two shards."""
    root = tmp_path_factory.mktemp("build")
    make_build(root, per_class=3)
    return root


def loader(build, batch=8, rank=0, world=1, **settings):
    return Loader(read_samples(build, 72), WORDS, 32, 64, batch, 0, rank, world, **settings)


def keys(batches):
    return [key for batch in batches for key in batch.keys]


def all_keys(build):
    return sorted(read_samples(build, 72).rows["key"].to_pylist())


# --- an epoch -------------------------------------------------------------------------------
@pytest.mark.parametrize("batch", [8, 7, 47, 48, 500])
def test_every_sample_is_seen_once_an_epoch_whatever_the_batch(build, batch):
    assert sorted(keys(loader(build, batch).epoch(0))) == all_keys(build)


def test_a_batchs_keys_name_its_rows(build):
    ours = loader(build)
    batch = next(ours.epoch(0))
    captions = {row["key"]: row["caption"] for row in ours.samples.rows.to_pylist()}
    expected = WORDS.encode([captions[key] for key in batch.keys], 32)
    assert (batch.tokens == expected).all()


def test_images_come_in_the_models_own_memory_order(build):
    images = next(loader(build).epoch(0)).images
    assert images.transpose(0, 2, 3, 1).flags.c_contiguous


@given(st.integers(2, 3000), st.integers(1, 400))
def test_batches_are_as_few_and_as_equal_as_can_be(n, batch):
    sizes = np.diff(borders(n, batch))
    assert sizes.sum() == n
    assert sizes.max() <= batch
    assert sizes.max() - sizes.min() <= 1
    assert len(sizes) == -(-n // batch)


def test_another_order_of_the_pairs_may_be_given(build):
    ours = loader(build, ordered=lambda epoch: np.arange(48)[::-1])
    assert keys(ours.epoch(0)) == all_keys(build)[::-1]


def test_pictures_that_no_cache_keeps_are_the_same(build):
    expected = [batch.images for batch in loader(build).epoch(0)]
    ours = loader(build)
    ours.samples.cache_bytes = 50_000
    for _ in range(2):
        for images, batch in zip(expected, ours.epoch(0), strict=True):
            assert (images == batch.images).all()
    assert 0 < ours.samples._cached_bytes <= 50_000


def address(batch):
    return batch.images.__array_interface__["data"][0]


def test_a_batch_that_is_not_released_stays_as_it_is(build):
    """Also where others beside it are released, and as a tensor of the same memory."""
    held, copies = [], []
    for number, batch in enumerate(loader(build, batch=2).epoch(0)):  # 24 batches
        if number % 3 == 2:
            batch.release()
            continue
        held.append(batch.images if number % 3 else torch.from_numpy(batch.images))
        copies.append(batch.images.copy())
    assert len(held) == 16
    for images, copy in zip(held, copies, strict=True):
        assert (np.asarray(images) == copy).all()


def test_a_released_batch_gives_its_memory_to_another(build):
    addresses = set()
    for batch in loader(build, batch=2).epoch(0):
        addresses.add(address(batch))
        batch.release()
    assert len(addresses) < 5


def test_a_batch_that_is_released_twice_gives_its_memory_to_one_other(build):
    batches = loader(build, batch=2).epoch(0)
    first = next(batches)
    for _ in range(2):
        first.release()
    held = [next(batches) for _ in range(6)]
    assert len({address(batch) for batch in held}) == len(held)


@pytest.mark.parametrize("item_bytes", [0, 5 << 30])
def test_a_loader_that_is_left_ends_its_threads(build, item_bytes):
    before = threading.active_count()
    batches = prefetched(loader(build, batch=2).epoch(0), item_bytes)
    next(batches)
    batches.close()
    assert threading.active_count() == before


def test_of_large_batches_two_are_alive_at_once(build):
    pages = set()
    for batch in prefetched(loader(build, batch=8).epoch(0), item_bytes=5 << 30):
        pages.add(batch.images.ctypes.data)
        batch.release()
    assert len(pages) == 2


@pytest.mark.parametrize("corrupt", [0, 5])
@pytest.mark.parametrize(("item_bytes", "alive"), [(5 << 30, 2), (0, 6)])
def test_no_more_batches_are_in_memory_than_the_help_says(corrupt, item_bytes, alive, tmp_path):
    """Measured where numpy asks for memory; the shapes are shown 40 times an epoch."""
    make_build(tmp_path, per_class=2, corrupt=corrupt)
    ours = Loader(read_samples(tmp_path, 224, weights=(40.0,)), WORDS, 32, 224, 128, seed=0)
    next(ours.epoch(1)).release()  # decoded pictures are kept beside, and counted apart
    list(map(len, (batch.keys for batch in ours.epoch(1))))
    tracemalloc.start()
    for batch in prefetched(ours.epoch(0), item_bytes):
        batch.release()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak > ours.batch_bytes
    assert peak < alive * ours.batch_bytes + (4 << 20)


@pytest.mark.slow
def test_captions_beyond_2_gib_are_read_chosen_and_taken(tmp_path):
    make_build(tmp_path, per_class=3)
    for path in sorted((tmp_path / "shards").glob("*.parquet")):
        rows = pq.read_table(path)
        rows = pa.concat_tables([rows] * 1_250)
        at = rows.schema.get_field_index("caption")
        text = pa.repeat("a cat " + "x" * (40 << 10), 2_000)
        texts = pa.chunked_array([text] * (rows.num_rows // 2_000 + 1)).slice(0, rows.num_rows)
        pq.write_table(rows.set_column(at, "caption", texts), path, row_group_size=2_000)
        del rows, texts
    samples = read_samples(tmp_path, 64, where="caption like 'a cat%'")
    assert len(samples) == 60_000
    assert samples.rows["caption"].nbytes > 2**31
    first, last = samples.captions(np.array([0, 59_999]))
    assert first == last == "a cat " + "x" * (40 << 10)


# --- resume ---------------------------------------------------------------------------------
@pytest.mark.parametrize("first_step", [0, 1, 3, 5, 6])
def test_a_resumed_epoch_goes_on_with_the_very_batches(build, first_step):
    whole = list(loader(build).epoch(1))
    rest = list(loader(build).epoch(1, first_step))
    assert len(rest) == 6 - first_step
    for ours, theirs in zip(rest, whole[first_step:], strict=True):
        assert ours.keys == theirs.keys
        assert (ours.images == theirs.images).all()
        assert (ours.tokens == theirs.tokens).all()


def test_a_resumed_epoch_does_not_depend_on_which_corrupt_samples_are_known(tmp_path):
    make_build(tmp_path, per_class=2, corrupt=5)
    whole = keys(loader(tmp_path, batch=4).epoch(0))
    halves = keys(list(loader(tmp_path, batch=4).epoch(0))[:3])
    halves += keys(loader(tmp_path, batch=4).epoch(0, first_step=3))
    assert whole == halves


PROGRAM = """
import sys, time
from trainer.data.loader import Loader
from trainer.data.prefetch import prefetched
from trainer.data.reading import read_samples
from tests.trainer.data.test_loader import WORDS
build, step = sys.argv[1], int(sys.argv[2])
for batch in prefetched(Loader(read_samples(build, 72), WORDS, 32, 64, 8, 0).epoch(0, step)):
    print(*batch.keys, flush=True)
    time.sleep(0.05)
"""


@pytest.mark.slow
def test_a_run_killed_and_resumed_sees_the_keys_of_one_that_was_not(build):
    command = [sys.executable, "-c", PROGRAM, str(build)]
    with subprocess.Popen([*command, "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        seen = [process.stdout.readline().split() for _ in range(3)]
        process.kill()
    done = subprocess.run([*command, "3"], capture_output=True, text=True, check=True)
    seen += [line.split() for line in done.stdout.splitlines()]
    assert [key for some in seen for key in some] == keys(loader(build).epoch(0))


# --- processes ------------------------------------------------------------------------------
@pytest.mark.parametrize("world", [2, 3, 5])
def test_the_pieces_of_all_processes_joined_are_the_batches_of_one(build, world):
    """Two shards and five processes: the split is of pairs, not of shards."""
    batch = 60 // world
    alone = list(loader(build, 60).epoch(2))
    pieces = [list(loader(build, batch, rank, world).epoch(2)) for rank in range(world)]
    assert {len(one) for one in pieces} == {len(alone)}
    for step, whole in enumerate(alone):
        parts = [one[step] for one in pieces]
        assert [key for part in parts for key in part.keys] == whole.keys
        assert (np.concatenate([part.images for part in parts]) == whole.images).all()
        assert max(len(part.keys) for part in parts) <= batch


@pytest.mark.parametrize("world", [2, 3, 7, 100])
def test_processes_see_every_sample_once_and_take_equally_many_steps(build, world):
    epochs = [list(loader(build, 4, rank, world).epoch(0)) for rank in range(world)]
    assert sorted(key for one in epochs for key in keys(one)) == all_keys(build)
    assert len({len(one) for one in epochs}) == 1


def test_a_piece_without_a_sound_sample_is_an_empty_batch(tmp_path):
    make_build(tmp_path, per_class=2)
    for tar in (tmp_path / "shards").glob("*.tar"):
        write_tar(tar, {})
    ours = loader(tmp_path, batch=8)
    batches = list(ours.epoch(0))
    assert [batch.images.shape for batch in batches] == [(0, 3, 64, 64)] * ours.steps_per_epoch
    assert all(batch.tokens.shape == (0, 2) for batch in batches)
    assert len(ours.samples.corrupt) == 32


TORCHRUN = """
import json, sys
import torch.distributed as dist
from trainer.data.loader import Loader
from trainer.data.prefetch import prefetched
from trainer.data.reading import read_samples
from tests.trainer.data.test_loader import WORDS
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
loader = Loader(read_samples(sys.argv[1], 72), WORDS, 32, 64, 5, 0, rank, world)
found = [batch.keys for batch in prefetched(loader.epoch(0))]
said = [None] * world
dist.all_gather_object(said, found)
if rank == 0:
    print(json.dumps(said))
dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_torchrun_processes_see_every_sample_once_an_epoch(build, tmp_path):
    (tmp_path / "program.py").write_text(TORCHRUN)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", "--local-addr"]
    command += ["127.0.0.1", str(tmp_path / "program.py"), str(build)]
    root = ROOT
    own = os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, capture_output=True, text=True, env=own, cwd=root, timeout=WAIT_S
    )
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout.splitlines()[-1])
    assert len(first) == len(second) == 5
    joined = [
        key for pieces in zip(first, second, strict=True) for piece in pieces for key in piece
    ]
    assert joined == keys(loader(build, 10).epoch(0))
    assert sorted(joined) == all_keys(build)


# --- filters --------------------------------------------------------------------------------
def test_where_keeps_the_samples_of_which_it_holds(build):
    found = read_samples(build, 72, "caption = 'a red circle' or caption = 'a blue cross'")
    assert sorted(set(found.rows["caption"].to_pylist())) == ["a blue cross", "a red circle"]
    assert len(found) == 6
    assert all(found.fill(i, 0, 0, np.empty((64, 64, 3), np.uint8)) for i in range(6))


def test_a_condition_that_is_null_does_not_hold(build):
    with pytest.raises(TrainerError, match="0 samples where license = 'cc0', expected at least 2"):
        read_samples(build, 72, "license = 'cc0'")


@pytest.mark.parametrize(
    "where",
    [
        "licence = 'cc0'",
        "license = 'cc0",
        "",
        "caption",
        "true; drop view sample",
        "true) or (select 1",
        "count(*) > 1",
        "true order by 1",
    ],
)
def test_a_mistake_in_the_condition_is_one_line(build, where):
    with pytest.raises(TrainerError, match="expected a condition on the columns of sample") as told:
        read_samples(build, 72, where)
    assert "\n" not in str(told.value)
    assert repr(where) in str(told.value)


def test_a_filter_leaves_the_order_of_the_others_as_it_was(build):
    some = read_samples(build, 72, "n_words = 3 and caption < 'a c'")
    whole = read_samples(build, 72)
    kept = set(some.rows["key"].to_pylist())
    expected = [key for key in ordered_keys(whole) if key in kept]
    assert 0 < len(kept) < len(whole)
    assert ordered_keys(some) == expected


def ordered_keys(samples):
    rows = order(samples.rows["pair_id"].to_numpy(), seed=0, epoch=0)
    return samples.rows["key"].take(rows).to_pylist()


# --- a build elsewhere ----------------------------------------------------------------------
@pytest.fixture
def remote(build):
    """The same build in a store that is no folder."""
    store = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    store.put(f"{build}/", f"{root}/", recursive=True)
    yield f"memory:/{root}"
    store.rm(root, recursive=True)


def test_a_remote_build_gives_the_same_batches(build, remote):
    for here, there in zip(loader(build).epoch(0), loader(remote).epoch(0), strict=True):
        assert here.keys == there.keys
        assert (here.images == there.images).all()


def test_a_remote_build_can_be_filtered(remote):
    assert len(read_samples(remote, 72, "caption = 'a red circle'")) == 3


@pytest.mark.parametrize("address", ["memory://nowhere", "nowhere", "nosuchthing://a/b"])
def test_no_build_is_one_line(address):
    with pytest.raises(TrainerError, match="expected") as told:
        read_samples(address, 72)
    assert "\n" not in str(told.value)


# --- tars -----------------------------------------------------------------------------------
def test_a_build_that_does_not_say_where_its_pictures_are_gives_the_same_samples(tmp_path):
    make_build(tmp_path, per_class=2)
    places = read_samples(tmp_path, 72).places
    for path in (tmp_path / "shards").glob("*.parquet"):  # as 0.1.0 made them
        pq.write_table(pq.read_table(path).drop_columns(["offset", "bytes"]), path)
    assert (read_samples(tmp_path, 72).places == places).all()
    assert (places[:, 2] > 0).all()


def test_places_outside_of_the_tar_are_corrupt_samples(tmp_path):
    make_build(tmp_path, per_class=2)
    path = tmp_path / "shards" / "00001.parquet"
    rows = pq.read_table(path)
    n = rows.num_rows
    for name, values in (("offset", [-1, 1 << 62, 512]), ("bytes", [9, 1 << 62, -1])):
        column = pa.array(values + rows[name].to_pylist()[3:])
        rows = rows.set_column(rows.column_names.index(name), name, column)
    pq.write_table(rows, path)
    sizes = read_samples(tmp_path, 72).places[-n:, 2]
    assert (sizes[:3] == -1).all()
    assert (sizes[3:] > 0).all()


def test_a_tar_cut_off_loses_only_what_is_behind_the_cut_and_names_it(tmp_path):
    make_build(tmp_path, per_class=2)
    tar = tmp_path / "shards" / "00001.tar"
    n = pq.read_metadata(tar.with_suffix(".parquet")).num_rows
    tar.write_bytes(tar.read_bytes()[:10_000])
    ours = loader(tmp_path, batch=8)
    seen = keys(ours.epoch(0))
    assert 0 < len(ours.samples.corrupt) < n
    assert sorted([*seen, *ours.samples.corrupt]) == all_keys(tmp_path)
    assert set(ours.samples.corrupt.values()) == {"the tar has no such picture"}


def test_a_tar_cut_off_after_it_was_indexed_gives_corrupt_samples(tmp_path):
    make_build(tmp_path, per_class=2)
    ours = loader(tmp_path, batch=8)
    tar = tmp_path / "shards" / "00001.tar"
    tar.write_bytes(tar.read_bytes()[:10_000])
    seen = keys(ours.epoch(0))
    assert ours.samples.corrupt
    assert sorted([*seen, *ours.samples.corrupt]) == all_keys(tmp_path)


@pytest.mark.parametrize("data", [b"\x1f\x8b" + b"gzip" * 400, b"no tar" * 400])
def test_a_shard_that_is_no_tar_is_one_line(tmp_path, data):
    make_build(tmp_path, per_class=2)
    (tmp_path / "shards" / "00001.tar").write_bytes(data)
    with pytest.raises(TrainerError, match=r"00001.tar: .*, expected an uncompressed tar"):
        read_samples(tmp_path, 72)


def test_a_shard_without_its_tar_is_one_line(tmp_path):
    make_build(tmp_path, per_class=2)
    (tmp_path / "shards" / "00001.tar").unlink()
    with pytest.raises(TrainerError, match=r"00001.tar: .*, expected an uncompressed tar"):
        read_samples(tmp_path, 72)


def test_a_file_too_large_for_a_picture_is_not_read(build):
    samples = read_samples(build, 72)
    samples.places[0, 2] = 1 << 40
    assert not samples.fill(0, 0, 0, np.empty((64, 64, 3), np.uint8))
    assert "expected at most" in samples.corrupt[samples.key(0)]


# --- ahead ----------------------------------------------------------------------------------
def test_originals_of_other_types_are_read_as_jpegs_are(tmp_path):
    make_build(tmp_path, per_class=2)
    for path in (tmp_path / "shards").glob("*.tar"):
        with tarfile.open(path) as tar:
            files = {one.name: tar.extractfile(one).read() for one in tar}
        as_png = {}
        for name, data in files.items():
            if name.endswith(".jpg"):
                name, data = name.replace(".jpg", ".png"), png(decode(data))
            as_png[name] = data
        write_tar(path, as_png)
        place_anew(path)
    batches = list(loader(tmp_path).epoch(0))
    assert sorted(keys(batches)) == all_keys(tmp_path)
    make_build(tmp_path, per_class=2)
    for one, other in zip(batches, loader(tmp_path).epoch(0), strict=True):
        assert np.abs(one.images.astype(int) - other.images).mean() < 1


def test_prefetching_keeps_the_batches_and_their_order():
    assert list(prefetched(range(20))) == list(range(20))


def test_an_error_of_the_loader_reaches_the_reader():
    def failing():
        yield 1
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(prefetched(failing()))


def test_what_a_step_waits_for_is_told():
    slow = prefetched(iter(lambda: time.sleep(0.05) or 1, 2))
    next(slow)
    assert slow.waited_s > 0
    slow.close()
    assert list(slow) == []
