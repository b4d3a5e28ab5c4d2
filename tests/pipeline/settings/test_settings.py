"""Wrong settings end in a line that names the key, the value and what was expected."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from pipeline.settings.sources import WITH_HASHES
from pipeline.settings.whole import SAMPLE, Settings, SettingsError, load
from pipeline.sources.tables.ready import READY
from pipeline.workspace.folder import Workspace

GOOD = """
[queries]
articles = ["dump.xml"]
wordnet = ["nowhere", "dict"]
[[sources]]
kind = "tables"
name = "mine"
paths = ["captions.tsv"]
"""
SOURCE = """
[[sources]]
kind = "tables"
name = "{name}"
paths = ["captions.tsv"]
"""


@pytest.fixture
def written(tmp_path):
    (tmp_path / "dump.xml").touch()
    (tmp_path / "captions.tsv").touch()
    (tmp_path / "dict").mkdir()

    def write(text: str):
        path = tmp_path / "build.toml"
        path.write_text(text, "utf-8")
        return path

    return write


def test_a_byte_order_mark_is_no_error(written, tmp_path):
    """As Notepad writes it; tomllib alone refuses it."""
    assert load(written("\ufeff" + GOOD)) == load(written(GOOD))


@pytest.mark.parametrize("address", ["S3://Bucket/A.parquet", "Https://x.org/A.CSV"])
def test_the_scheme_of_an_address_may_be_in_capitals(written, address):
    (source,) = load(written(GOOD.replace("captions.tsv", address))).sources
    scheme, _, rest = address.partition(":")
    assert source.paths == (f"{scheme.lower()}:{rest}",)


def test_paths_start_at_the_settings_file(written, tmp_path):
    settings = load(written(GOOD))
    assert settings.queries.articles == (str(tmp_path / "dump.xml"),)
    assert settings.queries.wordnet == str(tmp_path / "dict")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = 1\n" + GOOD, "seeds: unknown key"),
        ('seed = "1"\n' + GOOD, "seed = '1': expected a valid integer"),
        (f"seed = 1{'0' * 5000}\n" + GOOD, "expected TOML: "),
        ("seed = -1\n" + GOOD, "seed = -1: expected greater than or equal to 0"),
        (GOOD.replace("dump.xml", "gone.xml"), "queries.articles.0 = 'gone.xml': expected a file"),
        (GOOD.replace('"dict"', '"gone"'), "queries.wordnet"),
        (GOOD.replace("dump.xml", "package:nowhere/x"), "is the package installed?"),
        (
            GOOD.replace('kind = "tables"', 'kind = "web"'),
            "sources.0.kind = 'web': expected one of",
        ),
        (GOOD.replace('kind = "tables"', ""), "sources.0.kind: missing, and it has no default"),
        (GOOD + '[filters]\nlanguages = ["de"]\n', "filters: expected a language_model beside"),
        (GOOD.replace("[queries]", "[queries"), "expected TOML"),
        (GOOD + "[selection]\ncap = 0\n", "selection.cap = 0: expected greater than"),
        ("", "queries: missing"),
        (GOOD.replace('"mine"', '""'), "sources.0.tables.name = '': expected a name"),
        (GOOD.replace('"mine"', '" "'), "sources.0.tables.name = ' ': expected a name"),
        (GOOD + SOURCE.format(name="mine"), "sources: expected each name once"),
        (GOOD.replace("dump.xml", "."), "queries.articles.0 = '.': expected a file, or a folder"),
        (
            GOOD.replace("[queries]\n", '[queries]\nviews = ["../FOLDER"]\n'),
            "queries.views.0 = '../FOLDER': expected a file, or a folder",
        ),
        (GOOD.replace('"dict"', '"dikt"'), "/dikt does not; "),
        (GOOD + "[fetch]\ncheck_hash = true\n", "fetch: expected no check_hash, since no source"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(written, text, said):
    folder = written(GOOD).parent.name
    with pytest.raises(SettingsError, match="settings: ") as caught:
        load(written(text.replace("FOLDER", folder)))
    (line,) = str(caught.value).splitlines()
    assert said.replace("FOLDER", folder) in line


@pytest.mark.parametrize(
    "columns", ['"relaion"', '"datacomp"', '{ url = "u", caption = "c", hash = "md5" }']
)
def test_hashes_are_compared_where_a_source_may_have_them(written, columns):
    text = GOOD + f"columns = {columns}\n" + SOURCE.format(name="other")
    assert load(written(text + "[fetch]\ncheck_hash = true\n")).fetch.check_hash
    assert {*WITH_HASHES} == {name for name, layout in READY.items() if layout.hash}


HUGE = 10**25
NUMBERS = [  # (section, key, greatest)
    ("", "seed", 2**63 - 1),
    ("[selection]", "cap", 2**53 - 1),
    ("[selection]", "max_rounds", 1_000),
    ("[filters]", "boilerplate_max", 2**53 - 1),
    ("[images]", "min_side", 2**31 - 1),
    ("[engine]", "workers", 1024),
    ("[engine.spark]", "partitions", 1_000_000),
]


@pytest.mark.parametrize(("section", "key", "greatest"), NUMBERS)
def test_a_number_that_no_column_holds_is_refused_at_the_door(written, section, key, greatest):
    def text(value: int) -> str:
        setting = f"{section}\n{key} = {value}\n"
        return GOOD + setting if section else setting + GOOD

    for value in (HUGE, greatest + 1):
        (fault,) = faults(written(text(value)))
        assert fault.endswith(f"{key} = {value}: expected less than or equal to {greatest}")
    settings = load(written(text(greatest)))
    assert Workspace(Path("wit"), settings).build_row("").num_rows == 1


def bounds(model: type[BaseModel]) -> dict[str, bool]:
    """Whether each whole number of a section, and of those within it, has an upper bound."""
    schema = model.model_json_schema()
    sections = {model.__name__: schema, **schema.get("$defs", {})}
    return {
        f"{name}.{key}": "maximum" in form
        for name, section in sections.items()
        for key, field in section.get("properties", {}).items()
        for form in (field, *field.get("anyOf", ()))
        if form.get("type") == "integer" and not {"enum", "const"} & set(form)
    }


def test_every_whole_number_of_the_settings_has_an_upper_bound():
    found = bounds(Settings)
    assert len(found) > 40
    assert [key for key, bounded in found.items() if not bounded] == []


TWO = """
[[languages]]
code = "de"
articles = ["dump.xml"]
merge = ["als", "nds"]
[[languages]]
code = "zh"
wiki = "zh_yue"
n = 9
articles = ["dump.xml"]
"""


def test_each_language_has_a_list_by_its_code_and_labels_that_count_as_it(written):
    settings = load(written(TWO))
    assert list(settings.lists) == ["de", "zh"]
    assert [one.wiki for one in settings.lists.values()] == ["de", "zh_yue"]
    assert settings.list_of_label == {"de": "de", "als": "de", "nds": "de", "zh": "zh"}
    assert settings.row_filters.languages == ("de", "als", "nds", "zh")


def test_a_language_may_be_cut_into_words_in_a_way_of_its_own(written):
    own = TWO.replace("n = 9", 'n = 9\ntext = { segmenter = "none" }')
    texts = load(written(own + '[text]\nboundaries = "free"\n')).texts
    assert (texts["de"].segmenter, texts["de"].boundaries) == ("auto", "free")
    assert (texts["zh"].segmenter, texts["zh"].boundaries) == ("none", "words")


def test_the_row_of_a_list_has_its_floors_and_the_build_s_cap(written, tmp_path):
    text = TWO.replace("n = 9", "n = 9\ncap = 7\nword_min = 3")
    ws = Workspace(tmp_path / "wit", load(written(text)))
    (chinese,) = ws.build_row("", code="zh").to_pylist()
    (whole,) = ws.build_row("").to_pylist()
    figures = ("language", "n_queries", "word_min", "quota_word", "cap")
    assert [chinese[name] for name in figures] == ["zh", 9, 3, 4, 20_000]
    assert [whole[name] for name in figures] == [None, 500_009, None, None, 20_000]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO + GOOD, "queries: expected [queries] for one list, or [[languages]]"),
        (TWO.replace('"zh"', '"nds"'), "'nds' counts as de and as nds"),
        (TWO.replace('"zh"', '"de"'), "'de' counts as de and as de"),
        (TWO.replace('"nds"', '"als"'), "'als' counts as de and as de"),
        (TWO.replace('"zh"', '"other"'), "'other' is what captions of no language are"),
        (TWO.replace('"zh"', '"German"'), "languages.1.code = 'German': expected"),
        (TWO.replace('code = "zh"', ""), "languages.1.code: missing, and it has no default"),
        (TWO.replace("n = 9", "n = 0"), "languages.1.n = 0: expected greater than"),
        (TWO.replace("n = 9", "size = 9"), "languages.1.size: unknown key"),
        (
            TWO + '[filters]\nlanguage_model = "dump.xml"\nlanguages = ["de"]\n',
            "filters: expected no languages beside",
        ),
    ],
)
def test_wrong_languages_are_named_with_what_was_expected(written, text, said):
    with pytest.raises(SettingsError, match="settings: ") as caught:
        load(written(text))
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert "articles" not in str(caught.value), "no inputs of all languages in a line"


def test_wordnet_may_be_an_address_where_no_path_exists(written):
    text = GOOD.replace('"dict"', '"https://example.org/WNdb.tar.gz"')
    assert load(written(text)).queries.wordnet == "https://example.org/WNdb.tar.gz"


@pytest.mark.parametrize(
    "text", ["word_per_million = -0.1", "bigram_per_million = 2e6", 'word_per_million = "0.02"']
)
def test_a_floor_per_million_words_is_a_number_up_to_a_million(written, text):
    with pytest.raises(SettingsError, match=r"_per_million = .*expected"):
        load(written(GOOD.replace("[queries]", f"[queries]\n{text}")))


def test_a_query_list_alone_needs_no_section_but_queries(written):
    alone = load(written('[queries]\narticles = ["dump.xml"]\nword_per_million = 1\n'))
    assert alone.sources == ()
    assert alone.queries.word_per_million == 1.0


def test_a_missing_settings_file_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"none\.toml: expected a TOML file"):
        load(tmp_path / "none.toml")


def faults(path) -> list[str]:
    try:
        load(path)
    except SettingsError as error:
        return str(error).splitlines()
    return []


def test_every_build_that_comes_with_the_package_is_valid_but_for_its_paths():
    for path in SAMPLE.parent.glob("*.toml"):
        assert [line for line in faults(path) if "exist" not in line] == []


@pytest.mark.parametrize(
    ("n", "quotas"), [(500_000, (251_465, 100_646, 61_235)), (20_000, (10_058, 4_025, 2_449))]
)
def test_a_small_list_has_the_sources_in_the_shares_of_a_large_one(n, quotas, written):
    queries = load(written(GOOD.replace("[queries]", f"[queries]\nn = {n}"))).queries
    assert tuple(map(queries.quota, ("word", "bigram", "title"))) == quotas
    fewer = queries.model_copy(update={"bigram_quota": 0})
    assert (fewer.quota("bigram"), fewer.quota("word")) == (0, quotas[0])
