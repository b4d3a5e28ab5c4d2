"""Plain text of wikitext, and what hostile pages cost."""

import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.wikipedia.brackets import openers
from pipeline.wikipedia.markup import plain_text


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("'''Bold''' and ''italic''", "Bold and italic"),
        ("[[dog]] [[dog|hounds]] [[Dog#Breeds|breeds]]s", "dog hounds breedss"),
        ("[http://a.b/c?d=e the site] [https://x.y]", "the site"),
        ("see http://a.b/c_d now", "see … now"),
        ("a {{t|{{u|v}}|w={{x}}}} b", "a … b"),
        ("a {{cite|title=|}} b", "a … b"),
        ("a<ref name=x>b</ref> c<ref name=x /> d", "a c d"),
        ("a<ref>b <!-- </ref> --> c</ref> d", "a d"),
        ("a<!-- b -->c<!-- d", "ac"),
        ("<nowiki>[[a]] {{b}} '''c'''</nowiki>", "a     b   '''c'''"),
        ("a<br>b<br />c", "a\nb\nc"),
        ("x<sub>2</sub> <span style='a'>y</span>", "x2 y"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("<math>E=mc^2</math>energy", "energy"),
        ("<gallery>\nA.jpg|words\n</gallery>after", "after"),
        ("== Early life ==\ntext", "Early life\ntext"),
        ("* one\n** two\n# three\n: four\n----", "one\ntwo\nthree\nfour"),
        ("before\n{| class=x\n|-\n| cell {{t|\n|}} || [[link]]\n|}\nafter", "before\nafter"),
        ("{|\n| a\n{|\n| b\n|}\n| c\n|}\nend", "end"),
        ("[[File:A.jpg|thumb|300px|A [[dog|hound]] {{t}}]]text", "text"),
        ("[[Image:A.png]][[category:Dogs]][[fr:Chien]]text", "text"),
        ("see [[:Category:Dogs]] [[wikt:dog|dog]]", "see Category:Dogs dog"),
        ("see [[:File:a red.jpg]] or [[:File:b.png|the kite]]", "see … or the kite"),
        ("* [[:Datei:c.SVG]]\n* [[:en:Dog]]", "en:Dog"),
        ("fish &amp; chips&nbsp;&ndash; &#233; &bogus; AT&T", "fish & chips – é &bogus; AT&T"),
        ("a&amp;nbsp;b", "a b"),
        ("__NOTOC__ text __init__", "text __init__"),
        ("{{unclosed text", "unclosed text"),
        ("[[unclosed text", "unclosed text"),
        ("closed}} text]]", "closed}} text]]"),
        ("{{a|[[b}} c", "c"),
        ("{|\n| {{unclosed\n|}\nafter", "after"),
        ("<ref>unclosed note", "unclosed note"),
        ("__KEIN_INHALTSVERZEICHNIS__ a __目次強制__ __İÇİNDEKİLERYOK__b", "a  b"),
        ("__toc__ __NoEditSection__ a__b__", "a__b__"),
        ("[[X:a.jpg|mini]] [[Y: b c.SVG|20px|z]] [[Z:d.ogg]]a", "a"),
        ("a<center>b</center>c<h2>d</h2>e", "a\nb\nc\nd\ne"),
        ("", ""),
    ],
)
def test_what_a_reader_sees_stays(wikitext, expected):
    assert plain_text(wikitext).strip() == expected


MARKUP = st.sampled_from(
    [
        "{{",
        "}}",
        "[[",
        "]]",
        "\n{|",
        "\n|}",
        "<ref>",
        "</ref>",
        "<ref/>",
        "<!--",
        "-->",
        "<nowiki>",
        "</nowiki>",
        "[http://a ",
        "|thumb|x",
        "|",
        "''",
        "&",
        "&amp;",
        "<",
        ">",
        "dog",
        "file:",
        "==",
        "Файл",
        "__TOC__",
        "\n",
        "\0",
        "İ",
    ]
)


@given(st.lists(MARKUP | st.text(max_size=3)).map("".join))
def test_every_page_gives_trimmed_lines_of_utf_8_no_longer_than_itself(wikitext):
    text = plain_text(wikitext)
    lines = text.split("\n") if text else []
    assert all(line and line == line.strip(" ") for line in lines)
    assert text.encode().decode() == text
    assert len(text) <= len(wikitext)


@given(st.lists(st.sampled_from(["[", "{", "|", "\n", " ", ":", "}", "]", "a"])).map("".join))
def test_brackets_that_open_are_found_as_a_pattern_finds_them(text):
    plain = re.finditer(r"\[\[|\{\{|\n[ \t:]*(?=\{\|)", text)
    assert openers(text) == [match.start() for match in plain]


HOSTILE = [
    "<ref>",
    "<ref",
    "<ref name='a",
    "</ref>",
    "<!--",
    "-->",
    "[http",
    "[http://",
    "[http://a ",
    "http://",
    "h",
    "{{",
    "}}",
    "[[",
    "]]",
    "[[a|",
    "[[File:",
    "\n{|",
    "\n|}",
    "\n ",
    "{{[[",
    "{{\n{|",
    "<",
    "<a ",
    "</",
    "&",
    "&#",
    "&a",
    "'",
    "'' ",
    "=",
    "= ",
    "\n=",
    "_",
    "__A",
    "|",
    "<nowiki>",
    "<math>",
    "*",
    "- ",
    "[[fr:",
    "[[a[[b]]",
    "{{{",
    "}}}",
    "[",
    "]",
]


def steps(wikitext: str) -> int:
    """How many events of Python code the page takes: lines run and functions called."""
    n = 0

    def count(*_):
        nonlocal n
        n += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        plain_text(wikitext)
    finally:
        sys.settrace(before)
    return n


@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_page_of_twice_the_length_takes_at_most_twice_the_steps(piece):
    short, long = (steps(piece * (size // len(piece))) for size in (5_000, 10_000))
    assert long <= 2.2 * short + 200


@pytest.mark.timeout(120)
@pytest.mark.parametrize("piece", HOSTILE)
def test_a_hostile_page_of_200_kilobytes_ends(piece):
    """A quadratic pattern needs minutes for some of these, ours less than 0.3 s for each."""
    page = piece * (200_000 // len(piece))
    assert len(plain_text(page)) <= len(page)
    assert len(plain_text("\n{| {{ [[" + page + "}}" * 50_000 + "]]" * 50_000)) <= 500_000
