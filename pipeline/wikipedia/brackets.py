"""Templates, tables and links of wikitext: what they show, in time linear in the page.

Nine tenths of all brackets hold no others. One pattern each takes these without a step of Python
(half of the time); what is left is for the pass with a stack, which looks only behind brackets that
open something.
"""

import re

from pipeline.wikipedia.breaks import BREAK
from pipeline.wikipedia.site import Site
from pipeline.wikipedia.templates import Shapes, shown

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


def without_brackets(text: str, site: Site) -> str:
    """Drop templates and tables; leave of a link, and of some templates, what it shows.

    One pass: `starts` remembers where in `kept` each open bracket was opened, and a closing
    bracket takes back what was kept since. (Two lists of atoms: a hundred thousand tuples would
    wake Python's garbage collector.)

    >>> from pipeline.wikipedia.site import site_of
    >>> text = "a {{b|{{c}}}} [[d|e]] [[f]] [[File:g.jpg|thumb|the [[h]]]] {{i"
    >>> without_brackets(text, site_of("en")).replace(BREAK, "…")
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
        else:
            break  # at the end of the text
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
                at += 1  # of three in a row the first two open something
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

    >>> from pipeline.wikipedia.site import site_of
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
            elif target.startswith(":"):  # a link to the page of a file or of a category itself
                kept[start] = BREAK if _FILE_NAME.fullmatch(target) else target[1:]
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
            name, bar, parameters = "".join(kept[start:]).partition("|")
            fits = len(name) + len(parameters) <= MOST_SHOWN
            kept[start:] = [shown(name, shape, bar + parameters) if fits else BREAK]


def _is_hidden(target: str, site: Site) -> bool:
    """Whether a link to this page shows no words.

    >>> from pipeline.wikipedia.site import site_of
    >>> [_is_hidden(to, site_of("de")) for to in ("Datei:A", "X: b.JPG", "fr:Chien", "wikt:a")]
    [True, True, True, False]
    """
    prefix, colon, name = target.partition(":")
    if not colon or not prefix:
        return False
    if prefix.strip(" _\n").replace("_", " ").lower() in site.silent or _FILE_NAME.fullmatch(name):
        return True
    return bool(_OTHER_LANGUAGE.match(target)) and not _SHOWN_LANGUAGE_LIKE.match(target)
