"""Models of languages in every form of labels, trained here on the names of emoji."""

from itertools import zip_longest
from pathlib import Path

import emoji
import fasttext
import pyarrow as pa
import pytest

from pipeline.filters.language import languages
from pipeline.filters.rows import check, judge
from pipeline.settings.whole import FilterSettings, SettingsError, load
from pipeline.text.languages import Code, code_of, nearest, scripts_of
from pipeline.text.letters import KNOWN, letters_by_script
from queries.tables.errors import InputError
from tests import plain_filters

# The same fourteen languages, as the labels of well-known models have them.
LANGUAGES = ["en", "es", "ja", "ko", "pt", "it", "fr", "de", "fa", "id", "zh", "ru", "tr", "ar"]
FORMS = {
    "lid.176": "en es ja ko pt it fr de fa id zh ru tr ar",
    "OpenLID": "eng_Latn spa_Latn jpn_Jpan kor_Hang por_Latn ita_Latn fra_Latn deu_Latn pes_Arab "
    "ind_Latn zho_Hans rus_Cyrl tur_Latn arb_Arab",
    "GlotLID": "eng_Latn spa_Latn jpn_Jpan kor_Hang por_Latn ita_Latn fra_Latn deu_Latn fas_Arab "
    "ind_Latn cmn_Hani rus_Cyrl tur_Latn ara_Arab",
    "ISO 639-3": "eng spa jpn kor por ita fra deu fas ind zho rus tur ara",
    "BCP 47": "en-US es-419 ja-JP ko-KR pt-BR it-IT fr-FR de-DE fa-IR id-ID zh-Hans-CN ru tr ar",
}
CAPTIONS = {  # of one emoji
    "en": "smiling face with heart-eyes",
    "de": "lächelndes Gesicht mit herzförmigen Augen",
    "ru": "влюбленное лицо",
    "ja": "目がハートの笑顔",
    "zh": "花痴",
    "ar": "وجه مبتسم مع عينين على شكل قلب",
    "tr": "kalp gözlü gülümseme",
}
ODD = [
    "",
    "12:30",
    "東京 Berlin",
    "ΑΒΓ alphabet",
    "Rotes Herz 红色的心形眼睛",
    "a红色的心形眼睛和红色的",
]


def names(language: str) -> list[str]:
    emoji.config.load_language(language)
    found = (entry.get(language) for entry in emoji.EMOJI_DATA.values())
    return [name.strip(":").replace("_", " ") for name in found if name]


@pytest.fixture(scope="session")
def model_of(tmp_path_factory):
    """form -> the path of a small model whose labels have it; `prefix` stands before the codes.

    One model is trained, and its labels are spelt in each form: a label ends in a zero byte.
    """
    folder = tmp_path_factory.mktemp("models")
    text = folder / "names.txt"
    turns = zip_longest(*(names(code)[::2] for code in LANGUAGES), fillvalue="1")
    rows = (pair for turn in turns for pair in zip(LANGUAGES, turn, strict=True))
    rows = [*rows, *CAPTIONS.items()]
    text.write_text("".join(f"__label__{code} {name.lower()}\n" for code, name in rows), "utf-8")
    trained = fasttext.train_supervised(
        str(text), dim=16, minn=1, maxn=4, bucket=100_000, epoch=10, lr=1.0, thread=1, verbose=0
    )
    trained.save_model(str(folder / "trained.bin"))

    def spell(form: str, prefix: str = "__label__") -> str:
        content = (folder / "trained.bin").read_bytes()
        for code, label in zip(LANGUAGES, FORMS[form].split(), strict=True):
            old = f"__label__{code}\0".encode()
            assert content.count(old) == 1
            content = content.replace(old, f"{prefix}{label}\0".encode())
        path = folder / f"{form}{prefix}.bin"
        path.write_bytes(content)
        return str(path)

    return spell


@pytest.mark.parametrize("form", FORMS)
def test_captions_get_one_code_whatever_the_form_of_a_models_labels(form, model_of):
    settings = FilterSettings(language_model=model_of(form), languages=())
    found = languages([caption.lower() for caption in CAPTIONS.values()], settings)
    assert found == [(code, code, None) for code in CAPTIONS]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("code", ["de", "deu", "ger", "de_DE", "deu_Latn", "DE"])
def test_a_wanted_language_may_be_written_in_any_form(code, form, model_of):
    settings = FilterSettings(language_model=model_of(form), languages=(code,))
    found = dict(zip(CAPTIONS, languages(list(CAPTIONS.values()), settings), strict=True))
    assert found["de"] == ("de", code, None)
    assert {language for language, verdict in found.items() if verdict.passed} == {"de"}
    assert found["ru"] == ("ru", None, "wrong_script")
    assert found["en"] == ("en", None, "wrong_language")


def test_a_prefix_of_labels_is_the_models_own_business(model_of):
    settings = FilterSettings(language_model=model_of("OpenLID", "__lang__"), languages=("tur",))
    assert languages([CAPTIONS["tr"], CAPTIONS["ja"]], settings) == [
        ("tr", "tur", None),
        ("ja", None, "wrong_script"),
    ]


@pytest.mark.parametrize(
    ("form", "code", "near"),
    [
        ("lid.176", "english", "en"),
        ("lid.176", "Persian", "fa"),
        ("lid.176", "zh_Hant", "zh"),
        ("lid.176", "gsw", "de"),
        ("OpenLID", "zh_Hant", "zho_Hans"),
        ("OpenLID", "Galician", "spa_Latn"),
        ("GlotLID", "zh_Hans", "cmn_Hani"),
        ("GlotLID", "ukr", "rus_Cyrl"),
    ],
)
def test_a_language_that_the_model_lacks_is_refused_with_the_nearest(form, code, near, model_of):
    settings = FilterSettings(language_model=model_of(form), languages=("de", code))
    with pytest.raises(InputError, match=rf"languages: '{code}': .*; the nearest is '{near}'$"):
        check(settings)


@pytest.mark.parametrize(
    ("form", "one", "same"), [("lid.176", "de", "deu"), ("OpenLID", "tr", "tur_Latn")]
)
def test_two_lists_of_one_language_are_refused_since_one_would_get_no_caption(
    form, one, same, model_of
):
    settings = FilterSettings(language_model=model_of(form), languages=(one, same, "zh"))
    with pytest.raises(InputError, match=f"languages: '{one}' and '{same}' are one language"):
        check(settings, "languages", {one: one, same: same, "zh": "zh"})
    check(settings, "languages", {one: one, same: one, "zh": "zh"})  # a merge of its own spelling


def test_a_script_chooses_among_the_labels_of_its_language(model_of):
    simplified = FilterSettings(language_model=model_of("OpenLID"), languages=("zh_CN",))
    assert languages([CAPTIONS["zh"]], simplified) == [("zh", "zh_CN", None)]


@pytest.mark.parametrize("wanted", [("de",), ("de", "zh"), (), ("en", "ja", "ar")])
@pytest.mark.parametrize("form", ["lid.176", "GlotLID"])
def test_every_caption_is_judged_as_the_plain_walk_over_all_labels_judges_it(
    wanted, form, model_of
):
    tables = {
        "language_odds": {code: 1.5 for code in wanted[:1]} | {"other": 4.0},
        "language_min_score": {code: 0.6 for code in wanted[-1:]},
    }
    captions = [*CAPTIONS.values(), *ODD]
    captions += [name for language in LANGUAGES for name in names(language)[2::200]]
    for more in ({}, tables):
        settings = FilterSettings(language_model=model_of(form), languages=wanted, **more)
        plain = [plain_filters.language(caption, settings) for caption in captions]
        found = languages(captions, settings)
        assert [(verdict.language, verdict.reason) for verdict in found] == plain


def test_letters_of_a_script_in_which_no_wanted_language_is_written_give_the_reason(model_of):
    settings = FilterSettings(language_model=model_of("OpenLID"), languages=("de",))
    captions = [
        "红色的心形眼睛",
        "lächelndes Gesicht mit herzförmigen Augen 红色",
        "a红色的心形眼睛和红色的",
        "12:30",
    ]
    reasons, *_ = judge(pa.array(["http://a.org/1"] * 4), pa.array(captions), settings)
    assert reasons.to_pylist() == ["wrong_script", None, "wrong_script", "caption_mostly_digits"]


def test_a_language_that_the_letters_rule_out_is_not_the_captions(language_model):
    """Real captions in Latin letters for which lid.176 says Japanese, Russian or Arabic."""
    settings = FilterSettings(language_model=language_model)
    captions = ["party tent rentals party tent rentals pahoa hi 96778 yp", "Sequin Tumbler 470ml"]
    for (code, *_), caption in zip(languages(captions, settings), captions, strict=True):
        assert "Latn" in scripts_of(code_of(code)), caption
    assert fasttext.load_model(language_model).predict(captions)[0] == [
        ["__label__ru"],
        ["__label__ja"],
    ]


def test_odds_and_scores_may_differ_by_language(model_of):
    model, german = model_of("lid.176"), CAPTIONS["de"]
    strict = FilterSettings(
        language_model=model, languages=("de", "en"), language_min_score={"deu": 1.0}
    )
    lenient = FilterSettings(
        language_model=model, languages=("de", "en"), language_min_score={"en": 1.0}
    )
    assert languages([german], strict) == [("de", None, "wrong_language")]
    assert languages([german], lenient) == [("de", "de", None)]
    every = FilterSettings(language_model=model, languages=("en",), language_odds={"en": 1e9})
    assert languages([german], every) == [("de", "en", None)]


def test_a_table_names_languages_of_the_model_that_are_wanted(model_of, tmp_path):
    model = model_of("lid.176")
    for table, message in {
        "french": r"language_odds: 'french': expected one of .*; the nearest is 'fr'",
        "fr": "language_odds: 'fr': expected a language that is wanted",
    }.items():
        with pytest.raises(InputError, match=message):
            check(FilterSettings(language_model=model, languages=("de",), language_odds={table: 2}))
    (tmp_path / "a.toml").write_text(
        "[queries]\narticles = ['a.toml']\n[filters]\nlanguage_odds = { de = 0.5, zh = 'a' }\n"
    )
    with pytest.raises(SettingsError) as raised:
        load(tmp_path / "a.toml")
    assert "filters.language_odds.de = 0.5: expected greater than or equal to 1" in str(
        raised.value
    )
    assert "filters.language_odds.zh = 'a': expected a valid number" in str(raised.value)


def test_a_file_that_is_no_model_of_languages_is_refused_in_one_line(tmp_path, language_model):
    text = tmp_path / "a.txt"
    text.write_text("__label__joyful a red kite\n__label__gloomy a blue boat\n" * 50)
    moods = fasttext.train_supervised(str(text), epoch=1, verbose=0)
    moods.save_model(str(tmp_path / "moods.bin"))
    vectors = fasttext.train_unsupervised(str(text), minCount=1, epoch=1, dim=4, verbose=0)
    vectors.save_model(str(tmp_path / "vectors.bin"))
    whole = Path(language_model).read_bytes()
    for name, n_bytes in {"header.bin": 60, "cut.bin": 100_000, "last.bin": len(whole) - 1}.items():
        (tmp_path / name).write_bytes(whole[:n_bytes])
    long = (tmp_path / "moods.bin").read_bytes()
    (tmp_path / "half.bin").write_bytes(long[: len(long) // 2])  # zeros, to fastText
    for name, message in {
        "a.txt": "expected a fastText model",
        "header.bin": "expected a fastText model",
        "cut.bin": "expected a fastText model",
        "last.bin": "expected a fastText model",
        "half.bin": "expected a fastText model.*cut off",
        "vectors.bin": "expected a fastText model",
        "moods.bin": "expected labels that are codes of languages.*found __label__",
    }.items():
        settings = FilterSettings(language_model=str(tmp_path / name), languages=("en",))
        with pytest.raises(InputError, match=f"language_model: .*{name}: {message}"):
            check(settings)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cmn", "zh"), ("zho_Hani", "zh"), ("zh-TW", "zh-Hant"), ("yue_Hant", "yue"),
        ("arb_Arab", "ar"), ("arz_Arab", "arz"), ("pes", "fa"), ("prs", "fa"), ("zsm", "ms"),
        ("nob_Latn", "no"), ("nb", "no"), ("nn", "nn"), ("khk_Cyrl", "mn"), ("lvs", "lv"),
        ("ekk", "et"), ("npi", "ne"), ("azj_Latn", "az"), ("azb_Arab", "azb-Arab"), ("iw", "he"),
        ("srp_Latn", "sr-Latn"), ("sr_Cyrl", "sr"), ("kor_Kore", "ko"), ("als_Latn", "sq"),
        ("min_Arab", "min-Arab"), ("uzn_Latn", "uz"), ("hin_Latn", "hi-Latn"), ("sh", "sh"),
    ],
)  # fmt: skip
def test_codes_of_known_models_have_one_normal_form(text, code):
    assert str(code_of(text)) == code
    assert code_of(code) is not None


def test_codes_of_wikipedias_are_read_as_wikipedia_means_them():
    meant = {"als": "gsw", "simple": "en", "zh-min-nan": "nan", "zh-yue": "yue", "no": "no"}
    assert {text: code_of(text, of_wikipedia=True) for text in meant} == {
        text: Code(code) for text, code in meant.items()
    }


def test_what_is_no_code_is_none_and_may_have_no_neighbour():
    for text in ("english", "", "other", "zxx_", "_", "und_Latn", "a-very-long-code", "123", "ﬁ"):
        assert code_of(text) is None
    assert nearest("qqqq", {"de": Code("de")}) is None


def test_every_script_that_a_language_is_written_in_can_be_told(language_model):
    labels = fasttext.load_model(language_model).get_labels()
    codes = [code_of(label.removeprefix("__label__"), of_wikipedia=True) for label in labels]
    assert None not in codes
    assert set().union(*map(scripts_of, codes)) <= KNOWN
    assert letters_by_script("aé ٣ な漢カー한 ё\U00016800") == {
        "Latn": 2, "Hira": 1, "Hani": 1, "Kana": 1, "Hang": 1, "Cyrl": 1, "Zzzz": 1,
    }  # fmt: skip
