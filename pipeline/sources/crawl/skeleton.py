"""A page's tags that name pictures, without all others.

A hostile page may have a million nested tags, or elements that reopen in each paragraph, on which a
parser hangs. So a regular expression, which reads every character once, keeps the few kinds of tags
that name pictures, and the parser sees only those, which is also faster. A tag inside an attribute
of another tag counts: pages keep markup there that they show later.

A page is read as bytes in UTF-8, of which only the tags that are kept become text. The expression
is tried only where such a tag may begin: a search for the first letters of all of them at once
passes over the others in a quarter of the time.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

from ahocorasick_rs import BytesAhoCorasick, MatchKind

MOST_TAGS = 10_000  # of a page; a page beyond this or the next limits is a trap
MOST_CHARACTERS = 1 << 19  # of those tags
LONGEST_TAG = 16_000  # characters, without inline pictures (data:)
LONGEST_CAPTION = 10_000

# A match that begins always ends, at the latest with the page, so no character is read twice.
# The first group is an element whose content is no markup, the second the name of a kept tag.
KEPT = re.compile(
    rb"""<
    (?: !--(?: -?> | (?:[^-]++ | -(?!-!?>))*+ (?:--!?> | \Z) )
      | (s(?:cript|tyle)|t(?:extarea|itle)|xmp|iframe|no(?:embed|frames)) (?=[\s/>])
        (?: [^<]++ | <(?!/\1[\s/>]) )*+
      | (/?(?:fig(?:caption|ure)|picture)|(?:amp-)?img|amp-anim|source|meta|base|html) (?=[\s/>])
        (?: [^>=]++ | =\s*+(?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) )?+ )*+ (?:>|\Z)
    )""",
    re.X | re.I,
)
KEPT_WITH_LINKS = re.compile(
    KEPT.pattern.replace(b"|base|html)", b"|base|html|a|area|link)"), re.X | re.I
)
LINKS = {"a", "area", "link"}
LICENSE = re.compile("license", re.I)
MAY_BE_LINKED_DATA = re.compile(rb"<script[^>]{0,2050}?ld\+j", re.I)  # a character has four bytes
LINKED_DATA = re.compile(r"""<script[^>]{0,500}?application/ld\+json[^>]{0,500}>""", re.I)
BLOCK = re.compile(r"</?(?:br|p|div|li|dt|dd|td|th|tr|h[1-6])(?=[\s/>])[^>]*>?", re.I)
TAG = re.compile(r"<[!/?a-z][^>]*>?", re.I)
INLINE = re.compile(r"""data:[^\s"'>]*""", re.I)

# How the tags begin that match the expressions; every match begins with one of these.
FIRST = (
    *("<!-", "<sc", "<st", "<te", "<ti", "<xm", "<if", "<noe", "<nof"),
    *("<fi", "</fi", "<pi", "</pi", "<im", "<am", "<so", "<me", "<ba", "<ht"),
)
FIRST_OF_LINKS = (*(f"<a{end}" for end in " \t\n\r\f\v/>"), "<ar", "<lin")
PIECE_BYTES = 1 << 16  # searched at once: the places of a hostile page's tags would fill memory
OVERLAP_BYTES = 6  # of two pieces, less than which no beginning is cut


class Skeleton(NamedTuple):
    """What is left of a page."""

    html: str  # the tags that name pictures, with the text of captions
    data: list[str]  # its JSON-LD
    fault: str  # the limit that was exceeded, or ''


def _searched(words: Iterable[str]) -> BytesAhoCorasick:
    """A search for all of the words at once, in any case of their letters."""
    cases = (product(*((letter.lower(), letter.upper()) for letter in word)) for word in words)
    all_cases = {"".join(letters).encode() for word in cases for letters in word}
    return BytesAhoCorasick(sorted(all_cases), MatchKind.LeftmostFirst)


BEGINNINGS = _searched(FIRST)
BEGINNINGS_WITH_LINKS = _searched((*FIRST, *FIRST_OF_LINKS))
# Of two words this library seeks the first letters, which are frequent, and with a third that no
# page has it seeks the words, six times as fast.
LICENSED = (b"icense", b"ICENSE")
NAMED = BytesAhoCorasick([*LICENSED, b"\0\0\0"], MatchKind.LeftmostFirst)


def skeleton(html: bytes) -> Skeleton:
    """The tags that name pictures, and the JSON-LD, of a page in UTF-8.

    >>> skeleton(b"<b><img src=a><!-- <img> --><figcaption>A <i>red</i> kite</figcaption></b>").html
    '<img src=a><figcaption>A red kite</figcaption>'
    """
    kept: list[str] = []
    data: list[str] = []
    fault, length, caption_from = "", 0, -1
    for match in kept_tags(html):
        if caption_from >= 0:
            kept.append(_plain(text_of(html[caption_from : match.start()])))
            caption_from = match.end()
        if not match[2]:
            if match[1] and MAY_BE_LINKED_DATA.match(match[0]):
                script = text_of(match[0])
                if head := LINKED_DATA.match(script):
                    data.append(script[head.end() :])
            continue
        tag, name = text_of(match[0]), match[2].decode().lower()
        if name in LINKS:
            if not LICENSE.search(tag):
                continue
            tag = f"<meta{tag[1 + len(name) :]}"  # which holds nothing, as a link would
        if len(tag) > LONGEST_TAG and len(tag := INLINE.sub("data:", tag)) > LONGEST_TAG:
            fault = f"a tag of more than {LONGEST_TAG} characters"
            continue
        length += len(tag)
        if len(kept) >= MOST_TAGS or length > MOST_CHARACTERS:
            fault = f"more than {MOST_TAGS} tags, or {MOST_CHARACTERS} characters, about pictures"
            break
        kept.append(tag if name[:4] != "amp-" else f"<img{tag[1 + len(name) :]}")
        if name.endswith("figcaption"):
            caption_from = -1 if name.startswith("/") else match.end()
    return Skeleton("".join(kept), data, fault)


def kept_tags(html: bytes) -> Iterator[re.Match[bytes]]:
    """What KEPT.finditer gives; with the tags of links, where a licence is named.

    Tags of links are a page's most frequent ones.
    """
    named = any(
        word < len(LICENSED)
        for _, piece in _pieces(html)
        for word, _, _ in NAMED.find_matches_as_indexes(piece)
    )
    pattern = KEPT_WITH_LINKS if named else KEPT
    beginnings = BEGINNINGS_WITH_LINKS if named else BEGINNINGS
    end = 0
    for offset, piece in _pieces(html):
        if end >= offset + len(piece):
            continue
        for _, start, _ in beginnings.find_matches_as_indexes(piece):
            if offset + start >= end and (match := pattern.match(html, offset + start)):
                end = match.end()
                yield match


def _pieces(html: bytes) -> Iterator[tuple[int, bytes]]:
    """(where it begins, the piece) of the page."""
    for offset in range(0, len(html), PIECE_BYTES):
        yield offset, html[offset : offset + PIECE_BYTES + OVERLAP_BYTES]


def text_of(piece: bytes) -> str:
    """A piece of a page between letters of ASCII: decoded, it is a piece of the decoded page."""
    return piece.decode("utf-8", "replace")


def _plain(text: str) -> str:
    """A caption's text without its tags; entities stay."""
    return TAG.sub("", BLOCK.sub(" ", text[:LONGEST_CAPTION]))
