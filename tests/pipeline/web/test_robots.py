"""What a host says of robots is read as it is written, and in time linear in its length."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.robots import opted_out, parse_robots

NOW = datetime(2026, 1, 1, tzinfo=UTC)


# (robots.txt, path, whether it may be asked for)
@pytest.mark.parametrize(
    ("text", "path", "allowed"),
    [
        ("", "/a", True),
        ("User-agent: *\nDisallow:", "/a", True),
        ("User-agent: *\nDisallow: /", "/a", False),
        ("user-AGENT : *  # all\n disallow :/a # b", "/ab", False),
        ("\ufeffUser-agent: *\r\nDisallow: /", "/a", False),
        ("User-agent: *\rDisallow: /", "/a", False),
        ("Disallow: /", "/a", True),  # for nobody
        ("User-agent: *\nDisallow: /\n\nUser-agent: buildwit\nDisallow: /b", "/a", True),
        ("User-agent: buildwit\nDisallow:\n\nUser-agent: *\nDisallow: /", "/a", True),
        ("User-agent: BuildWIT/1.0\nDisallow: /", "/a", False),
        ("User-agent: buildwitness\nDisallow: /", "/a", True),
        ("User-agent: other\nUser-agent: buildwit\nDisallow: /", "/a", False),
        ("User-agent: other\nSitemap: x\nUser-agent: buildwit\nDisallow: /", "/a", False),
        ("User-agent: buildwit\nAllow: /a\n\nUser-agent: buildwit\nDisallow: /", "/b", False),
        ("User-agent: buildwit\nAllow: /a\n\nUser-agent: buildwit\nDisallow: /", "/a", True),
        ("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b", True),
        ("User-agent: *\nAllow: /a\nDisallow: /a", "/a", True),  # of equals, the kinder
        ("User-agent: *\nDisallow: /a$", "/ab", True),
        ("User-agent: *\nDisallow: /a$", "/a", False),
        ("User-agent: *\nDisallow: /*.png$", "/x/a.png", False),
        ("User-agent: *\nDisallow: /*.png$", "/x/a.png?b", True),
        ("User-agent: *\nDisallow: *ab*b$", "/ab", True),
        ("User-agent: *\nDisallow: /a**b", "/axb", False),
        ("User-agent: *\nDisallow: /ä", "/%C3%A4", False),
        ("User-agent: *\nDisallow: /%7Ejoe", "/~joe", False),
        ("User-agent: *\nDisallow: /a%2fb", "/a%2Fb", False),
        ("User-agent: *\nDisallow: /a%2fb", "/a/b", True),
        ("User-agent: *\nDisallow: /*?", "/a?b=1", False),
        ("<html><body>Disallow: /</body></html>", "/a", True),
        ("\0" * 100, "/a", True),
    ],
)
def test_the_longest_rule_of_our_group_decides(text, path, allowed):
    assert parse_robots(text).allows(path) is allowed


def test_half_a_million_bytes_of_agents_and_rules_stay_few():
    agents = "".join(f"User-agent: a{n}\n" for n in range(14_000))
    text = agents + "User-agent: *\n" + "Allow: /a\n" * 25_000
    assert len(parse_robots(text).rules) == 25_000


def test_stars_cannot_make_a_match_slow():
    rule = "/" + "*a" * 100_000 + "*b"
    assert parse_robots(f"User-agent: *\nDisallow: {rule}").allows("/" + "a" * 7_000)


@pytest.mark.parametrize(
    "tag",
    [
        "noindex",
        "None",
        "nofollow, NOAI",
        "noimageai",
        "noimageindex",
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
    ],
)
def test_tags_that_opt_out(tag):
    assert opted_out([tag], [], NOW)


@pytest.mark.parametrize(
    "tag",
    [
        "",
        "all",
        "nofollow, nosnippet",
        "max-image-preview: none",
        "otherbot: noindex, nofollow",
        "otherbot: nofollow, noai",
        "otherbot: unavailable_after: 25 Jun 2010 15:00:00 GMT",
        "unavailable_after: 25 Jun 2030 15:00:00 GMT",
        "unavailable_after: some day",
        "unavailable_after:",
        "noindexing",
        ",,,:::",
    ],
)
def test_tags_that_do_not(tag):
    assert not opted_out([tag], [], NOW)


def test_of_several_headers_one_is_enough():
    assert opted_out(["otherbot: noindex", "all", "noai"], [], NOW)


@pytest.mark.parametrize(
    ("values", "out"),
    [
        *((["1"], True), ([" 1 "], True), (["0", "1"], True), (["1, 1"], True)),
        *((["0"], False), ([""], False), (["10"], False), (["yes"], False), ([], False)),
    ],
)
def test_a_reservation_is_the_number_one(values, out):
    assert opted_out([], values, NOW) is out


@given(st.lists(st.text("abn:;,0123456789 *noindex-GMT"), max_size=3), st.text())
def test_any_text_is_an_answer(tags, text):
    assert opted_out(tags, tags, NOW) in (True, False)
    robots = parse_robots(f"User-agent: *\nDisallow: {text}\n{text}")
    assert robots.allows(f"/{text}") in (True, False)
