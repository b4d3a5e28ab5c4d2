"""The report: what strangers wrote is shown as text, and nothing is loaded from anywhere."""

import re
from html.parser import HTMLParser

import pyarrow as pa
import pytest

from pipeline.report import charts as report_charts
from pipeline.report import gallery as report_gallery
from pipeline.report.grids import decimals, number
from pipeline.report.head import percent
from pipeline.report.page import (
    _sha256,
    announce,
    print_counts,
    write_report,
)
from queries.questions import compares, sql
from queries.readers import GROUPS
from queries.tables.manifest import list_files
from tests.pipeline.report.report_build import (
    HOSTILE,
    QUERIES,
    empty_build,
    hostile_build,
    hostile_run,
    largest_build,
    write_tar,
)


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    return hostile_build(tmp_path_factory.mktemp("wit"))


@pytest.fixture(scope="module")
def page(build) -> str:
    return write_report(build, hostile_run(build.parent / "run")).read_text()


class Seen(HTMLParser):
    """The tags and attributes that a browser would see, and the text, scripts apart."""

    def __init__(self, page: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text, self.scripts = "", ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts += data
        else:
            self.text += data


def test_strangers_words_are_text_and_only_our_script_runs(page):
    seen = Seen(page)
    assert [tag for tag, _ in seen.tags].count("script") == 1
    assert f"script-src '{_sha256(seen.scripts)}'" in page
    assert not [name for _, of in seen.tags for name in of if name.startswith("on")]
    for text in [*HOSTILE, *QUERIES]:
        assert text.strip() in seen.text
    assert {tag for tag, _ in seen.tags}.isdisjoint({"i", "u", "iframe", "object"})
    assert "49" not in seen.text.split("Some samples")[1].split("Near duplicates")[0]


def test_nothing_is_loaded_from_anywhere(page):
    names = ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
    tags = Seen(page).tags
    links = [of for tag, of in tags if tag == "a" and of["href"].startswith(("http:", "https:"))]
    assert all("noreferrer" in of["rel"] for of in links)  # followed by a person, not loaded
    sources = [of[name] for _, of in tags if of not in links for name in names if of.get(name)]
    assert all(one.startswith(("data:", "#")) for one in sources)
    assert "default-src 'none'" in page
    assert not re.search(r"url\((?!#)", page)
    assert "@import" not in page


SHORT = [
    "words end at their floor of 5 occurrences, 999 for a quota of 1,000",
    "bigrams end at their floors of 9 occurrences and 7.5 bits, 0 for a quota of 4,000",
]


def test_what_the_query_list_lacks_is_said_before_anything_else_and_as_the_last_lines(
    build, page, capsys
):
    before, _, after = page.partition('<section id="funnel">')
    assert all(f"<strong>Short:</strong> {line}" in before for line in SHORT)
    assert "Short:" not in after
    announce(build, "made")
    *_, words, bigrams = capsys.readouterr().out.splitlines()
    assert words.startswith(f"SHORT: {SHORT[0]}")
    assert bigrams.startswith(f"SHORT: {SHORT[1]}")


def test_a_list_that_lacks_nothing_is_not_called_short(tmp_path, capsys):
    made = empty_build(tmp_path)
    assert "Short:" not in write_report(made).read_text()
    announce(made, "made")
    assert "SHORT" not in capsys.readouterr().out


def test_every_id_is_there_once_and_every_link_leads_to_one(page):
    tags = Seen(page).tags
    ids = [of["id"] for _, of in tags if "id" in of]
    assert len(ids) == len(set(ids))
    links = [of.get("href", of.get("xlink:href", "")) for _, of in tags]
    used = [one[1:] for one in [*links, *re.findall(r"url\((#[^)]+)\)", page)] if one[:1] == "#"]
    assert set(used) <= set(ids)


def test_every_picture_and_chart_has_words_for_those_who_do_not_see_it(page):
    tags = Seen(page).tags
    pictures = [of for tag, of in tags if tag == "img"]
    assert len(pictures) == len(HOSTILE) + 2 + 1  # the gallery, near duplicates, a neighbour
    assert all(of["alt"] for of in pictures)
    drawings = [of for _, of in tags if of.get("role") == "img"]
    assert len(drawings) == 2 * 6  # each for a wide page and for a phone
    assert all(len(of["aria-label"]) > 30 for of in drawings)


def test_every_evaluation_of_a_run_is_shown_with_interval_and_chance(page):
    words = " ".join(re.sub("<[^<>]+>", " ", page).split())
    for figure in ("text to image 5", "top1", "shots 4", "probe shifted"):
        assert f"{figure} 8 62.50 50.00 to 75.00 10.00" in words
    assert "fewer than 3.14" in words
    assert "12.50 -25.00" in words


def test_a_near_duplicate_stands_beside_the_sample_that_was_kept(page):
    near = page.split('<section id="near">')[1].split("</section>")[0]
    assert near.count("<img") == 2
    assert "their hashes are equal" in near


def test_groups_that_were_not_compared_are_said_to_be(page):
    (section,) = re.findall(r'<section id="near">.*?</section>', page, re.DOTALL)
    assert "Incomplete" in section
    assert "123,456" in section


def test_each_reason_has_its_number_its_meaning_and_at_most_three_examples(page):
    drops = page.split('<section id="drops">')[1].split("</section>")[0]
    one = drops[drops.index("filter: caption_too_short") :].split("</details>")[0]
    assert "fewer words or characters" in one
    assert one.count("<li>") == 3


def test_every_audit_that_can_be_asked_stands_in_its_readers_group(page):
    audits = page.split('<section id="audits">')[1].split("</section>")[0]
    shown = {
        group: re.findall(r'<span class="soft">\((\w+)\)</span></summary>', rest)
        for group, rest in re.findall(r"<h3>([^<]+)</h3>(.*?)(?=<h3>|$)", audits, re.S)
    }
    assert shown == {
        group: [name for name in names if not compares(sql("audit", name))]
        for group, names in GROUPS.items()
    }
    assert "Look: 4 samples state no licence." in audits


def test_audits_of_a_run_are_left_out_where_there_is_none(build):
    audits = write_report(build).read_text().split('<section id="audits">')[1]
    assert "<h3>Privacy</h3>" in audits
    assert "<h3>Evaluation</h3>" not in audits


def test_equal_inputs_give_equal_bytes(build, page):
    assert write_report(build, build.parent / "run").read_text() == page


def test_the_report_leaves_the_builds_files_as_they_are(build):
    before = list(list_files(build))
    write_report(build)
    assert list(list_files(build)) == before
    assert sorted(path.name for path in build.parent.glob(".report*")) == []


def test_a_build_that_keeps_nothing_has_a_report_all_the_same(tmp_path):
    (tmp_path / "run").mkdir()
    page = write_report(empty_build(tmp_path), tmp_path / "run").read_text()
    assert "There are no samples." in page
    assert "No pair contains a query." in page


def test_the_counts_are_printed(build, capsys):
    print_counts(build)
    assert "caption_too_short" in capsys.readouterr().out


def test_no_stranger_can_make_the_page_larger_than_20_mb(tmp_path):
    path = write_report(largest_build(tmp_path, report_gallery.SHOWN_PICTURES + 20))
    assert path.read_text().count("<img") == report_gallery.SHOWN_PICTURES
    assert 12e6 < path.stat().st_size < 20e6


def test_a_picture_that_is_damaged_is_shown_as_missing(tmp_path):
    build = hostile_build(tmp_path)
    (build / "shards/00000.tar").unlink()
    write_tar(build / "shards/00000.tar", {f"{0:016x}": b"no picture", f"{1:016x}": b""})
    assert ">no picture<" in write_report(build).read_text()
    (build / "shards/00000.tar").write_bytes(b"no tar")
    assert ">no picture<" in write_report(build).read_text()


def test_a_caption_longer_than_all_others_is_cut_and_says_so():
    assert report_gallery.shortened("abcdef", 3) == "abc … (6 characters)"
    assert report_gallery.shortened(None) == ""


def test_pairs_per_query_are_drawn_before_and_after_the_cap_even_where_nothing_is_kept():
    drawn = report_charts.pairs_per_query(pa.table({"matched": [3, 1], "kept": [0, 0]}))
    assert drawn is not None
    assert "before the cap" in drawn.wide
    assert report_charts.pairs_per_query(pa.table({"matched": [0], "kept": [0]})) is None


def test_a_chart_of_half_a_million_queries_is_small():
    counts = pa.array(range(1, 500_001))
    drawn = report_charts.pairs_per_query(pa.table({"matched": counts, "kept": counts}))
    assert drawn is not None
    assert len(drawn.wide) < 100_000


def test_the_head_says_what_the_dataset_is(page):
    words = " ".join(re.sub("<[^<>]+>", " ", page.partition("<main>")[0]).split())
    assert "pictures with captions, chosen from" in words
    for fact in ("Languages", "Licences", "Sources", "Size", "Made on 20"):
        assert fact in words
    assert "100%" in words


def test_a_share_is_shown_as_it_was_rounded_and_rounded_once():
    assert [decimals(column) for column in ([4.25], [4.3], [4.0, 12.5])] == [2, 1, 1]
    assert [number(value, 1) for value in (4.3, 12.0, 1234.5, 7)] == ["4.3", "12.0", "1,234", "7"]
    assert percent(17, 400) == "4.25%"


def test_one_point_is_no_chart():
    one_round = pa.table({"round": [0], "asked": [5], "survived": [4]})
    one_query = pa.table({"matched": [3], "kept": [2]})
    assert report_charts.rounds(one_round) is None
    assert report_charts.pairs_per_query(one_query) is None
    assert report_charts.losses([{"step": 1, "loss": 2.0}]) is None


def test_the_funnel_leaves_out_what_is_no_candidate_and_says_shares_of_them():
    rows = pa.table(
        {"stage": ["read", "collect", "filter"], "rows_in": [9, 400, 400], "kept": [9, 400, 17]}
    )
    about = report_charts.funnel(rows).about
    assert "filter keeps 17 of 400, 4.25%" in about
    assert "read" not in about
    assert report_charts.funnel(rows.slice(0, 1)) is None
