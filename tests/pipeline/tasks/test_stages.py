"""Every stage declares the tables that it reads and makes; a misspelt name is an error."""

import luigi
import pytest

from pipeline import BuildWIT
from pipeline.settings.text import TextSettings
from pipeline.tasks.opening import Options, open_workspace
from pipeline.tasks.pairs import CollectPairs
from pipeline.tasks.stage import Parts, Stage, in_order, tokeniser_of
from queries.tables.parts import write_json
from queries.tables.schemas import TABLES
from tests.small_build import Small


class Candidates(Stage):
    makes = ("candidate", "exclusion")

    def make(self) -> Parts:
        return {"candidate": [], "exclusion": []}


class Middle(Stage):
    makes = ("score",)

    def requires(self) -> Stage:
        return self.clone(Candidates)


class Reader(Stage):
    reads = ("candidate", "score", "exclusoin")

    def requires(self) -> Stage:
        return self.clone(Middle)


@pytest.fixture
def reader(tmp_path) -> Reader:
    settings = Small(tmp_path / "in", "http://127.0.0.1:9").settings()
    out = str(tmp_path / "wit")
    open_workspace(Options(str(settings), out, "duckdb", "", ""))
    return Reader(settings=str(settings), out=out)


def test_a_list_folds_what_its_own_language_asks_for_unless_the_settings_say():
    turkish, english = (tokeniser_of(TextSettings(), (code,)) for code in ("tr", "en"))
    assert turkish.normalise("IŞIK") == turkish.normalise("ışık")
    assert english.normalise("IŞIK") != english.normalise("ışık")
    assert tokeniser_of(TextSettings(fold=()), ("tr",)).rules == ()


def list_tables(stage: Stage, **tables: list[str]) -> None:
    write_json(stage.output().path, tables)


def test_a_stage_gets_the_files_of_the_nearest_needed_stage_that_makes_a_table(reader):
    list_tables(reader.clone(Candidates), candidate=["work/candidate/a.parquet"], exclusion=[])
    assert reader.paths("candidate") == [reader.ws.folder / "work/candidate/a.parquet"]


def test_a_table_that_a_listing_of_an_older_release_lacks_has_no_files(reader):
    list_tables(reader.clone(Middle))
    assert reader.paths("score") == []


def test_a_table_that_a_stage_does_not_declare_to_read_is_an_error(reader):
    with pytest.raises(LookupError, match=r"Reader asks for 'exclusion': its `reads` are .*score"):
        reader.paths("exclusion")


def test_a_table_that_no_needed_stage_declares_to_make_is_an_error(reader):
    expected = r"Reader reads 'exclusoin'.*make \['candidate', 'exclusion', 'score'\]"
    with pytest.raises(LookupError, match=expected):
        reader.parts("exclusoin")


def test_a_stage_that_makes_another_table_than_it_declares_is_an_error(reader, monkeypatch):
    monkeypatch.setattr(Candidates, "makes", ("candidate", "exclusoin"))
    monkeypatch.setattr(Candidates, "place", lambda self: "1/1 Candidates")
    with pytest.raises(LookupError, match=r"Candidates made .*'exclusion'.*expected .*'exclusoin'"):
        reader.clone(Candidates).run()
    assert not reader.clone(Candidates).output().exists()


def test_each_stage_of_the_build_reads_what_a_stage_before_it_makes(reader):
    build = BuildWIT(settings=reader.settings, out=reader.out)
    for stage in in_order(build):
        assert isinstance(stage, luigi.Task)
        first_round_or_no_search = {"request", "unsettled", "fetched", "query", "crawl_record"}
        for table in stage.reads:
            assert table in TABLES or table == "left_unsettled"
            if not stage.makers(table):
                assert table in first_round_or_no_search
                assert isinstance(stage, CollectPairs) or stage.name == "FetchRound 0"
