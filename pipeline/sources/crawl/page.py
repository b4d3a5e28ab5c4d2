"""The pictures of one page, each with its texts: text to raw rows."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.sources.candidate import Raw
from pipeline.sources.crawl.address import (
    ORIGIN,
    Attributes,
    Offers,
    absolute,
    address_of,
    may_have_dots,
    source_offers,
)
from pipeline.sources.crawl.answer import NOTHING, Heard
from pipeline.sources.crawl.head import Pictured, linked_data_pictures, meta_pictures
from pipeline.sources.crawl.rights import NO_RIGHTS, Rights, rights_of
from pipeline.sources.crawl.skeleton import skeleton

MOST_PICTURES = 2_000  # of a page; a page beyond this is a trap
MOST_LICENSES = 200
IN_A_FIGURE = 6  # an img's figure is at most its sixth ancestor

LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[a-z0-9]{1,8})*")
ROOTED = re.compile(r"/[\w.~%-][\w./~%-]*", re.A)


def pictures(
    html: bytes,
    page_url: str,
    language: str | None = None,
    guessed_charset: str | None = None,
    heard: Heard = NOTHING,
) -> Iterator[Raw]:
    """Each picture of a page in UTF-8 with each of its texts; `language`, `heard` are the server's.

    A picture without a text, or without an address, gives no row. A page is read up to the limits
    of this module and of skeleton.py; one beyond them gives a last row with its reason.

    >>> [(raw.url, raw.caption, raw.extra) for raw in
    ...  pictures(b'<html lang=EN><img src="/a.jpg" alt="A  lighthouse">', "http://x.org/b/")]
    [('http://x.org/a.jpg', 'A lighthouse', {'language': 'en'})]
    """
    kept, data, fault = skeleton(html)
    tree, names = LexborHTMLParser(kept), kept.lower()  # a query of the tree takes longer than this
    metas = []
    if "<meta" in names:
        metas = [meta_of(meta.attributes) for meta in tree.css("meta[content]")]
    images = tree.tags("img")
    if len(images) > MOST_PICTURES:
        fault = fault or f"more than {MOST_PICTURES} pictures"
    base = tree.css_first("base[href]") if "<base" in names else None
    root = tree.root
    address = base.attributes["href"] if base is not None else None
    of_page, of_figures = list[str](), dict[int, str]()
    if "license" in names:
        of_page, of_figures = _licenses(tree, absolute(page_url, address) or page_url)
    rights = rights_of(of_page, metas, data, heard)
    licenses = rights.licenses
    figures = of_figures if of_figures or "<figcaption" in names else None
    declared = root.attributes if root is not None else {}
    of_the_page = next((content for name, content in metas if name == "content-language"), None)
    yield from pairs(
        chain(
            _addressed(images[:MOST_PICTURES], "<picture" in names, figures, licenses),
            meta_pictures(metas) if metas else (),
            linked_data_pictures(data) if data else (),
        ),
        page_url,
        address,
        (declared.get("lang"), declared.get("xml:lang"), of_the_page, language),
        guessed_charset,
        rights,
    )
    if fault:
        yield trapped(page_url, fault)


def meta_of(attributes: Attributes) -> tuple[str, str | None]:
    """(name, content) of a <meta>, whose name may be in one of three attributes."""
    name = attributes.get("property") or attributes.get("name") or attributes.get("http-equiv")
    return (name or "").strip().lower(), attributes.get("content")


def trapped(page_url: str, fault: str) -> Raw:
    """A row with the reason why a page, or a part of it, is not read."""
    return Raw(page_url=page_url, reason="bad_record", extra={"fault": fault})


def pairs(
    addressed: Iterable[Pictured],
    page_url: str,
    base: str | None,
    languages: Iterable[str | None],
    guessed_charset: str | None = None,
    rights: Rights = NO_RIGHTS,
) -> Iterator[Raw]:
    """Raw rows of a page's pictures: absolute addresses, each text once, the first language."""
    base = absolute(page_url, base) or page_url
    origin = ORIGIN.match(base)
    language = next(filter(None, map(language_tag, languages)), None)
    extra = {"language": language} if language else None
    if guessed_charset:
        extra = {**(extra or {}), "guessed_charset": guessed_charset}
    for address, texts in addressed:
        if not address:
            continue
        captions = {" ".join(text.split()): None for text in texts if text}
        captions.pop("", None)
        # Most addresses are this plain, and a join takes 10 microseconds.
        plain = origin and ROOTED.fullmatch(address) and not may_have_dots(address)
        url = origin[0] + address if origin and plain else absolute(base, address)
        for caption in captions if url else ():
            license = rights.license_of(address, url or "")
            yield Raw(url, caption, license, page_url, None, extra, rights.signals, rights.date)


def _addressed(
    images: list[LexborNode],
    in_pictures: bool,
    of_figures: dict[int, str] | None,
    licenses: dict[str, str],
) -> Iterator[Pictured]:
    """(address, texts) of each picture, as the page writes them.

    Whether a page has any <picture>, and the licences of its figures, None of a page whose figures
    say nothing. A picture in a figure with a licence has it in `licenses` once it is given.
    """
    offers: dict[int, Offers] = {}  # of the sources of a <picture>, read once
    captions: dict[int, str | None] = {}  # of each figure
    for image in images:
        attributes = image.attributes
        texts = [attributes.get("alt"), attributes.get("title")]
        license = None
        if of_figures is not None and (figure := _figure(image.parent)) is not None:
            license = of_figures.get(figure.mem_id)
            if figure.mem_id not in captions:
                caption = figure.css_first("figcaption")
                captions[figure.mem_id] = None if caption is None else caption.text()
            texts.append(captions[figure.mem_id])
        if not any(texts):
            continue
        parent = image.parent if in_pictures else None
        if parent is None or parent.tag != "picture":
            address = address_of(attributes)
        else:
            if parent.mem_id not in offers:
                sources = (node.attributes for node in parent.css("source"))
                offers[parent.mem_id] = source_offers(sources)
            address = address_of(attributes, offers[parent.mem_id])
        if license and address:
            licenses[address] = license
        yield address, texts


def _licenses(tree: LexborHTMLParser, base: str) -> tuple[list[str], dict[int, str]]:
    """The addresses with rel=license: of the page, and of its figures by the node's id."""
    of_page: list[str] = []
    of_figures: dict[int, str] = {}
    for link in tree.css('meta[rel~="license" i]')[:MOST_LICENSES]:
        address = absolute(base, link.attributes.get("href"))
        figure = _figure(link.parent)
        if address and figure is None:
            of_page.append(address)
        elif address and figure is not None:
            of_figures.setdefault(figure.mem_id, address)
    return of_page, of_figures


def _figure(node: LexborNode | None) -> LexborNode | None:
    for _ in range(IN_A_FIGURE):
        if node is None or node.tag == "figure":
            return node
        node = node.parent
    return None


def language_tag(text: str | None) -> str | None:
    """The first language of the text, as a tag in lower case; None if it is no tag.

    >>> language_tag("de_AT, en"), language_tag("English!"), language_tag("")
    ('de-at', None, None)
    """
    tag = (text or "")[:200].partition(",")[0].strip().lower().replace("_", "-")
    return tag if LANGUAGE.fullmatch(tag) else None
