"""Files of bug reports that other parsers of robots.txt got wrong; each names its report."""

import pytest

from pipeline.web.robots import parse_robots

GOV_UK = """User-agent: *
Disallow: /*/print$
# Don't allow indexing of user needs pages
Disallow: /info/*
Sitemap: https://www.gov.uk/sitemap.xml
User-agent: AhrefsBot
Crawl-delay: 10
User-agent: deepcrawl
Disallow: /
User-agent: MS Search 6.0 Robot
Disallow: /
"""
ARCHIVES = "User-agent: *\nCrawl-delay: 10\n\nUser-agent: buildwit\nCrawl-delay: 2\n"
# No rule stands between the agents, and Crawl-delay is none: all three groups are one of `*`.
GLUED = """# Slow down bots
User-agent: *
Crawl-delay: 10

# Disallow: Badbot
User-agent: badbot
Disallow: /

User-agent: *
Disallow:
"""


@pytest.mark.parametrize(
    ("report", "text", "path", "allowed"),
    [
        ("scrapy/protego#29", "User-agent: *\nDisallow: /*s=", "/?s=asd", False),
        ("scrapy/protego#29", "User-agent: *\nDisallow: /*s=", "/s/", True),
        (
            "scrapy/protego#51",
            "User-agent: *\nAllow:    /*/filter/page=*/$\nDisallow: /",
            "/1/filter/page=5/",
            True,
        ),
        ("seomoz/reppy#83", "user-agent: *\ndisallow: */test", "/test", False),
        ("seomoz/reppy#83", "User-agent: *\nDisallow: /users/*/replies", "/anything", True),
        ("python/cpython#114310", "User-agent: *\nDisallow: *", "/a", False),
        ("google/robotstxt#51", GLUED, "/a", False),
        (
            "lightpanda-io/browser#2997",
            "User-agent: buildwit\nDisallow:\n\nUser-agent: *\nDisallow: /",
            "/a",
            True,
        ),
        (
            "t1gor/Robots.txt-Parser-Class#78",
            "User-agent:buildwit\nDisallow:/\nUser-agent:*\nDisallow:",
            "/",
            False,
        ),
        (
            "rejifald/movar#434",
            "User-agent: *\nUser-agent: Googlebot\nDisallow: /private",
            "/private",
            False,
        ),
        ("ropensci/robotstxt#48", GOV_UK, "/browse/print", False),
        ("ropensci/robotstxt#48", GOV_UK, "/browse", True),
        ("crawler-commons/crawler-commons#362", "User-agent: build\nDisallow: /", "/a", True),
    ],
)
def test_a_path_is_allowed_or_not_as_the_standard_says(report, text, path, allowed):
    assert parse_robots(text).allows(path) is allowed, report


@pytest.mark.parametrize(
    ("report", "text", "delay_s"),
    [
        ("ropensci/robotstxt#48", GOV_UK, 0),
        ("chriskite/robotex#9", ARCHIVES, 2),
        ("google/robotstxt#51", GLUED, 10),
    ],
)
def test_the_delay_is_that_of_the_group_for_us(report, text, delay_s):
    assert parse_robots(text).delay_s == delay_s, report
