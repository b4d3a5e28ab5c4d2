"""Folding by choice: each rule on real words, plain, of arrays and compiled, and by default."""

from typing import get_args

import emoji
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.match import Matcher
from pipeline.query_list.ngrams import count_ngrams
from pipeline.settings.text import Rule, TextSettings
from pipeline.text import normalise
from pipeline.text.folding import RULES, Folding, default_rules
from pipeline.text.tokeniser import Tokeniser
from tests.pipeline.settings.test_settings import faults

ALL = tuple(RULES)


def key(text: str, *rules: str) -> str:
    return Tokeniser(rules=rules).normalise(text)


@pytest.mark.parametrize(
    ("rule", "written", "plain"),
    [
        ("tatweel", "الســـلام", "السلام"),
        ("tatweel", "ـأهلاً", "أهلاً"),
        ("harakat", "مُحَمَّدٌ", "محمد"),
        ("harakat", "الرَّحْمٰن", "الرحمن"),
        ("harakat", "\ufe8d\ufedf\ufe92\u064e\ufef4\ufe96", "البيت"),  # presentation forms
        ("tatweel", "\ufe8d\ufedf\ufe92\ufef4\ufe96\u0640", "البيت"),
        ("niqqud", "שָׁלוֹם", "שלום"),
        ("niqqud", "\ufb2aלום", "שלום"),  # shin with its dot as one character
        ("niqqud", "בְּרֵאשִׁ֖ית", "בראשית"),
        ("dotless_i", "İSTANBUL", "istanbul"),
        ("dotless_i", "I\u0307stanbul", "istanbul"),
        ("dotless_i", "IŞIK", "ışık"),
        ("dotless_i", "Diyarbakır", "DIYARBAKIR"),
        ("sharp_s", "GROSSE STRASSE", "große Straße"),
        ("sharp_s", "STRAẞE", "strasse"),
    ],
)
def test_two_ways_of_writing_meet_by_the_rule_alone(rule, written, plain):
    assert key(written, rule) == key(plain, rule)
    assert key(written) != key(plain)
    others = tuple(other for other in RULES if other != rule)
    assert key(written, *others) != key(plain, *others) or rule == "tatweel"


@pytest.mark.parametrize(
    "texts",
    [
        # Vietnamese: the six tones of one syllable are six words, and đ is no d.
        ("ma", "má", "mà", "mả", "mã", "mạ"), ("đa", "da"), ("bàn", "bán", "bạn"),
        # letters that look alike and are none of a rule's
        ("schon", "schön"), ("peru", "perù"), ("año", "ano"), ("אִם־כֵּן", "אמכן"),
        ("آب", "اب"), ("كل", "كلا"), ("йод", "иод"),
    ],
)  # fmt: skip
def test_what_tells_words_apart_is_kept_by_all_rules_together(texts):
    assert len({key(text, *ALL) for text in texts}) == len(texts)


def test_the_languages_of_a_build_choose_its_rules():
    assert {code: default_rules([code]) for code in ("de", "he", "tr", "ar", "fa", "vi", "en")} == {
        "de": ("sharp_s",),
        "he": ("niqqud",),
        "tr": ("dotless_i",),
        "ar": ("tatweel", "harakat"),
        "fa": ("tatweel", "harakat"),
        "vi": (),
        "en": (),
    }
    assert default_rules(["arz", "deu"]) == ("tatweel", "harakat", "sharp_s")
    assert default_rules(["no such language"]) == ()


ODD = "aIiİı\u0307ßẞـً\u0670\ufe7d\ufef5שׁ\ufb2a\u05be \n-'،.ΣéÅ漢\u200d\u200c\ufdf2ﬆ½"
TEXT = st.text() | st.text(ODD) | st.text(ODD, min_size=4)


@settings(deadline=None)  # the first call of a rule makes its table
@given(st.lists(TEXT), st.sets(st.sampled_from(ALL)))
def test_arrays_are_folded_as_each_text(texts, chosen):
    tokeniser = Tokeniser(rules=tuple(rule for rule in ALL if rule in chosen))
    keys = [tokeniser.normalise(text) for text in texts]
    assert tokeniser.normalise_array(pa.array(texts, pa.string())).to_pylist() == keys
    spans = tokeniser.split(pa.array(texts, pa.large_string()))
    words = [
        bytes(spans.folded[start : start + length]).decode()
        for start, length in zip(spans.starts, spans.lengths, strict=True)
    ]
    assert words == [word for text in texts for word in tokeniser.words(text)]
    assert [tokeniser.normalise(one) for one in keys] == keys


@pytest.mark.parametrize("rule", RULES)
def test_every_character_is_folded_alone_and_in_a_word_as_in_arrays(rule):
    tokeniser = Tokeniser(rules=(rule,))
    every = [chr(code) for code in range(0x20000) if not 0xD800 <= code < 0xE000]
    for around in ("ب", "i"):
        texts = [f"{around}{one}{around}" for one in every]
        found = tokeniser.normalise_array(pa.array(texts)).to_pylist()
        assert found == [tokeniser.normalise(text) for text in texts]


@pytest.mark.parametrize("code", ["de", "tr", "ar", "fa"])
def test_a_query_is_found_however_the_caption_is_written(code):
    """Names of emoji, as words of a list, in captions in capitals or with every optional mark."""
    emoji.config.load_language(code)
    names = [entry[code].strip(":") for entry in emoji.EMOJI_DATA.values() if code in entry]
    names = sorted({name.replace("_", " ") for name in names})[::7]
    tokeniser = Tokeniser(rules=default_rules([code]))
    written = {
        "de": lambda text: text.upper(),
        "tr": lambda text: text.replace("i", "İ").upper(),
        "ar": lambda text: "".join(f"{one}\u064e" if one.isalpha() else one for one in text),
        "fa": lambda text: text.replace("ی", "یـ"),
    }[code]
    keys = pa.array([tokeniser.normalise(name) for name in names])
    captions = pa.array([written(name) for name in names])
    for compiled in (True, False):
        matcher = Matcher(keys, kernel="numba" if compiled else "numpy", tokeniser=tokeniser)
        found = matcher.match(captions).to_pylist()
        met = {row["row"] for row in found if row["query_id"] == row["row"]}
        assert len(met) == len(names)


def test_words_are_counted_as_captions_are_folded():
    texts = pa.RecordBatch.from_pydict({"text": ["Die Straße, DIE STRASSE", "İzmir IZMIR ızmir"]})
    counted = pa.Table.from_batches(
        count_ngrams(iter([texts]), tokeniser=Tokeniser(rules=("dotless_i", "sharp_s")))
    ).to_pylist()
    words = {row["first"]: row["n"] for row in counted if row["second"] is None}
    assert words == {"die": 2, "strasse": 2, "izmir": 3}


def test_rules_are_part_of_what_names_a_builds_parts():
    assert Tokeniser.of("none", fold=("niqqud",)).identity != Tokeniser.of("none").identity
    assert TextSettings(fold=("sharp_s", "tatweel", "sharp_s")).fold == ("tatweel", "sharp_s")
    assert TextSettings().fold is None
    assert TextSettings(fold=ALL).fold == ALL == get_args(Rule)


def test_a_rule_that_does_not_exist_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text('[queries]\narticles = ["a.toml"]\n[text]\nfold = ["tones"]\n')
    (line,) = faults(tmp_path / "a.toml")
    assert "text.fold.0 = 'tones': expected 'tatweel', 'harakat', 'niqqud', 'dotless_i'" in line


def test_texts_without_a_folded_character_are_not_touched():
    texts = pa.array(["a dog", "犬", None, "été"])
    assert Folding(ALL).array(texts) is texts
    assert Folding().text("ß") == "ß"
    assert normalise("ß") == "ß"
