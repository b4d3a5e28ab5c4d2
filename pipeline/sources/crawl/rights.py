"""What a crawled page says of its pictures' rights: their licence, and signals about training.

A licence is the one of the picture itself, by JSON-LD or in its figure; else the page's, if the
page states only one. Of two licences nobody knows which holds.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.rights.licences import license_id
from pipeline.rights.signals import statements, written
from pipeline.sources.crawl.answer import Heard
from pipeline.sources.crawl.head import is_picture, linked_data_values, text_of

Line = tuple[str, str | None]

LONGEST_LICENSE = 500  # characters
# Names of <meta> that hold a licence; those of rights count where they name one.
LICENSES = {"license", "licence", "dcterms.license", "dc.license", "cc:license", "og:license"}
RIGHTS = {"dc.rights", "dcterms.rights", "copyright", "rights", "rights-standard"}
# Kinds of JSON-LD objects that are the page; a dataset or a program on it has its own licence.
PAGES = ("Page", "Article", "Posting", "CreativeWork", "WebSite", "Photograph", "ImageGallery")


@dataclass(frozen=True)
class Rights:
    """What a page says: the licence of all its pictures, of some, and its signals."""

    license: str | None = None
    signals: str | None = None
    date: str | None = None  # only where there are signals
    licenses: dict[str, str] = field(default_factory=dict)  # by a picture's address

    def license_of(self, address: str, url: str) -> str | None:
        """The licence of a picture, by its address as the page writes it, or by its URL."""
        if not self.licenses:
            return self.license
        return self.licenses.get(address) or self.licenses.get(url) or self.license


NO_RIGHTS = Rights()


def rights_of(links: list[str], metas: list[Line], data: Iterable[str], heard: Heard) -> Rights:
    """What a page says of rights.

    `links` are the addresses with rel=license, `metas` are (name, content) of each <meta>, `data`
    is JSON-LD, and `heard` what the server says with the page.

    >>> metas = [("robots", "noai"), ("dc.rights", "(c) Ann")]
    >>> rights = rights_of(["http://creativecommons.org/licenses/by/4.0/"], metas, [], Heard())
    >>> rights.license, rights.signals
    ('http://creativecommons.org/licenses/by/4.0/', 'robots_tag=noai')
    """
    signals = written(statements([*heard.lines, *metas])) if heard.lines or metas else None
    own, of_page = _of_linked_data(data) if data else ({}, [])
    stated = links or of_page or _of_metas(metas)
    names = {license_id(text) or text for text in stated}
    license = stated[0] if len(names) == 1 else None
    return Rights(license, signals, heard.date if signals else None, own)


def _of_metas(metas: list[Line]) -> list[str]:
    texts = [(name, " ".join((text or "").split())) for name, text in metas]
    return [
        text
        for name, text in texts
        if 0 < len(text) <= LONGEST_LICENSE
        and (name in LICENSES or (name in RIGHTS and license_id(text)))
    ]


def _of_linked_data(data: Iterable[str]) -> tuple[dict[str, str], list[str]]:
    """(licences by a picture's address, licences of the page) in JSON-LD."""
    own: dict[str, str] = {}
    of_page: list[str] = []
    for value in linked_data_values(text for text in data if '"license"' in text):
        stated = license_in(value)
        if not stated:
            continue
        kinds = value.get("@type")
        if is_picture(kinds):
            addresses = (text_of(value.get(key)) for key in ("contentUrl", "url", "@id"))
            own |= dict.fromkeys(filter(None, addresses), stated)
        elif any(str(kind).endswith(PAGES) for kind in (kinds if type(kinds) is list else [kinds])):
            of_page.append(stated)
    return own, of_page


def license_in(value: Mapping[str, Any]) -> str | None:
    """The one licence that an object of JSON-LD states: a text, an address, or an object."""
    license = value.get("license")
    if isinstance(license, list):
        license = license[0] if len(license) == 1 else None
    text = text_of(license) or (text_of(license.get("name")) if isinstance(license, dict) else None)
    stated = " ".join((text or "").split())
    return stated if 0 < len(stated) <= LONGEST_LICENSE else None
