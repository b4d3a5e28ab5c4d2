"""What wikis call their namespaces, and which titles name nothing."""

import subprocess
from pathlib import Path

import pytest

from pipeline.wikipedia.namespaces import TABLE, all_names, names_of, no_name
from tests import ROOT

NAMELESS = {
    "en": ["Main Page", "-", "", "Special:Search", "User talk:X", "List of cats", "MOS:DATE"],
    "simple": ["Main Page", "List of cats"],
    "de": ["Wikipedia:Hauptseite", "Spezial:Suche", "Liste der Hunde", "BD:X", "Wikipedia:Café"],
    "fr": ["Spécial:Recherche", "Wikipédia:Accueil principal", "Discussion Wikipédia:X"],
    "ja": ["メインページ", "特別:検索", "日本の城一覧", "利用者‐会話:X", "プロジェクト‐ノート:X"],
    "ru": ["Заглавная страница", "Служебная:Поиск", "Список городов", "Обсуждение Википедии:X"],
    "zh": ["Wikipedia:首页", "特殊:搜索", "中国城市列表", "维基百科讨论:X"],
    "ko": ["위키백과:대문", "특수:검색", "도시 목록", "위키백과토론:X", "틀:X"],
    "no": ["Spesial:Søk", "Portal:Forside"],
    "bar": ["Spezial:Suche", "Hoamseitn"],  # falls back on German
    "zh-yue": ["Special:搵嘢", "特別:搵嘢"],
    "pl": ["Wikipedysta:X", "Dyskusja wikipedystki:X", "Specjalna:Szukaj"],
    "az": ["İstifadəçi:X", "istifadəçi:X", "Xüsusi:Axtar"],
    "ar": ["الصفحة الرئيسية", "الصفحة الرئيسة", "خاص:بحث"],
    "tr": ["Özel:Ara", "Anasayfa", "Türkiye'deki illerin listesi"],
}


@pytest.mark.parametrize("wiki", NAMELESS)
def test_pages_of_other_namespaces_lists_and_main_pages_name_nothing(wiki):
    pattern = no_name(wiki)
    assert [title for title in NAMELESS[wiki] if not pattern.match(title)] == []


@pytest.mark.parametrize(
    ("wiki", "title"),
    [
        ("en", "Star Trek: Picard"),
        ("en", "Main Page history"),
        ("en", "Spezial:Suche"),  # German's name is none in English
        ("de", "Hund"),
        ("de", "H: Ein Film"),
        ("de", "Listerien"),
        ("ja", "東京"),
        ("fr", "Spécial"),
        ("no-such-wiki", "Dog"),
    ],
)
def test_a_name_of_a_thing_stays_one(wiki, title):
    assert not no_name(wiki).match(title)


def test_a_language_has_the_names_of_those_it_falls_back_on():
    assert {"datei", "bild", "file"} <= names_of("bar").silent
    assert "weiterleitung" in names_of("de").redirect
    assert {"weiterleitung", "перенаправление", "転送", "リダイレクト"} <= all_names().redirect


def test_the_table_is_what_the_script_prints():
    script = ROOT / ".ci/wiki_names"
    if not Path("/usr/share/mediawiki/includes/Defines.php").exists():
        pytest.skip("no MediaWiki: apt-get install mediawiki php-cli php-mbstring")
    release = Path("/usr/share/mediawiki/includes/Defines.php").read_text()
    if "'MW_VERSION', '1.39" not in release:
        pytest.skip("the table is of MediaWiki 1.39, and another one is installed")
    printed = subprocess.run([script], capture_output=True, check=True).stdout
    assert printed == TABLE.read_bytes()
