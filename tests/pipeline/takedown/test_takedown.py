"""Takedown: what a list names goes from every file of a workspace and does not come back."""

import argparse
import fcntl
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.report.gallery import thumbnail
from pipeline.takedown.command import add_takedown_options, run_takedown
from pipeline.workspace.takedown_log import LOG
from queries.tables.manifest import find, manifest
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from queries.tables.tars import read_pictures
from tests.hold import Hold
from tests.image_server import ImageServer
from tests.small_build import COLOURS, ROOT, THINGS, Small, published, table
from tests.tables import rows as rows_of

OTHER_HOST = 20  # pairs of another host than all others
RANDOM = 20  # pairs that the list names by each way
SEED = 2311
WORDS = ("kite", "100")  # captions of the other host, which stand in many files as they are
UNREADABLE = ("http://localhost:99999/a.png", "http//localhost/b.png")  # addresses of its own
QUICK = {"cap": 25, "workers": 1, "rows_per_part": 200}  # with few processes
LINES = "kind,value,radius,reason,date"


@dataclass
class Case:
    """A workspace of three versions with runs, and the pairs that a list takes out of it."""

    small: Small
    out: Path
    older: tuple[str, ...]  # names of its versions
    list: Path
    pairs: list[dict]  # rows of `sample`, `pair` or `drop` that the list names
    pictures: list[bytes]  # as stored

    @property
    def settings(self) -> Path:
        return self.small.folder / "build.toml"

    def copy(self, place: Path) -> "Case":
        return Case(
            self.small,
            Path(shutil.copytree(self.out, place)),
            self.older,
            self.list,
            self.pairs,
            self.pictures,
        )

    def takedown(self, *more: str) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*more), capture_output=True, text=True, cwd=ROOT)

    def command(self, *more: str) -> list[str]:
        words = ["takedown", "--settings", self.settings, "--out", self.out, *more]
        return [sys.executable, "-m", "pipeline", *map(str, words)]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("takedown")
    with ImageServer() as server:
        small = Small(folder / "in", server.url(""))
        settings, out = small.settings(**QUICK), folder / "wit"
        first = built(small, out, settings, 300)
        before = built(small, out, settings, 350)
        after = built(small, out, settings, 400)
        kept = shard_rows(after)
        rows = [*table(after, "pair").to_pylist(), *table(after, "drop").to_pylist()]
        local = [row for row in rows if "localhost" in row["url"]]
        others = [row for row in kept if "localhost" not in row["url"]]
        one, two, three, four = others[:4]
        chosen = random.Random(SEED).sample(others[4:], 4 * RANDOM)  # no secret
        four_phash = f"{four['phash'] % (1 << 64):016x}"
        lines = [
            f"url,{other_spelling(one['url'])},,asked by mail,2026-11-01",
            "host,localhost,,a host's wish,2026-11-02",
            f"sha256,{two['sha256']},,,2026-11-03",
            f"pair_id,{three['pair_id']},,,2026-11-03",
            f"phash,{four_phash},0,,2026-11-03",
        ]
        for place, row in enumerate(chosen):
            phash = f"{row['phash'] % (1 << 64):016x}"
            line = (
                f"url,{other_spelling(row['url'])},,",
                f"sha256,{row['sha256']},,",
                f"pair_id,{row['pair_id']},,",
                f"phash,{phash},0,",
            )[place % 4]
            lines.append(f"{line},2026-11-04")
        given = folder / "list.csv"
        given.write_text("\n".join([LINES, *lines]) + "\n")
        pairs = [one, two, three, four, *chosen, *local]
        gone = {row["pair_id"] for row in pairs}
        pictures = [one for key, one in tars(after).items() if key in gone]
        assert main(["rights", "--build", str(after)]) == 0  # names each sample's address and page
        assert all(one["url"] in credited(after) for one in chosen)
        write_run(out / "runs" / "seen", after, gone)
        write_run(out / "runs" / "unseen", before, set(), version="0" * 16)
        older = (first.name, before.name, after.name)
        found = Case(small, out, older, given, pairs, pictures)
        assert len(pairs) == 4 + 4 * RANDOM + OTHER_HOST + len(WORDS) + len(UNREADABLE)
        assert found_anywhere(found) == {"address", "caption", "id", "picture", "thumbnail"}
        yield found


def built(small: Small, out: Path, settings: Path, n: int) -> Path:
    small.write_captions(n)
    other = small.server_url.replace("127.0.0.1", "localhost")
    with (small.folder / "captions.tsv").open("a") as file:
        for one in range(OTHER_HOST):
            what = f"{COLOURS[one % 4]} {THINGS[one % 5]} of another host {one}"
            file.write(f"{other}/picture/{900 + one}.png\t{what}\n")
        for one, word in enumerate(WORDS):
            file.write(f"{other}/picture/{990 + one}.png\t{word}\n")
        for one, url in enumerate(UNREADABLE):
            file.write(f"{url}\tred boat without an address {one}\n")
    done = small.luigi(out, settings)
    assert done.returncode == 0, done.stderr
    return find(out)


def credited(build: Path) -> str:
    return "".join(path.read_text("utf-8") for path in (build / "attribution").glob("*.csv"))


def other_spelling(url: str) -> str:
    """
    >>> other_spelling("http://127.0.0.1:81/picture/1.png")
    'http://0x7f.1:81/./%70icture/1.png'
    """
    return url.replace("127.0.0.1", "0x7f.1").replace("/picture", "/./%70icture")


def shard_rows(build: Path) -> list[dict]:
    shards = sorted((build / "shards").glob("*.parquet"))
    return pa.concat_tables(map(pq.read_table, shards)).to_pylist()


def tars(build: Path) -> dict[int, bytes]:
    """The picture of every sample."""
    found = {}
    for path in sorted((build / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if member.name.endswith(".jpg"):
                    found[int(member.name[:16], 16)] = tar.extractfile(member).read()
    return found


def write_run(run: Path, build: Path, pair_ids: set[int], version: str = "") -> None:
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"build_version": version or build.name}))
    rows = [
        {"eval_set": "toys", "image": "a", "pair_id": one, "distance": 0}
        for one in sorted(pair_ids)
    ]
    listed = pa.Table.from_pylist(rows, TABLES["neighbour"].schema)
    write_part(run / "tables/neighbour/toys.parquet", TABLES["neighbour"], listed.to_batches())
    near = ("nearest_pair_id", "score_pair_id")
    compared = rows_of("overlap", *[dict.fromkeys(near, one) for one in sorted(pair_ids)])
    write_part(run / "tables/overlap/toys.parquet", TABLES["overlap"], compared.to_batches())
    # A user's own words, which are captions of pairs, too.
    (run / "zeroshot.json").write_text(json.dumps({"toys": {"classes": WORDS}}))
    (run / "overlap.svg").write_text(f"<svg><text>{WORDS[1]}</text></svg>")
    (run.parent.parent / "people.txt").write_text("\n".join(WORDS))


@pytest.fixture(scope="module")
def kept(case, tmp_path_factory):
    """The case after a takedown that left older versions as they were, and what it said."""
    found = case.copy(tmp_path_factory.mktemp("kept") / "wit")
    before = {name: published(found.out / name) for name in found.older}
    public = found.out.with_name("public")
    assert main(["publish", str(found.out), "--to", str(public), "--embed"]) == 0
    assert found_anywhere(found, public) >= {"address", "caption", "picture"}
    done = found.takedown("--list", str(found.list), "--keep-older")
    assert done.returncode == 0, done.stdout + done.stderr
    assert {name: published(found.out / name) for name in found.older} == before
    return found


@pytest.fixture(scope="module")
def after(kept, tmp_path_factory):
    """The same after the whole takedown, and what it said."""
    found = kept.copy(tmp_path_factory.mktemp("after") / "wit")
    done = found.takedown()
    assert done.returncode == 0, done.stdout + done.stderr
    return found, done


# --- an own search: it knows nothing of what the command looks for ------------------------------


def contents(path: Path) -> bytes:
    """All that a file says, unpacked."""
    if path.suffix == ".parquet":
        columns = pq.read_table(path).to_pydict().values()
        values = (one for column in columns for one in column if one is not None)
        return b"\n".join(one if isinstance(one, bytes) else str(one).encode() for one in values)
    return path.read_bytes()


def found_anywhere(case: Case, folder: Path | None = None) -> set[str]:
    """What of the pairs stands in any file below the folder."""
    sought = {("address", row["url"].encode()) for row in case.pairs}
    captions = {row["caption"] for row in case.pairs} - {*WORDS}
    sought |= {("caption", caption.encode()) for caption in captions}
    sought |= {("picture", one) for one in case.pictures}
    sought |= {("thumbnail", thumbnail(one).encode()) for one in case.pictures}
    found = set()
    for path in (folder or case.out).rglob("*"):
        if path.is_file():
            said = contents(path)
            found |= {what for what, value in sought if in_it(value, said)}
            if case.out / "runs" in path.parents:
                ids = {str(row["pair_id"]).encode() for row in case.pairs}
                found |= {"id" for one in ids if in_it(one, said)}
            if path.suffix == ".parquet" and "caption" in pq.read_schema(path).names:
                captions = pq.read_table(path, columns=["caption"])["caption"].to_pylist()
                found |= {"caption"} if not {*WORDS}.isdisjoint(captions) else set()
    return found


def in_it(value: bytes, said: bytes) -> bool:
    """Whether it is there, not only as the beginning of a longer one: number 1 of number 12."""
    at = said.find(value)
    while at >= 0 and said[at + len(value) : at + len(value) + 1].isdigit():
        at = said.find(value, at + 1)
    return at >= 0


# --- the tests ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_nothing_is_left_in_any_file_of_the_workspace(after):
    """Nor a thumbnail, as in theCrag/website#2144 and findsorguk/findsorguk#797."""
    found, done = after
    assert found_anywhere(found) == set()
    assert "nothing is left of" in done.stdout
    checked = found.takedown("--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.slow
def test_credits_that_named_the_samples_are_written_again_without_them(after):
    found, _ = after
    build = found.out / found.older[-1]
    assert not (build / "attribution").exists()
    assert not (build / "training_summary.md").exists()
    assert main(["rights", "--build", str(build)]) == 0
    written = credited(build)
    assert written.count("\n") == len(shard_rows(build)) + 1
    assert not [row for row in found.pairs if f",{row['url']}," in written]
    shutil.rmtree(build / "attribution")
    (build / "training_summary.md").unlink()


@pytest.mark.slow
def test_nothing_is_left_where_the_workspace_has_published(kept):
    """Neither in the shards nor in the Parquet with embedded pictures, which hold the others."""
    public = kept.out.with_name("public")
    assert found_anywhere(kept, public) == set()
    samples = {row["key"] for row in shard_rows(find(kept.out))}
    embedded = pq.read_table(public / "data")
    assert set(embedded["key"].to_pylist()) == samples
    assert all(picture["bytes"] for picture in embedded["image"].to_pylist())


@pytest.mark.slow
def test_older_versions_are_kept_if_that_is_asked_for(kept):
    newest = find(kept.out)
    assert newest.name not in kept.older
    assert found_anywhere(kept, newest) == set()
    assert found_anywhere(kept, kept.out / "work") == set()
    assert found_anywhere(kept, kept.out / "images") == set()
    assert "address" in found_anywhere(kept, kept.out / kept.older[-1])


@pytest.mark.slow
def test_the_log_holds_ids_hashes_reasons_and_dates_alone(after):
    found, _ = after
    first, *lines = (found.out / LOG).read_text().splitlines()
    assert first == "kind,value,reason,date"
    named = {line.split(",")[1] for line in lines}
    assert {str(row["pair_id"]) for row in found.pairs} <= named
    assert {row["sha256"] for row in found.pairs if "sha256" in row} <= named
    assert f"pair_id,{found.pairs[0]['pair_id']},asked by mail,2026-11-01" in lines
    assert {line.split(",")[0] for line in lines} == {"pair_id", "sha256"}


def questioned(build: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "queries", "check", "--build", str(build)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
def test_the_next_version_passes_every_check_and_is_filled_up_again(after):
    found, _ = after
    newest = find(found.out)
    done = questioned(newest)
    assert done.returncode == 0, done.stdout
    assert "takedown" not in done.stderr
    reasons = table(newest, "drop").filter(pc.field("reason") == "taken_down")
    assert {row["pair_id"] for row in found.pairs} <= set(reasons["pair_id"].to_pylist())
    gone, there = (len(shard_rows(found.out / one)) for one in (found.older[-1], newest.name))
    assert there > gone  # others took the places


@pytest.mark.slow
def test_an_older_version_says_what_it_lost_and_still_adds_up(case, after):
    found, _ = after
    for name in found.older:
        version, before = found.out / name, case.out / name
        lost = manifest(version)["taken_down"]
        done = questioned(version)
        assert done.returncode == 0, done.stdout
        assert f"lost {lost} pairs by takedown" in done.stderr
        assert "not asked: every_query_is_full_or_out_of_survivors" in done.stderr
        gone = {row["pair_id"] for row in table(version, "drop").to_pylist() if not row["url"]}
        stay = [row for row in shard_rows(before) if row["pair_id"] not in gone]
        assert [row | {"offset": 0} for row in shard_rows(version)] == [
            row | {"offset": 0} for row in stay
        ]
        pictures = tars(before)
        for shard in (version / "shards").glob("*.parquet"):
            ids = pq.read_table(shard)["pair_id"].to_pylist()
            assert dict(read_pictures(shard, ids)) == {one: pictures[one] for one in ids}
        assert tars(version) == {row["pair_id"]: pictures[row["pair_id"]] for row in stay}
        assert (version / "report.html").exists()


@pytest.mark.slow
def test_runs_trained_on_an_older_version_are_listed_and_lose_their_rows(after):
    found, done = after
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("run ")]
    assert line.startswith(f"run {found.out / 'runs/seen'}: trained on a version that held")
    assert pq.read_table(found.out / "runs/seen/tables/neighbour/toys.parquet").num_rows == 0
    compared = pq.read_table(found.out / "runs/seen/tables/overlap/toys.parquet")
    assert compared.num_rows == len(found.pairs)  # pictures of the evaluation set stay
    assert compared["nearest_pair_id"].null_count == compared.num_rows


@pytest.mark.slow
def test_a_source_that_still_offers_it_does_not_bring_it_back(after, tmp_path):
    """As it did in cc-archive/cccatalog-api#294, whose crawler took deleted pictures in again."""
    found = after[0].copy(tmp_path / "wit")
    settings = found.small.settings(**QUICK, seed=1)  # every candidate is read anew
    done = found.small.luigi(found.out, settings)
    assert done.returncode == 0, done.stderr
    assert find(found.out).name not in (*found.older, find(after[0].out).name)
    assert found_anywhere(found) == set()
    found.small.settings(**QUICK)


@pytest.mark.slow
def test_a_takedown_that_is_killed_goes_on_and_ends_as_if_it_had_not_been(case, after, tmp_path):
    found = case.copy(tmp_path / "wit")
    hold, version = Hold(tmp_path / "hold"), "/wit/[0-9a-f]{16}"
    moments = (
        "/takedown[.]pending[.]parquet",
        "/takedowns[.]csv",
        "/".join(["", found.out.name, "work", ".*"]),
    )
    # the next version, an older one aside, and the changed one in its place
    for name in (*moments, version, f"{version}[.]taken", version):
        hold.names(name)
        program = subprocess.Popen(
            found.command("--list", str(found.list)),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            env={**os.environ, **hold.environment},
            start_new_session=True,
        )
        hold.reached(program)
        os.killpg(program.pid, 9)
        program.wait()
    assert any(found.out.glob("*.taken"))
    (found.out / "runs/seen/tables/overlap/.toys.parquet.torn").touch()
    (find(found.out) / ".README.md.torn").write_text(found.pairs[0]["caption"])
    done = found.takedown("--list", str(found.list))
    assert done.returncode == 0, done.stdout + done.stderr
    assert whole(found.out) == whole(after[0].out)
    assert found_anywhere(found) == set()


def whole(out: Path) -> dict[str, str]:
    """Every file of the versions, the images, the runs and the log, with its hash."""
    # Of times and messages, and of the public folder, which only one of the two has.
    unequal = {".lock", "fetch_log.jsonl", "published.json"}
    paths = (path for path in out.rglob("*") if path.is_file() and path.name not in unequal)
    names = ((path.relative_to(out).as_posix(), path) for path in paths)
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in names
        if not name.startswith("work/")
    }


def options(out: Path, **given: object) -> argparse.Namespace:
    made = argparse.ArgumentParser()
    add_takedown_options(made)
    words = [text for name, value in given.items() for text in (f"--{name}", str(value))]
    return made.parse_args(["--out", str(out), *words])


@pytest.mark.slow
def test_a_takedown_waits_for_no_build_and_a_wrong_line_changes_nothing(case, tmp_path, capsys):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text(f"{LINES}\nurl,ftp://a.org,,,\n")
    before = whole(case.out)
    assert run_takedown(options(case.out, settings=case.settings, list=wrong)) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"{wrong}, line 2: url 'ftp://a.org': expected an http or https")
    with open(case.out / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run_takedown(options(case.out, settings=case.settings, list=case.list)) == 2
    assert "another build is at work in this workspace" in capsys.readouterr().err
    assert whole(case.out) == before
    assert not (case.out / LOG).exists()
