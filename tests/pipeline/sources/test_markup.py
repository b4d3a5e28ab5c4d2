"""Captions that still hold HTML: what is markup, what is text, and the time it takes."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.markup import text_of_markup


@pytest.mark.parametrize(
    ("caption", "text"),
    [
        ("a red kite", "a red kite"),
        ("two  spaces & a < b > c", "two  spaces & a < b > c"),
        ("Fish &amp; Chips", "Fish & Chips"),
        ("&quot;No Trespassing&quot; sign", '"No Trespassing" sign'),
        ("Mother&#39;s, mother&#x27;s, m&#233;decins", "Mother's, mother's, médecins"),
        ("a&nbsp;b &nbsp; c", "a b c"),
        ("a.jpg?x=1&copy=3&reg=b", "a.jpg?x=1&copy=3&reg=b"),
        ("R&D, AT&T; Q&A;", "R&D, AT&T; Q&A;"),
        ("&nosuchname; &#12345678; &#x1234567;", "&nosuchname; &#12345678; &#x1234567;"),
        ("&#0; &#xd800; &#x110000;", "\ufffd \ufffd \ufffd"),
        ("front &amp;amp; back", "front & back"),
        ("<b>Game 20:</b> at Denver", "Game 20: at Denver"),
        ("H<sub>2</sub>O", "H2O"),
        ("Canada, 1 penny<br/>1837<BR>", "Canada, 1 penny 1837"),
        ("&lt;i&gt;Truong Son&lt;/i&gt; muntjac", "Truong Son muntjac"),
        ("<a href='/x?a=1&b=2' target=_blank>Martin</a> and Amanda", "Martin and Amanda"),
        ("<!--020111--><div class='x'></div>Flash Drive", "Flash Drive"),
        ("a boat <script>alert(1)</script>at sea", "a boat at sea"),
        ('a boat <a href="http://x.org/cut o', "a boat"),
        ("I <3 NY, x <b and <nobody>", "I <3 NY, x <b and <nobody>"),
        ("<img src='a.jpg'/>", ""),
        # lepture/mistune, pull request 440, and erusev/parsedown, pull request 783: alternative
        # texts that were escaped twice.
        ("dogs &amp;amp; cats", "dogs & cats"),
        ("10&amp;nbsp;km", "10 km"),
        ("&amp;lt;b&amp;gt;Q&amp;amp;A&amp;lt;/b&amp;gt;", "Q&A"),
        ("a.jpg?x=1&amp;amp;copy=3", "a.jpg?x=1&copy=3"),
        # PrestaShop/PrestaShop, issue 19022, and statamic/cms, issue 4683: legends with quotes.
        ("text &quot;textinside&quot; text final", 'text "textinside" text final'),
        ("Opening of &quot;Rare Reflections&quot;", 'Opening of "Rare Reflections"'),
    ],
)
def test_whole_entities_and_tags_of_html_are_no_text(caption, text):
    assert text_of_markup(caption) == text


@given(st.text() | st.text("&;#x19 amp<>/bir=\"'!-"))
def test_without_an_entity_or_a_tag_a_caption_is_unchanged(caption):
    if not re.search(r"&(\w+|#\w+);|<(/?[a-zA-Z]|!--)", caption):
        assert text_of_markup(caption) == caption


@given(st.text())
def test_what_a_page_escapes_comes_back(caption):
    words = " ".join(caption.replace("<", "").replace("&", " & ").split())
    assert " ".join(text_of_markup(html.escape(words)).split()) == words


@pytest.mark.parametrize(
    "piece", ["<b ", '<b ="', "<!--", "<script>", "&#1", "<b", "<", "<b =", "<a " + " " * 3_000]
)
def test_a_hostile_caption_takes_linear_time(piece):
    """A pattern that reads on from each of 100,000 places to the end would run for minutes."""
    assert isinstance(text_of_markup(piece * (1_000_000 // len(piece))), str)
