"""Lists of md5, sha1 and PDQ in whole builds: of a new workspace and of one that lacks hashes."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest

from pipeline.images.pdq import pdq_of
from pipeline.takedown.hashes import n_unknown, pairs_by_bytes, pairs_by_pdq
from queries.tables.manifest import find
from tests.image_server import ImageServer, picture
from tests.small_build import Small, table

pytestmark = pytest.mark.slow

SMALL = {"cap": 25, "workers": 1, "rows_per_part": 200}
BY_MD5, BY_SHA1, BY_PDQ = (0, 1, 2), (3, 4), (5, 6)  # numbers of pictures


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    with ImageServer() as server:
        yield Small(tmp_path_factory.mktemp("small"), server.url(""))


def partner_list(folder: Path) -> Path:
    """A list as partners give it: upper case, and hashes of pictures that nobody offers."""
    bodies = {n: picture(n) for n in (*BY_MD5, *BY_SHA1, *BY_PDQ)}
    lines = [f"md5,{hashlib.md5(bodies[n]).hexdigest().upper()},," for n in BY_MD5]
    lines += [f"sha1,{hashlib.sha1(bodies[n]).hexdigest()},," for n in BY_SHA1]
    lines += [f"pdq,{pdq_of(bodies[n], 10**6)},,shared" for n in BY_PDQ]
    lines += [f"md5,{'0' * 32},,", f"pdq,{'f0' * 32},0,"]
    path = folder / "partners.csv"
    path.write_text("\n".join(["kind,value,radius,reason", *lines]) + "\n")
    return path


def built(small: Small, out: Path, *more: str) -> tuple[Path, str]:
    done = small.luigi(out, small.settings(**SMALL), *more)
    assert done.returncode == 0, done.stdout + done.stderr
    return find(out), done.stdout


def reasons(build: Path) -> dict[int, str | None]:
    """Why each picture that was asked for is lost, by its number."""
    pair, outcome = table(build, "pair"), table(build, "outcome")
    url = dict(zip(pair["pair_id"].to_pylist(), pair["url"].to_pylist(), strict=True))
    return {
        int(url[row["pair_id"]].rpartition("/")[2].removesuffix(".png")): row["reason"]
        for row in outcome.to_pylist()
    }


def test_a_list_of_md5_sha1_and_pdq_excludes_those_pictures_and_no_other(small, tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("kind,value\n")
    without, said = built(small, tmp_path / "wit", "--exclude", str(empty))
    assert f"EMPTY: {empty} has no line, so it excludes nothing" in said
    kept = {n for n, reason in reasons(without).items() if reason is None}
    named = {*BY_MD5, *BY_SHA1, *BY_PDQ}
    assert named < kept
    exclude = ("--exclude", str(partner_list(tmp_path)))

    # In a workspace whose pictures have no md5 on record none can be kept, until asked again.
    late, said = built(small, tmp_path / "wit", *exclude)
    lost = Counter(reason for n, reason in reasons(late).items() if n in kept)
    assert lost == {"excluded": len(BY_PDQ), "not_compared": len(kept) - len(BY_PDQ)}
    assert "LOST: every row: the build has 0 samples" in said
    assert "--retry not_compared asks again" in said
    again, _ = built(small, tmp_path / "wit", *exclude, "--retry", "not_compared")

    # In a new one they are compared as they come.
    fresh, _ = built(small, tmp_path / "fresh", *exclude)
    for build in (again, fresh):
        found = reasons(build)
        assert {n for n, reason in found.items() if reason == "excluded"} == named
        assert {n for n, reason in found.items() if reason is None} == kept - named
        by_kind = Counter(table(build, "excluded_picture")["kind"].to_pylist())
        assert by_kind["md5"] == len(BY_MD5)
        assert by_kind["sha1"] == len(BY_SHA1)
        assert by_kind["pdq"] >= len(BY_PDQ)  # of each attempt
    assert table(fresh, "kept_match").equals(table(again, "kept_match"))

    workspace = tmp_path / "fresh"
    value = hashlib.md5(picture(0)).hexdigest()
    why = ("asked", "2026-11-30")
    assert [found for _, found in pairs_by_bytes(workspace, {("md5", value): why})] == [why]
    assert n_unknown(workspace, {"md5"}) == 0
    assert n_unknown(tmp_path / "wit", {"md5", "sha1"}) >= len(kept)
    row = {"value": pdq_of(picture(5), 10**6), "radius": 31}
    ids = {pair_id for pair_id, _ in pairs_by_pdq(workspace, [row])}
    assert len(ids) == 1
    assert ids <= set(table(fresh, "excluded_picture")["pair_id"].to_pylist())
