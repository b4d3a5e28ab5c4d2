"""What a page says of its pictures beside the tags: OpenGraph, Twitter's cards, JSON-LD.

Each picture is (address, texts), as for the tags.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic_core import from_json

from pipeline.sources.crawl.address import NO_ADDRESS
from pipeline.sources.markup import unescaped

MOST_DATA_CHARACTERS = 1 << 20  # of a page's JSON-LD
MOST_VALUES = 20_000
# Each begins a picture; what stands behind it belongs to it (ogp.me, "Arrays").
BEGIN = {
    "og": {"og:image", "og:image:url"},
    "twitter": {"twitter:image", "twitter:image:src", *(f"twitter:image{n}" for n in range(4))},
}

Pictured = tuple[str | None, list[str | None]]  # an address and its texts


def meta_pictures(metas: Iterable[tuple[str, str | None]]) -> Iterator[Pictured]:
    """The pictures that <meta> elements name: (name, content) of each, in their order.

    >>> list(meta_pictures([("og:image", "/a"), ("og:image", "/b"), ("og:image:alt", "kite")]))
    [('/a', [None, None]), ('/b', [None, 'kite'])]
    """
    named = [(name, content) for name, content in metas if name.startswith(("og:", "twitter:"))]
    first: dict[str, str | None] = {}
    for name, content in named:
        first.setdefault(name, content)
    seen: set[tuple[str | None, str | None]] = set()  # cards mostly repeat what OpenGraph says
    for family in BEGIN:
        title = first.get(f"{family}:title") or first.get("og:title")
        for addresses, alt in _groups(named, family):
            usable = (address for address in addresses if not NO_ADDRESS.match(address))
            best = next(usable, None)
            yield best, [text for text in (title, alt) if (best, text) not in seen]
            seen |= {(best, title), (best, alt)}


def _groups(metas: list[tuple[str, str | None]], family: str) -> list[tuple[list[str], str | None]]:
    """(addresses, alternative text) of each picture, the best address first."""
    groups: list[tuple[list[str], str | None]] = []
    early: str | None = None  # a text before the first picture is the first's
    for name, content in metas:
        if name in BEGIN[family]:
            if content and not (groups and groups[-1][0][:1] == [content]):
                groups.append(([content], None))
        elif name == f"{family}:image:secure_url" and content:
            if not groups:
                groups.append(([], None))
            groups[-1][0].append(content)
        elif name == f"{family}:image:alt" and content:
            if groups:
                addresses, alt = groups[-1]
                groups[-1] = (addresses, alt or content)
            else:
                early = early or content
    if groups and early:
        groups[0] = (groups[0][0], groups[0][1] or early)
    return groups


def linked_data_pictures(data: Iterable[str]) -> Iterator[Pictured]:
    """The pictures with a caption in a page's JSON-LD (schema.org/ImageObject).

    >>> list(linked_data_pictures(['{"@type": "ImageObject", "url": "/a", "caption": "A kite"}']))
    [('/a', ['A kite'])]
    """
    return (_pictured(one) for one in linked_data_values(data) if is_picture(one.get("@type")))


def linked_data_values(data: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The objects in a page's JSON-LD, wherever they stand, up to this module's limits."""
    left_characters, left = MOST_DATA_CHARACTERS, MOST_VALUES
    for text in data:
        left_characters -= len(text)
        if left_characters < 0:
            return
        if "<![CDATA[" in text:
            text = text.replace("<![CDATA[", "").replace("]]>", "")
        start = min((place for place in map(text.find, "{[") if place >= 0), default=0)
        end = max(map(text.rfind, "}]")) + 1  # some stand in a comment
        try:
            stack = [json_value(text[start:end])]
        except ValueError:
            continue
        while stack and left:
            left -= 1
            value = stack.pop()
            if isinstance(value, dict):
                yield value
                stack += reversed(value.values())
            elif isinstance(value, list):
                stack += reversed(value)


def is_picture(kind: Any) -> bool:
    """Whether a type of JSON-LD is that of a picture."""
    kinds = kind if isinstance(kind, list) else [kind]
    return any(isinstance(one, str) and one.endswith("ImageObject") for one in kinds)


def _pictured(value: dict[str, Any]) -> Pictured:
    addresses = (text_of(value.get(key)) for key in ("contentUrl", "url", "@id"))
    address = next((one for one in addresses if one and not NO_ADDRESS.match(one)), None)
    texts = (text_of(value.get(key)) for key in ("caption", "description", "name"))
    return address, [next(filter(None, texts), None)]


def text_of(value: Any) -> str | None:
    """A text of JSON-LD, which may stand in a list or in an object of its own."""
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = next((value[key] for key in ("@value", "@id", "url", "text") if key in value), None)
    return unescaped(value) if isinstance(value, str) else None


def json_value(text: str | bytes) -> Any:
    """The JSON value. What the fast parser refuses, such as lone surrogates, json reads."""
    try:
        return from_json(text, cache_strings="keys")
    except ValueError:
        text = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
        try:
            return json.loads(text, strict=False)
        except RecursionError:
            raise ValueError("JSON in too many brackets") from None
