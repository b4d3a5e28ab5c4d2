"""Bytes other than those that a table hashed are lost, by each hash and in each spelling of it."""

import base64
import hashlib
import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.fetch.part import fetch_part
from pipeline.settings.fetch import FetchSettings
from pipeline.sources.digests import stated_hash
from queries.tables.contracts import HASHED
from queries.tables.schemas import TABLES
from tests.guard_server import GuardServer
from tests.image_server import picture
from tests.pipeline.fetch.test_part import FETCH_ONCE, IMAGES, ask, rows_by_url
from tests.pipeline.sources.table_source import collected, written

CHECKED = FETCH_ONCE.model_copy(update={"check_hash": True})
N, OTHERS = 12, {2, 3, 7}


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_exactly_the_pictures_that_changed_since_the_list_was_made_are_lost(algorithm, tmp_path):
    """From a table's column to the request, as a build passes it on, and to what is fetched."""
    files = {str(n): picture(n) for n in range(N)}
    with GuardServer() as server:
        lines: list[dict[str, Any]] = [
            {
                "url": server.url(f"/body/{name}"),
                "caption": f"a cat {name}",
                "digest": hashlib.new(algorithm, body).hexdigest() if name != "11" else None,
            }
            for name, body in files.items()
        ]
        server.bodies = {n: body + b"\0" * (int(n) in OTHERS) for n, body in files.items()}
        table = written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, lines)))
        candidate = collected(table, columns={"hash": "digest"})
        assert [row["reason"] for row in candidate] == [None] * N
        asked = ask([row["url"] for row in candidate], [row["source_hash"] for row in candidate])
        for fetch, lost in ((CHECKED, OTHERS), (FETCH_ONCE, set())):
            folder = tmp_path / str(fetch.check_hash)
            fetch_part(asked, folder, IMAGES, fetch, tmp_path / "log")
            by_url = rows_by_url(asked, folder)
            reasons = [by_url[line["url"]]["reason"] for line in lines]
            assert reasons == ["content_changed" if n in lost else None for n in range(N)]
    assert not FetchSettings().check_hash


def test_hashes_that_lists_ask_for_are_recorded_of_the_bytes_as_they_came(tmp_path):
    bodies = {"1": picture(1), "2": picture(2), "3": b"no picture"}
    with GuardServer() as server:
        server.bodies = bodies
        urls = [server.url(f"/body/{name}") for name in bodies]
        asked = ask([*urls, server.url("/status/404")])
        for kinds in ((), ("md5",), ("md5", "sha1")):
            folder = tmp_path / "-".join(["of", *kinds])
            fetch = FETCH_ONCE.model_copy(update={"hashes": kinds})
            fetch_part(asked, folder, IMAGES, fetch, tmp_path / "log")
            assert (folder / HASHED).exists() is bool(kinds)
            if not kinds:
                continue
            found = pq.read_table(folder / HASHED)
            assert found.schema.equals(TABLES["hashed"].schema)
            of = dict(zip(asked["url"].to_pylist(), asked["pair_id"].to_pylist(), strict=True))
            expected = {
                (of[url], 1, kind, hashlib.new(kind, bodies[url[-1]]).hexdigest())
                for url in urls[:2]
                for kind in kinds
            }
            assert {tuple(row.values()) for row in found.to_pylist()} == expected
            assert found["pair_id"].to_pylist() == sorted(found["pair_id"].to_pylist())


MD5, SHA1, SHA256 = (hashlib.new(name, b"cat").digest() for name in ("md5", "sha1", "sha256"))


@pytest.mark.parametrize(
    ("value", "digest"),
    [
        (MD5.hex().upper(), MD5),
        (MD5, MD5),
        (MD5.hex().encode(), MD5),
        (base64.b64encode(SHA1).decode(), SHA1),
        (f"sha256-{base64.b64encode(SHA256).decode()}", SHA256),  # as W3C's SRI has it
        (f"SHA-1:{SHA1.hex()}", SHA1),
        (base64.urlsafe_b64encode(SHA256).decode().rstrip("="), SHA256),
        (SHA256.hex().encode(), SHA256),
        (SHA256, SHA256),
    ],
)
def test_a_hash_is_read_however_it_is_written(value, digest):
    assert stated_hash(value) == digest.hex()


@pytest.mark.parametrize("value", ["", " ", None, float("nan")])
def test_a_row_may_state_no_hash(value):
    assert stated_hash(value) is None


@pytest.mark.parametrize(
    "value",
    ["cat", 7, -3.5, "a" * 31, "a" * 65, f"md5:{SHA1.hex()}", "é" * 32, b"\xff" * 9, "a" * 10**6],
)
def test_no_other_value_is_a_hash(value):
    with pytest.raises(ValueError, match=r"expected an md5|can't decode"):
        stated_hash(value)


def test_a_row_with_another_hash_says_so(tmp_path):
    lines = '{"url": "http://a.org/1", "caption": "a cat", "h": "-5812837"}\n'
    (row,) = collected(written(tmp_path / "a.jsonl", lines), columns={"hash": "h"})
    assert (row["reason"], row["source_hash"]) == ("hash_invalid", None)
