"""The pictures of one page, each with its texts: bytes to text, then text to raw rows.

A hostile page may have a million nested tags, or elements that reopen in each paragraph, on which a
parser hangs. So a regular expression, which reads every character once, keeps the few kinds of tags
that name pictures, and the parser sees only those, which is also faster. A tag inside an attribute
of another tag counts: pages keep markup there that they show later.
"""

import codecs
import re
from collections.abc import Iterable, Iterator
from urllib.parse import urljoin

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.sources.candidate import Raw

MOST_PICTURES = 2_000  # of a page; a page beyond this or the next five limits is a trap
MOST_TAGS = 10_000
MOST_CHARACTERS = 1 << 19  # of those tags
LONGEST_TAG = 16_000  # characters, without inline pictures (data:)
LONGEST_SRCSET = 20_000
LONGEST_CAPTION = 10_000
IN_A_FIGURE = 6  # an img's figure is at most its sixth ancestor

# The charsets that a page may name: the WHATWG's Encoding Standard, section 4.2, by Python's names.
# Python's own codecs (idna, punycode, unicode_escape) are left out: some take quadratic time.
CHARSETS = {
    "utf-8", "utf-16-le", "utf-16-be", "cp866", "cp874", "cp949", "cp932", "big5hkscs", "gb18030",
    "euc_jp", "iso2022_jp", "koi8-r", "koi8-u", "mac-roman", "mac-cyrillic",
    *(f"cp125{n}" for n in range(9)),
    *(f"iso8859-{n}" for n in (2, 3, 4, 5, 6, 7, 8, 10, 13, 14, 15, 16)),
}  # fmt: skip
READ_AS = {  # the standard reads each of these as a larger charset
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874",
    "tis-620": "cp874", "shift_jis": "cp932", "x-sjis": "cp932", "windows-31j": "cp932",
    "euc_kr": "cp949", "ks_c_5601-1987": "cp949", "gb2312": "gb18030", "gbk": "gb18030",
    "x-gbk": "gb18030", "big5": "big5hkscs", "big5-hkscs": "big5hkscs", "x-euc-jp": "euc_jp",
    "utf-16": "utf-16-le", "utf-8-sig": "utf-8", "x-mac-cyrillic": "mac-cyrillic",
    "macintosh": "mac-roman",
}  # fmt: skip
MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}
META_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I)

LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*")
# A match that begins always ends, at the latest with the page, so no character is read twice.
# The first group is an element whose content is no markup, the second the name of a kept tag.
KEPT = re.compile(
    r"""<(?=[!bfhimnpstx][-acefimot]|/[fp]i)  # quickly past the others
    (?: !--(?: -?> | (?:[^-]++ | -(?!-!?>))*+ (?:--!?> | \Z) )
      | (s(?:cript|tyle)|t(?:extarea|itle)|xmp|iframe|no(?:embed|frames)) (?=[\s/>])
        (?: [^<]++ | <(?!/\1[\s/>]) )*+
      | (/?(?:fig(?:caption|ure)|picture)|img|source|meta|base|html) (?=[\s/>])
        (?: [^>=]++ | =\s*+(?: "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) )?+ )*+ (?:>|\Z)
    )""",
    re.X | re.I | re.A,
)
BLOCK = re.compile(r"</?(?:br|p|div|li|dt|dd|td|th|tr|h[1-6])(?=[\s/>])[^>]*>?", re.I)
TAG = re.compile(r"<[!/?a-z][^>]*>?", re.I)
INLINE = re.compile(r"""data:[^\s"'>]*""", re.I)
ORIGIN = re.compile(r"https?://[\w.:-]+(?=[/?#]|$)", re.A)
ROOTED = re.compile(r"/[\w.~%-][\w./~%-]*", re.A)
CANDIDATE = re.compile(r"[^\s,]\S*")


def decoded(body: bytes, charset: str | None) -> str:
    """The page as text: by its byte order mark, the server's charset, its own <meta>, else UTF-8.

    >>> decoded(b"caf\\xe9", "iso-8859-1"), decoded(b"caf\\xe9", "punycode")
    ('café', 'caf\ufffd')
    """
    for mark, marked in MARKS.items():
        if body.startswith(mark):
            return body[len(mark) :].decode(marked, "replace")
    codec = _codec(charset)
    if not codec and (named := META_CHARSET.search(body, 0, 4096)):
        codec = _codec(named[1].decode("ascii"))
        if codec in ("utf-16-le", "utf-16-be"):  # in UTF-16 this <meta> would be unreadable
            codec = "utf-8"
    return body.decode(codec or "utf-8", "replace")


def _codec(charset: str | None) -> str | None:
    """
    >>> _codec("Windows-1251"), _codec("x-sjis"), _codec("zip"), _codec("a\\0b")
    ('cp1251', 'cp932', None, None)
    """
    label = (charset or "").strip(" \t\r\n\"'").lower()
    if label in READ_AS:
        return READ_AS[label]
    try:
        name = codecs.lookup(label).name if re.fullmatch(r"[\w.:-]{1,40}", label, re.A) else ""
    except LookupError:
        return None
    name = READ_AS.get(name, name)
    return name if name in CHARSETS else None


def pictures(html: str, page_url: str, language: str | None = None) -> Iterator[Raw]:
    """Each picture of a page with each of its texts; `language` is the server's.

    A picture without a text, or without an address, gives no row. A page is read up to the limits
    above; one beyond them gives a last row with its reason.

    >>> [(raw.url, raw.caption, raw.extra) for raw in
    ...  pictures('<html lang=EN><img src="/a.jpg" alt="A  lighthouse">', "http://x.org/b/")]
    [('http://x.org/a.jpg', 'A lighthouse', {'language': 'en'})]
    """
    kept, fault = skeleton(html)
    tree = LexborHTMLParser(kept)
    metas: dict[str, str] = {}
    for meta in tree.css("meta[content]"):
        attributes = meta.attributes
        keys = ("property", "name", "http-equiv")
        name = next(filter(None, map(attributes.get, keys)), "")
        metas.setdefault(name.strip().lower(), attributes["content"] or "")
    images = tree.css("img")
    if len(images) > MOST_PICTURES:
        fault = fault or f"more than {MOST_PICTURES} pictures"
    base, root = tree.css_first("base[href]"), tree.root
    declared = root.attributes if root is not None else {}
    yield from pairs(
        _addressed(images[:MOST_PICTURES], metas, tree.css_first("figcaption") is not None),
        page_url,
        base.attributes["href"] if base is not None else None,
        (declared.get("lang"), declared.get("xml:lang"), metas.get("content-language"), language),
    )
    if fault:
        yield trapped(page_url, fault)


def trapped(page_url: str, fault: str) -> Raw:
    """A row with the reason why a page, or a part of it, is not read."""
    return Raw(page_url=page_url, reason="bad_record", extra={"fault": fault})


def pairs(
    addressed: Iterable[tuple[str | None, list[str | None]]],
    page_url: str,
    base: str | None,
    languages: Iterable[str | None],
) -> Iterator[Raw]:
    """Raw rows of a page's pictures: absolute addresses, each text once, the first language."""
    base = absolute(page_url, base) or page_url
    origin = ORIGIN.match(base)
    language = next(filter(None, map(language_tag, languages)), None)
    extra = {"language": language} if language else None
    for address, texts in addressed:
        captions = dict.fromkeys(" ".join(text.split()) for text in texts if text)
        captions.pop("", None)
        if not captions or not address:
            continue
        # Most addresses are this plain, and urljoin takes 10 microseconds.
        plain = origin and ROOTED.fullmatch(address) and "/." not in address
        url = origin[0] + address if origin and plain else absolute(base, address)
        for caption in captions if url else ():
            yield Raw(url, caption, page_url=page_url, extra=extra)


def skeleton(html: str) -> tuple[str, str]:
    """(the tags that name pictures, with the text of captions; the limit that was exceeded, or '').

    >>> skeleton("<b><img src=a><!-- <img> --><figcaption>A <i>red</i> kite</figcaption></b>")
    ('<img src=a><figcaption>A red kite</figcaption>', '')
    """
    kept: list[str] = []
    fault, length, caption_from = "", 0, -1
    for match in KEPT.finditer(html):
        if caption_from >= 0:
            kept.append(_plain(html[caption_from : match.start()]))
            caption_from = match.end()
        if not (name := match[2]):
            continue
        tag = match[0]
        if len(tag) > LONGEST_TAG and len(tag := INLINE.sub("data:", tag)) > LONGEST_TAG:
            fault = f"a tag of more than {LONGEST_TAG} characters"
            continue
        length += len(tag)
        if len(kept) >= MOST_TAGS or length > MOST_CHARACTERS:
            fault = f"more than {MOST_TAGS} tags, or {MOST_CHARACTERS} characters, about pictures"
            break
        kept.append(tag)
        if name.lower().endswith("figcaption"):
            caption_from = -1 if name.startswith("/") else match.end()
    return "".join(kept), fault


def _plain(text: str) -> str:
    """A caption's text without its tags; entities stay."""
    return TAG.sub("", BLOCK.sub(" ", text[:LONGEST_CAPTION]))


def _addressed(
    images: list[LexborNode], metas: dict[str, str], in_figures: bool
) -> Iterator[tuple[str | None, list[str | None]]]:
    """(address, texts) of each picture, as the page writes them."""
    offered: dict[int, list[tuple[float, str]]] = {}  # of a <picture>, read once
    captions: dict[int, str | None] = {}  # of each figure
    for image in images:
        attributes, parent = image.attributes, image.parent
        texts = [attributes.get("alt"), attributes.get("title")]
        if in_figures and (figure := _figure(parent)) is not None:
            if figure.mem_id not in captions:
                caption = figure.css_first("figcaption")
                captions[figure.mem_id] = None if caption is None else caption.text()
            texts.append(captions[figure.mem_id])
        if not any(texts):
            continue
        offers = srcset(attributes.get("srcset") or "")
        if parent is not None and parent.tag == "picture":
            if parent.mem_id not in offered:
                sets = (node.attributes["srcset"] for node in parent.css("source[srcset]"))
                offered[parent.mem_id] = _largest([o for text in sets for o in srcset(text or "")])
            offers += offered[parent.mem_id]
        largest = _largest(offers)
        source = attributes.get("data-src") or attributes.get("src")
        yield largest[0][1] if largest else source, texts
    yield metas.get("og:image"), [metas.get("og:title"), metas.get("og:image:alt")]


def _largest(offers: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """A list of the largest offer, the first of equals; an empty list if there are no offers."""
    return [max(offers, key=lambda offer: offer[0])] if offers else []


def _figure(node: LexborNode | None) -> LexborNode | None:
    for _ in range(IN_A_FIGURE):
        if node is None or node.tag == "figure":
            return node
        node = node.parent
    return None


def srcset(text: str) -> list[tuple[float, str]]:
    """(size, address) of each candidate of a srcset, whose sizes are widths or densities.

    An address may contain commas, but not end in one. Inline pictures (data:) are left out.

    >>> srcset("a.jpg 320w, b.jpg 640w"), srcset("a.jpg,  w_1,h_2/b.jpg 2x,c.jpg 3x")
    ([(320.0, 'a.jpg'), (640.0, 'b.jpg')], [(1.0, 'a.jpg'), (2.0, 'w_1,h_2/b.jpg'), (3.0, 'c.jpg')])
    """
    offers, place = [], 0
    cut = len(text) > LONGEST_SRCSET
    while match := CANDIDATE.search(text, place, LONGEST_SRCSET):
        address, place, size = match[0], match.end(), "1x"
        if cut and place == LONGEST_SRCSET:
            break  # the address is cut
        if address.endswith(","):
            address = address.rstrip(",")
        else:
            end = text.find(",", place, LONGEST_SRCSET)
            end = min(len(text), LONGEST_SRCSET) if end < 0 else end
            size, place = text[place:end].strip() or "1x", end
        if address[:5].lower() != "data:":
            offers.append((_size(size), address))
    return offers


def _size(text: str) -> float:
    """
    >>> _size("640w"), _size("1.5x"), _size("640w 480h"), _size("wide"), _size("²x")
    (640.0, 1.5, 640.0, 1.0, 1.0)
    """
    size = re.match(r"([0-9]{1,9}(?:\.[0-9]{0,9})?)[wx](?:\s|$)", text)
    return float(size[1]) if size else 1.0


def absolute(base: str, address: str | None) -> str | None:
    """The address made absolute; None for an inline picture (data:), or for no valid address.

    >>> absolute("http://x.org/b/", "//y.org/a"), absolute("http://x.org/b/", "data:image/gif,")
    ('http://y.org/a', None)
    """
    address = (address or "").strip()
    if not address or address[:5].lower() == "data:":
        return None
    if ORIGIN.match(address):
        return address
    try:
        return urljoin(base, address)
    except ValueError:
        return None


def language_tag(text: str | None) -> str | None:
    """The first language of the text, as a tag in lower case; None if it is no tag.

    >>> language_tag("de_AT, en"), language_tag("English!"), language_tag("")
    ('de-at', None, None)
    """
    tag = (text or "")[:200].partition(",")[0].strip().lower().replace("_", "-")
    return tag if LANGUAGE.fullmatch(tag) else None
