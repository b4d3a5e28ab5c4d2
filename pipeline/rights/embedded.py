"""What a picture says of training in its own bytes: XMP of IPTC and PLUS, and C2PA's assertions.

IPTC Photo Metadata Standard 2023.1 has the property Data Mining (plus:DataMining), a term of PLUS's
vocabulary. C2PA 1.x and CAWG's "Training and Data Mining Assertion" 1.1 have entries such as
cawg.ai_training with a use: allowed, notAllowed or constrained.

A packet is parsed only if it names Data Mining, and then by a parser that refuses entities and
document types. It is bounded in size and in depth: one beyond the bounds is refused.
"""

import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import Any

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser, ParseError

from pipeline.rights.signals import Statement

MOST_PACKET = 4 << 20  # bytes of XMP; extended XMP of cameras with depth maps has less
MOST_DEPTH = 64
MOST_NODES = 20_000
PLUS = "{http://ns.useplus.org/ldf/xmp/1.0/}DataMining"
RESOURCE = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}resource"
TERM = re.compile(r"DMI-[A-Z-]{3,60}", re.I)
NAME = b"DataMining"
# An element that holds a packet: xmpmeta, xapmeta of before 2004, or RDF alone; with any prefix.
HOLDER = re.compile(rb"<((?:[\w.-]{1,60}:)?(?:(x[ma]pmeta)|RDF))(?![\w.:-])")
CLOSING = re.compile(rb"</([\w.:-]{0,60}(?:x[ma]pmeta|RDF))\s{0,60}>")
WIDE = {2: ("utf-16-le", "utf-16-be"), 4: ("utf-32-le", "utf-32-be")}  # by bytes of a character
# A chunk of international text that is packed: keyword, flag, method, language, translated keyword.
PACKED = re.compile(rb"iTXtXML:com\.adobe\.xmp\0\x01\0[^\0]{0,80}\0[^\0]{0,80}\0")
MOST_TEXTS = 8
EXTENSION = re.compile(rb"(?s)\xff\xe1(..)http://ns\.adobe\.com/xmp/extension/\0(.{32}).{4}(.{4})")
BOMB = re.compile(rb"<!(?:ENTITY|DOCTYPE)")
LABEL = re.compile(r"(?:c2pa|cawg)\.training-mining(?:__\d+)?")


class MetadataError(ValueError):
    """Metadata that nobody should parse: entities, more bytes or levels than any picture has."""


def embedded(body: bytes) -> list[Statement]:
    """What the bytes of a picture say of training. Raises MetadataError.

    >>> embedded(b'<x:xmpmeta xmlns:p="http://ns.useplus.org/ldf/xmp/1.0/" '
    ...          b'p:DataMining="DMI-PROHIBITED"></x:xmpmeta>')
    [Statement(signal='xmp', value='DMI-PROHIBITED')]
    """
    statements: dict[Statement, None] = {}
    plain = _unpacked(body) if body.startswith(b"\x89PNG") else b""
    head = before_pixels(body)
    for text in (*_joined(head), plain):
        for packet in packets(text):
            statements |= {Statement("xmp", term): None for term in terms(packet)}
    if b"training-mining" in head:
        statements |= dict.fromkeys(_assertions(body))
    return list(statements)


def before_pixels(body: bytes) -> bytes:
    """The segments of a JPEG before its pixels, which hold all metadata; of others the whole."""
    place = 2 if body.startswith(b"\xff\xd8") else len(body)
    while body[place : place + 1] == b"\xff" and place + 4 <= len(body):
        if body[place + 1] == 0xDA:  # the start of the scan
            return body[:place]
        length = int.from_bytes(body[place + 2 : place + 4], "big")
        place += 1 if body[place + 1] == 0xFF else 2 + length
    return body


def _joined(head: bytes) -> tuple[bytes, ...]:
    """(the bytes outside of split packets, each packet that a JPEG splits, in one piece).

    A segment has the packet's digest, its length, where the segment's bytes begin in it, and these
    (XMP, part 3, 1.1.3.1).
    """
    split: dict[bytes, dict[bytes, bytes]] = {}
    rest, place = [], 0
    for mark in EXTENSION.finditer(head) if head.startswith(b"\xff\xd8") else ():
        if mark.start() < place:
            continue
        end = mark.start() + 2 + int.from_bytes(mark[1], "big")
        split.setdefault(mark[2], {}).setdefault(mark[3], head[mark.end() : end])
        rest.append(head[place : mark.start()])
        place = max(end, mark.end())
    joined = (b"".join(pieces[place] for place in sorted(pieces)) for pieces in split.values())
    return b"".join([*rest, head[place:]]), *joined


def packets(body: bytes) -> Iterator[bytes]:
    """The packets of XMP that name Data Mining, in UTF-8. Raises MetadataError for a huge one."""
    for text in (body, *_narrowed(body)):
        if NAME in text:
            yield from _packets(text)


def _narrowed(body: bytes) -> Iterator[bytes]:
    """The body in UTF-8 by each wide encoding, and place of its first byte, that has the name."""
    for width, encodings in WIDE.items():
        # Without the zeros at its ends, which stand before or behind a letter: the same in both.
        name = bytes(width - 1).join(NAME[n : n + 1] for n in range(len(NAME)))
        places = {mark.start() % width for mark in re.finditer(re.escape(name), body)}
        for encoding in encodings:
            zeros = width - 1 if encoding.endswith("be") else 0
            for first in sorted({(place - zeros) % width for place in places}):
                yield body[first:].decode(encoding, "replace").encode()


def _packets(body: bytes) -> Iterator[bytes]:
    place = 0
    while (mark := body.find(NAME, place)) >= 0:
        meta = rdf = None
        for each in HOLDER.finditer(body, place, mark):
            meta, rdf = (each, rdf) if each[2] else (meta, each)
        holder = meta or rdf
        if holder is None:
            place = mark + len(NAME)
            continue
        ends = CLOSING.finditer(body, mark)
        closing = next((each for each in ends if each[1] == holder[1]), None)
        stop = closing.end() if closing else len(body)
        start = holder.start()
        if (stop if closing else mark) - start > MOST_PACKET:
            raise MetadataError(f"XMP of more than {MOST_PACKET} bytes")
        yield body[start : min(stop, start + MOST_PACKET)]
        place = stop


def _unpacked(body: bytes) -> bytes:
    """The XMP that a PNG packs. Raises MetadataError for more than any picture has."""
    text: list[bytes] = []
    for mark in list(PACKED.finditer(body))[:MOST_TEXTS]:
        inflate = zlib.decompressobj()
        length = int.from_bytes(body[mark.start() - 4 : mark.start()], "big")
        try:
            text.append(
                inflate.decompress(body[mark.end() : mark.start() + 4 + length], 1 + MOST_PACKET)
            )
        except zlib.error:
            continue
        if len(text[-1]) > MOST_PACKET:
            raise MetadataError(f"XMP of more than {MOST_PACKET} bytes")
    return b"".join(text)


def terms(packet: bytes) -> list[str]:
    """The terms of Data Mining in a packet; of one that does not parse, those that stand in it."""
    if BOMB.search(packet):
        raise MetadataError("XMP with entities or a document type")
    reader = _Reader()
    parser = DefusedXMLParser(target=reader, forbid_dtd=True)
    try:
        parser.feed(packet)
        parser.close()
    except DefusedXmlException as error:
        raise MetadataError(f"XMP with entities: {type(error).__name__}") from None
    except (ParseError, UnicodeError):
        texts = [packet.decode("utf-8", "replace")]
        return list(dict.fromkeys(term.upper() for text in texts for term in TERM.findall(text)))
    return list(dict.fromkeys(term.upper() for text in reader.texts for term in TERM.findall(text)))


class _Reader:
    """The target of the parser: the values of Data Mining, an attribute or an element's text."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.depth = self.nodes = self.inside = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.nodes += 1 + len(attributes)
        if self.depth > MOST_DEPTH or self.nodes > MOST_NODES:
            raise MetadataError(f"XMP of more than {MOST_DEPTH} levels or {MOST_NODES} nodes")
        if PLUS in attributes:
            self.texts.append(attributes[PLUS])
        if tag == PLUS or self.inside:
            self.inside += 1
            self.texts.append(attributes.get(RESOURCE, ""))

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.inside -= self.inside > 0

    def data(self, text: str) -> None:
        if self.inside:
            self.texts.append(text)

    def close(self) -> None:
        """Nothing to give."""


def _assertions(body: bytes) -> list[Statement]:
    """C2PA's and CAWG's entries about training; `unread` where c2pa-python is not installed."""
    try:
        import c2pa
    except ImportError:
        return [Statement("c2pa", "unread")]
    try:
        with c2pa.Reader(_type(body), io.BytesIO(body)) as reader:
            store = json.loads(reader.json())
    except Exception:  # the library has an error of its own for each fault of a file
        return [Statement("c2pa", "unread")]
    active = store.get("manifests", {}).get(store.get("active_manifest"), {})
    return list(entries(active.get("assertions", [])))


def entries(assertions: list[Any]) -> Iterator[Statement]:
    """Statements of the assertions of a manifest.

    >>> use = {"entries": {"cawg.ai_training": {"use": "notAllowed"}}}
    >>> list(entries([{"label": "cawg.training-mining", "data": use}]))
    [Statement(signal='c2pa', value='cawg.ai_training=notAllowed')]
    """
    for assertion in assertions:
        if LABEL.fullmatch(str(assertion.get("label"))):
            uses = (assertion.get("data") or {}).get("entries") or {}
            for name, entry in uses.items():
                use = entry.get("use") if isinstance(entry, dict) else None
                if isinstance(use, str):
                    yield Statement("c2pa", f"{name[:100]}={use[:40]}")


def _type(body: bytes) -> str:
    if body.startswith(b"\x89PNG"):
        return "image/png"
    if body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:8] == b"ftyp":
        return "image/avif" if body[8:12] in (b"avif", b"avis") else "image/heic"
    return "image/jpeg"
