"""Wikitext to plain text, in time linear in the page.

May import nothing of ours. Pages come from strangers, so nothing here goes back: no lazy pattern
(`.*?` took 12 s for 200 kB of unclosed `<ref>`), brackets are paired by one pass with a stack,
and each pattern stops at the character that could begin its next match. Markup that nothing
closes is text, as in MediaWiki, apart from its own brackets.

All marks are ASCII, so the work is done on UTF-8: a fifth faster than on strings, most of which
take two bytes a character. Nine tenths of all brackets hold no others; one pattern takes each of
these without a step of Python, and the pass with a stack has little left to do.
"""

import html
import re

# Tags whose content is no sentence, and nowiki, whose content is text without markup.
_REMOVED_TAGS = (
    b"ref|math|chem|ce|gallery|timeline|syntaxhighlight|source|pre|score|imagemap|hiero|graph"
    b"|mapframe|maplink|templatedata|templatestyles|includeonly|inputbox|categorytree"
)
_PAIRED_TAG = re.compile(rb"(?i)<(/?)(" + _REMOVED_TAGS + rb"|nowiki)(?=[\s/>])([^<>]*)>")
_PLAIN_NOTE = re.compile(rb"<ref(?:[^<>]*/>|[^<>]*>[^<]*</ref>)")
_ANY_TAG = re.compile(rb"</?[A-Za-z][^<>]*>")
_BLOCK_TAG = re.compile(rb"(?i)</?(?:br|p|div|li|ul|ol|td|tr|th|table|blockquote)[ />]")
_MARKUP_TO_SPACE = bytes.maketrans(b"[]{}|<>=&_", b" " * 10)

# What opens or closes a template, a table or a link. A table's brackets stand at a line's start,
# so that the empty last parameter of a template, "|}}", closes no table.
_BRACKET = re.compile(rb"(\{\{|\}\}|\[\[|\]\]|\n[ \t:]*+(?:\{\||\|\}(?!\})))")
# A template with at most one level of others in it; a link with no bracket and no kind in it.
_PLAIN_TEMPLATE = re.compile(rb"\{\{[^{}]*+(?:\{\{[^{}]*+\}\}[^{}]*+)*+\}\}")
_PLAIN_LINK = re.compile(rb"\[\[(?:[^\[\]{}|:]*+\|)?+([^\[\]{}|:]*+)\]\]")
_TEMPLATE, _TABLE, _LINK = b"{{", b"{|", b"[["
_KIND = {b"{{": _TEMPLATE, b"}}": _TEMPLATE, b"[[": _LINK, b"]]": _LINK}
# The end of a template leaves the links open in it unclosed, that of a table also templates.
_STRENGTH = {_LINK: 0, _TEMPLATE: 1, _TABLE: 2}

# Links that show no words: pictures and categories, and the same article in another language.
_HIDDEN_TARGET = re.compile(
    rb"\s*(?:(?i:file|image|category|media)|[a-z]{2,3}|simple|zh-[a-z-]{2,12}|be-x-old|roa-rup"
    rb"|bat-smg|map-bms|fiu-vro|nds-nl|cbk-zam)\s*:"
)
_SHOWN_LANGUAGE_LIKE = re.compile(rb"\s*(?:iso|doi|rfc|arc|mw|hdl|oclc)\s*:")

_REST = rb'[^\s\[\]<>"|{}]*'
_LABELLED_ADDRESS = re.compile(rb"\[(?:https?:|ftp:)?//" + _REST + rb" *([^\[\]\n]*)\]")
# Also htp:// and the like: a pattern that begins with a set of letters is searched thrice as fast.
_ADDRESS = re.compile(rb"[hHfF][tT]{1,2}[pP][sS]?://" + _REST)
_SWITCH = re.compile(rb"__[A-Z]{3,24}__")
_QUOTES = re.compile(rb"'''*")
_ENTITY = re.compile(rb"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ODD_SPACES = [one.encode() for one in "\t\u00a0\u2002\u2003\u2007\u2009\u200a\u202f"]


def plain_text(wikitext: str) -> str:
    """The words that a reader of the page sees, one line a paragraph; a total function.

    Templates, tables, notes, pictures and categories go; the words of links and headings stay.

    >>> plain_text("== Dogs ==\\nA '''[[dog|hound]]'''{{cn}} &amp; a [http://a.b cat].<ref>x</ref>")
    'Dogs\\nA hound & a cat.'
    """
    text = wikitext.encode(errors="replace")
    text = _without_comments(text) if b"<!--" in text else text
    text = _without_tags(text) if b"<" in text else text
    text = _without_brackets(text)
    text = b"".join(_LABELLED_ADDRESS.split(text))
    text = _ADDRESS.sub(b"", text) if b"://" in text else text
    text = _QUOTES.sub(b"", text)
    text = _SWITCH.sub(b"", text) if b"__" in text else text
    if b"&" in text:
        # Twice, for authors who write &amp;nbsp;
        text = _ENTITY.sub(_character, _ENTITY.sub(_character, text))
    for space in _ODD_SPACES:
        text = text.replace(space, b" ")
    return _without_line_marks(text).decode()


def _without_comments(text: bytes) -> bytes:
    """Drop `<!-- … -->`; what follows an unclosed one is no text, as in MediaWiki.

    >>> _without_comments(b"a<!-- b -->c<!-- d")
    b'ac'
    """
    before, *pieces = text.split(b"<!--")
    # A piece without "-->" lies inside a comment that a later piece closes, or nothing does.
    closed = (piece.partition(b"-->") for piece in pieces)
    return before + b"".join(after for _, found, after in closed if found)


def _without_tags(text: bytes) -> bytes:
    """Drop tags, and the content of those that hold no sentences.

    >>> _without_tags(b'a<ref name="x"/><ref>b</ref> <b>c</b> <nowiki>[[d]]</nowiki> e < f')
    b'a c   d   e < f'
    """
    first, *rest = _PAIRED_TAG.split(_PLAIN_NOTE.sub(b"", text))
    slashes, attributes, pieces = rest[::4], rest[2::4], rest[3::4]
    names = [name.lower() for name in rest[1::4]]
    last_close = {name: n for n, name in enumerate(names) if slashes[n]}
    kept, opened = [first], b""
    for n, name in enumerate(names):
        if opened:
            if slashes[n] and name == opened:
                opened = b""
        elif not slashes[n] and not attributes[n].endswith(b"/") and last_close.get(name, -1) > n:
            opened = name
        if not opened:
            kept.append(pieces[n])
        elif opened == b"nowiki":
            kept.append(pieces[n].translate(_MARKUP_TO_SPACE))
    left = b"".join(kept)
    return _ANY_TAG.sub(_line_end, left) if b"<" in left else left


def _line_end(tag: re.Match[bytes]) -> bytes:
    return b"\n" if _BLOCK_TAG.match(tag[0]) else b""


def _without_brackets(text: bytes) -> bytes:
    """Drop templates and tables; leave of a link what it shows.

    One pass: `starts` remembers where in `kept` each open bracket was opened, and a closing
    bracket takes back what was kept since. (Two lists of atoms: a hundred thousand tuples would
    wake Python's garbage collector.)

    >>> _without_brackets(b"a {{b|{{c}}}} [[d|e]] [[f]] [[File:g.jpg|thumb|the [[h]]]] {{i")
    b'a  e f  i'
    """
    text = _PLAIN_TEMPLATE.sub(b"", text)
    text = b"\n" + b"".join(_PLAIN_LINK.split(text))  # a table may start the page
    first, *rest = _BRACKET.split(text)
    kept = [first]
    open_: list[bytes] = []
    starts: list[int] = []
    n_tables = 0
    for bracket, piece in zip(rest[::2], rest[1::2], strict=True):
        kind = _KIND.get(bracket, _TABLE)
        if bracket.endswith(kind):
            open_.append(kind)
            starts.append(len(kept))
            n_tables += kind == _TABLE
        elif kind != _TABLE or n_tables:
            start = _partner(kind, open_, starts)
            if start is not None:
                n_tables -= kind == _TABLE
                _close(kind, kept, start)
        kept.append(piece)
    return b"".join(kept).removeprefix(b"\n")


def _partner(kind: bytes, open_: list[bytes], starts: list[int]) -> int | None:
    """Where the bracket that this one closes was opened; brackets it leaves unclosed are popped.

    >>> _partner(b"{{", [b"{{", b"[["], [3, 5])
    3
    """
    while open_ and _STRENGTH[open_[-1]] < _STRENGTH[kind]:
        open_.pop()
        starts.pop()
    if not open_ or open_[-1] != kind:
        return None
    open_.pop()
    return starts.pop()


def _close(kind: bytes, kept: list[bytes], start: int) -> None:
    """Take back what was kept since `start`, or of a link its target."""
    if kind != _LINK:
        del kept[start:]
        return
    target, bar, shown = kept[start].partition(b"|") if start < len(kept) else (b"", b"", b"")
    if _HIDDEN_TARGET.match(target) and not _SHOWN_LANGUAGE_LIKE.match(target):
        del kept[start:]
    elif bar:
        kept[start] = shown


def _character(entity: re.Match[bytes]) -> bytes:
    return html.unescape(entity[0].decode()).encode(errors="replace")


def _without_line_marks(text: bytes) -> bytes:
    """Drop empty lines, and the marks of lists, headings, indents and rules at a line's ends.

    >>> _without_line_marks(b"=== Early life ===\\n\\n*# one \\n----")
    b'Early life\\none'
    """
    lines = [line.strip(b" ").lstrip(b"*#:;- ") for line in text.split(b"\n") if line]
    unmarked = [line.strip(b"= ") if line[:1] == b"=" else line for line in lines]
    return b"\n".join(filter(None, unmarked))
