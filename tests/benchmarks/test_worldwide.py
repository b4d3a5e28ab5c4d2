"""benchmarks.worldwide: OpenMoji's pictures in six languages, built and held to a plain walk."""

import emoji
import pyarrow.parquet as pq
import pytest

from benchmarks.worldwide import Voice, build, checked_rows, serving, write_inputs
from pipeline.sources.sample.pictures import captions, pictures
from queries.pixels.fingerprint import hash63

pytestmark = pytest.mark.slow
LANGUAGES = ("en", "de", "tr", "ar", "ja", "zh")
N_PICTURES, CAP = 60, 4


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    emoji.config.load_language()
    shown = sorted(pictures(), key=lambda one: hash63("worldwide", one.code))[:N_PICTURES]
    said = {
        language: Voice(
            {one.code: ", ".join(captions(one, language)) for one in shown},
            [captions(one, language)[0] for one in pictures()],
        )
        for language in LANGUAGES
    }
    folder = tmp_path_factory.mktemp("worldwide")
    with serving() as url:
        write_inputs(folder, said, url)
        return build(folder, said, "1 worker", n=1_000, cap=CAP)


def test_each_language_has_its_own_list_its_cap_by_tail_and_its_plain_walk(built):
    rows = {row.what: row.ours for row in checked_rows(built)}
    assert [*rows.values()] == [[100.0]] * 3


def test_a_place_that_the_walk_does_not_give_is_seen(built):
    (path,) = (built / "tables" / "kept_match").glob("*.parquet")
    kept = pq.read_table(path)
    path.unlink()  # its bytes are the workspace's, too
    pq.write_table(kept.slice(1), path)
    shares = {row.what: row.ours[0] for row in checked_rows(built)}
    assert shares["places as the plain walk has them"] < 100
