"""Wikitext to plain text, in time linear in the page.

Pages come from strangers, so nothing here goes back: no lazy pattern (`.*?` took 12 s for 200 kB of
unclosed `<ref>`), brackets are paired by one pass with a stack, and each pattern stops at the
character that could begin its next match. Markup that nothing closes is text, as in MediaWiki,
apart from its own brackets.

Nine tenths of all brackets hold no others. One pattern each takes these without a step of Python
(half of the time); what is left is for the pass with a stack.
"""

import html
import re

# Tags whose content is no sentence, and nowiki, whose content is text without markup.
_REMOVED_TAGS = (
    "ref|math|chem|ce|gallery|timeline|syntaxhighlight|source|pre|score|imagemap|hiero|graph"
    "|mapframe|maplink|templatedata|templatestyles|includeonly|inputbox|categorytree"
)
_COMMENT = re.compile(r"<!--(?:[^-]|-(?!->))*+(?:-->)?+")
_PAIRED_TAG = re.compile(rf"<(/?)({_REMOVED_TAGS}|nowiki)(?=[\s/>])([^<>]*+)>", re.IGNORECASE)
# A note without a tag in it.
_PLAIN_NOTE = re.compile(r"<ref[^<>]*+>(?:(?<=/>)|[^<]*+</ref>)")
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>]*+>")
_BLOCK_TAG = re.compile(r"<[/]?(?:br|p|div|li|ul|ol|td|tr|th|table|blockquote)[ />]", re.IGNORECASE)
_MARKUP_TO_SPACE = str.maketrans(dict.fromkeys("[]{}|<>=&_", " "))

# What opens or closes a template, a table or a link. A table's brackets stand at a line's start,
# so that the empty last parameter of a template, "|}}", closes no table.
_BRACKET = re.compile(r"(\{\{|\}\}|\[\[|\]\]|\n[ \t:]*+(?:\{\||\|\}(?!\})))")
# A template with at most one level of others in it; a link with no bracket and no kind in it.
_PLAIN_TEMPLATE = re.compile(r"\{\{[^{}]*+(?:\{\{[^{}]*+\}\}[^{}]*+)*+\}\}")
_PLAIN_LINK = re.compile(r"\[\[(?:[^\[\]{}|:]*+\|)?+([^\[\]{}|:]*+)\]\]")
_TEMPLATE, _TABLE, _LINK = "{{", "{|", "[["
_KIND = {"{{": _TEMPLATE, "}}": _TEMPLATE, "[[": _LINK, "]]": _LINK}
# The end of a template leaves the links open in it unclosed, that of a table also templates.
_STRENGTH = {_LINK: 0, _TEMPLATE: 1, _TABLE: 2}

# Links that show no words: pictures and categories, and the same article in another language.
_HIDDEN_TARGET = re.compile(
    r"\s*(?:(?i:file|image|category|media)|[a-z]{2,3}|simple|zh-[a-z-]{2,12}|be-x-old|roa-rup"
    r"|bat-smg|map-bms|fiu-vro|nds-nl|cbk-zam)\s*:"
)
_SHOWN_LANGUAGE_LIKE = re.compile(r"\s*(?:iso|doi|rfc|arc|mw|hdl|oclc)\s*:")

_REST = r'[^\s\[\]<>"|{}]*+'
_LABELLED_ADDRESS = re.compile(rf"\[(?:https?:|ftp:)?//{_REST} *+([^\[\]\n]*+)\]")
# Also htp:// and the like: a pattern that begins with a set of letters is searched thrice as fast.
_ADDRESS = re.compile(rf"[hHfF][tT]{{1,2}}[pP][sS]?://{_REST}")
_SWITCH = re.compile(r"__[A-Z]{3,24}__")
_QUOTES = re.compile(r"'''*")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_ODD_SPACES = "\t\u00a0\u2002\u2003\u2007\u2009\u200a\u202f"


def plain_text(wikitext: str) -> str:
    """The words that a reader of the page sees, one line a paragraph; a total function.

    Templates, tables, notes, pictures and categories go; the words of links and headings stay.

    >>> plain_text("== Dogs ==\\nA '''[[dog|hound]]'''{{cn}} &amp; a [http://a.b cat].<ref>x</ref>")
    'Dogs\\nA hound & a cat.'
    """
    text = _without_comments(wikitext)
    text = _without_tags(text) if "<" in text else text
    text = _without_brackets(text)
    text = "".join(_LABELLED_ADDRESS.split(text))
    text = _ADDRESS.sub("", text) if "://" in text else text
    text = _QUOTES.sub("", text)
    text = _SWITCH.sub("", text) if "_" in text else text
    if "&" in text:
        # Twice, for authors who write &amp;nbsp;
        text = _ENTITY.sub(_character, _ENTITY.sub(_character, text))
    for space in _ODD_SPACES:  # str.translate takes 40 times as long
        text = text.replace(space, " ")
    return _without_line_marks(text)


def _without_comments(text: str) -> str:
    """Drop `<!-- … -->`; what follows an unclosed one is no text, as in MediaWiki.

    >>> _without_comments("a<!-- b -->c<!-- d")
    'ac'
    """
    return _COMMENT.sub("", text)


def _without_tags(text: str) -> str:
    """Drop tags, and the content of those that hold no sentences.

    >>> _without_tags('a<ref name="x"/><ref>b</ref> <b>c</b> <nowiki>[[d]]</nowiki> e < f')
    'a c   d   e < f'
    """
    first, *rest = _PAIRED_TAG.split(_PLAIN_NOTE.sub("", text))
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
            kept.append(pieces[n])
        elif opened == "nowiki":
            kept.append(pieces[n].translate(_MARKUP_TO_SPACE))
    left = "".join(kept)
    return _ANY_TAG.sub(_line_end, left) if "<" in left else left


def _line_end(tag: re.Match[str]) -> str:
    return "\n" if _BLOCK_TAG.match(tag[0]) else ""


def _without_brackets(text: str) -> str:
    """Drop templates and tables; leave of a link what it shows.

    One pass: `starts` remembers where in `kept` each open bracket was opened, and a closing
    bracket takes back what was kept since. (Two lists of atoms: a hundred thousand tuples would
    wake Python's garbage collector.)

    >>> _without_brackets("a {{b|{{c}}}} [[d|e]] [[f]] [[File:g.jpg|thumb|the [[h]]]] {{i")
    'a  e f  i'
    """
    text = _PLAIN_TEMPLATE.sub("", text)
    text = "\n" + "".join(_PLAIN_LINK.split(text))  # "\n": a table may start the page
    first, *rest = _BRACKET.split(text)
    kept = [first]
    open_: list[str] = []
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
    return "".join(kept).removeprefix("\n")


def _partner(kind: str, open_: list[str], starts: list[int]) -> int | None:
    """Where the bracket that this one closes was opened; brackets it leaves unclosed are popped.

    >>> _partner("{{", ["{{", "[["], [3, 5])
    3
    """
    while open_ and _STRENGTH[open_[-1]] < _STRENGTH[kind]:
        open_.pop()
        starts.pop()
    if not open_ or open_[-1] != kind:
        return None
    open_.pop()
    return starts.pop()


def _close(kind: str, kept: list[str], start: int) -> None:
    """Take back what was kept since `start`, or of a link its target."""
    if kind != _LINK:
        del kept[start:]
        return
    target, bar, shown = kept[start].partition("|") if start < len(kept) else ("", "", "")
    if _HIDDEN_TARGET.match(target) and not _SHOWN_LANGUAGE_LIKE.match(target):
        del kept[start:]
    elif bar:
        kept[start] = shown


def _character(entity: re.Match[str]) -> str:
    return html.unescape(entity[0])


def _without_line_marks(text: str) -> str:
    """Drop empty lines, and the marks of lists, headings, indents and rules at a line's ends.

    >>> _without_line_marks("=== Early life ===\\n\\n*# one \\n----")
    'Early life\\none'
    """
    lines = [line.strip(" ").lstrip("*#:;- ") for line in text.split("\n") if line]
    unmarked = [line.strip("= ") if line[:1] == "=" else line for line in lines]
    return "\n".join(filter(None, unmarked))
