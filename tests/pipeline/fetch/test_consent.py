"""What owners say of training is heard where they say it, kept, and obeyed as the settings say."""

import json
from collections.abc import Iterator
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from pipeline.fetch.guard import Guard
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.ledger import Evidence
from pipeline.fetch.part import fetch_part
from pipeline.rights.tdmrep import parse_tdmrep
from pipeline.settings.consent import ConsentSettings
from queries.tables.schemas import TABLES
from tests.guard_server import BODY, GuardServer
from tests.pipeline.fetch.test_guard import SETTINGS
from tests.pipeline.fetch.test_part import FETCH_ONCE, IMAGES, ask
from tests.pipeline.rights.test_embedded import VOCABULARY, picture, xmp

RESPECT = SETTINGS.model_copy(update={"robots": "respect"})
ROBOTS, TDMREP = "/robots.txt", "/.well-known/tdmrep.json"
OBEY = ConsentSettings(content_usage="obey", ai_crawlers="obey")
RECORD = ConsentSettings(
    **dict.fromkeys(ConsentSettings().signals, "record")  # type: ignore[arg-type]
)
ALL = "User-agent: *\n"
# As an operator writes it for sites since 2025.
MANAGED = "User-Agent: *\nContent-Signal: search=yes,ai-train=no\nAllow: /\n\nUser-agent: GPTBot\n"
MANAGED += "Disallow: /\n"


@pytest.fixture
def server() -> Iterator[GuardServer]:
    with GuardServer() as running:
        yield running


def guard(consent: ConsentSettings = ConsentSettings()) -> Guard:  # noqa: B008
    return Guard(RESPECT, Hosts(RESPECT), lambda host, port: ["127.0.0.1"], consent=consent)


def heard(answer: object) -> list[tuple[str, str, bool, str]]:
    return [row[:4] for row in answer.evidence]  # type: ignore[attr-defined]


# (robots.txt, path, what is heard of it, the reason if all is obeyed)
IN_ROBOTS = [
    (f"{ALL}Content-Signal: search=yes, ai-train=no\nAllow: /", "/picture/a",
     ("content_signal", "ai-train=no", True), "opted_out_content_signal"),
    (f"{ALL}content-signal : ai-train = yes", "/picture/a",
     ("content_signal", "ai-train=yes", False), None),
    (f"{ALL}Content-Signal: search=yes", "/picture/a", None, None),
    (f"User-agent: other\nContent-Signal: ai-train=no\n\n{ALL}Allow: /", "/picture/a", None, None),
    ("User-agent: BuildWIT\nContent-Signal: ai-train=no", "/picture/a",
     ("content_signal", "ai-train=no", True), "opted_out_content_signal"),
    # draft-ietf-aipref-attach, "Example"
    (f"{ALL}Allow: /\nContent-Usage: / train-ai=n\nContent-Usage: /picture/ok/ train-ai=y",
     "/picture/a", ("content_usage", "train-ai=n", True), "opted_out_content_usage"),
    (f"{ALL}Allow: /\nContent-Usage: / train-ai=n\nContent-Usage: /picture/ok/ train-ai=y",
     "/picture/ok/a", ("content_usage", "train-ai=y", False), None),
    (f"{ALL}Content-Usage: train-ai=n # all", "/picture/a",
     ("content_usage", "train-ai=n", True), "opted_out_content_usage"),
    (f"{ALL}Content-Usage: /*.gif$ train-ai=n", "/picture/a.png", None, None),
    ("User-agent: GPTBot\nUser-agent: CCBot/2.0\nDisallow: /picture", "/picture/a",
     ("ai_crawlers", "gptbot", True), "opted_out_ai_crawlers"),
    ("User-agent: img2dataset\nDisallow: /", "/picture/a",
     ("ai_crawlers", "img2dataset", True), "opted_out_ai_crawlers"),
    ("User-agent: GPTBot\nDisallow: /private", "/picture/a", None, None),
    (f"{ALL}Disallow: /picture", "/picture/a", ("robots", "disallow", True), "robots"),
]  # fmt: skip


@pytest.mark.parametrize(("robots", "path", "expected", "reason"), IN_ROBOTS)
def test_a_signal_in_robots_txt_is_kept_and_no_picture_is_asked_for(
    server, robots, path, expected, reason
):
    server.robots = robots
    answer = guard(OBEY).fetch(server.url(path))
    assert answer.reason == reason
    assert heard(answer)[:1] == ([(*expected, "robots.txt")] if expected else [])
    asked = [one.path for one in server.asked]
    assert asked == ([ROBOTS] if reason else [ROBOTS, TDMREP, path])


# (lines of the head, the signal, its value, the reason if all is obeyed)
IN_HEADERS = [
    ("X-Robots-Tag: noml", "robots_tag", "noml", "opted_out"),
    ("X-Robots-Tag: noimageai, nofollow", "robots_tag", "noimageai", "opted_out"),
    ("TDM-Reservation: 1\nTDM-Policy: /p", "tdm_reservation", "1", "opted_out_tdm_reservation"),
    ("tdm-reservation: 0", "tdm_reservation", "0", None),
    ("Content-Usage: train-ai=n", "content_usage", "train-ai=n", "opted_out_content_usage"),
    ("Content-Usage: train-ai=y", "content_usage", "train-ai=y", None),
]


@pytest.mark.parametrize(("line", "signal", "value", "reason"), IN_HEADERS)
def test_a_signal_in_a_header_is_kept_and_the_body_is_not_read(server, line, signal, value, reason):
    # A body that never comes: whoever read it would wait and lose the picture as a timeout.
    path = f"/header/{quote(line + chr(10) + 'Content-Length: 999999' if reason else line)}"
    answer = guard(OBEY).fetch(server.url(path))
    assert (answer.reason, answer.body) == (reason, None if reason else BODY)
    assert (
        Evidence(signal, value, reason is not None, "header", server.url(path)) in answer.evidence
    )


@pytest.mark.parametrize("line", [line for line, *_, reason in IN_HEADERS if reason])
def test_what_is_only_recorded_keeps_the_picture_and_the_evidence(server, line):
    server.robots = MANAGED
    answer = guard(RECORD).fetch(server.url(f"/header/{quote(line)}"))
    assert (answer.reason, answer.body) == (None, BODY)
    assert {row.place for row in answer.evidence} == {"robots.txt", "header"}
    assert sum(row.refuses for row in answer.evidence) == 3  # also a signal, and GPTBot


def test_drafts_and_other_crawlers_are_recorded_unless_the_settings_say_more(server):
    server.robots = "User-agent: GPTBot\nDisallow: /"
    assert guard().fetch(server.url("/header/" + quote("Content-Usage: train-ai=n"))).body == BODY
    server.robots = MANAGED
    assert guard().fetch(server.url("/picture/a")).reason == "opted_out_content_signal"


def test_the_example_of_the_operator_s_convention_says_no(shared):
    case = shared.parent / "cases/robots/robots_content_signal.txt"
    if not case.exists():
        pytest.skip(f"{case} is not there")
    with GuardServer() as server:
        server.robots = case.read_text()
        assert guard().fetch(server.url("/picture/a")).reason == "opted_out_content_signal"


RULES = [
    {"location": "/picture/free/*", "tdm-reservation": 0},
    {"location": "/picture/*.png$", "tdm-reservation": 1, "tdm-policy": "https://a.org/p.json"},
    {"location": "/", "tdm-reservation": 0},
]


@pytest.mark.parametrize(
    ("path", "out"),
    [("/picture/a.png", True), ("/picture/free/a.png", False), ("/picture/a.jpg", False)],
)
def test_the_first_rule_of_tdmrep_json_that_matches_counts(server, path, out):
    server.tdmrep = json.dumps(RULES)
    answer = guard().fetch(server.url(path))
    assert answer.reason == ("opted_out_tdm_reservation" if out else None)
    assert heard(answer)[0] == ("tdm_reservation", "1" if out else "0", out, "tdmrep.json")
    assert [one.path for one in server.asked] == [ROBOTS, TDMREP] + ([] if out else [path])


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "null", "[[]]", "not json", "[" * 100_000, '[{"location": 3}]'),
        *('[{"location": "/", "tdm-reservation": null}]', '[{"location": "/"}]', "\x00"),
        '[{"location": "/", "tdm-reservation": 7}]',
    ],
)
def test_a_tdmrep_json_that_says_nothing_reserves_nothing(server, text):
    server.tdmrep = text
    answer = guard().fetch(server.url("/picture/a"))
    assert (answer.body, answer.evidence) == (BODY, ())
    assert parse_tdmrep('[{"location": "/", "tdm-reservation": "1"}]').lines("/a")


@pytest.mark.parametrize("value", ["true", "1.0", '" 1 "', '"true"', "1e0"])
def test_a_reservation_in_tdmrep_json_is_heard_however_one_is_written(server, value):
    server.tdmrep = f'[{{"location": "/", "tdm-reservation": {value}}}]'
    answer = guard().fetch(server.url("/picture/a"))
    assert answer.reason == "opted_out_tdm_reservation"
    assert heard(answer)[0] == ("tdm_reservation", "1", True, "tdmrep.json")


def test_a_host_is_asked_for_one_file_more_however_many_pictures_it_has(server):
    asking = guard()
    for n in range(20):
        assert asking.fetch(server.url(f"/picture/{n}")).body == BODY
    paths = [one.path for one in server.asked]
    assert (paths.count(ROBOTS), paths.count(TDMREP), len(paths)) == (1, 1, 22)


def test_no_file_of_a_host_is_asked_for_that_its_robots_txt_forbids(server):
    server.robots = f"{ALL}Disallow: /.well-known/"
    server.tdmrep = json.dumps([{"location": "/", "tdm-reservation": 1}])
    assert guard().fetch(server.url("/picture/a")).body == BODY
    assert [one.path for one in server.asked] == [ROBOTS, "/picture/a"]


def test_an_image_part_keeps_what_was_heard_with_the_day(server, tmp_path):
    server.robots = MANAGED
    lines = quote("TDM-Reservation: 1")
    rows = ask([server.url(f"/header/{lines}"), server.url("/picture/a")])
    fetch_part(rows, tmp_path / "p", IMAGES, FETCH_ONCE, tmp_path / "log", consent=RECORD)
    found = pq.read_table(tmp_path / "p" / "heard.parquet")
    assert found.schema.equals(TABLES["heard"].schema)
    first, second = rows["pair_id"].to_pylist()
    told = [(row["pair_id"], row["signal"], row["value"]) for row in found.to_pylist()]
    assert told == [
        (first, "content_signal", "ai-train=no"),
        (first, "ai_crawlers", "gptbot"),
        (first, "tdm_reservation", "1"),
        (second, "content_signal", "ai-train=no"),
        (second, "ai_crawlers", "gptbot"),
    ]
    assert {len(day) for day in found["seen"].to_pylist()} == {len("2026-11-30")}


def test_what_a_picture_says_itself_is_kept_and_a_no_stores_nothing(server, tmp_path):
    """XMP that no parser should read ends in a reason; C2PA is read where it is installed."""
    no = f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED-AIMLTRAINING"'
    server.bodies = {
        "no": picture("JPEG", xmp(no)),
        "yes": picture("PNG, packed", xmp(f'plus:DataMining="{VOCABULARY}DMI-ALLOWED"')),
        "none": picture("WEBP"),
        "deep": picture("PNG", xmp("", "<a>" * 500 + f"<b {no}/>" + "</a>" * 500)),
    }
    rows = ask([server.url(f"/body/{name}") for name in server.bodies])
    for consent, reason in ((ConsentSettings(), "opted_out_xmp"), (RECORD, None)):
        folder = tmp_path / str(reason)
        fetch_part(rows, folder, IMAGES, FETCH_ONCE, tmp_path / "log", consent=consent)
        fetched = pq.read_table(folder / "fetched.parquet").to_pylist()
        reasons = {row["pair_id"]: row["reason"] for row in fetched}
        ids = rows["pair_id"].to_pylist()
        assert [reasons[one] for one in ids] == [reason, None, None, "bad_metadata"]
        heard_rows = pq.read_table(folder / "heard.parquet").to_pylist()
        assert [(row["pair_id"], row["value"], row["refuses"]) for row in heard_rows] == [
            (ids[0], "DMI-PROHIBITED-AIMLTRAINING", True),
            (ids[1], "DMI-ALLOWED", False),
        ]
        assert {row["place"] for row in heard_rows} == {"picture"}
