"""What owners say of training is read from each line that says it, and from no other."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rights.signals import Statement, read, refused, refuses, statements, written
from pipeline.settings.consent import ConsentSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def says_no(lines: list[tuple[str, str]], of_page: bool = False) -> bool:
    return any(refuses(one, of_page) for one in statements(lines, NOW))


@pytest.mark.parametrize(
    "tag",
    [
        "noindex",
        "None",
        "nofollow, NOAI",
        "noimageai",
        "noimageindex",
        "noml",
        "noindex, unavailable_after: 25 Jun 2030 15:00:00 GMT",
        "unavailable_after: 25 Jun 2030 15:00:00 GMT, noindex",
        "unavailable_after: 25 Jun 2010 15:00:00 GMT",
        "unavailable_after: Friday, 25-Jun-10 15:00:00 GMT",
        "unavailable_after: Fri, 25 Jun 2010 15:00:00 +0200",
        "unavailable_after: 2010-06-25T15:00:00+00:00",
        "unavailable_after: 2010-06-25",
        "buildwit: noindex",
        "otherbot: nofollow, buildwit: noai",
        "*: none",
        "max-image-preview: none, noindex",
        "max-new-thing: 5, noindex",
        " noindex ;",
        "noindex nofollow",
        "nofollow\tnoai",
        "* : none",
        "buildwit : nofollow noindex",
        "unavailable_after : 25 Jun 2010 15:00:00 GMT",
        "unavailable_after: 25  Jun  2010  15:00:00  GMT",
        "unavailable_after: Jun 25, 2010 15:00:00 GMT",
        "unavailable_after: 25 June 2010 15:00:00 PST",
        "unavailable_after: Fri Jun 25 15:00:00 2010",
        "unavailable_after: 2010-06-25 15:00:00",
        "unavailable_after: Friday, Jun 25, 2010 15:00:00 GMT",
        "unavailable_after: 25 Jun 2030 15:00:00 GMT, noindex nofollow",
        "buildwit/1.0: noai",
        "BuildWIT/0.1.0 : nofollow, noindex",
        "otherbot/2.1: all, buildwit/1: noml",
        "buildwit/1.0: unavailable_after: 25 Jun 2010 15:00:00 GMT",
        '"noai"',
        "'nofollow', 'noml'",
        '"buildwit: noai, nofollow"',
        'unavailable_after: "25 Jun 2010 15:00:00 GMT"',
    ],
)
def test_tags_that_opt_out(tag):
    assert says_no([("X-Robots-Tag", tag)])


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "all",
        "nofollow, nosnippet",
        "max-image-preview: none",
        "otherbot: noindex, nofollow",
        "otherbot: nofollow, noai",
        "otherbot: noml",
        "otherbot/1.0: noai",
        "buildwit-images/1.0: noai",
        "buildwit/1.0: all, otherbot/1.0: noai",
        "otherbot: unavailable_after: 25 Jun 2010 15:00:00 GMT",
        "unavailable_after: 25 Jun 2030 15:00:00 GMT",
        "unavailable_after: some day",
        "unavailable_after: Jun 25, 2030 15:00:00 GMT",
        "otherbot: noindex nofollow",
        "otherbot: noindex nofollow, noai",
        "nofollow nosnippet",
        "unavailable_after:",
        "noindexing",
        ",,,:::",
        '"otherbot: noai"',
        '"noarchive"',
    ],
)
def test_tags_that_do_not(tag):
    assert not says_no([("X-Robots-Tag", tag)])


def test_of_several_headers_one_is_enough():
    tags = [("x-robots-tag", tag) for tag in ("otherbot: noindex", "all", "noai")]
    assert statements(tags, NOW) == [Statement("robots_tag", "noai")]


@pytest.mark.parametrize(
    ("values", "out"),
    [
        *((["1"], True), ([" 1 "], True), (["0", "1"], True), (["1, 1"], True), (['"1"'], True)),
        *((["1; policy=/p.json"], True), (["True"], True), (["1.0"], True), (["?1"], True)),
        *((["false"], False), (["7; policy=1"], False)),
        *((["0"], False), ([""], False), (["10"], False), (["yes"], False), ([], False)),
    ],
)
def test_a_reservation_is_the_number_one(values, out):
    assert says_no([("TDM-Reservation", value) for value in values]) is out


@pytest.mark.parametrize(
    ("value", "out"),
    [
        # draft-ietf-aipref-attach, "HTTP Content-Usage Header Field"; others of the vocabulary's
        # drafts of 2025 and 2026.
        ("train-ai=n", True),
        ("train-ai=y, search=n", False),
        ("search=y,train-ai=n", True),
        ("train-ai=n;exceptions=x", True),
        ("tdm=n", True),
        ("train-genai=n", True),
        ("train-ai=y, train-ai=n", True),  # of conflicting ones the disallowing
        ("train-ai", False),
        ("train-ai=?0", False),
        ("train-ai=no", False),
        ('note="train-ai=n"', False),
        ("search=n", False),
        ("", False),
    ],
)
def test_a_preference_about_training_is_yes_or_no(value, out):
    assert says_no([("Content-Usage", value)]) is out


@pytest.mark.parametrize(
    ("value", "heard"),
    [
        ("search=yes, ai-train=no", ["no"]),
        ("search=yes,ai-train=no,use=reference", ["no"]),  # as an operator writes it today
        ("search=yes; ai-train=no", ["no"]),
        ("search=yes;ai-train=no;", ["no"]),
        ("search=yes ai-train=no", ["no"]),  # the headers of many sites have blanks
        ('"search=yes, ai-train=no"', ["no"]),
        ('ai-train="no"', ["no"]),
        ("'ai-train' = 'no'", ["no"]),
        ("AI-Train: NO", ["no"]),
        ("ai-train=yes, ai-train=no", ["yes", "no"]),
        ("ai-train=nothing", []),
        ("no-ai-train=no", []),
        ("ai-training=no", []),
        ("ai-train", []),
        ("ai-train=", []),
        ("search=no, ai-input=no", []),
    ],
)
@pytest.mark.parametrize("field", ["Content-Signal", "content-signals"])
def test_a_content_signal_is_heard_however_its_pairs_are_separated(field, value, heard):
    said = [Statement("content_signal", f"ai-train={word}") for word in heard]
    assert statements([(field, value)]) == said


def test_a_long_line_of_a_signal_takes_no_longer_than_its_length():
    assert statements([("content-signal", "ai-train" + " =" * 10**6)]) == []
    assert statements([("content-signal", "ai-train " * 10**5 + "=no")]) == []


def test_what_is_allowed_is_evidence_too():
    lines = [("tdm-reservation", "0"), ("content-usage", "train-ai=y"), ("tdm-policy", "/p.json")]
    assert [one.value for one in statements(lines)] == ["0", "train-ai=y", "policy=/p.json"]
    assert not says_no(lines)


def test_a_page_that_asks_not_to_be_listed_says_nothing_of_its_pictures():
    for word, of_page in (("noindex", False), ("none", False), ("noai", True), ("noml", True)):
        assert says_no([("robots", word)], of_page=True) is of_page, word


def test_a_meta_of_another_bot_is_not_for_us():
    assert not statements([("googlebot", "noai"), ("description", "noai"), ("", "noai")])
    assert statements([("BuildWIT", "noai")]) == statements([("robots", "NoAI")])


def test_only_what_the_settings_obey_is_refused():
    said = statements([("content-usage", "train-ai=n"), ("robots", "nofollow")])
    assert refused(said, ConsentSettings()) is None
    assert refused(said, ConsentSettings(content_usage="obey")) == said[0]


def test_what_a_column_holds_is_read_back():
    said = statements([("x-robots-tag", "noai, noml"), ("tdm-policy", "http://a.org/p q")])
    column = written(said)
    assert column == "robots_tag=noai robots_tag=noml tdm_reservation=policy=http://a.org/p%20q"
    assert written(read(column)) == column
    assert (written([]), read(None), read("")) == (None, [], [])


NAMES = ("x-robots-tag", "TDM-Reservation", "tdm-policy", "content-usage", "robots", "other")


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.text("abn:;,=?019 *noindex-GMT")), max_size=3))
def test_any_lines_are_statements(lines):
    said = statements(lines, NOW)
    assert len(set(said)) == len(said)
    assert written(read(written(said))) == written(said)
