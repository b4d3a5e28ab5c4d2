"""The published folder: what is in it, what is not, and how it changes."""

import json
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.__main__ import main
from pipeline.publish.hub import LIST, published_places
from pipeline.publish.version import publish
from queries.tables.manifest import content
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row, rows

SAMPLES = [
    {"pair_id": n, "key": f"{n:016x}", "caption": f"kept {n}", "url": f"http://a.org/{n}.jpg"}
    for n in (1, 2, 1 << 62)
]
SECRET = ("http://lost.org/9.jpg", "a lost caption", "owner.org")


def made(folder: Path, samples: list[dict], version: str = "v1") -> Path:
    """A build of these samples, in two shards, one of which may be empty."""
    shards = []
    for number in range(2):
        own = [row for row in samples if row["pair_id"] >> 62 == number]
        shard = folder / f"{version}-{number}.parquet"
        write_part(shard, TABLES["sample"], rows("sample", *own).to_batches())
        tarfile.open(shard.with_suffix(".tar"), "w").close()
        shards.append(shard)
    lost = {"pair_id": 9, "url": SECRET[0], "caption": SECRET[1], "page_url": SECRET[0]}
    tables = {
        "build": build_row(),
        "query": rows("query", {"text": "dog"}),
        "pair": rows("pair", *[{**row, "pair_id": row["pair_id"]} for row in pairs(samples)], lost),
        "drop": rows("drop", {"stage": "filter", "reason": "not_image", **lost_of(lost)}),
        "exclusion": rows("exclusion", {"kind": "host", "value": SECRET[2]}),
        "outcome": rows("outcome", *[{"pair_id": row["pair_id"]} for row in samples]),
    }
    return publish(folder / "wit", version, tables, shards, {"settings": {}})


def pairs(samples: list[dict]) -> list[dict]:
    return [{name: row[name] for name in ("pair_id", "url", "caption")} for row in samples]


def lost_of(row: dict) -> dict:
    return {name: row[name] for name in ("pair_id", "url", "caption")}


def said(folder: Path) -> str:
    """All that the files of a folder say."""
    tables = [pq.read_table(path).to_pydict() for path in folder.rglob("*.parquet")]
    pages = [path.read_text() for path in folder.rglob("*") if path.suffix in (".md", ".json")]
    return str(tables) + "".join(pages)


@pytest.fixture
def workspace(tmp_path) -> Path:
    made(tmp_path, SAMPLES)
    return tmp_path / "wit"


def test_what_was_dropped_is_told_without_its_address_and_caption(workspace, tmp_path):
    assert main(["publish", str(workspace), "--to", str(tmp_path / "public")]) == 0
    told = said(tmp_path / "public")
    assert [secret for secret in SECRET if secret in told] == []
    assert "kept 1" in told
    (drop,) = pq.read_table(tmp_path / "public/tables/drop").to_pylist()
    assert (drop["reason"], drop["url"], drop["caption"]) == ("not_image", "", "")


def test_what_was_dropped_is_published_where_that_is_asked_for(workspace, tmp_path):
    words = ["publish", str(workspace), "--to", str(tmp_path / "public"), "--with-drops"]
    assert main(words) == 0
    assert [secret for secret in SECRET if secret not in said(tmp_path / "public")] == []


def test_shards_without_samples_are_left_out_and_the_others_numbered_from_0(tmp_path):
    made(tmp_path, SAMPLES[2:])
    assert main(["publish", str(tmp_path / "wit"), "--to", str(tmp_path / "public")]) == 0
    train = tmp_path / "public/train"
    assert sorted(path.name for path in train.glob("*.tar")) == ["0.tar"]
    assert (train / "nshards.txt").read_text() == "1\n"
    assert json.loads((train / "sizes.json").read_text()) == {"0.tar": 1}


def test_a_folder_is_changed_file_by_file_and_files_of_others_stay(workspace, tmp_path):
    public = tmp_path / "public"
    (public / ".git").mkdir(parents=True)
    (public / "README.md").write_text("as a hub makes it")
    assert main(["publish", str(workspace), "--to", str(public)]) == 0
    before = {path: path.stat().st_ino for path in public.rglob("*.parquet")}
    (tmp_path / "second").mkdir()
    other = [{**row, "caption": "new"} if row["pair_id"] == 1 << 62 else row for row in SAMPLES]
    second = made(tmp_path / "second", other, "v2")
    assert main(["publish", str(second), "--to", str(public)]) == 0
    after = {path: path.stat().st_ino for path in public.rglob("*.parquet")}
    changed = {path.relative_to(public).as_posix() for path in after if after[path] != before[path]}
    assert changed == {"samples/00001.parquet", "tables/pair/00000.parquet"}
    assert (public / ".git").is_dir()
    assert json.loads((public / LIST).read_text())["content"] == content(second)


def test_a_folder_of_something_else_is_refused_in_one_line(workspace, tmp_path, capsys):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").touch()
    assert main(["publish", str(workspace), "--to", str(tmp_path / "thesis")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected a new or empty folder, or one that was published; it holds chapter.tex" in line
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]


def test_a_file_where_the_folder_shall_be_is_refused_in_one_line(workspace, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert main(["publish", str(workspace), "--to", str(tmp_path / "file")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "it is a file: give another path" in line


@pytest.mark.parametrize(
    ("to", "fault"),
    [
        ("wit", "it is a workspace"),
        ("wit/v1", "it holds manifest.json"),
        ("", "--to: expected a folder"),
        ("sftp://host/wit", "expected a folder, or an address of"),
        ("thesis", "it holds chapter.tex"),
        ("thesis/chapter.tex/public", "expected a folder where a file is"),
        ("n" * 256, "expected a shorter name"),
        ("damaged", "damaged/published.json: expected the list of a published folder"),
    ],
)
def test_a_place_that_is_refused_is_one_line_and_is_not_noted(
    workspace, tmp_path, capsys, monkeypatch, to, fault
):
    for name, text in {"thesis/chapter.tex": "x", f"damaged/{LIST}": "[]"}.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["publish", "wit", "--to", "public"]) == 0
    capsys.readouterr()
    assert main(["publish", "wit", "--to", to]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert fault in line
    assert list(published_places(workspace)) == [str(tmp_path / "public")]


def test_a_place_without_credentials_is_not_noted(workspace, capsys, monkeypatch):
    s3fs = pytest.importorskip("s3fs", reason="no s3fs: pip install '.[s3]'")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    s3fs.S3FileSystem.clear_instance_cache()
    assert main(["publish", str(workspace), "--to", "s3://me/wit"]) == 2
    s3fs.S3FileSystem.clear_instance_cache()
    assert "s3://me/wit: no credentials" in capsys.readouterr().err
    assert published_places(workspace) == {}


def test_who_replaces_a_build_of_another_workspace_is_told_so(workspace, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    words = ["publish", str(workspace), "--to", str(tmp_path / "public")]
    assert main(words) == 0
    made(tmp_path, SAMPLES[:2], "v3")
    assert main(words) == 0
    assert "another workspace" not in capsys.readouterr().out
    mine = made(tmp_path / "mine", SAMPLES[1:], "v7")
    assert main(["publish", str(mine.parent), "--to", str(tmp_path / "public")]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first.endswith("public: it held build v3 of another workspace, which build v7 replaces")


def test_a_shard_without_its_pictures_is_not_embedded(workspace, tmp_path, capsys):
    assert main(["publish", str(workspace), "--to", str(tmp_path / "public"), "--embed"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "00000.tar: no picture of 0000000000000001" in line


def test_the_workspace_remembers_where_it_published_before_the_first_file(workspace, tmp_path):
    main(["publish", str(workspace), "--to", str(tmp_path / "public"), "--embed"])
    places = published_places(workspace)
    assert {place: of.embed for place, of in places.items()} == {str(tmp_path / "public"): True}


def test_the_day_of_each_fetch_is_the_logs_and_of_older_parts_the_files(workspace, tmp_path):
    parts = {"old": [1], "new": [2, 1 << 62]}
    for name, ids in parts.items():
        path = workspace / "images/0123" / name / "fetched.parquet"
        path.parent.mkdir(parents=True)
        fetched = rows("fetched", *[{"pair_id": n, "attempt": 0} for n in ids])
        write_part(path, TABLES["fetched"], fetched.to_batches())
    (workspace / "fetch_log.jsonl").write_text('{"part": "new", "day": "2026-01-02", "rows": 2}\n')
    assert main(["publish", str(workspace), "--to", str(tmp_path / "public")]) == 0
    dates = pq.read_table(tmp_path / "public/fetch_dates.parquet").to_pylist()
    today = datetime.now(UTC).date().isoformat()
    days = [(row["pair_id"], row["fetched_on"].isoformat()) for row in dates]
    assert days == [(1, today), (2, "2026-01-02"), (1 << 62, "2026-01-02")]
    croissant = json.loads((tmp_path / "public/croissant.json").read_text())
    assert croissant["rai:dataCollectionTimeFrame"] == ["2026-01-02", today]
