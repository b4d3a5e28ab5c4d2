"""The words of arrays, held equal to the plain words of each text."""

import unicodedata

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.text import normalise, words
from pipeline.text.arrays import (
    equal_words,
    fold_spans,
    normalise_array,
    split,
    word_hashes,
)
from queries.tables.errors import InputError

# Marks that compose, reorder or vanish, cases that depend on neighbours, ligatures that grow,
# writing from the right, emoji of several characters, and all kinds of line ends.
AWKWARD = "Σσςİıßŉǰΐﷺﬁ㎏½①각ᄀ\u1161\u11a8\u0301\u0327\u0307\u0331\u0345\u200d\u200f\u202e\ufe0f"
AWKWARD += "\u200b\u200c\u2060\ufe00\ufeff\u034f\u20e3\u3164\U000e0100\u093e\u0e31™´¨²①❶№⅔Ⓡ"
AWKWARD += "太ー々〇サプ\uff9e\u3099กำ\u0e49๒ຳໝក\u17d2មေး㍿㌔𠀀"
AWKWARD += "אבجو۳नमस्ते犬🐕🏳🌈ÅÅ\0\n\r\t\v\x1c\x85\u2028\xa0\xad aAZz09_'’-.…\U000e0001\U0010ffff"
TEXT = st.text() | st.text(AWKWARD) | st.text(st.characters(codec="ascii"))

# Alone, before, behind and between letters, between digits, beside marks; behind and before letters
# that compose or whose lower case depends on what follows; about line feeds, which part texts while
# they are folded.
CONTEXTS = ["{}", "{}a", "a{}", "a{}b", "1{}2", "\u0301{}\u0327", "\u093e{} {}\u0327\u093ea"]
CONTEXTS += ["AΣ{} {}Σ", "e\u0301{}\u0327{}", "가{}\n{}\u11a8", "'{}'"]
CONTEXTS += ["太{}a", "a{}太", "太{}\u0301{}太 ก{}า{}"]
# Han and Tangut letters: 110,000 of a kind, which only a slow test tries one by one.
UNIFORM = [(0x3400, 0xA000), (0x17000, 0x18D80), (0x20000, 0x2F800), (0x30000, 0x3347A)]
EVERY = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def is_of_a_kind(character: str) -> bool:
    """Whether thousands are like it: such a letter, or one that Unicode has not assigned."""
    unassigned = unicodedata.category(character) in ("Cn", "Co")
    return unassigned or any(low <= ord(character) < up for low, up in UNIFORM)


LETTERS = [one for one in EVERY if not is_of_a_kind(one)]
OF_A_KIND = [one for one in EVERY if is_of_a_kind(one)][::61]


def assert_equal_to_plain(texts: list[str | None], kind: pa.DataType) -> None:
    given = pa.array(texts, kind)
    keys = normalise_array(given)
    assert keys.type == kind
    keys.validate(full=True)
    assert keys.to_pylist() == [None if one is None else normalise(one) for one in texts]
    assert words_of_spans(given) == [words(one or "") for one in texts]


def words_of_spans(texts: pa.Array) -> list[list[str]]:
    text, begins, ends, _ = fold_spans(texts)
    spans = [bytes(text[begin:end]) for begin, end in zip(begins, ends, strict=True)]
    return [[word for word in span.decode().split(" ") if word] for span in spans]


@settings(deadline=None)  # the first call is slow: it makes the tables of all characters
@given(st.lists(st.none() | TEXT), st.sampled_from([pa.string(), pa.large_string()]))
@example(["hot", "dog", "", None, "é", "Hot"], pa.string())
@example([None], pa.string())
def test_arrays_have_the_words_of_their_texts(texts, kind):
    assert_equal_to_plain(texts, kind)


@settings(deadline=None)  # as above
@given(st.lists(st.none() | TEXT, min_size=2), st.data())
def test_slices_have_the_words_of_their_rows(texts, data):
    start = data.draw(st.integers(1, len(texts) - 1))
    stop = data.draw(st.integers(start, len(texts)))
    given = pa.array(texts, pa.string())[start:stop]
    assert words_of_spans(given) == [words(one or "") for one in texts[start:stop]]
    got = normalise_array(given)
    assert got.to_pylist() == [None if one is None else normalise(one) for one in texts[start:stop]]


@pytest.mark.slow  # 2 million texts
@pytest.mark.parametrize("context", [*CONTEXTS, "A{}太"])
def test_every_character_has_the_same_words_in_an_array(context):
    characters = LETTERS + OF_A_KIND if context in CONTEXTS else EVERY
    texts = [context.format(*[one] * context.count("{}")) for one in characters]
    expected = pa.array([normalise(one) for one in texts], pa.string())
    assert normalise_array(pa.array(texts, pa.string())).equals(expected)


def test_every_block_of_unicode_has_the_same_words_in_an_array():
    texts = ["".join(EVERY[start : start + 61]) for start in range(0, len(EVERY), 61)]
    texts = [one for one in texts if unicodedata.category(one[30]) != "Cn"]
    expected = [normalise(one) for one in texts]
    assert normalise_array(pa.array(texts, pa.string())).to_pylist() == expected


def test_every_assigned_character_has_the_same_words_beside_letters_and_marks():
    # Marks that compose, one that reorders, one whose upper case is a letter; "Σ", whose lower
    # case depends on its neighbours; the halves of a Hangul syllable.
    context = "{0}a{0}{0}\u0301e{0}\u0327\u0345ΑΣ{0} H{0}\u0331\u1100{0}\u11a8"
    texts = [context.format(one) for one in LETTERS]
    assert len(texts) > 40_000
    expected = pa.array([normalise(one) for one in texts], pa.string())
    assert normalise_array(pa.array(texts, pa.string())).equals(expected)


def from_bytes(*texts: bytes) -> pa.StringArray:
    """A string array of bytes that nobody has looked at, as a damaged file can bring."""
    return pa.StringArray.from_buffers(
        len(texts),
        pa.py_buffer(np.cumsum([0, *map(len, texts)]).astype(np.int32)),
        pa.py_buffer(b"".join(texts)),
    )


@pytest.mark.parametrize(
    "bad", [b"\xff", b"dog\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80dog"]
)
def test_bytes_that_are_not_utf_8_are_refused_with_their_row(bad):
    given = from_bytes(b"dog", "é".encode(), bad, b"cat")
    for function in (split, fold_spans, normalise_array):
        with pytest.raises(InputError, match="row 2: expected text in UTF-8; found"):
            function(given)
        with pytest.raises(InputError, match="row 1"):
            function(given[1:])


def test_a_character_that_two_rows_share_is_no_character():
    with pytest.raises(InputError, match="row 0"):
        split(from_bytes(b"a\xc3", b"\xa9b"))


def test_what_stands_under_a_null_is_no_text():
    offsets = pa.py_buffer(np.array([0, 3, 6, 9], np.int32))
    valid = pa.py_buffer(bytes([0b101]))
    given = pa.StringArray.from_buffers(3, offsets, pa.py_buffer(b"hot\xff\xffgdog"), valid)
    assert normalise_array(given).to_pylist() == ["hot", None, "dog"]
    assert words_of_spans(given) == [["hot"], [], ["dog"]]


@pytest.mark.parametrize("given", [pa.array([b"dog"]), pa.array([1]), pa.array([None])])
def test_arrays_of_other_types_are_refused(given):
    with pytest.raises(TypeError, match="expected string"):
        split(given)


@given(st.lists(st.text("ab", max_size=20)))
def test_words_are_equal_when_their_bytes_are(texts):
    one = split(pa.array(texts, pa.string()))
    n = len(one.starts)
    strings = [word for text in texts for word in words(text)]
    ours, theirs = np.repeat(np.arange(n), n), np.tile(np.arange(n), n)
    same = equal_words(one, ours, one, theirs)
    assert same.tolist() == [strings[i] == strings[j] for i, j in zip(ours, theirs, strict=True)]


def test_words_of_eight_bytes_have_one_hash_only_if_they_are_equal():
    chance = np.random.default_rng(0)
    texts = {"".join(one) for one in chance.choice([*"abcdefgh12"], (100_000, 8))}
    texts |= {text[:n] for text in texts for n in range(1, 8)}
    for multiplier in (1, 3, 0x9E3779B97F4A7C15):
        assert len(np.unique(word_hashes(split(pa.array([*texts])), multiplier, 8))) == len(texts)
