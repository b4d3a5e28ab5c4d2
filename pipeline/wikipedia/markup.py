"""Wikitext to plain text, in time linear in the page.

Pages come from strangers, so nothing here goes back: no lazy pattern (`.*?` took 12 s for 200 kB of
unclosed `<ref>`), brackets are paired by one pass with a stack, and each pattern stops at the
character that could begin its next match. Markup that nothing closes is text, as in MediaWiki,
apart from the brackets that open it.
"""

import html
import re

from pipeline.wikipedia.brackets import without_brackets
from pipeline.wikipedia.breaks import (
    BREAK,
    EMPTY,
    NOTE,
    with_breaks_shown,
    with_notes_read,
    without_marks,
)
from pipeline.wikipedia.quotes import without_quotes
from pipeline.wikipedia.site import Site, site_of
from pipeline.wikipedia.variants import one_variant

# Tags whose content is no sentence, and nowiki, whose content is text without markup.
_REMOVED_TAGS = (
    "ref|math|chem|ce|gallery|timeline|syntaxhighlight|source|pre|score|imagemap|hiero|graph"
    "|mapframe|maplink|templatedata|templatestyles|includeonly|inputbox|categorytree"
)
_PAIRED_TAG = re.compile(rf"<(/?)({_REMOVED_TAGS}|nowiki)(?=[\s/>])([^<>]*+)>", re.IGNORECASE)
_MARK_OF_TAG = {"ref": NOTE, "nowiki": EMPTY, "templatestyles": EMPTY, "includeonly": EMPTY}
# A comment, or a note without a tag in it.
_COMMENT_OR_NOTE = re.compile(
    r"<(?:(!)--(?:[^-]|-(?!->))*+(?:-->)?+|ref[^<>]*+>(?:(?<=/>)|[^<]*+</ref>))"
)
_NO_WORD = frozenset(" \n.,;:!?)-–")  # behind a note; its number touches no word there
_ANY_TAG = re.compile(r"</?([A-Za-z][A-Za-z0-9]*+)[^<>]*+>")
_BLOCK_TAGS = {
    *("blockquote", "br", "caption", "center", "dd", "div", "dl", "dt", "hr", "li", "ol", "p"),
    *("poem", "table", "td", "th", "tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6"),
}
_MARKUP_TO_SPACE = str.maketrans({**dict.fromkeys("[]{}|<>=&_", " "), "'": f"'{EMPTY}"})

_REST = r'[^\s\[\]<>"|{}]*+'
_LABELLED_ADDRESS = re.compile(rf"\[(?:https?:|ftp:)?//{_REST} *+([^\[\]\n]*+)\]")
# Before "://", which is found ten times as fast as a pattern. Also htp:// and the like.
_SCHEME = re.compile(r"(?:ht{1,2}ps?|ftps?)$", re.IGNORECASE)
_REST_OF_ADDRESS = re.compile(rf"\A{_REST}")
# A word of MediaWiki's in any script: __NOTOC__, __KEIN_INHALTSVERZEICHNIS__, __目次強制__.
_SWITCH = re.compile(r"__[^\s_\[\]{}|<>=]{1,40}+(?:_[^\s_\[\]{}|<>=]{1,40}+){0,4}+__")
_SPACES, _LINE_MARKS, _HEADING_MARKS = f" {BREAK}", f"*#:;- {BREAK}", f"= {BREAK}"
_TEXT_APOSTROPHE = f"{EMPTY}'{EMPTY}"
_ENGLISH_SWITCHES = {"notoc", "toc", "forcetoc", "noeditsection", "nogallery"}
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ODD_SPACES = "\t\u00a0\u2002\u2003\u2007\u2009\u200a\u202f"


def plain_text(wikitext: str, site: Site | None = None) -> str:
    """The words that a reader of the page sees, one line a paragraph; a total function.

    Templates, tables, notes, pictures and categories go, and leave "…" between words; the words
    of links and headings stay, and those of the templates in pipeline.wikipedia.templates.

    >>> plain_text("== Dogs ==\\nA '''[[dog|hound]]'''{{cn}} &amp; a [http://a.b cat].<ref>x</ref>")
    'Dogs\\nA hound & a cat.'
    >>> plain_text("From {{lang|fr|Lyon}} {{flagg|it}} Rome, {{convert|10|km}}{{snd}}far")
    'From Lyon … Rome, 10 km – far'
    """
    site = site or site_of()
    text = without_marks(wikitext)
    text = _without_tags(_without_comments(text)) if "<" in text else text
    text = without_brackets(text, site)
    text = one_variant(text) if "{" in text else text
    text = _without_link_addresses(text) if "[" in text else text
    text = _without_addresses(text) if _has_address(text) else text
    text = _SWITCH.sub(_unless_a_word, text) if "_" in text else text
    if "&" in text:
        text = _ENTITY.sub(_character, text)
    if "&" in text:  # again, for authors who write &amp;nbsp;
        text = _ENTITY.sub(_character, text)
    for space in _ODD_SPACES:  # str.translate takes 40 times as long
        text = text.replace(space, " ")
    return _without_line_marks(text)


def _without_comments(text: str) -> str:
    """Drop `<!-- … -->` and notes; what follows an unclosed comment is no text, as in MediaWiki.

    >>> _without_comments('a<!-- b -->c<ref>d</ref> e<ref name="x" />f<!-- g')
    'ac e\\x02f'
    """
    pieces = _COMMENT_OR_NOTE.split(text)
    # Instead of what was between them: most notes stand before a space, and nothing is left.
    pieces[1::2] = [
        "" if is_comment or piece[:1] in _NO_WORD else NOTE
        for is_comment, piece in zip(pieces[1::2], pieces[2::2], strict=True)
    ]
    return "".join(pieces)


def _without_tags(text: str) -> str:
    """Drop tags, and the content of those that hold no sentences.

    >>> _without_tags("a <b>c</b><math>x</math> e < f").replace(BREAK, "…")
    'a c… e < f'
    """
    first, *rest = _PAIRED_TAG.split(text)
    slashes, attributes, pieces = rest[::4], rest[2::4], rest[3::4]
    names = [name.lower() for name in rest[1::4]]
    last_close = {name: n for n, name in enumerate(names) if slashes[n]}
    kept, opened = [first], ""
    for n, name in enumerate(names):
        if opened:
            if slashes[n] and name == opened:
                opened = ""
        elif not slashes[n] and not attributes[n].endswith("/") and last_close.get(name, -1) > n:
            opened = name
        if not opened:
            kept += _MARK_OF_TAG.get(name, BREAK), pieces[n]
        elif opened == "nowiki":
            kept += EMPTY, pieces[n].translate(_MARKUP_TO_SPACE)
    pieces = _ANY_TAG.split("".join(kept))
    pieces[1::2] = ["\n" if name.lower() in _BLOCK_TAGS else "" for name in pieces[1::2]]
    return "".join(pieces)


def _without_link_addresses(text: str) -> str:
    """Of links to other sites leave what they show; without words a number, which is like a note.

    >>> _without_link_addresses("[http://a.b/c the site] [//d.e]")
    'the site \\x02'
    """
    pieces = _LABELLED_ADDRESS.split(text)
    pieces[1::2] = [label or NOTE for label in pieces[1::2]]
    return "".join(pieces)


def _has_address(text: str) -> bool:
    """Whether "//" is in the text. (One character is found ten times as fast as two.)"""
    at = text.find("/")
    while at >= 0 and text[at + 1 : at + 2] != "/":
        at = text.find("/", at + 1)
    return at >= 0


def _without_addresses(text: str) -> str:
    """Drop the addresses that stand in the text.

    >>> _without_addresses("see http://f.g now").replace(BREAK, "…")
    'see … now'
    """
    before, *rest = text.split("://")
    kept: list[str] = []
    for piece in rest:
        scheme = _SCHEME.search(before, max(0, len(before) - 5))
        if scheme:
            kept += before[: scheme.start()], BREAK
            piece = _REST_OF_ADDRESS.sub("", piece, count=1)
        else:
            kept += before, "://"
        before = piece
    return "".join([*kept, before])


def _unless_a_word(switch: re.Match[str]) -> str:
    """A switch is written in capitals, or in a script that has none; "__init__" is a word."""
    word = switch[0].strip("_")
    return switch[0] if word != word.upper() and word.lower() not in _ENGLISH_SWITCHES else ""


def _character(entity: re.Match[str]) -> str:
    character = html.unescape(entity[0])
    return character if character != "'" else _TEXT_APOSTROPHE


def _without_line_marks(text: str) -> str:
    """Drop empty lines, marks of bold and italics, and those of lists, headings, indents, rules.

    >>> _without_line_marks("=== Early life ===\\n\\n*# one \\n----")
    'Early life\\none'
    """
    lines = without_quotes(text).split("\n")
    if NOTE in text:
        lines = [with_notes_read(line) if NOTE in line else line for line in lines]
    if EMPTY in text:
        lines = [line.replace(EMPTY, "") for line in lines]
    lines = [line.strip(_SPACES).lstrip(_LINE_MARKS) for line in lines if line]
    lines = [line.strip(_HEADING_MARKS) if line[:1] == "=" else line for line in lines]
    if BREAK in text or NOTE in text:
        lines = [with_breaks_shown(line) if BREAK in line else line for line in lines]
    return "\n".join(filter(None, lines))
