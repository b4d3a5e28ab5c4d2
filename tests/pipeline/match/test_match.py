"""All matches on word boundaries, held equal to a plain search for every query."""

import random
import shutil
import subprocess
import sys
import unicodedata
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import match
from pipeline.match import FalseMatchError, Matcher
from pipeline.match.lists import match_pairs
from pipeline.match.tables import FREE, Table
from pipeline.text import normalise, words
from pipeline.text.tokeniser import Tokeniser
from queries.tables.errors import InputError
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.plain_matches import matches
from tests.tables import rows

QUERIES = ["dog", "hot dog", "york", "new york", "new york city", "don t", "straße", "नमस्ते"]


def plain(queries: list[str], captions: list[str]) -> set[tuple[int, int]]:
    padded = [f" {normalise(caption)} " for caption in captions]
    return {
        (row, place)
        for row, caption in enumerate(padded)
        for place, query in enumerate(queries)
        if f" {query} " in caption
    }


def from_dict(queries: list[str], captions: list[str | None]) -> list[tuple[int, int]]:
    return matches(queries, captions, Tokeniser.of())


def pairs(batch: pa.RecordBatch) -> list[tuple[int, int]]:
    return list(zip(batch["row"].to_pylist(), batch["query_id"].to_pylist(), strict=True))


KERNELS = ["numpy", "numba"] if find_spec("numba") else ["numpy"]


def found(queries: list[str], captions: list[str | None], **how) -> list[tuple[int, int]]:
    """The matches by every kernel that is installed; all are the same."""
    given = pa.array(queries, pa.string()), pa.array(captions, pa.string())
    first, *others = (Matcher(given[0], **how, kernel=one).match(given[1]) for one in KERNELS)
    assert all(one.equals(first) for one in others)
    return pairs(first)


def test_words_match_on_their_boundaries_only():
    captions = [
        "A hot  dog!",
        "hotdog",
        "(dog)/cat",
        "New York City",
        "don't",
        "नमस्ते!",
        "",
        "STRASSE",
    ]
    got = found(QUERIES, captions)
    assert got == sorted(got)
    assert got == [(0, 0), (0, 1), (2, 0), (3, 2), (3, 3), (3, 4), (4, 5), (5, 7)]


def test_a_query_is_found_once_a_caption():
    assert found(["dog"], ["dog dog dog"]) == [(0, 0)]


@pytest.mark.parametrize("seed", range(20))
def test_matches_are_those_of_a_plain_search(seed):
    chance = random.Random(seed)
    letters = "ab é"

    def text(n: int) -> str:
        return "".join(chance.choice(letters) for _ in range(n))

    queries = sorted({normalise(text(chance.randint(1, 8))) for _ in range(30)} - {""})
    captions = [text(chance.randint(0, 30)) for _ in range(40)]
    assert set(found(queries, captions)) == plain(queries, captions)


@pytest.mark.parametrize(
    ("queries", "said"),
    [(["dog", "dog"], "twice"), (["Dog"], "normalised form"), ([""], "normalised form")],
)
def test_queries_that_could_never_match_are_refused(queries, said):
    with pytest.raises(ValueError, match=said):
        Matcher(pa.array(queries))


def test_every_match_of_a_pair_carries_its_priority(tmp_path):
    query = rows("query", {"query_id": 0, "text": "dog"}, {"query_id": 1, "text": "hot dog"})
    part = write_part(tmp_path / "q.parquet", TABLES["query"], query.to_batches())
    given = rows(
        "filtered",
        {"pair_id": 7, "priority": 3, "caption": "hot dog"},
        {"pair_id": 8, "priority": 4, "caption": "a cat"},
    )
    (out,) = match_pairs(iter(given.to_batches()), part.path)
    assert out.to_pylist() == [
        {"pair_id": 7, "query_id": 0, "priority": 3},
        {"pair_id": 7, "query_id": 1, "priority": 3},
    ]


WORDS = st.sampled_from(["a", "b", "é", "नमस्ते", "abcdefgh", "abcdefghi", "a" * 17, "犬", "x1"])
GAPS = st.sampled_from([" ", "  ", "-", "\n", "…", "/ "])
KEYS = st.lists(WORDS, min_size=1, max_size=6).map(" ".join).map(normalise)
CAPTIONS = st.lists(st.tuples(WORDS, GAPS), max_size=12).map(
    lambda parts: "".join(word + gap for word, gap in parts)
)


@given(st.lists(KEYS, unique=True), st.lists(st.none() | CAPTIONS | st.text()), st.booleans())
def test_matches_are_those_of_a_dict_of_n_grams(queries, captions, chunked):
    with pytest.MonkeyPatch.context() as patch:
        if chunked:
            patch.setattr(match, "CHUNK_ROWS", dict.fromkeys(match.CHUNK_ROWS, 3))
            patch.setattr(match, "CHUNK_BYTES", dict.fromkeys(match.CHUNK_BYTES, 40))
        assert found(queries, captions) == from_dict(queries, captions)


@pytest.mark.parametrize("kernel", KERNELS)
def test_slices_and_large_strings_match_as_plain_ones(kernel):
    captions = ["hot dog", None, "new york city", "", "a dog", "York"]
    matcher = Matcher(pa.array(["unseen", *QUERIES])[1:], kernel=kernel)
    expected = from_dict(QUERIES, captions[2:])
    assert expected
    assert pairs(matcher.match(pa.array(captions)[2:])) == expected
    assert pairs(matcher.match(pa.array(captions, pa.large_string())[2:])) == expected
    assert pairs(Matcher(pa.array(QUERIES, pa.large_string())).match(pa.array(captions)[2:])) == (
        expected
    )


def test_every_character_is_in_the_same_words_for_both_kernels():
    # Alone, before, behind and between letters, between digits, beside marks.
    contexts = ["{}", "{}x", "x{}", "x{}y", "1{}2", "x\u0301{}\u0327y"]
    every = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    # Of Han, Hangul and what is unassigned, 1.1 million alike, every 60th.
    tried = [
        one
        for n, one in enumerate(every)
        if n % 60 == 0 or unicodedata.category(one) not in ("Cn", "Co", "Lo")
    ]
    captions = [context.format(one) for one in tried for context in contexts]
    queries = sorted(set(map(normalise, captions)) - {""})
    assert len(queries) > 10_000
    assert found(queries, captions) == from_dict(queries, captions)


def test_no_captions_and_no_queries_give_no_matches():
    assert found(QUERIES, []) == []
    assert found(QUERIES, [None, "", "…", None]) == []
    assert found([], ["a dog"]) == []


def test_queries_of_many_words_and_captions_of_one_huge_word_are_found():
    long = " ".join(f"w{n}" for n in range(300))
    huge = "dog" * 50_000
    captions = [f"so {long} it is", huge, long[:-1], f"dog {huge}s", "dog"]
    assert found([long, huge, "dog"], captions) == [(0, 0), (1, 1), (3, 2), (4, 2)]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_caption_that_is_not_utf_8_is_refused_with_its_row(monkeypatch, kernel):
    monkeypatch.setattr(match, "CHUNK_ROWS", dict.fromkeys(match.CHUNK_ROWS, 2))
    offsets = pa.py_buffer(np.array([0, 1, 2, 3, 4], np.int32))
    captions = pa.StringArray.from_buffers(4, offsets, pa.py_buffer(b"abc\xff"))
    with pytest.raises(InputError, match="row 3: expected text in UTF-8"):
        Matcher(pa.array(["a"]), kernel=kernel).match(captions)


def test_captions_of_many_words_and_of_many_matches_are_searched():
    numbers = [str(n) for n in range(2000)]
    queries = [*numbers, *map(" ".join, pairwise(numbers)), " ".join(numbers[:100])]
    captions = [" ".join(numbers[n:]) for n in (0, 1900, 1990)] * 3
    captions += ["0 " * 5000, " ".join(numbers * 4), "", "5 4 3 2 1", "1 2 1 2 1"]
    assert found(queries, captions) == from_dict(queries, captions)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_sample_of_the_matches_is_looked_for_in_the_strings(monkeypatch, kernel):
    monkeypatch.setattr(match, "SAMPLE_EVERY", 1)
    queries = pa.array(["cat", "hot dog", "new york"])
    matcher = Matcher(queries, kernel=kernel)
    captions = pa.array(["a hot  Dog", "hotdog, cat", None])
    assert pairs(matcher.match(captions)) == [(0, 1), (1, 0)]
    matcher.queries = queries[::-1].take([0, 2, 1])  # as if the tables were another list's
    with pytest.raises(FalseMatchError, match="query 'cat' matched a caption without it"):
        matcher.match(captions)


def test_the_sample_is_some_of_many_matches_and_not_all(monkeypatch):
    captions = [f"dog {n}" for n in range(20_000)]
    looked = []
    monkeypatch.setattr(Tokeniser, "units", lambda _, text: looked.append(text) or "dog")
    found(["dog"], captions)
    assert 0 < len(looked) < 40 * len(KERNELS)


def test_numba_takes_over_after_many_captions(monkeypatch):
    monkeypatch.setattr(match, "MANY", 5)
    monkeypatch.setattr(match, "CHUNK_ROWS", dict.fromkeys(match.CHUNK_ROWS, 2))
    captions = pa.array(["a dog", "hot dog", "York", None] * 3)
    matcher = Matcher(pa.array(QUERIES))
    got = [pairs(matcher.match(captions)) for _ in range(2)]
    assert got[0] == got[1] == from_dict(QUERIES, captions.to_pylist())
    assert (matcher.compiled is not None) == ("numba" in KERNELS)


def test_without_numba_numpy_goes_on_and_who_asks_for_numba_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pipeline.match.kernel", None)
    monkeypatch.setattr(match, "MANY", 0)
    assert pairs(Matcher(pa.array(["dog"])).match(pa.array(["a dog"]))) == [(0, 0)]
    with pytest.raises(ImportError, match="kernel"):
        Matcher(pa.array(["dog"]), kernel="numba")


COMPILE = """
import sys
sys.path.insert(0, sys.argv[1])
import kernel
compiled = kernel.compiled()
print(sum(compiled.stats.cache_hits.values()))
"""


@pytest.mark.slow  # compiles twice
@pytest.mark.skipif("numba" not in KERNELS, reason="numba is not installed")
def test_processes_share_one_compiled_kernel_and_a_damaged_one_is_made_again(tmp_path):
    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", COMPILE, str(tmp_path)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    shutil.copy(Path(match.__file__).with_name("kernel.py"), tmp_path)
    processes = [start() for _ in range(3)]
    said = [process.communicate()[0].split() for process in processes]
    assert sorted(said) == [["0"], ["1"], ["1"]]  # one compiles, two load
    for path in (tmp_path / "__pycache__").glob("*.nb*"):
        path.write_bytes(b"")
    assert start().communicate()[0].split() == ["0"]


# With 1 as the multiplier the hash of a word is the sum of its eights: a word that has them in
# another order has the same one, as has a short word that is the sum.
ONE, TWO = "abcdefghijklmnop", "ijklmnopabcdefgh"


def test_words_with_one_hash_are_told_apart_by_the_next_multiplier():
    assert found([ONE, TWO], [TWO, ONE], multipliers=(1, 3)) == [(0, 1), (1, 0)]
    with pytest.raises(ValueError, match="two words have one hash, with each of 1 multipliers"):
        Matcher(pa.array([ONE, TWO]), multipliers=(1,))


def test_an_even_multiplier_is_refused():
    with pytest.raises(ValueError, match="multiplier 2: expected an odd one"):
        Matcher(pa.array(["dog"]), multipliers=(2,))


def test_a_caption_with_the_hash_of_a_query_is_no_match():
    queries = [ONE, f"dog {ONE}", f"{ONE} dog"]
    captions = [TWO, f"dog {TWO}", f"{TWO} dog", f"{TWO} {ONE} dog"]
    assert found(queries, captions, multipliers=(1,)) == [(3, 0), (3, 2)]


@settings(max_examples=150)
@given(
    st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4), max_size=40),
    st.integers(1, 4),
)
def test_no_false_match_among_many_words_of_one_hash(blocks, n):
    """Words of eights in every order: with multiplier 1, all orders of them have one hash."""
    queries = ["a" * 8 * k + "b" * 8 * (n - k) for k in range(n + 1)]
    caption = " ".join("".join(block * 8 for block in word) for word in blocks)
    assert found(queries, [caption], multipliers=(1,)) == from_dict(queries, [caption])


def test_a_table_finds_its_keys_and_no_other():
    chance = np.random.default_rng(0)
    top = 2**64 - 1  # the key of the places that are free
    for held in ([], [0], [top], [top - 1, top], [0, 1, 2, 3, top - 2, top - 1]):
        keys = np.array(held, np.uint64)
        table = Table(keys, np.arange(len(keys)))
        wanted = np.array([0, 1, 2, 3, 4, top - 3, top - 2, top - 1, top], np.uint64)
        for find in (table.find, table.find_few):
            places, values = find(wanted)
            assert wanted[places].tolist() == sorted(held)
            assert keys[values].tolist() == sorted(held)
    keys = np.unique(chance.integers(0, 2**63, 5000).astype(np.uint64) >> np.uint64(20))
    table = Table(keys[::2], np.arange(len(keys[::2])))
    places, values = table.find(keys)
    assert places.tolist() == list(range(0, len(keys), 2))
    assert values.tolist() == list(range(len(keys[::2])))
    assert FREE not in values


def test_real_captions_match_as_a_plain_search_does(shared):
    captions = pq.read_table(shared / "laion_url_caption_10k.parquet")["TEXT"].to_pylist()
    tokens = [word for caption in captions[:300] for word in words(caption)]
    bigrams = [f"{one} {two}" for one, two in pairwise(tokens)]
    queries = sorted(set(tokens[::7]) | set(bigrams[::11]))
    assert set(found(queries, captions[:300])) == plain(queries, captions[:300])
    every = [normalise(caption) for caption in captions]
    queries = sorted({" ".join(one.split()[n : 2 * n + 1]) for n in range(7) for one in every})
    queries.remove("")
    got = found(queries, captions)
    assert len(got) > 20_000
    assert got == from_dict(queries, captions)
