"""A whole build by the luigi command: what it makes, makes again, and refuses to make."""

import fcntl
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from queries.tables.manifest import find
from tests.download_server import DownloadServer
from tests.image_server import ImageServer
from tests.processes import WAIT_S
from tests.small_build import ROOT, Small, published, table
from tests.walk import walk

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with ImageServer() as server:
        yield Small(tmp_path_factory.mktemp("small"), server.url(""))


@pytest.fixture(scope="module")
def built(small, tmp_path_factory):
    return small.build(tmp_path_factory.mktemp("built") / "wit")


def question(*words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "queries", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, cwd=ROOT)


def test_every_check_passes(built):
    done = question("check", "--build", str(built))
    assert done.returncode == 0, done.stdout
    assert "FAILED" not in done.stdout


def test_every_audit_answers(built):
    done = question("audit", "--build", str(built.parent))
    assert done.returncode == 0, done.stderr
    assert "Pairs per query before and after the cap" in done.stdout


def test_the_kept_pairs_are_those_of_the_walk(built):
    outcome = {row["pair_id"]: row["reason"] for row in table(built, "outcome").to_pylist()}
    queries_of: dict[int, list[int]] = {}
    for row in table(built, "match").to_pylist():
        queries_of.setdefault(row["pair_id"], []).append(row["query_id"])
    priority = {row["pair_id"]: row["priority"] for row in table(built, "pair").to_pylist()}
    survives = {one: outcome.get(one, "never asked") is None for one in queries_of}
    kept, asked = walk(queries_of, priority, survives, set(), cap=4)
    got: dict[int, set[int]] = {}
    for row in table(built, "kept_match").to_pylist():
        got.setdefault(row["pair_id"], set()).add(row["query_id"])
    assert got == kept
    assert set(outcome) == asked
    assert len(got) > 10


def test_each_row_of_the_source_is_a_pair_or_has_a_reason(built):
    reasons = pc.value_counts(table(built, "drop")["reason"]).to_pylist()
    counted = {row["values"]: row["counts"] for row in reasons}
    assert sum(counted.values()) + table(built, "pair").num_rows == 100
    assert {"url_invalid", "caption_is_file_name", "no_query"} <= set(counted)
    lost = set(table(built, "outcome")["reason"].to_pylist())
    assert {"not_found", "not_an_image", "http_error", "image_too_small"} & lost


def test_what_was_skipped_in_the_export_is_counted(built):
    stage = {row["stage"]: row for row in table(built, "stage").to_pylist()}
    assert (stage["read"]["rows_in"], stage["read"]["rows_kept"]) == (3, 1)


def test_a_second_build_makes_nothing_and_says_so(small, built):
    before = {path: path.stat().st_mtime_ns for path in built.rglob("*")}
    done = small.luigi(built.parent, small.settings())
    assert done.returncode == 0
    assert "nothing to do" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in built.rglob("*")} == before


def test_a_build_that_was_killed_before_its_report_gets_it_when_run_again(small, tmp_path):
    build = small.build(tmp_path / "wit")
    (build / "report.html").unlink()
    (build / ".report.html.torn").write_text("<html>")
    (tmp_path / "wit" / "latest.json").unlink()
    assert small.luigi(tmp_path / "wit", small.settings()).returncode == 0
    assert find(tmp_path / "wit") == build
    assert (build / "report.html").exists()
    assert not list(build.rglob(".*"))


def test_two_builds_from_nothing_are_equal_byte_for_byte(small, built, tmp_path):
    moved = Small(tmp_path / "inputs", small.server_url)
    other = moved.build(tmp_path / "elsewhere", workers=1)
    assert other.name == built.name
    assert (other / "manifest.json").read_bytes() == (built / "manifest.json").read_bytes()
    assert published(other) == published(built)


def test_a_changed_cap_fetches_only_what_is_newly_needed(small, built, tmp_path):
    first = small.build(tmp_path / "wit", cap=2)
    had = set(table(first, "attempt")["pair_id"].to_pylist())
    second = small.build(tmp_path / "wit", cap=4)
    assert second.name == built.name != first.name
    asked = set(table(built, "outcome")["pair_id"].to_pylist())
    log = [json.loads(line) for line in (tmp_path / "wit/fetch_log.jsonl").read_text().splitlines()]
    fetched = sum(line["rows"] for line in log if "rows" in line)
    assert fetched == len(had | asked)
    assert table(second, "kept_match").equals(table(built, "kept_match"))
    shards = [pq.read_table(path) for path in sorted((second / "shards").glob("*.parquet"))]
    assert sum(one.num_rows for one in shards) == len(
        set(table(built, "kept_match")["pair_id"].to_pylist())
    )


def test_a_retry_asks_only_for_what_was_lost_for_the_reasons_named(tmp_path):
    with ImageServer() as server:
        small = Small(tmp_path / "inputs", server.url(""))
        first = small.build(tmp_path / "wit", cap=9)
        lost = {row["pair_id"]: row["reason"] for row in table(first, "outcome").to_pylist()}
        wanted = {pair_id for pair_id, reason in lost.items() if reason == "http_error"}
        assert wanted
        server.mended.add("500")
        before = len(server.agents)
        done = small.luigi(tmp_path / "wit", small.settings(cap=9), "--retry", "http_error")
        assert done.returncode == 0, done.stderr
        assert (
            len(server.agents) - before == len(wanted) + 2
        )  # and the host's robots.txt and tdmrep.json
    second = find(tmp_path / "wit")
    assert second != first
    now = {row["pair_id"]: row for row in table(second, "outcome").to_pylist()}
    assert {now[one]["attempt"] for one in wanted} == {2}
    # A picture won back may take the place of a later one, which may have been won back as well.
    assert {None} <= {now[one]["reason"] for one in wanted} <= {None, "not_needed"}
    others = {(lost[one], now[one]["reason"]) for one in lost if one not in wanted}
    assert all(before == after or after == "not_needed" for before, after in others)
    again = small.luigi(tmp_path / "wit", small.settings(cap=9), "--retry", "http_error")
    assert again.returncode != 0
    assert "lost no pair for http_error; it lost some for:" in again.stderr
    wrong = small.luigi(tmp_path / "wit", small.settings(cap=9), "--retry", "bad luck")
    assert "--retry 'bad luck': expected passing" in wrong.stderr
    assert question("check", "--build", str(second)).returncode == 0


def image_part_folders(workspace: Path) -> list[Path]:
    return list(workspace.glob("images/*/*/fetched.parquet"))


def test_an_exclusion_leaves_out_what_it_names_and_asks_only_to_fill_up(tmp_path):
    with ImageServer() as server:
        small = Small(tmp_path / "inputs", server.url(""))
        first = small.build(tmp_path / "wit")
        samples = [pq.read_table(path) for path in (first / "shards").glob("*.parquet")]
        kept = [row for shard in samples for row in shard.to_pylist()]
        by_url, by_id, by_bytes, by_picture = kept[:4]
        bits = by_picture["phash"] % 2**64 ^ 0b11
        lines = [
            f"url,{by_url['url']},,asked,2026-11-21",
            f"pair_id,{by_id['pair_id']},,asked,",
            f"sha256,{by_bytes['sha256']},,placeholder,",
            f"phash,{bits:016x},2,evaluation,",
        ]
        excluded = tmp_path / "excluded.csv"
        excluded.write_text("kind,value,radius,reason,date\n" + "\n".join(lines) + "\n")
        had, before = set(table(first, "attempt")["pair_id"].to_pylist()), len(server.agents)
        n_parts = len(image_part_folders(tmp_path / "wit"))
        done = small.luigi(tmp_path / "wit", small.settings(), "--exclude", str(excluded))
        assert done.returncode == 0, done.stderr
        n_asked = len(server.agents) - before
        n_parts = len(image_part_folders(tmp_path / "wit")) - n_parts
    second = find(tmp_path / "wit")
    gone = {one["pair_id"] for one in (by_url, by_id, by_bytes, by_picture)}
    assert not gone & set(table(second, "kept_match")["pair_id"].to_pylist())
    dropped = {row["pair_id"]: row["reason"] for row in table(second, "drop").to_pylist()}
    outcome = {row["pair_id"]: row["reason"] for row in table(second, "outcome").to_pylist()}
    assert {dropped[one["pair_id"]] for one in (by_url, by_id)} == {"excluded"}
    assert {outcome[one["pair_id"]] for one in (by_bytes, by_picture)} == {"excluded"}
    # And the host's robots.txt and tdmrep.json, by each process that fetched a part: how many
    # rounds it takes to fill up depends on the order of the pairs, which the server's port decides.
    assert n_asked == len(set(outcome) - had) + 2 * n_parts
    assert n_asked > 1
    assert question("check", "--build", str(second)).returncode == 0
    wrong = small.luigi(tmp_path / "wit", small.settings(), "--exclude", "nowhere.csv")
    assert "nowhere.csv: expected a list of exclusions, a file" in wrong.stderr


def test_an_added_part_is_matched_alone_and_gives_the_build_of_both(small, tmp_path):
    rows = (small.folder / "captions.tsv").read_text().splitlines(keepends=True)
    halves = [tmp_path / "1.tsv", tmp_path / "2.tsv"]
    for half, of in zip(halves, (rows[1:50], rows[50:]), strict=True):
        half.write_text(rows[0] + "".join(of))
    settings = small.settings()
    plain = settings.read_text()

    def build(out: Path, *parts: Path) -> Path:
        named = ", ".join(f'"{part}"' for part in parts)
        settings.write_text(plain.replace('"captions.tsv"', named))
        done = small.luigi(out, settings)
        assert done.returncode == 0, done.stderr
        return find(out)

    build(tmp_path / "wit", halves[0])
    matches = tmp_path / "wit" / "work" / "match"
    before = set(matches.iterdir())
    both = build(tmp_path / "wit", *halves)
    assert len(set(matches.iterdir()) - before) == 1
    alone = build(tmp_path / "other", *halves[::-1])
    assert table(both, "kept_match").equals(table(alone, "kept_match"))
    assert {name for name in published(both) if name.startswith("shards/")} == {
        name for name in published(alone) if name.startswith("shards/")
    }


def test_near_duplicates_keep_one_of_each(small, tmp_path):
    path = small.folder / "captions.tsv"
    was = path.read_text()
    path.write_text(
        was + was.split("\n", 1)[1].replace(" number ", " copy ").replace(".png", ".png?copy")
    )
    try:
        build = small.build(tmp_path / "wit", near_bits=0, cap=6)
    finally:
        path.write_text(was)
    reasons = table(build, "outcome")["reason"].to_pylist()
    assert "near_duplicate" in reasons
    shards = [pq.read_table(path) for path in (build / "shards").glob("*.parquet")]
    hashes = [one for shard in shards for one in shard["sha256"].to_pylist()]
    assert len(hashes) == len(set(hashes))


def test_a_takedown_of_bytes_is_seen_by_the_checks(small, tmp_path):
    build = small.build(tmp_path / "wit")
    shard = sorted((build / "shards").glob("*.tar"))[0]
    content = shard.read_bytes()
    shard.unlink()  # a hard link: the work keeps its own
    shard.write_bytes(content[:-20_000])
    done = question("check", "--build", str(build))
    assert done.returncode == 1
    assert "FAILED" in done.stdout
    assert "files_are_as_published" in done.stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("cap = 4", "cap = 0"), "selection.cap = 0: expected"),
        (("[engine]", "[engines]"), "engines: unknown key"),
        (("captions.tsv", "gone.tsv"), "gone.tsv"),
        (("[selection]", 'columns = {caption = "text"}\n[selection]'), "url, caption"),
    ],
)
def test_a_wrong_setting_ends_in_one_line_before_work_starts(small, tmp_path, change, said):
    settings = small.settings()
    settings.write_text(settings.read_text().replace(*change))
    done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "wit").exists()


def test_an_unknown_engine_is_one_line(small, tmp_path):
    done = small.luigi(tmp_path / "wit", small.settings(), "--engine", "sparc")
    assert done.returncode == 2
    assert done.stderr == "--engine 'sparc': expected one of duckdb, spark\n"
    assert not (tmp_path / "wit").exists()


def test_a_failed_task_is_a_failed_command(small, tmp_path):
    (small.folder / "broken").mkdir(exist_ok=True)
    settings = small.settings()
    settings.write_text(settings.read_text().replace('"dump.xml"', '"views.tsv"'))
    done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode != 0
    assert "views.tsv" in done.stderr
    with pytest.raises(Exception, match="expected a build"):
        find(tmp_path / "wit")


def test_two_builds_never_share_a_workspace(small, tmp_path):
    (tmp_path / "wit").mkdir()
    with open(tmp_path / "wit" / ".lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = small.luigi(tmp_path / "wit", small.settings())
    assert done.returncode != 0
    assert "another build is at work" in done.stderr


def as_tar(folder: Path) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        tar.add(folder, "WordNet/dict")
    return content.getvalue()


def test_inputs_named_by_address_are_downloaded_once_and_give_the_same_pairs(
    small, built, tmp_path
):
    settings = small.settings()
    with DownloadServer() as server:
        for name in ("dump.xml", "views.tsv"):
            server.put(f"/{name}", (small.folder / name).read_bytes())
            addressed = settings.read_text().replace(f'"{name}"', f'"{server.url("/" + name)}"')
            settings.write_text(addressed)
        server.put("/dict.tar.gz", as_tar(small.folder / "dict"))
        addressed = settings.read_text().replace('"dict"', f'"{server.url("/dict.tar.gz")}"')
        settings.write_text(addressed)
        done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode == 0, done.stderr
    build = find(tmp_path / "wit")
    assert table(build, "kept_match").equals(table(built, "kept_match"))
    assert "nothing to do" in small.luigi(tmp_path / "wit", settings).stdout


def test_a_build_that_says_not_who_asks_is_refused_at_the_door(small, tmp_path):
    settings = small.settings()
    settings.write_text(settings.read_text().replace('allow_networks = ["127.0.0.0/8"]\n', ""))
    done = small.luigi(tmp_path / "wit", settings)
    assert done.returncode == 2
    assert "fetch.contact = '': expected an address of yours" in done.stderr
    assert not (tmp_path / "wit").exists()
