"""Files of Hugging Face's hub, from a server on loopback that stands for it."""

import io
import os
import random
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.settings.hub import resolved, with_revision
from pipeline.settings.values import is_download, spelt
from pipeline.settings.whole import DownloadSettings
from pipeline.web.client import DownloadError
from pipeline.web.download import download
from pipeline.web.hub import authorization
from pipeline.web.wikimedia import expand
from queries.tables.errors import InputError
from tests import ROOT
from tests.hub_server import TOKEN, Hub
from tests.processes import WAIT_S

BODY = random.Random(7).randbytes(300_000)  # seeded
QUICK = DownloadSettings(backoff_s=0.001, retries=3, timeout_s=10)
ROW = ("http://x.org/1.jpg", "a red kite")


def table() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"url": [ROW[0]], "caption": [ROW[1]]}), out)
    return out.getvalue()


FILES = {
    "data/a.csv": f"url,caption\n{','.join(ROW)}\n".encode(),
    "data/b.parquet": table(),
    "a b.bin": BODY,
}


@pytest.fixture
def hub(monkeypatch):
    with Hub(FILES, ("main", "v1.0", "refs/convert/parquet")) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield running


def have(tmp_path, address: str) -> bytes:
    (path,) = download(expand(spelt(address), QUICK), tmp_path, QUICK, lambda _: None)
    return path.read_bytes()


def fails(tmp_path, address: str) -> str:
    with pytest.raises(DownloadError) as failed:
        have(tmp_path, address)
    (line,) = str(failed.value).splitlines()
    return line


# --- addresses ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("hf://datasets/me/birds/data/a.csv", "datasets/me/birds/resolve/main/data/a.csv"),
        ("HF://datasets/me/birds@v1.0/a b.csv", "datasets/me/birds/resolve/v1.0/a%20b.csv"),
        ("hf://datasets/me/birds/data/a.csv@v1.0", "datasets/me/birds/resolve/v1.0/data/a.csv"),
        (
            "hf://datasets/me/birds@refs/convert/parquet/default/0.parquet",
            "datasets/me/birds/resolve/refs%2Fconvert%2Fparquet/default/0.parquet",
        ),
        ("hf://me/model/README.md", "me/model/resolve/main/README.md"),
        ("hf://datasets/me/birds/icon@2x.jpg", "datasets/me/birds/resolve/main/icon%402x.jpg"),
    ],
)
def test_an_address_leads_to_where_the_hub_gives_the_file(hub, address, path):
    assert is_download(address)
    assert resolved(spelt(address)) == f"{hub.endpoint}/{path}"


def test_without_a_setting_the_hub_is_hugging_face(monkeypatch):
    monkeypatch.delenv("HF_ENDPOINT", raising=False)
    assert resolved("hf://datasets/me/birds/a.csv").startswith("https://huggingface.co/datasets/me")
    assert with_revision("s3://me/birds/a.csv@v1") == "s3://me/birds/a.csv@v1"


@pytest.mark.parametrize("address", ["hf://", "hf://datasets/me/birds", "hf://datasets/me/b/a?b=1"])
def test_what_names_no_file_is_refused(address):
    with pytest.raises(InputError, match="expected hf://datasets/ORG/NAME/PATH of one file"):
        expand(address, QUICK)


# --- downloads ------------------------------------------------------------------------------------
def test_a_transfer_that_breaks_off_goes_on_by_ranges_of_the_same_version(hub, tmp_path):
    hub.drops = [100_000, 50_000]
    assert have(tmp_path, "hf://datasets/me/birds/a b.bin") == BODY
    ranges = [asked for _, path, asked in hub.asked if "resolve" in path]
    assert ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert have(tmp_path, "hf://datasets/me/birds/a b.bin") == BODY
    assert len(hub.asked) == 3, "a whole file is not asked for again"


def test_another_version_begins_anew(hub, tmp_path):
    hub.drops = [100_000, 0, 0, 0]
    assert "asked 4 times" in fails(tmp_path, "hf://datasets/me/birds/a b.bin")
    hub.files = {**FILES, "a b.bin": BODY[::-1]}
    assert have(tmp_path, "hf://datasets/me/birds/a b.bin") == BODY[::-1]


@pytest.mark.parametrize(
    ("address", "token", "expected"),
    [
        ("me/gated/data/a.csv", "", "HTTP 401; the hub wants to know who asks: set HF_TOKEN"),
        ("me/gated/data/a.csv", "hf_other", "HTTP 403; the hub gives it to some only: accept its"),
        ("me/none/data/a.csv", "", "HTTP 404; the hub has no such repository, revision or file"),
        ("me/birds/none.csv", TOKEN, "HTTP 404; the hub has no such repository, revision or file"),
        ("me/birds@v9/data/a.csv", "", "HTTP 404; the hub has no such repository, revision or"),
    ],
)
def test_a_refusal_is_one_line_with_the_cure(hub, tmp_path, monkeypatch, address, token, expected):
    monkeypatch.setenv("HF_TOKEN", token)
    line = fails(tmp_path, f"hf://datasets/{address}")
    assert expected in line
    assert not token or token not in line


def test_the_token_opens_a_gated_file_and_is_written_nowhere(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert have(tmp_path, "hf://datasets/me/gated/data/a.csv") == FILES["data/a.csv"]
    for path in tmp_path.iterdir():
        assert TOKEN.encode() not in path.read_bytes()


def test_the_token_goes_to_the_hub_alone(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert authorization(f"{hub.endpoint}/datasets/a") == {"Authorization": f"Bearer {TOKEN}"}
    for url in (f"{hub.endpoint}.evil.example/a", "https://cdn.example/a", hub.endpoint + "0/a"):
        assert authorization(url) == {}
    monkeypatch.setenv("HF_TOKEN", "a\r\nHost: b")
    assert authorization(f"{hub.endpoint}/datasets/a") == {}


# --- tables, read where they are ------------------------------------------------------------------
READ = """
import sys
from pipeline.settings.values import spelt
from pipeline.sources import SourceError, check, place
from tests.pipeline.sources.table_source import collected, source_of
place.PAUSE_S = 0.0
for address in map(spelt, sys.argv[1:]):
    try:
        check([source_of(address)])
        print([row["caption"] for row in collected(address)])
    except SourceError as error:
        print(error)
"""


def read(hub: Hub, *addresses: str, token: str = "") -> list[str]:
    """What a process of its own reads, as the hub's programs look at the settings once."""
    pytest.importorskip("huggingface_hub", reason="fsspec reads hf:// by huggingface_hub")
    env = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_TOKEN": token, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", READ, *addresses],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        env=env | {"HF_HUB_DISABLE_TELEMETRY": "1"},
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    assert not token or token not in done.stdout + done.stderr
    return done.stdout.splitlines()


def test_tables_of_the_hub_are_read_where_they_are(hub):
    of_birds = ("data/a.csv", "data/b.parquet", "data", "data/*.csv")
    addresses = [f"hf://datasets/me/birds/{path}" for path in of_birds]
    addresses += [
        "hf://datasets/me/birds/data/b.parquet@v1.0",
        "HF://datasets/me/birds@v1.0/data/a.csv",
    ]
    kite = "['a red kite']"
    assert read(hub, *addresses) == [kite, kite, "['a red kite', 'a red kite']", kite, kite, kite]


def test_a_gated_table_is_refused_in_one_line_and_read_with_the_token(hub):
    address = "hf://datasets/me/gated/data/a.csv"
    missing = "hf://datasets/me/none/data/a.csv"
    for line in read(hub, address, missing):
        assert "cannot be read" in line
        assert line.endswith(
            "if it is gated or private, accept its terms on the hub and set HF_TOKEN"
        )
    assert read(hub, address, token=TOKEN) == ["['a red kite']"]
