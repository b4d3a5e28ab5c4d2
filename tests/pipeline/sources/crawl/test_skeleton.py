"""The search for the tags of a page is held equal to the expression alone, on the page as text."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.sources.charsets import decoded, in_utf_8
from pipeline.sources.crawl import skeleton as searched
from pipeline.sources.crawl.skeleton import KEPT, KEPT_WITH_LINKS, kept_tags, skeleton, text_of
from pipeline.sources.crawl.warc import Fault, pages

TOKENS = (
    b"<img |<IMG|<iMg\n|src=a |alt='x' |<figure>|</Figure>|<figcaption>|</figcaption>|<picture>|"
    b"</picture>|<source |<meta |<base |<html lang=x>|<amp-img |<!--|-->|--!>|<!-->|<script>|"
    b"</script>|</Script >|<style>|</style>|<title>|</title>|<textarea>|<xmp>|<iframe |<noembed>|"
    b"<noframes/|<noscript>|<a |<A\t|<a/|<a>|<area |<link |<li>|rel=license|LICENSE|<|>|/|\"|'|=|-|"
    b"<p>|</p>|text |\xc3\xa9|\xe9|\xe6\x97|\xf0\x9f\x98|\xed\xa0\x80|\xff|\0|\xc5\xbf|"
    b"<script type=application/ld+json>|<script type='application/LD+JSON' nonce=\xc3\xa9>"
).split(b"|")
NAMES = (
    *("script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "img"),
    *("figcaption", "/figcaption", "figure", "/figure", "picture", "/picture", "source", "meta"),
    *("amp-img", "amp-anim", "base", "html", "a", "area", "link"),
)
PAGES = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=3), max_size=40).map(b"".join)


def plain_tags(html: str) -> list[tuple[str, str]]:
    """What stands before each tag that is kept, and the tag."""
    named = "icense" in html or "ICENSE" in html
    pattern = (KEPT_WITH_LINKS if named else KEPT).pattern.decode()
    tags, end = [], 0
    for match in re.finditer(pattern, html, re.X | re.I | re.A):
        tags.append((html[end : match.start()], match[0]))
        end = match.end()
    return tags


def searched_tags(html: bytes) -> list[tuple[str, str]]:
    tags, end = [], 0
    for match in kept_tags(html):
        tags.append((text_of(html[end : match.start()]), text_of(match[0])))
        end = match.end()
    return tags


@given(PAGES)
@example(b"<p>\xc3" + b"<img src=a alt=\xe6\x97>" * 3)
@example(b"<figcaption>\xf0\x9f\x98</figcaption>\xf0\x9f")
def test_the_tags_of_made_pages_are_those_of_the_expression(html):
    assert searched_tags(html) == plain_tags(text_of(html))


@given(PAGES, st.integers(4, 9))
def test_the_tags_are_the_same_wherever_a_page_is_cut_into_pieces(html, n_bytes):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(searched, "PIECE_BYTES", n_bytes)
        assert searched_tags(html) == plain_tags(text_of(html))


@pytest.mark.parametrize("name", ["warcfile.warc.gz", "IAH-urls-wget.warc"])
def test_the_tags_of_real_pages_are_those_of_the_expression(shared, name):
    n_tags = 0
    with (shared / name).open("rb") as file:
        for page in pages(file):
            if not isinstance(page, Fault):
                html, _ = in_utf_8(page.body, page.charset)
                tags = searched_tags(html)
                assert tags == plain_tags(decoded(page.body, page.charset)[0])
                n_tags += len(tags)
    assert n_tags > 100


def test_every_beginning_of_a_tag_is_searched_in_any_case():
    cases = {"lower": str.lower, "UPPER": str.upper, "Title": str.title, "sWAP": swapped}
    for case in cases.values():
        for name in NAMES:
            html = f"LICENSE <p><{case(name)} x>".encode()
            assert len(list(kept_tags(html))) == 1, html
    assert len(list(kept_tags(b"<p><!-- x -->"))) == 1


def swapped(name: str) -> str:
    return name.title().swapcase()


def test_linked_data_are_found_by_the_characters_of_their_tag_not_its_bytes():
    note = "é" * 480
    html = f"<script data-note='{note}' type='application/ld+json'>{{}}</script>"
    assert skeleton(html.encode()).data == ["{}"]
    assert skeleton(html.replace(note, "é" * 500).encode()).data == []
