"""A workspace in an object store: moto's S3 server on loopback, which is no real S3.

A proxy cuts requests in the middle; what is built there must equal what is built on a disk.
"""

import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pytest

pytest.importorskip("s3fs", reason="no s3fs: pip install '.[s3]'")
pytest.importorskip("upath", reason="no universal_pathlib: pip install '.[s3]'")
pytest.importorskip("moto.server", reason="no moto, whose server stands for S3")

import pyarrow.parquet as pq
import s3fs
from pyarrow import csv

from pipeline import sources
from pipeline.images.parts import read_images, write_images
from pipeline.settings.whole import FilterSettings
from pipeline.tasks.opening import Options, open_workspace
from pipeline.workspace import lease as leases
from pipeline.workspace.lease import Lease
from queries.tables.contracts import IMAGES
from queries.tables.errors import UserError
from queries.tables.manifest import BuildError, find, manifest
from queries.tables.store import is_store, place, put
from tests.chaos.builds import building
from tests.image_server import ImageServer
from tests.pipeline.images.test_parts import EVERY, PICTURES, give_up, publish
from tests.pipeline.sources.crawl.test_crawl import packed, record
from tests.pipeline.sources.crawl.test_crawl import source_of as crawl_source
from tests.pipeline.sources.table_source import seen
from tests.processes import WAIT_S, wait_while
from tests.queries.tables.cutting_proxy import NONE, CuttingProxy
from tests.queries.tables.s3_server import BUCKET, CREDENTIALS, S3Server
from tests.small_build import ROOT, Small, published

OUT = f"s3://{BUCKET}/wit"


@contextmanager
def asked_at(address: str):
    """Within, all that asks S3 asks there."""
    before = dict(os.environ)
    os.environ.update(CREDENTIALS, AWS_ENDPOINT_URL=address)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def server():
    with S3Server() as server:
        with asked_at(server.address):
            s3fs.S3FileSystem().mkdir(BUCKET)
        yield server


@pytest.fixture
def s3(server):
    with asked_at(server.address):
        yield s3fs.S3FileSystem(use_listings_cache=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with ImageServer() as images:
        made = Small(tmp_path_factory.mktemp("small"), images.url(""))
        made.write_captions(60)
        yield made


def few_rounds(small: Small) -> Path:
    """The small build's settings, with fewer stages: each costs requests, of some 10 ms here."""
    path = small.settings(cap=3)
    text = path.read_text().replace("[selection]", "[selection]\nmax_rounds = 2")
    path.write_text(text.replace("samples_per_shard = 10", "samples_per_shard = 20"))
    return path


@pytest.fixture(scope="module")
def local(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("local") / "wit"
    done = small.luigi(out, few_rounds(small))
    assert done.returncode == 0, done.stdout + done.stderr
    return find(out)


# A build that asks for it has copied its shards to their places, and reads them for the manifest.
HASHING = re.compile(r"GET \S+/shards/00000\.tar")


@pytest.fixture(scope="module")
def remote(server, small, tmp_path_factory):
    """A build in S3, killed in the middle of its publication and gone on with elsewhere.

    What it left at its death, and how often the proxy cut it.
    """
    cache = tmp_path_factory.mktemp("cache")
    with CuttingProxy(server.place, seed=3, share=0.05) as proxy, asked_at(server.address):
        fs = s3fs.S3FileSystem(use_listings_cache=False)
        env = {"AWS_ENDPOINT_URL": proxy.address, "XDG_CACHE_HOME": str(cache)}
        with building(few_rounds(small), OUT, env=env) as build:
            proxy.held = HASHING
            wait_while(build.program, lambda: any(map(HASHING.match, proxy.begun)), "the hashing")
        proxy.held = NONE
        left = {path for path in fs.find(f"{BUCKET}/wit") if "work" not in Path(path).parts}
        readable = None
        with pytest.raises(BuildError) as seen:
            readable = find(OUT)
        assert readable is None
        for scratch in cache.glob("*/*/work"):
            shutil.rmtree(scratch)
        os.environ.update(env)
        done = small.luigi(OUT, few_rounds(small))
        assert done.returncode == 0, done.stdout + done.stderr
        yield left, str(seen.value), proxy


@pytest.mark.slow
def test_a_build_in_a_store_equals_that_on_a_disk_whatever_is_cut(remote, s3, local):
    _, _, proxy = remote
    assert min(proxy.cuts.values()) >= 3
    build = find(OUT)
    assert is_store(build)
    assert build.name == local.name
    assert (build / "manifest.json").read_bytes() == (local / "manifest.json").read_bytes()
    for row in manifest(build)["files"]:
        assert (build / row["path"]).read_bytes() == (local / row["path"]).read_bytes()
    images = sorted(path for path in s3.find(f"{BUCKET}/wit/images"))
    folder = local.parent / "images"
    assert [one.partition("/images/")[2] for one in images] == sorted(
        str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()
    )


@pytest.mark.slow
def test_a_build_that_was_killed_while_it_was_published_is_no_build(remote):
    left, seen, _ = remote
    assert any(path.endswith("/shards/00000.tar") for path in left)
    assert "manifest.json" not in {path.rpartition("/")[2] for path in left}
    assert seen.endswith(
        "expected a build (a folder with manifest.json) or a workspace with latest.json"
    )


@pytest.mark.slow
def test_nothing_is_left_beside_a_build_in_a_store(remote, s3, local):
    names = {path.partition("/wit/")[2] for path in s3.find(f"{BUCKET}/wit")}
    of_build = {*published(local), "manifest.json", "report.html"}
    of_build |= {"tables/file/00000.parquet"}
    folders = ("work/", "images/")
    assert {one for one in names if not one.startswith(folders)} == {
        "latest.json",
        *(f"{local.name}/{one}" for one in of_build),
    }


def ask(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)


@pytest.mark.slow
def test_checks_audits_and_the_report_read_a_build_in_a_store(remote, s3, local):
    checked = ask("queries", "check", "--build", OUT)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"checks passed on {OUT}/{local.name}" in checked.stdout
    audits = [
        ask("queries", "audit", "balance", "--format", "csv", "--build", where).stdout
        for where in (OUT, str(local))
    ]
    assert audits[0] == audits[1] != ""
    before = (find(OUT) / "report.html").read_bytes()
    assert before == (local / "report.html").read_bytes()
    views = ask("queries", "views", "--build", OUT)
    assert f"read_parquet(['{OUT}/{local.name}/tables/query/00000.parquet'])" in views.stdout


@pytest.mark.slow
def test_the_trainer_reads_the_same_samples_from_a_store(remote, s3, local):
    from trainer.data.reading import read_samples

    here, there = (read_samples(find(one), 32, "width >= 1") for one in (local, OUT))
    assert there.rows.equals(here.rows)
    for i in range(len(here)):
        assert (there.picture(i) == here.picture(i)).all()


@pytest.mark.slow
def test_the_trainer_trains_on_a_build_in_a_store(remote, s3, tmp_path):
    words = ("--data", OUT, "--run", str(tmp_path / "run"), "--epochs", "1")
    done = ask("trainer", "train", *words)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoint.safetensors").is_file()


def test_two_builds_in_one_store_are_refused_until_one_is_dead(s3, tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "BEAT_S", 0.05)
    monkeypatch.setattr(leases, "DEAD_S", 1.2)
    path = place(f"s3://{BUCKET}/lease/lock.json")
    first = Lease(path, tmp_path / "a" / "lease.json")
    first.take()
    with pytest.raises(UserError, match="lease: another build is at work"):
        Lease(path, tmp_path / "b" / "lease.json").take()
    first.ended.set()  # as if it had been killed: the object stays
    second = Lease(path, tmp_path / "b" / "lease.json")
    second.take()
    second.ended.set()
    Lease(path, tmp_path / "b" / "lease.json").take()  # the same machine knows its own at once


def test_of_two_that_find_no_lease_one_gets_it(s3, tmp_path):
    path = place(f"s3://{BUCKET}/race/lock.json")
    leases_taken = [Lease(path, tmp_path / f"{n}.json") for n in range(4)]
    assert sum(one._create() for one in leases_taken) == 1


def test_an_object_is_whole_or_not_there(server, s3, tmp_path):
    big = tmp_path / "big"
    big.write_bytes(bytes(range(256)) * 4_000)
    with CuttingProxy(server.place, seed=1, share=0.9) as proxy, asked_at(proxy.address):
        for n in range(6):
            with suppress(UserError):  # as often as the tries are used up
                put(big, place(f"s3://{BUCKET}/cut/{n}"))
    assert proxy.cuts["up"] > 2
    assert {s3.cat(path) == big.read_bytes() for path in s3.find(f"{BUCKET}/cut")} == {True}


@pytest.mark.parametrize(
    ("out", "expected"),
    [
        ("s3://nowhere-at-all/wit", "s3://nowhere-at-all/wit/lock.json: "),
        ("ftp://host/wit", "ftp://host/wit: expected a folder, or an address of s3://"),
        ("s3://me:word@bucket/wit", "s3://***@bucket/wit: expected an address without a password"),
    ],
)
def test_an_address_at_fault_is_one_line(s3, small, capsys, out, expected):
    with pytest.raises(SystemExit) as ended:
        open_workspace(Options(str(small.settings()), out, "duckdb", "", ""))
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(expected)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl.gz", "a.parquet"])
def test_tables_are_read_from_a_store_through_cuts(server, s3, monkeypatch, name):
    monkeypatch.setattr("pipeline.sources.place.PAUSE_S", 0.01)
    rows = [{"url": f"http://x.org/{n}.png", "caption": f"a kite {n}"} for n in range(3_000)]
    content = io.BytesIO()
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), content)
    elif name.endswith("csv"):
        csv.write_csv(pa.Table.from_pylist(rows), content)
    else:
        content.write(gzip.compress("\n".join(map(json.dumps, rows)).encode(), mtime=0))
    s3.pipe(f"{BUCKET}/tables/{name}", content.getvalue())
    with CuttingProxy(server.place, seed=5, share=0.3) as proxy, asked_at(proxy.address):
        found = seen(f"s3://{BUCKET}/tables/*{name[1:]}")
    assert found == [(row["url"], row["caption"], None) for row in rows]


def test_crawls_are_read_from_a_store(s3):
    address = f"s3://{BUCKET}/crawl/a.warc.gz"
    s3.pipe(address, packed(record(), record(), record()))
    source = crawl_source(address)
    sources.check([source])
    (part,) = sources.parts(source, sources.Planning(str))
    batches = list(sources.collect(iter(part.rows.to_batches()), source, 0))
    assert [one["caption"] for batch in batches for one in batch.to_pylist()] == ["kite"] * 3
    s3.pipe(address, packed(record()))
    (other,) = sources.parts(source, sources.Planning(str))
    assert other.identity != part.identity


def test_what_else_the_settings_name_may_be_in_a_store(s3, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    address = f"s3://{BUCKET}/lists/blocked.txt"
    s3.pipe(address, b"word")
    (first,) = FilterSettings(blocked_words=(address,)).blocked_words
    assert Path(first).read_bytes() == b"word"
    before = Path(first).stat().st_mtime_ns
    (again,) = FilterSettings(blocked_words=(address,)).blocked_words
    assert (again, Path(again).stat().st_mtime_ns) == (first, before)
    s3.pipe(address, b"other")
    (changed,) = FilterSettings(blocked_words=(address,)).blocked_words
    assert Path(changed).read_bytes() == b"other"
    with pytest.raises(ValueError, match=r"a file that can be read; s3://bucket/lists/none\.txt"):
        FilterSettings(blocked_words=(f"s3://{BUCKET}/lists/none.txt",))


def test_pictures_that_were_given_up_are_read_from_the_shards_of_a_store(s3):
    workspace = place(f"s3://{BUCKET}/pruned")
    folder = workspace / "images" / "settings" / "part"
    write_images(folder / IMAGES, PICTURES.items())
    picked = publish(workspace, "1", 1, 2)
    assert give_up(workspace, "1", picked) == len(PICTURES[1]) + len(PICTURES[2])
    assert dict(read_images(folder, *EVERY)) == PICTURES


def test_a_path_of_this_machine_stays_one():
    assert place("wit/1") == Path("wit/1")
    assert not is_store(place("wit"))
    modules = "pipeline.tasks.build_wit, queries.__main__"
    code = f"import sys, {modules}; print({{'s3fs', 'upath'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_duckdb_reads_what_others_put_since(s3, tmp_path):
    import pyarrow.parquet as pq

    from queries.engine.duck import DuckEngine
    from queries.tables.parts import written_whole

    engine, paths = DuckEngine(quiet=True), []
    for n in range(3):
        paths.append(place(f"s3://{BUCKET}/duck/{n}.parquet"))
        with written_whole(paths[-1]) as beside:
            pq.write_table(pa.table({"n": [n]}), beside)
        found = engine.ask({"pair": paths}, "SELECT SUM(n) AS n FROM pair")
        assert found["n"].to_pylist() == [sum(range(n + 1))]
