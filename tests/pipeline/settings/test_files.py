"""Folders, patterns and missing files among the inputs of the query list."""

import pytest

from pipeline.settings.whole import SettingsError, load

SETTINGS = """
[queries]
articles = {articles}
{more}
[[sources]]
kind = "tables"
name = "mine"
paths = ["dumps/a.xml"]
"""


@pytest.fixture
def folder(tmp_path):
    for name in ("b.xml", "a.xml", "c.xml.bz2", ".DS_Store", "._a.xml", "[d].xml", ".old/e.xml"):
        (tmp_path / "dumps" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "dumps" / name).touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".keep").touch()
    return tmp_path


def queries(folder, articles: str, more: str = ""):
    path = folder / "build.toml"
    path.write_text(SETTINGS.format(articles=articles, more=more))
    return load(path).queries


@pytest.mark.parametrize(
    ("articles", "names"),
    [
        ('["dumps"]', ["[d].xml", "a.xml", "b.xml", "c.xml.bz2"]),
        ('["dumps/"]', ["[d].xml", "a.xml", "b.xml", "c.xml.bz2"]),
        ('["dumps/*.xml"]', ["[d].xml", "a.xml", "b.xml"]),
        ('["dumps/[ab].xml"]', ["a.xml", "b.xml"]),
        ('["dumps/?.xml*"]', ["a.xml", "b.xml", "c.xml.bz2"]),
        ('["**/*.bz2"]', ["c.xml.bz2"]),
        ('["dumps/[d].xml"]', ["[d].xml"]),  # there is such a file
        ('["dumps/b.xml", "dumps/*.xml"]', ["b.xml", "[d].xml", "a.xml"]),  # none twice
        ('["https://example.org/*.xml"]', ["*.xml"]),
    ],
)
def test_a_folder_or_pattern_is_its_visible_files_by_name(folder, articles, names):
    files = queries(folder, articles, 'views = ["dumps"]').articles
    assert [path.rpartition("/")[2] for path in files] == names


def test_each_input_takes_what_it_can_read(folder):
    more = 'views = ["dumps/a*"]\npage_table = "dumps/c*"\nwordnet = ["gone*", "dumps/b*"]'
    found = queries(folder, '["dumps/a.xml"]', more)
    assert found.views == (str(folder / "dumps/a.xml"),)
    assert found.page_table == str(folder / "dumps/c.xml.bz2")
    assert found.wordnet == str(folder / "dumps/b.xml")


@pytest.mark.parametrize(
    ("articles", "more", "said"),
    [
        ('["dumps/aa.xml"]', "", "articles.0 = 'dumps/aa.xml': .* does not; /.*/dumps holds a.xml"),
        ('["dump/a.xml"]', "", "does not; /.* holds dumps"),
        ('["zzz"]', "", "zzz does not$"),
        ('["empty"]', "", "a folder with files in it; /.*/empty holds none"),
        ('["dumps/*.json"]', "", r"a pattern that a file matches; /.*/dumps/\*.json matches none"),
        (
            '["dumps"]',
            'page_table = "dumps"',
            "page_table = 'dumps': expected a file; /",
        ),
        ('["dumps"]', 'redirect_table = "dumps/*"', r"one file; /.* matches 4, \[d\].xml, a.xml"),
        ('["dumps"]', 'wordnet = ["dumps/*"]', r"one WordNet; /.*/dumps/\* matches 4"),
        ('["dumps"]', 'views = ["gone/*"]', "views.0 = 'gone/\\*': expected a pattern"),
        (f'["{"x" * 300}"]', "", "does not$"),
        ('"dumps/a.xml"', "", r"articles = 'dumps/a.xml': expected a list, in brackets: \[...\]$"),
        ("[]", "", r"articles = \[\]: expected a list that is not empty$"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(folder, articles, more, said):
    with pytest.raises(SettingsError, match=said) as refused:
        queries(folder, articles, more)
    assert "\n" not in str(refused.value)
