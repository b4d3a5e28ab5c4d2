"""A page's tags that name pictures, without all others.

A hostile page may have a million nested tags, or elements that reopen in each paragraph, on which a
parser hangs. So a regular expression, which reads every character once, keeps the few kinds of tags
that name pictures, and the parser sees only those, which is also faster. A tag inside an attribute
of another tag counts: pages keep markup there that they show later.
"""

import re
from typing import NamedTuple

MOST_TAGS = 10_000  # of a page; a page beyond this or the next limits is a trap
MOST_CHARACTERS = 1 << 19  # of those tags
LONGEST_TAG = 16_000  # characters, without inline pictures (data:)
LONGEST_CAPTION = 10_000

# A match that begins always ends, at the latest with the page, so no character is read twice.
# The first group is an element whose content is no markup, the second the name of a kept tag.
KEPT = re.compile(
    r"""<(?=[!abfhimnpstx][-acefimot]|/[fp]i)  # quickly past the others
    (?: !--(?: -?> | (?:[^-]++ | -(?!-!?>))*+ (?:--!?> | \Z) )
      | (s(?:cript|tyle)|t(?:extarea|itle)|xmp|iframe|no(?:embed|frames)) (?=[\s/>])
        (?: [^<]++ | <(?!/\1[\s/>]) )*+
      | (/?(?:fig(?:caption|ure)|picture)|(?:amp-)?img|amp-anim|source|meta|base|html) (?=[\s/>])
        (?: [^>=]++ | =\s*+(?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) )?+ )*+ (?:>|\Z)
    )""",
    re.X | re.I | re.A,
)
KEPT_WITH_LINKS = re.compile(
    KEPT.pattern.replace("[!abfhimnpstx][-acefimot]", r"[!abfhilmnpstx][-acefimot\s]").replace(
        "|base|html)", "|base|html|a|area|link)"
    ),
    re.X | re.I | re.A,
)
LINKS = {"a", "area", "link"}
LICENSE = re.compile("license", re.I)
LINKED_DATA = re.compile(r"""<script[^>]{0,500}?application/ld\+json[^>]{0,500}>""", re.I)
BLOCK = re.compile(r"</?(?:br|p|div|li|dt|dd|td|th|tr|h[1-6])(?=[\s/>])[^>]*>?", re.I)
TAG = re.compile(r"<[!/?a-z][^>]*>?", re.I)
INLINE = re.compile(r"""data:[^\s"'>]*""", re.I)


class Skeleton(NamedTuple):
    """What is left of a page."""

    html: str  # the tags that name pictures, with the text of captions
    data: list[str]  # its JSON-LD
    fault: str  # the limit that was exceeded, or ''


def skeleton(html: str) -> Skeleton:
    """The tags that name pictures, and the JSON-LD.

    >>> skeleton("<b><img src=a><!-- <img> --><figcaption>A <i>red</i> kite</figcaption></b>").html
    '<img src=a><figcaption>A red kite</figcaption>'
    """
    kept: list[str] = []
    data: list[str] = []
    fault, length, caption_from = "", 0, -1
    # Tags of links are a page's most frequent ones: they are looked at where a licence is named.
    # From the end on a page is searched twice as fast, as few letters are an "i" beside these.
    named = html.rfind("icense") >= 0 or html.rfind("ICENSE") >= 0
    pattern = KEPT_WITH_LINKS if named else KEPT
    for match in pattern.finditer(html):
        if caption_from >= 0:
            kept.append(_plain(html[caption_from : match.start()]))
            caption_from = match.end()
        if not (name := match[2]):
            if match[1] and (text := LINKED_DATA.match(html, match.start(), match.end())):
                data.append(html[text.end() : match.end()])
            continue
        tag = match[0]
        if name.lower() in LINKS:
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
        kept.append(tag if name[:4].lower() != "amp-" else f"<img{tag[1 + len(name) :]}")
        if name.lower().endswith("figcaption"):
            caption_from = -1 if name.startswith("/") else match.end()
    return Skeleton("".join(kept), data, fault)


def _plain(text: str) -> str:
    """A caption's text without its tags; entities stay."""
    return TAG.sub("", BLOCK.sub(" ", text[:LONGEST_CAPTION]))
