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
from functools import partial

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
_COMMENT = re.compile(r"<!--(?:[^-]|-(?!->))*+(?:-->)?+")
_PAIRED_TAG = re.compile(rf"<(/?)({_REMOVED_TAGS}|nowiki)(?=[\s/>])([^<>]*+)>", re.IGNORECASE)
_MARK_OF_TAG = {"ref": NOTE, "nowiki": EMPTY, "templatestyles": EMPTY, "includeonly": EMPTY}
# A note without a tag in it.
_PLAIN_NOTE = re.compile(r"<ref[^<>]*+>(?:(?<=/>)|[^<]*+</ref>)")
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>]*+>")
_BLOCK_TAG = re.compile(
    r"</?(?:blockquote|br|caption|center|dd|div|dl|dt|h[1-6r]|li|ol|p|poem|section|table|td|th|tr|ul)"
    r"[\s/>]",
    re.IGNORECASE,
)
_MARKUP_TO_SPACE = str.maketrans({**dict.fromkeys("[]{}|<>=&_", " "), "'": f"'{EMPTY}"})

MOST_SHOWN = 2_000  # characters of a template that holds others and is shown

# What opens or closes a template, a table or a link. A table's brackets stand at a line's start,
# so that the empty last parameter of a template, "|}}", closes no table.
_BRACKET = re.compile(r"(\{\{|\}\}|\[\[|\]\]|\n[ \t:]*+(?:\{\||\|\}(?!\})))")
# A template with at most one level of others in it; a link with no bracket and no kind in it.
_PLAIN_TEMPLATE = re.compile(r"\{\{([^{}|]*+)([^{}]*+(?:\{\{[^{}]*+\}\}[^{}]*+)*+)\}\}")
_PLAIN_LINK = re.compile(r"\[\[(?:[^\[\]{}|:]*+\|)?+([^\[\]{}|:]*+)\]\]")
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
    text = _without_comments(without_marks(wikitext))
    text = _without_tags(text) if "<" in text else text
    text = one_variant(text)
    text = _without_brackets(text, site)
    text = _without_addresses(text) if "//" in text else text
    text = _SWITCH.sub(_unless_a_word, text) if "__" in text else text
    if "&" in text:
        # Twice, for authors who write &amp;nbsp;
        text = _ENTITY.sub(_character, _ENTITY.sub(_character, text))
    for space in _ODD_SPACES:  # str.translate takes 40 times as long
        text = text.replace(space, " ")
    return _without_line_marks(with_notes_read(text))


def _without_comments(text: str) -> str:
    """Drop `<!-- … -->`; what follows an unclosed one is no text, as in MediaWiki.

    >>> _without_comments("a<!-- b -->c<!-- d")
    'ac'
    """
    return _COMMENT.sub("", text) if "<!--" in text else text


def _without_tags(text: str) -> str:
    """Drop tags, and the content of those that hold no sentences.

    >>> _without_tags('a<ref name="x"/> <b>c</b><math>x</math> e < f').replace(BREAK, "…")
    'a\\x02 c… e < f'
    """
    first, *rest = _PAIRED_TAG.split(_PLAIN_NOTE.sub(NOTE, text))
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
    left = "".join(kept)
    return _ANY_TAG.sub(_line_end, left) if "<" in left else left


def _line_end(tag: re.Match[str]) -> str:
    return "\n" if _BLOCK_TAG.match(tag[0]) else ""


def _without_brackets(text: str, site: Site) -> str:
    """Drop templates and tables; leave of a link, and of some templates, what it shows.

    One pass: `starts` remembers where in `kept` each open bracket was opened, and a closing
    bracket takes back what was kept since. (Two lists of atoms: a hundred thousand tuples would
    wake Python's garbage collector.)

    >>> text = "a {{b|{{c}}}} [[d|e]] [[f]] [[File:g.jpg|thumb|the [[h]]]] {{i"
    >>> _without_brackets(text, site_of("en")).replace(BREAK, "…")
    'a … e f … i'
    """
    text = _PLAIN_TEMPLATE.sub(partial(_of_template, site.shapes), text)
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
                _close(kind, kept, start, site)
        kept.append(piece)
    return "".join(kept).removeprefix("\n")


def _of_template(shapes: Shapes, template: re.Match[str]) -> str:
    """What a template shows; itself, if that holds other brackets, for the pass with a stack."""
    shape = shapes[template[1]]
    if shape is None:
        return BREAK
    if "{{" in template[2] or "[[" in template[2]:
        return template[0]
    return shown(template[1], shape, template[2])


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


def _without_addresses(text: str) -> str:
    """Drop the addresses of links, and those that stand in the text.

    >>> _without_addresses("[http://a.b/c the site] [//d.e] and http://f.g now").replace(BREAK, "…")
    'the site \\x02 and … now'
    """
    pieces = _LABELLED_ADDRESS.split(text)
    pieces[1::2] = [label or NOTE for label in pieces[1::2]]
    before, *rest = "".join(pieces).split("://")
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
    lines = text.split("\n")
    if "''" in text:
        lines = [without_quotes(line) if "''" in line else line for line in lines]
    if EMPTY in text:
        lines = [line.replace(EMPTY, "") for line in lines]
    lines = [line.strip(" ").lstrip("*#:;- ") for line in lines if line]
    lines = [line.strip("= ") if line[:1] == "=" else line for line in lines]
    if BREAK in text:
        lines = [with_breaks_shown(line) if BREAK in line else line for line in lines]
    return "\n".join(filter(None, lines))
