"""Any WebDataset: the batches of a build of the same pairs, and of every tar its samples or why."""

import http.server
import io
import json
import shutil
import tarfile
import uuid
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from threading import Thread

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.trainer_fixtures import jpeg, make_build, picture, png
from trainer.__main__ import main
from trainer.data.dataset import braces, find_data
from trainer.data.loader import Loader, shown_rows
from trainer.data.reading import identity, read_samples
from trainer.model import tokenizer
from trainer.settings import TrainerError

WORDS = tokenizer.train(["a red circle"], 520, {})
RED = jpeg(picture("red circle", 1))


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Lists of tars are kept here, not in the cache of who runs the tests."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "buildwit" / "webdataset"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """48 pairs as a build, and its two tars alone."""
    root = tmp_path_factory.mktemp("webdataset")
    make_build(root / "build", per_class=3, corrupt=2)
    (root / "tars").mkdir()
    for tar in (root / "build" / "shards").glob("*.tar"):
        shutil.copy(tar, root / "tars")
    return root


def loader(data, batch=8, rank=0, world=1, **options):
    return Loader(read_samples(data, 72, **options), WORDS, 32, 64, batch, 0, rank, world)


def assert_equal_batches(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys == other.keys
        assert (one.images == other.images).all()
        assert (one.tokens == other.tokens).all()
        assert (one.draws == other.draws).all()


@pytest.mark.parametrize("name", ["tars", "tars/*.tar", "tars/{00000..00001}.tar", "ta[r]s/*.tar"])
def test_the_batches_are_those_of_a_build_of_the_same_pairs(name, world):
    ours, theirs = loader(f"{world}/{name}"), loader(world / "build")
    assert_equal_batches(ours.epoch(1), theirs.epoch(1))
    assert ours.samples.corrupt == theirs.samples.corrupt


def test_tars_in_a_store_give_the_same_batches(world):
    store = fsspec.filesystem("memory")
    root = f"/{uuid.uuid4().hex}"
    store.put(f"{world}/tars/", f"{root}/", recursive=True)
    for name in ("", "/{00000..00001}.tar", "/*.tar"):
        ours = loader(f"memory:/{root}{name}")
        assert_equal_batches(ours.epoch(0), loader(world / "build").epoch(0))


@pytest.mark.parametrize("first_step", [1, 4])
def test_an_epoch_is_resumed_exactly(first_step, world):
    whole = list(loader(world / "tars").epoch(1))
    assert_equal_batches(loader(world / "tars").epoch(1, first_step), whole[first_step:])


def test_the_pieces_of_three_processes_joined_are_the_batches_of_one(world):
    whole = list(loader(world / "tars", 24).epoch(2))
    pieces = [list(loader(world / "tars", 8, rank, 3).epoch(2)) for rank in range(3)]
    for step, batch in enumerate(whole):
        assert [key for one in pieces for key in one[step].keys] == batch.keys


# --- the list of a tar ----------------------------------------------------------------------
def write(path: Path, *files: tuple[str, bytes]) -> Path:
    """A tar of files, of which several may have one name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def pairs(*keys: str, caption: bytes = b"a cat") -> list[tuple[str, bytes]]:
    return [file for key in keys for file in ((f"{key}.jpg", RED), (f"{key}.txt", caption))]


def read(*files, **options):
    """The samples of a tar that holds two pairs beside these files."""
    return read_samples(write(Path("x.tar"), *files, *pairs("p1", "p2")), 64, **options)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def captions(samples):
    return dict(
        zip(samples.rows["key"].to_pylist(), samples.rows["caption"].to_pylist(), strict=True)
    )


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ([("a.jpg", RED), ("a.txt", b" one\n")], "a"),
        ([("a.JPEG", RED), ("a.TXT", b"one")], "a"),
        ([("a.png", png(picture("red circle", 1))), ("a.txt", b"\xef\xbb\xbfone")], "a"),
        ([("./a.jpg", RED), ("a.txt", b"one")], "a"),  # as `tar cf x.tar .` names them
        ([("train.v1/a.jpg", RED), ("train.v1/a.txt", b"one")], "train.v1/a"),  # refiner 124
        ([("a.input.jpg", RED), ("a.outputs.txt", b"one")], "a"),  # open_clip 480
        ([("a.jpg", RED), ("b.json", b"{}"), ("a.txt", b"one")], "a"),  # webdataset 407
        ([("a.jpg", RED), ("a.jpeg", b"?"), ("a.txt", b"one"), ("a.cls", b"3")], "a"),
        ([("._a.jpg", b"mac"), ("a.jpg", RED), ("a.txt", b"one")], "a"),
        ([("d" * 150 + "/a.jpg", RED), ("d" * 150 + "/a.txt", b"one")], "d" * 150 + "/a"),
    ],
)
def test_a_sample_is_the_files_of_one_key(files, key):
    samples = read(*files)
    assert captions(samples)[key] == "one"
    at = samples.rows["key"].to_pylist().index(key)
    assert samples.fill(at, 0, 0, np.empty((64, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ([("a.jpg", RED)], "no .txt (it has .jpg)"),
        (
            [("a.txt", b"one"), ("a.gif", b"")],
            "no .jpg or .jpeg or .png or .webp (it has .gif, .txt)",
        ),
        ([("a.jpg", RED), ("a.txt", b" \n")], ".txt is empty (it has .jpg, .txt)"),
        ([("a.jpg", RED), ("a.txt", b"x" * (1 << 21))], ".txt has more than 1,048,576 bytes"),
        ([("a.jpg", RED), ("a.jpg", RED), ("a.txt", b"one")], "two files end in .jpg"),  # 157, 286
        ([("a.l.png", b""), ("a.r.png", b""), ("a.txt", b"1")], "expected one picture, not l.png"),
    ],
)
def test_what_lacks_a_member_is_named_and_the_rest_is_read(files, why):
    samples = read(*files)
    assert len(samples) == 2
    assert samples.missing["x.tar: a"].startswith(why)


def test_a_tar_of_pictures_first_and_texts_behind_is_read():
    """As `tar cf x.tar *.jpg *.txt` makes it: webdataset 100, 140."""
    names = ["a", "b", "c"]
    files = [(f"{name}.jpg", RED) for name in names] + [(f"{name}.txt", b"t") for name in names]
    assert set(captions(read(*files))) == {"a", "b", "c", "p1", "p2"}


def test_samples_of_one_key_in_several_tars_are_apart():
    """Each tar's first sample is called so: webdataset 157, 173."""
    for number in range(3):
        write(Path(f"d/{number}.tar"), *pairs("0", caption=f"{number}".encode()))
    samples = read_samples("d", 64)
    assert sorted(samples.rows["caption"].to_pylist()) == ["0", "1", "2"]
    assert len(set(samples.pair_ids.tolist())) == len(set(samples.rows["key"].to_pylist())) == 3


def test_a_tar_that_was_added_to_another_keeps_both_samples_of_a_key():
    samples = read(*pairs("a"), *pairs("b"), *pairs("a", caption=b"again"))
    assert len(samples) == 5
    assert len(set(samples.pair_ids.tolist())) == 5
    assert "again" in samples.rows["caption"].to_pylist()


def test_a_tar_that_was_cut_off_gives_what_is_whole_and_says_so():
    tar = write(Path("x.tar"), *pairs("a", "b", "c"))
    with tar.open("r+b") as file:
        file.truncate(tar.stat().st_size // 2)
    whole = tar.read_bytes().index(b"c.jpg")
    tar.write_bytes(tar.read_bytes()[: whole + 600])
    samples = read_samples(tar, 64)
    assert set(captions(samples)) == {"a", "b"}
    assert "is cut off; what stands behind is lost" in samples.missing["x.tar"]


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"\x1f\x8b" + b"gzip" * 400, "expected an uncompressed tar"),
        (b"no tar" * 400, "expected an uncompressed tar"),
        (b"", "0 samples, expected at least 2"),
    ],
)
def test_what_is_no_tar_is_one_line(data, fault):
    Path("x.tar").write_bytes(data)
    with pytest.raises(TrainerError, match=fault) as told:
        read_samples("x.tar", 64)
    assert "\n" not in str(told.value)


def test_data_without_captions_says_what_its_samples_have():
    write(Path("x.tar"), ("a.jpg", RED), ("a.cls", b"1"), ("b.jpg", RED), ("b.json", b"{}"))
    with pytest.raises(TrainerError, match=r"2 lack something: x.tar: a: no .txt \(it has .cls"):
        read_samples("x.tar", 64)


@pytest.mark.parametrize("name", ["nowhere", "nowhere.tar", "empty", "empty/*.tar", "packed"])
def test_data_that_is_not_there_is_one_line(name):
    Path("empty").mkdir()
    Path("packed").mkdir()
    Path("packed/0.tar.gz").write_bytes(b"")
    with pytest.raises(TrainerError, match="expected a build, or tars of a WebDataset") as told:
        find_data(name)
    assert "\n" not in str(told.value)
    assert (name == "packed") == ("0.tar.gz is compressed" in str(told.value))


def test_braces_of_too_many_names_are_refused():
    for text in ("{0..999999999}.tar", "{0..9999}" * 3):
        with pytest.raises(TrainerError, match=r"expected .*at most 1,000,000 names"):
            braces(text)


def test_the_samples_are_those_of_webdataset_s_own_reader():
    wds = pytest.importorskip("webdataset")
    with wds.TarWriter("x.tar") as sink:
        for n in range(30):
            sample = {"__key__": f"train.v1/sample{n:04d}", "txt": f"caption {n}"}
            sink.write(sample | {"jpg": RED if n % 2 else png(picture("blue cross", n))})
    theirs = wds.WebDataset("x.tar", shardshuffle=False)
    expected = {row["__key__"]: (row["txt"].decode(), row["jpg"]) for row in theirs}
    samples = read_samples("x.tar", 64)
    ours = zip(captions(samples).items(), range(30), strict=True)
    assert {key: (text, samples.bytes_of(n)) for (key, text), n in ours} == expected


def test_an_index_of_wids_names_the_tars_beside_it(world):
    """As wids' own test has it: kind, version and a list of addresses."""
    shards = [{"url": f"tars/0000{n}.tar", "nsamples": 24} for n in (0, 1)]
    index = {"__kind__": "wids-shard-index-v1", "wids_version": 1, "shardlist": shards}
    (world / "index.json").write_text(json.dumps(index))
    ours, theirs = loader(world / "index.json"), loader(world / "build")
    assert_equal_batches(ours.epoch(0), theirs.epoch(0))
    for text in ("{}", "[" * 100_000, '{"shardlist": 3}', '{"shardlist": [{"url": 7}]}'):
        (world / "bad.json").write_text(text)
        with pytest.raises(TrainerError, match="expected an index of wids"):
            find_data(world / "bad.json")


# --- lists are kept -------------------------------------------------------------------------
def test_a_list_is_made_once_and_again_when_the_tar_is_another(cache):
    write(Path("x.tar"), *pairs("a", "b"))
    first = identity("x.tar")
    (kept,) = cache.rglob("*.parquet")
    made = kept.stat().st_mtime_ns
    assert captions(read_samples("x.tar", 64)) == {"a": "a cat", "b": "a cat"}
    assert identity("x.tar") == first
    assert kept.stat().st_mtime_ns == made
    write(Path("x.tar"), *pairs("a", "c", caption=b"else"))
    assert captions(read_samples("x.tar", 64)) == {"a": "else", "c": "else"}
    assert identity("x.tar") != first


def test_a_damaged_list_is_made_again(cache):
    write(Path("x.tar"), *pairs("a", "b"))
    read_samples("x.tar", 64)
    (kept,) = cache.rglob("*.parquet")
    kept.write_bytes(b"PAR1 no")
    assert len(read_samples("x.tar", 64)) == 2


def test_data_that_moved_is_the_same_data():
    write(Path("x/0.tar"), *pairs("a", "b"))
    before = identity("x"), read_samples("x", 64).pair_ids.tolist()
    Path("x").rename("y")
    assert (identity("y"), read_samples("y", 64).pair_ids.tolist()) == before


def test_where_nothing_can_be_kept_the_data_is_read_all_the_same(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert len(read(*pairs("a"))) == 3
    assert "the lists of tars are not kept" in capsys.readouterr().err


def test_a_tar_that_changed_while_it_was_read_ends_in_one_line():
    samples = read(*pairs("a"))
    write(Path("x.tar"), *pairs("b", "c"))
    with pytest.raises(TrainerError, match=r"x.tar: changed while it was read"):
        samples.picture(0)


# --- captions -------------------------------------------------------------------------------
def test_a_caption_is_a_key_of_the_json():
    rows = {"a": {"text": "one"}, "b": {"alt": {"en": "two"}}, "c": {"alt.en": "three"}, "d": [1]}
    files = [
        file
        for key, row in rows.items()
        for file in ((f"{key}.jpg", RED), (f"{key}.json", json.dumps(row).encode()))
    ]
    files += [("e.jpg", RED), ("e.json", b"{"), ("f.jpg", RED), ("f.json", b"[" * 100_000)]
    write(Path("x.tar"), *files)
    samples = read_samples("x.tar", 64, captions={"json:alt.en": 1.0})
    assert captions(samples) == {"b": "two", "c": "three"}
    assert samples.missing["x.tar: a"] == ".json has no text under 'alt.en' (it has .jpg, .json)"
    assert (
        samples.missing["x.tar: e"]
        == samples.missing["x.tar: f"]
        == (".json is no JSON (it has .jpg, .json)")
    )


def test_half_a_surrogate_pair_in_a_json_is_no_fault_of_the_tar():
    write(
        Path("x.tar"),
        *[
            file
            for key in "ab"
            for file in ((f"{key}.jpg", RED), (f"{key}.json", b'{"t": "\\ud83d!"}'))
        ],
    )
    assert captions(read_samples("x.tar", 64, captions={"json:t": 1})) == {"a": "?!", "b": "?!"}


def test_of_several_captions_each_is_chosen_at_its_share():
    files = []
    for n in range(400):
        row = json.dumps({"alt": ["x", "y"], "long": "z"}).encode()
        files += [(f"{n}.jpg", b""), (f"{n}.txt", b"t"), (f"{n}.json", row)]
    write(Path("x.tar"), *files, ("only.jpg", b""), ("only.txt", b"t"))
    shares = {"txt": 2.0, "json:alt": 1.0, "json:long": 1.0}
    samples = read_samples("x.tar", 64, captions=shares)
    counts = dict.fromkeys("txyz", 0)
    draws = np.random.default_rng(0)
    for _ in range(10):
        for text in samples.captions(np.arange(401), draws.random(401)):
            counts[text] += 1
    shares = {text: n / 4010 for text, n in counts.items()}
    assert shares == pytest.approx({"t": 0.5, "x": 0.125, "y": 0.125, "z": 0.25}, abs=0.03)
    only = samples.rows["key"].to_pylist().index("only")
    assert {samples.captions(np.array([only]), np.array([u]))[0] for u in (0, 0.5, 1)} == {"t"}


def test_a_pair_s_caption_changes_from_epoch_to_epoch_and_not_from_run_to_run():
    files = []
    for n in range(40):
        files += [(f"{n}.jpg", RED), (f"{n}.txt", b"one"), (f"{n}.alt.txt", b"two dogs")]
    write(Path("x.tar"), *files)
    options = {"captions": {"txt": 0.5, "alt.txt": 0.5}}
    again = [next(loader("x.tar", 40, **options).epoch(0)).tokens.tolist() for _ in range(2)]
    assert again[0] == again[1]
    ours = loader("x.tar", 40, **options)
    by_key = [
        dict(zip(batch.keys, map(bytes, batch.tokens), strict=True))
        for n in (0, 1)
        for batch in ours.epoch(n)
    ]
    assert 5 < sum(by_key[0][key] != by_key[1][key] for key in by_key[0]) < 35


# --- conditions, weights --------------------------------------------------------------------
def test_a_condition_reads_the_json_and_the_scores():
    files = [
        file
        for n in range(8)
        for file in (*pairs(str(n)), (f"{n}.json", json.dumps({"similarity": n / 10}).encode()))
    ]
    write(Path("x.tar"), *files)
    some = read_samples("x.tar", 64, "cast(json ->> 'similarity' as double) > 0.45")
    assert sorted(captions(some)) == ["5", "6", "7"]
    with pytest.raises(TrainerError, match="expected a condition on the columns of sample"):
        read_samples("x.tar", 64, "similarity > 0.3")


@pytest.mark.parametrize("epoch", range(4))
def test_weights_say_how_often_an_epoch_shows_a_data_set(epoch):
    ids = np.arange(100, 140)
    rows, draws = shown_rows(ids, [(10, 2.5), (30, 0.2)], seed=1, epoch=epoch)
    times = np.bincount(rows, minlength=40)
    assert len(rows) == 31
    assert set(times[:10]) == {2, 3}
    assert times[10:].sum() == 6
    assert len(set(draws.tolist())) == 31


def test_a_data_set_shown_by_halves_is_shown_whole_in_two_epochs():
    ids = np.arange(20)
    halves = [shown_rows(ids, [(20, 0.5)], seed=0, epoch=n)[0].tolist() for n in range(2)]
    assert sorted(halves[0] + halves[1]) == list(range(20))


def test_two_showings_of_a_picture_are_two_crops(world):
    ours = loader(world / "tars", 100, weights=(2.0,))
    batch = next(ours.epoch(0))
    by_key: dict[str, list[np.ndarray]] = {}
    for key, image in zip(batch.keys, batch.images, strict=True):
        by_key.setdefault(key, []).append(image)
    assert {len(crops) for crops in by_key.values()} == {2}
    assert sum((one != other).any() for one, other in by_key.values()) > 40


def test_a_build_and_tars_are_joined(world):
    write(Path("x.tar"), *pairs("a", "b"))
    ours = loader([world / "build", "x.tar"], 16, weights=(1.0, 3.0))
    keys = [key for batch in ours.epoch(0) for key in batch.keys]
    assert len(keys) == 46 + 6
    assert keys.count("a") == 3


# --- the commands ---------------------------------------------------------------------------
def test_a_run_on_tars_has_the_weights_of_a_run_on_the_build(world, tmp_path, capsys):
    flags = ["--precision", "fp32", "--epochs", "2", "--batch", "16"]
    for name in ("build", "tars"):
        data = ["--data", f"{world}/{name}"]
        assert main(["train", *data, "--run", f"{tmp_path}/{name}", *flags]) == 0
    both = [
        (tmp_path / name / "best.safetensors").read_bytes()[-4000:] for name in ("build", "tars")
    ]
    assert both[0] == both[1]
    assert main(["train", "--data", f"{world}/tars", "--run", f"{tmp_path}/tars", *flags]) == 0
    assert "finished with these settings and this data" in capsys.readouterr().out
    scores = ["--run", f"{tmp_path}/tars", "--to", f"{tmp_path}/scores.parquet"]
    assert main(["score", "--data", f"{world}/tars", *scores]) == 0
    assert pq.read_table(tmp_path / "scores.parquet").num_rows == 48


def test_what_training_leaves_out_is_said_and_recorded(tmp_path, capsys):
    write(Path("x.tar"), ("bad.jpg", RED), *pairs(*"abcdef"))
    command = ["train", "--data", "x.tar", "--run", "run", "--epochs", "1", "--batch", "4"]
    assert main([*command, "--weights", "2", "--caption", "txt=1"]) == 0
    assert "1 samples are left out beside 6: x.tar: bad: no .txt" in capsys.readouterr().err
    record = json.loads(Path("run/run.json").read_text())
    assert record["missing"] == {"x.tar: bad": "no .txt (it has .jpg)"}
    assert record["images"] == 12


def test_weights_of_other_number_are_one_line(world, capsys):
    command = ["train", "--data", f"{world}/tars", "--run", "run", "--weights", "1", "2"]
    assert main(command) == 2
    assert "2 weights, expected one for each --data" in capsys.readouterr().err


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Answers a range with its bytes alone."""

    def do_GET(self):
        if "Range" not in self.headers:
            return super().do_GET()
        begin, end = self.headers["Range"].removeprefix("bytes=").split("-")
        data = Path(self.translate_path(self.path)).read_bytes()
        part = data[int(begin) : int(end) + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {begin}-{end}/{len(data)}")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


class NoRanges(http.server.SimpleHTTPRequestHandler):
    """Answers a range with the whole file, as Python's own server does."""

    def log_message(self, *_):
        pass


@contextmanager
def served(folder: Path, ranges: bool):
    handler = partial(Ranges if ranges else NoRanges, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_web_server_that_answers_ranges_serves_tars_and_another_is_named(world):
    for ranges in (True, False):
        with served(world / "tars", ranges) as address:
            name = f"{address}/{{00000..00001}}.tar"
            if ranges:
                assert_equal_batches(loader(name).epoch(0), loader(world / "build").epoch(0))
                continue
            with pytest.raises(TrainerError, match="expected a server that answers ranges"):
                read_samples(name, 72)
