"""Words and keys."""

import unicodedata
from unicodedata import category, decomposition

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.text import fold, normalise, words
from pipeline.text.scripts import units


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
        ("20th 1980s mp3 3D", ["20th", "1980s", "mp3", "3d"]),
        ("🐕 dog 🐈‍⬛", ["dog"]),
        ("…!", []),
        ("", []),
    ],
)
def test_words_are_runs_of_letters_marks_and_numbers(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Nike™ Visa℠ MarvelⓇ ⓒDisney LEGO®", "nike visa marvel disney lego"),
        ("St Mary´s, Jacobo´s, Lebowski¨", "st mary s jacobo s lebowski"),  # of enwiki's articles
        ("a¯b¸c˘d˙e˚f˛g˜h˝i", "a b c d e f g h i"),
        ("か゛ α΄β ‾x ￣y", "か α β x y"),
        ("149m² CO₂ 20ᵗʰ 1ª", "149m2 co2 20th 1a"),  # as they are typed without the signs
        ("in 5½ miles, 21⅔ innings", "in 5 1 2 miles 21 2 3 innings"),  # "51 2 miles" by NFKC alone
        ("step①open ❷close ⒊end", "step 1 open 2 close 3 end"),
        ("Chanel №5 ℡0123 ₨500", "chanel no 5 tel 0123 rs 500"),
        ("Henry Ⅷ 5㎏ ⼤学", "henry viii 5kg 大学"),  # units, numerals and radicals are letters
        ("3️⃣ a⃝", "3 a"),  # a key, and a ring, around a character
    ],
)
def test_signs_are_not_joined_to_the_words_beside_them(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ge\xadsamt\xadkon\xadzept", "gesamtkonzept"),  # github.com/contao/core/issues/8389
        ("An\xadfän\xadge\xadrin\xadnen", "anfängerinnen"),  # Woundorf/foxreplace/issues/393
        ("مشکل\u200cها دل\u200cها", "مشکلها دلها"),  # alpheios-project/alpheios-core/issues/491
        ("بندر\u200cها", "بندرها"),  # roshan-research/hazm/issues/367
        ("۲۰\u200cساله", "۲۰ ساله"),  # no letter stands before
        ("ශ්\u200dරී ලංකා", "ශ්රී ලංකා"),
        ("അവന്\u200d നന്\u200dമ", "അവന് നന്മ"),
        ("क्\u200dष क\u200cा", "क्ष का"),
        ("\u061cبالعالم \u200fשלום\u200e", "بالعالم שלום"),  # google/sentencepiece/issues/1331
        ("\u202aRuins of\u202c \u2066old\u2069", "ruins of old"),  # LAION's captions
        ("heart❤\ufe0fbeat \u2139\ufe0e i", "heart beat i i"),  # nyaruka/goflow/pull/586
        ("葛\U000e0100飾区 a\ufe01", "葛飾区 a"),
        ("tbroadley\ufe0f's re\u2060use \ufeffBOM", "tbroadley s reuse bom"),  # spellchecker-cli/41
        ("ᠮᠣᠩᠭᠣᠯ\u180e᠎ᠠ ᠪ\u180bᠠ", "ᠮᠣᠩᠭᠣᠯᠠ ᠪᠠ"),
        ("a\u034fe\u034f\u0301 ក\u17b4ក", "aé កក"),
        ("👩\u200d🚀dog\u200d🐕", "dog"),
        ("a\u200b\u200db ខ្មែរ\u200bភាសា", "a b ខ្មែរភាសា"),  # keymanapp/keyman/issues/4872
        ("name\u3164tag\uffa0x", "name tag x"),  # fillers that show as a blank
        ("wellʼs Hawaiʻi oʼzbek كـتاب", "wellʼs hawaiʻi oʼzbek كـتاب"),  # letters, all of them
        ("semi‐final non‑stop", "semi final non stop"),
        ("𝖋𝖗𝖊𝖎𝖍𝖊𝖎𝖙", "freiheit"),  # tsproisl/SoMeWeTa/issues/11
        ("Poincare\u0301", "poincaré"),  # spencermountain/compromise/issues/1099
    ],
)
def test_what_is_invisible_parts_no_word(text, expected):
    assert normalise(text) == expected


@pytest.mark.parametrize(
    "text", ["\u0301a", " \u0301\u0327a", "-\u093ea", "🐕\ufe0f\u0301a", "©\u0308a"]
)
def test_a_mark_behind_no_letter_belongs_to_no_word(text):
    assert words(text) == ["a"]


def test_a_sign_that_joins_two_words_is_a_unit_a_numeral_or_a_radical():
    signs = (chr(code) for code in range(0x80, 0x110000) if not 0xD800 <= code < 0xE000)
    signs = [one for one in signs if category(one)[0] in "PSZ"]
    contexts = ("dog{}cat", "太{}太")
    joins = [one for one in signs if min(len(words(each.format(one))) for each in contexts) == 1]
    assert len(joins) > 400
    for one in joins:
        compatible = unicodedata.normalize("NFKC", one)
        assert decomposition(one).startswith("<square>") or len(compatible) == 1, one


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
@example("a\xad\u0301 \u0301b\u200d\u200c\u0327 ½½")
@example("㋿:一")
def test_a_key_is_the_key_of_itself(text):
    """And has the text's units: two words in scripts without spaces are one run in a key."""
    key = normalise(text)
    assert normalise(key) == key
    of_key, of_text = (
        [unit for word in words(each) for unit in units(word)] for each in (key, text)
    )
    assert of_key == of_text


@given(st.text())
def test_a_key_holds_words_and_single_spaces_only(text):
    word = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*"
    assert regex.fullmatch(rf"(?:{word}(?: {word})*)?", normalise(text))


def test_every_single_character_keeps_its_key():
    characters = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    assert [one for one in characters if normalise(normalise(one)) != normalise(one)] == []


@given(st.text(st.characters(codec="ascii")))
def test_the_short_way_for_ascii_gives_what_the_long_way_gives(text):
    assert fold(text) == fold(text + "é")[:-1]
