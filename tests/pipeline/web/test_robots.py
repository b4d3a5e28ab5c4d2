"""What a host says of robots is read as it is written, and in time linear in its length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.web.robots import parse_robots


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
        # `*` names us alone or before a blank
        ("User-agent: *WordPress*\nDisallow: /", "/a", True),
        ("User-agent: **\nDisallow: /", "/a", True),
        ("User-agent: *bot\nDisallow: /\n\nUser-agent: *\nDisallow: /b", "/a", True),
        ("User-agent: * foo\nDisallow: /", "/a", False),
        ("User-agent: build*\nDisallow: /", "/a", True),
        # the length of a rule is that of what was written
        ("User-agent: *\nAllow: /*.jpg*****\nDisallow: /admin/", "/admin/a.jpg", True),
        ("User-agent: *\nAllow: /*.jpg\nDisallow: /admin/", "/admin/a.jpg", False),
        ("User-agent: *\nDisallow: /a%41\nAllow: /aAb", "/aAbc", False),  # 5 and 4
        ("User-agent: *\nDisallow: /ä/\nAllow: /%C3%A4/b", "/ä/b", True),
        ("User-agent: *\nDisallow: /****\nAllow: /abc", "/abc", False),  # 5 and 4
        # %24 and %2A are the characters themselves; RFC 9309, section 2.2.3
        ("User-agent: *\nDisallow: /a%24", "/a$b", False),
        ("User-agent: *\nDisallow: /a%24", "/a", True),
        ("User-agent: *\nDisallow: /a%2A", "/a*", False),
        ("User-agent: *\nDisallow: /a%2a", "/axb", True),
        ("User-agent: *\nDisallow: /a%24$", "/a%24", False),
        ("User-agent: *\nDisallow: /a$b", "/a$b", False),
        ("User-agent: *\nDisallow: /a*b", "/a%2Ab", False),
        # a missing colon, and errors of typing; google/robotstxt: kAllowFrequentTypos
        ("User-agent: *\nDisallow /private/", "/private/a", False),
        ("User-agent *\ndisallow\t/private/", "/private/a", False),
        ("User-agent: *\nDisallow /a /b", "/a", True),  # three words are none
        ("User-agent: *\nDisallow", "/a", True),
        ("User-agent: *\nDisalow: /a", "/a", False),
        ("useragent: *\nDissallow: /a", "/a", False),
        ("User-agent: *\nDisallowed: /a", "/a", False),
        # lines end at CR and LF alone
        ("User-agent: *\nDisallow: /a\x0bAllow: /", "/a", True),
        ("User-agent: *\u2028Disallow: /", "/a", True),
        ("User-agent: *\nAllow: /\x85Disallow: /a", "/a", True),
        ("User-agent: *\x0c\nDisallow: /a", "/a", False),
        # other lines close no group: RFC 9309, section 2.2.1; crawler-commons#430
        ("User-agent: x\nSitemap: y\nUser-agent: *\nDisallow: /", "/a", False),
        ("User-agent: x\nCrawl-delay: 9\nUser-agent: *\nDisallow: /", "/a", False),
        ("User-agent: x\nContent-Signal: search=yes\nUser-agent: *\nDisallow: /", "/a", False),
        ("User-agent: *\nContent-Usage: train-ai=n\nUser-agent: x\nDisallow: /a", "/a", False),
        ("User-agent: x\nNoindex: /\nHost: y\n\nUser-agent: *\nDisallow: /", "/a", False),
        # Google's parser takes /dir/index.html for /dir/ as well; the standard does not
        ("User-agent: *\nAllow: /dir/index.html\nDisallow: /", "/dir/", False),
        ("<html><body>Disallow: /</body></html>", "/a", True),
        ("\0" * 100, "/a", True),
    ],
)
def test_the_longest_rule_of_our_group_decides(text, path, allowed):
    assert parse_robots(text).allows(path) is allowed


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("User-agent: *\nCrawl-delay: 10", 10),
        ("User-agent: *\nCRAWL-DELAY : 2.5 # s", 2.5),
        ("User-agent: *\nCrawl-delay 3\nDisallow: /a", 3),
        ("User-agent: *\nCrawl-delay: 1\nCrawl-delay: 5", 5),
        ("User-agent: *\nCrawl-delay: 9\n\nUser-agent: buildwit\nDisallow:", 0),
        ("User-agent: buildwit\nCrawl-delay: 4\n\nUser-agent: *\nCrawl-delay: 9", 4),
        ("User-agent: other\nCrawl-delay: 9", 0),
        ("Crawl-delay: 9", 0),
        ("User-agent: *\nCrawl-delay: -1", 0),
        ("User-agent: *\nCrawl-delay: nan", 0),
        ("User-agent: *\nCrawl-delay: 1e9", 0),
        ("User-agent: *\nCrawl-delay: ten", 0),
    ],
)
def test_the_crawl_delay_is_that_of_our_group(text, delay_s):
    assert parse_robots(text).delay_s == delay_s


NO, YES = [("content-signal", "ai-train=no")], [("content-signal", "ai-train=yes")]
SIGNAL_NO, SIGNAL_YES = "Content-Signal: ai-train=no\n", "Content-Signal: ai-train=yes\n"


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        # between two agents it is for the first, as a rule of access would be
        (f"User-agent: *\n{SIGNAL_NO}User-agent: x\nDisallow: /b", NO),
        (f"User-agent: x\n{SIGNAL_NO}User-agent: *\nDisallow: /b", []),
        (f"User-agent: x\nUser-agent: *\n{SIGNAL_NO}", NO),
        (f"User-agent: x\nCrawl-delay: 1\nUser-agent: *\n{SIGNAL_NO}", NO),
        (f"User-agent: x\n{SIGNAL_NO}\nUser-agent: *\n{SIGNAL_YES}", YES),
        (f"User-agent: x\nAllow: /\n\n{SIGNAL_NO}User-agent: *\nAllow: /", []),
        # before all groups it is for everybody; Consensys/doc.teku#758, koala73/worldmonitor#3327
        (f"{SIGNAL_NO}\nUser-agent: *\nAllow: /", NO),
        (f"{SIGNAL_NO}\nUser-agent: buildwit\nAllow: /\n\nUser-agent: *\nAllow: /", NO),
        (f"Sitemap: /s.xml\n{SIGNAL_NO}", NO),
        (f"{SIGNAL_NO}\nUser-agent: *\n{SIGNAL_YES}", NO + YES),
    ],
)
def test_a_line_about_use_is_for_the_agents_above_it(text, heard):
    assert parse_robots(text).usage("/a") == heard
    assert parse_robots(text).allows("/a")


def test_half_a_million_bytes_of_agents_and_rules_stay_few():
    agents = "".join(f"User-agent: a{n}\n" for n in range(14_000))
    text = agents + "User-agent: *\n" + "Allow: /a\n" * 25_000
    assert len(parse_robots(text).rules) == 25_000


def test_stars_cannot_make_a_match_slow():
    rule = "/" + "*a" * 100_000 + "*b"
    assert parse_robots(f"User-agent: *\nDisallow: {rule}").allows("/" + "a" * 7_000)


@given(st.text())
def test_any_text_is_an_answer(text):
    robots = parse_robots(f"User-agent: *\nDisallow: {text}\n{text}")
    assert robots.allows(f"/{text}") in (True, False)
