"""Wikitext to plain text, in time linear in the page.

Pages come from strangers, so nothing here goes back: no lazy pattern (`.*?` took 12 s for 200 kB of
unclosed `<ref>`), brackets are paired by one pass with a stack, and each pattern stops at the
character that could begin its next match. Markup that nothing closes is text, as in MediaWiki,
apart from the brackets that open it.

Nine tenths of all brackets hold no others. One pattern each takes these without a step of Python
(half of the time); what is left is for the pass with a stack, which looks only behind brackets that
open something.
"""

import html
import re

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
from pipeline.wikipedia.templates import Shapes, shown
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
    *("poem", "section", "table", "td", "th", "tr", "ul", "h1", "h2", "h3", "h4", "h5", "h6"),
}
_MARKUP_TO_SPACE = str.maketrans({**dict.fromkeys("[]{}|<>=&_", " "), "'": f"'{EMPTY}"})

MOST_SHOWN = 2_000  # characters of a template that holds others and is shown

# A template with at most one level of others in it.
_PLAIN_TEMPLATE = re.compile(r"\{\{([^{}|]*+)([^{}]*+(?:\{\{[^{}]*+\}\}[^{}]*+)*+)\}\}")
# A link with no bracket and no kind in it.
_PLAIN_LINK = re.compile(r"\[\[(?:[^\[\]{}|:]*+\|)?+([^\[\]{}|:]*+)\]\]")
# What opens or closes a template, a table or a link. A table's brackets stand at a line's start, so
# that the empty last parameter of a template, "|}}", closes no table.
_BRACKET = re.compile(r"(\{\{|\}\}|\[\[|\]\]|\n[ \t:]*+(?:\{\||\|\}(?!\})))")
_TEMPLATE, _TABLE, _LINK = "{{", "{|", "[["
_KIND = {"{{": _TEMPLATE, "}}": _TEMPLATE, "[[": _LINK, "]]": _LINK}
# The end of a template leaves the links open in it unclosed, that of a table also templates.
_STRENGTH = {_LINK: 0, _TEMPLATE: 1, _TABLE: 2}

# Links that show no words, besides those that the site names: the same article in another language,
# and whatever has the name of a picture, a sound or a document.
_OTHER_LANGUAGE = re.compile(
    r"\s*(?:[a-z]{2,3}|simple|zh-[a-z-]{2,12}|be-x-old|be-tarask|roa-rup|roa-tara|bat-smg|map-bms"
    r"|fiu-vro|nds-nl|cbk-zam)\s*:"
)
_FILE_NAME = re.compile(
    r".*\.(?:jpe?g|png|gif|svg|webp|tiff?|bmp|xcf|djvu|pdf|og[agv]|opus|webm|mp[34]|mpe?g|midi?|wav"
    r"|flac|stl)\s*",
    re.IGNORECASE | re.DOTALL,
)
_SHOWN_LANGUAGE_LIKE = re.compile(r"\s*(?:iso|doi|rfc|arc|mw|hdl|oclc)\s*:")

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
    text = _without_brackets(text, site)
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


def _without_brackets(text: str, site: Site) -> str:
    """Drop templates and tables; leave of a link, and of some templates, what it shows.

    One pass: `starts` remembers where in `kept` each open bracket was opened, and a closing
    bracket takes back what was kept since. (Two lists of atoms: a hundred thousand tuples would
    wake Python's garbage collector.)

    >>> text = "a {{b|{{c}}}} [[d|e]] [[f]] [[File:g.jpg|thumb|the [[h]]]] {{i"
    >>> _without_brackets(text, site_of("en")).replace(BREAK, "…")
    'a … e f … i'
    """
    text = _without_plain_templates(text, site.shapes) if "{{" in text else text
    text = "\n" + "".join(_PLAIN_LINK.split(text))  # "\n": a table may start the page
    kept: list[str] = []
    open_: list[str] = []
    starts: list[int] = []
    n_tables = done = 0
    for opener in openers(text):
        if opener < done:
            continue
        for match in _BRACKET.finditer(text, opener):
            bracket = match[0]
            at, after = match.span()
            kept.append(text[done:at])
            done = after
            kind = _KIND.get(bracket, _TABLE)
            if bracket.endswith(kind):
                open_.append(kind)
                starts.append(len(kept))
                n_tables += kind == _TABLE
            elif kind != _TABLE or n_tables:
                start = _partner(kind, open_, starts)
                if start is not None:
                    n_tables -= kind == _TABLE
                    _close(kind, kept, start, site)
                if not open_:
                    break
    kept.append(text[done:])
    return "".join(kept).removeprefix("\n")


def openers(text: str) -> list[int]:
    """Where templates, tables and links may open, in order: only behind these are brackets sought.

    One character is found thirty times as fast as one of five.

    >>> openers("a [b] [[c]] {{d}}\\n {| e {| f")
    [6, 12, 17]
    """
    places = []
    for bracket in "[{":
        at = text.find(bracket)
        while at >= 0:
            following = text[at + 1 : at + 2]
            if following == bracket:
                places.append(at)
                at += 1
            elif bracket == "{" and following == "|":
                start = at
                while start and text[start - 1] in " \t:":
                    start -= 1
                if start and text[start - 1] == "\n":
                    places.append(start - 1)
            at = text.find(bracket, at + 1)
    return sorted(places)


def _without_plain_templates(text: str, shapes: Shapes) -> str:
    """Put what they show in the place of templates; those that are left are for the stack.

    >>> _without_plain_templates("a {{x|{{y}}}} {{nowrap|b}}", site_of().shapes).replace(BREAK, "…")
    'a … b'
    """
    pieces = _PLAIN_TEMPLATE.split(text)  # half as much again as fast as a function of each match
    names, bodies = pieces[1::3], pieces[2::3]
    shapes_ = [shapes[name] for name in names]
    left = [BREAK] * len(names)
    for n in [n for n, shape in enumerate(shapes_) if shape is not None]:
        name, shape, body = names[n], shapes_[n], bodies[n]
        if "{{" in body or "[[" in body:
            left[n] = "{{" + name + body + "}}"
        else:
            left[n] = shown(name, shape or "", body)
    pieces[1::3] = left
    del pieces[2::3]
    return "".join(pieces)


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


def _close(kind: str, kept: list[str], start: int, site: Site) -> None:
    """Put what a bracket shows in the place of what was kept since it was opened."""
    first = kept[start] if start < len(kept) else ""
    if kind == _LINK:
        target, bar, label = first.partition("|")
        if not _is_hidden(target, site):
            if bar:
                kept[start] = label
            return
        kept[start:] = [BREAK]
    elif kind == _TABLE:
        kept[start:] = ["\n"]
    else:
        name = first.partition("|")[0]
        shape = site.shapes[name]
        if shape is None:
            kept[start:] = [BREAK]
        else:
            inside = "".join(kept[start:])
            fits = len(inside) <= MOST_SHOWN
            kept[start:] = [shown(name, shape, inside[len(name) :]) if fits else BREAK]


def _is_hidden(target: str, site: Site) -> bool:
    """Whether a link to this page shows no words.

    >>> [_is_hidden(to, site_of("de")) for to in ("Datei:A", "X: b.JPG", "fr:Chien", "wikt:a")]
    [True, True, True, False]
    """
    prefix, colon, name = target.partition(":")
    if not colon or not prefix:
        return False
    if prefix.strip(" _\n").replace("_", " ").lower() in site.silent or _FILE_NAME.fullmatch(name):
        return True
    return bool(_OTHER_LANGUAGE.match(target)) and not _SHOWN_LANGUAGE_LIKE.match(target)


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
    if BREAK in text:
        lines = [with_breaks_shown(line) if BREAK in line else line for line in lines]
    return "\n".join(filter(None, lines))
