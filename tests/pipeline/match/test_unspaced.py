"""Matches in scripts without spaces, held equal to a plain search over the segmenter's words."""

import random
import unicodedata
from itertools import pairwise

import pyarrow as pa
import pytest

from pipeline.match import Matcher
from pipeline.text import fold, normalise, words
from pipeline.text.scripts import is_unspaced
from pipeline.text.tokeniser import Tokeniser
from pipeline.text.units import units_of
from queries.tables.errors import UserError
from tests.pipeline.match.test_match import KERNELS, pairs
from tests.plain_matches import matches, units

pytest.importorskip("icu4py", reason="icu4py is not installed: pip install '.[languages]'")

TOKENISERS = [Tokeniser.of("icu"), Tokeniser.of("icu", "free"), Tokeniser()]
# The first article of the Universal Declaration of Human Rights, and what stands beside such text.
TEXTS = {
    "zh": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系相待。",
    "zh-Hant": "人人生而自由，在尊嚴和權利上一律平等。他們賦有理性和良心。",
    "ja": "すべての人間は、生れながらにして自由であり、かつ、尊厳と権利とについて平等。ﾌﾟﾘﾝター",
    "th": "มนุษย์ทั้งหลายเกิดมามีอิสระและเสมอภาคกันในเกียรติศักดิ์และสิทธิ น้ำตาล ๒๕๖๗ปี",
    "km": "មនុស្សទាំងអស់កើតមកមានសេរីភាពនិងសមភាពក្នុងសេចក្តីថ្លៃថ្នូរនិងសិទ្ធិ\u200bបើកឡាន",
    "lo": "ມະນຸດທຸກຄົນເກີດມາມີກຽດສັກສີ, ສິດທິ, ເສລີພາບແລະຄວາມສະເໝີພາບເທົ່າທຽມກັນ ນ້ຳ ໜັງສື",
    "my": "လူတိုင်းသည် တူညီလွတ်လပ်သော ဂုဏ်သိက္ခာဖြင့်လည်းကောင်း၊ တူညီလွတ်လပ်သော အခွင့်အရေးများ",
}
BESIDE = ["iPhone", "20", "é", "e\u0301", " ", "、", "\u3099", "\u200d", "한국", "𠀀", "x-", "'s"]


def found(queries, captions, tokeniser) -> list[tuple[int, int]]:
    first, *others = (
        Matcher(pa.array(queries), kernel=kernel, tokeniser=tokeniser).match(pa.array(captions))
        for kernel in KERNELS
    )
    assert all(other.equals(first) for other in others)
    return pairs(first)


@pytest.mark.parametrize(
    "tokeniser", TOKENISERS, ids=lambda one: f"{one.segmenter} {one.boundaries}"
)
@pytest.mark.parametrize("language", TEXTS)
def test_matches_are_those_of_a_plain_search_over_the_words_of_a_segmenter(language, tokeniser):
    chance = random.Random(language)
    text = TEXTS[language]

    def piece(longest: int) -> str:
        start = chance.randrange(len(text))
        return text[start : start + chance.randint(1, longest)]

    def mixed() -> str:
        return "".join(chance.choice([piece(8), piece(8), chance.choice(BESIDE)]) for _ in range(9))

    queries = sorted({normalise(piece(6) if n % 3 else mixed()[:6]) for n in range(300)} - {""})
    captions = [*(mixed() for _ in range(150)), None, "", "hot dog", text]
    got = found(queries, captions, tokeniser)
    assert got == matches(queries, captions, tokeniser)
    assert len(got) > 100 or tokeniser.segmenter == "none"


def test_a_query_is_found_where_it_begins_and_ends_at_words_whatever_the_cut_inside():
    queries = ["手机", "手机壳", "太阳", "プリン", "プリンター", "iphone 手机壳", "京都"]
    captions = [
        "新款iPhone手机壳",
        "新しいプリンター",
        "プリンを食べる",
        "東京都の空",
        "太阳，镜子",
    ]
    got = [
        (captions[row], queries[place]) for row, place in found(queries, captions, TOKENISERS[0])
    ]
    assert got == [
        ("新款iPhone手机壳", "手机"),
        ("新款iPhone手机壳", "手机壳"),
        ("新款iPhone手机壳", "iphone 手机壳"),
        ("新しいプリンター", "プリンター"),
        ("プリンを食べる", "プリン"),
        ("太阳，镜子", "太阳"),
    ]
    free = {
        (captions[row], queries[place]) for row, place in found(queries, captions, TOKENISERS[1])
    }
    assert free - set(got) == {("新しいプリンター", "プリン"), ("東京都の空", "京都")}


def test_sara_am_is_one_character_for_the_dictionary_and_two_in_the_key():
    query = normalise("น้ำ")
    assert query == unicodedata.normalize("NFKC", "น้ำ") != "น้ำ"
    assert found([query], ["น้ำเย็น", "ดื่มน้ำ", "น้ำตาล"], TOKENISERS[0]) == [(0, 0), (1, 0)]


def test_a_key_needs_no_segmenter_and_keeps_itself():
    for text in TEXTS.values():
        key = normalise(text)
        assert normalise(key) == key
    assert normalise("新款iPhone手机壳") == "新款 iphone 手机壳"
    assert normalise("ジョン・レノン") == "ジョンレノン"
    assert words("3月の20世紀、๒๕๖๗ปี") == ["3", "月の", "20", "世紀", "๒๕๖๗", "ปี"]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_units_of_arrays_are_those_of_a_plain_loop(text):
    texts = [text, "hot dog", None, f"{text}iPhone{text}", "é犬"]
    spans = units_of(Tokeniser().split(pa.array(texts))).spans
    ends = spans.starts + spans.lengths
    got = [bytes(spans.text[a:b]).decode() for a, b in zip(spans.starts, ends, strict=True)]
    rows = [got[a:b] for a, b in pairwise(spans.first)]
    expected = [[unit for word in words(each or "") for unit in units(word)] for each in texts]
    assert rows == expected


def test_digits_and_marks_are_no_unspaced_characters():
    table = is_unspaced()
    assert not any(table[ord(each)] for each in "a7๒၃é한ㄅ་、\u0e31\u3099")
    assert all(table[ord(each)] for each in "太々〇ーあアกກကកᥐ𠀀")


def test_a_caption_of_one_huge_run_takes_no_more_than_its_length():
    run = "太阳手机壳" * 100_000
    assert found(["手机", "壳"], [run, "太阳"], TOKENISERS[0]) == [(0, 0), (0, 1)]


def test_another_version_of_the_segmenter_than_the_builds_is_refused():
    other = Tokeniser("icu", "icu4py 0.1, ICU 60.1")
    with pytest.raises(UserError, match=r"the build began with icu4py 0.1, ICU 60.1; here: icu4py"):
        found(["手机"], ["新手机"], other)
    assert found(["dog"], ["hot dog"], other) == [(0, 0)]


@pytest.mark.parametrize("name", ["rjieba", "sudachi", "fugashi", "nlpo3"])
def test_another_segmenter_cuts_its_scripts_and_icu_the_others(name):
    try:
        tokeniser = Tokeniser.of(name)
    except UserError as error:
        pytest.skip(str(error))
    for text in [*TEXTS.values(), "太阳手机" * 3_000, "กุ้งทะเล" * 3_000]:
        folded = fold(text)
        cut = tokeniser.segmented(folded)
        assert cut.replace(" ", "") == folded.replace(" ", "")
        assert len(cut) > len(folded)
    queries = ["东京都", "プリン", "京都", normalise("กุ้ง")]
    captions = ["プリンを食べる", "プリンター", "東京都の空", "กุ้ง", "ผัดกุ้ง"]
    assert found(queries, captions, tokeniser) == [(0, 1), (3, 3), (4, 3)]


def test_a_segmenter_that_is_not_installed_is_named_with_its_cure(monkeypatch):
    packages = {"icu": ("icu4py_of_nobody",), "none": ()}
    monkeypatch.setattr("pipeline.text.segmenters.PACKAGES", packages)
    with pytest.raises(UserError, match=r"text.segmenter = 'icu': icu4py_of_nobody is not instal"):
        Tokeniser.of("icu")
    assert Tokeniser.of() == Tokeniser()


@pytest.mark.skipif("numba" not in KERNELS, reason="numba is not installed: pip install '.[numba]'")
def test_the_compiled_loop_rests_while_most_captions_are_unspaced_and_the_matches_stay():
    queries = ["hot dog", "自由", "尊厳"]
    files = [[TEXTS["ja"], TEXTS["zh"], "a hot dog"], ["hot dog", "a dog", "自由"]] * 2
    matcher = Matcher(pa.array(queries), kernel="numba", tokeniser=TOKENISERS[0])
    kernels = []
    for captions in files:
        expected = matches(queries, captions, TOKENISERS[0])
        assert pairs(matcher.match(pa.array(captions))) == expected
        kernels.append(matcher.kernel)
    assert kernels == ["numpy", "numba"] * 2
