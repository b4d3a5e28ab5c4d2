"""Words and keys."""

import unicodedata

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text import fold, normalise, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("dog/cat", ["dog", "cat"]),
        ('a (puppy), "dog"', ["a", "puppy", "dog"]),
        ("hot  dog\thot\ndog", ["hot", "dog", "hot", "dog"]),
        ("don't don’t", ["don", "t", "don", "t"]),
        ("snake_case 3.5", ["snake", "case", "3", "5"]),
        ("कुत्ता और बिल्ली", ["कुत्ता", "और", "बिल्ली"]),
        ("நாய் பூனை", ["நாய்", "பூனை"]),
        ("İstanbul IŞIK", ["i̇stanbul", "işik"]),
        ("ﬁre ＤＯＧ ½", ["fire", "dog", "1", "2"]),
        ("犬と猫、東京", ["犬と猫", "東京"]),
        ("كلب وقطة", ["كلب", "وقطة"]),
        ("nul\0nul", ["nul", "nul"]),
        ("🐕 dog 🐈‍⬛", ["dog"]),
        ("…!", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_marks_and_numbers(text, expected):
    assert words(text) == expected


def test_composed_and_decomposed_spellings_have_one_key():
    for text in ("Café", "İ", "Åß", "각", "H\u0331", "J\u030c"):
        spellings = {unicodedata.normalize(form, text) for form in ("NFC", "NFD", "NFKC", "NFKD")}
        assert len({normalise(spelling) for spelling in spellings}) == 1, text


# "H" + U+0331 composes only in lower case; "İ" leaves a dot that reorders with the cedilla.
@given(st.text())
@example("H\u0331")
@example("İ\u0327")
@example("ΑΣ'Α ΑΣ")
@example("ﷺ ℡")
def test_a_key_is_the_key_of_itself(text):
    key = normalise(text)
    assert normalise(key) == key
    assert words(key) == words(text)


@given(st.text())
def test_a_key_holds_words_and_single_spaces_only(text):
    assert regex.fullmatch(r"(?:[\p{L}\p{M}\p{N}]+(?: [\p{L}\p{M}\p{N}]+)*)?", normalise(text))


def test_every_single_character_keeps_its_key():
    characters = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert [one for one in characters if normalise(normalise(one)) != normalise(one)] == []


@given(st.text(st.characters(codec="ascii")))
def test_the_short_way_for_ascii_gives_what_the_long_way_gives(text):
    assert fold(text) == fold(text + "é")[:-1]
