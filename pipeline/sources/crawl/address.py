"""The address of a picture: which attribute holds it, which is the largest, joined to the page.

Pages that load pictures late keep a placeholder in `src`, and the address in an attribute of their
own. The names are those of lazysizes, lozad, vanilla-lazyload, jQuery's plugins, WordPress' plugins
and content networks.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

LONGEST_SRCSET = 20_000

Attributes = Mapping[str, str | None]
Offer = tuple[float, str]  # size, address

LATE_SETS = frozenset(
    (
        *("data-srcset", "data-lazy-srcset", "data-original-set", "data-lazyload-srcset"),
        *("data-ll-srcset", "data-src-set", "data-original-srcset", "data-pfsrcset"),
        "data-risrcset",
    )
)
# In the order in which they are believed.
LATE = (
    *("data-src", "data-lazy-src", "data-original", "data-lazy", "data-lazyload", "data-actualsrc"),
    *("data-ll-src", "data-lazyload-src", "data-lazy-load", "data-original-src", "data-real-src"),
    *("data-img-src", "data-image-src", "data-imgsrc", "data-cfsrc", "data-ezsrc", "data-opt-src"),
    *("data-flickity-lazyload", "data-flickity-lazyload-src", "data-defer-src", "data-wood-src"),
    *("data-pagespeed-high-res-src", "data-pagespeed-lazy-src", "data-default-src"),
    *("data-hi-res-src", "data-high-res-src", "data-src-large", "data-ks-lazyload", "data-normal"),
    *("data-bttrlazy-src", "lazy-src", "nitro-lazy-src", "load-src", "lazysrc"),
)
# May be another address than a picture's, such as that of a link.
UNSURE = (
    *("data-url", "data-image", "data-img", "data-image-url", "data-img-url", "data-imageurl"),
    *("data-echo", "data-unveil", "data-deferred", "data-delayed-url", "data-aload", "data-backup"),
    *("data-lazy-image", "original", "big-src"),
)
# Of a larger copy, where nothing else is an address.
LARGER = (
    *("data-large-file", "data-orig-file", "data-medium-file", "data-large_image", "data-full-src"),
    *("data-zoom-image", "data-pin-media", "lowsrc"),
)
OTHER = re.compile(r"data-(?!.*(?:low|thumb|small|placeholder|iesrc|sizes)).*(?:src|lazy|original)")
RANKS = {name: rank for rank, name in enumerate((*LATE, *UNSURE, "data-*", "src", *LARGER))}
SURE = {*LATE, "src"}
LATE_NAMES = LATE_SETS | {*LATE}
PLAIN = {"alt", "title", "class", "id", "width", "height", "style", "loading", "decoding", "sizes"}

ENDING = re.compile(r"\.(?:jpe?g|jfif|png|webp|avif|gif|bmp|tiff?)(?=$|[?#!:@&/])", re.I)
# Templates and JSON have braces, or marks such as <%= x %>, <?php x ?>, [[x]], *|x|*; JSON may also
# be a list or a string. No address is in these schemes.
NO_ADDRESS = re.compile(
    r"\s*(?:$|#|(?:data|javascript|about|blob|cid|mailto):"
    r"|(?:\[\s*)*+(?:[\"']|&quot;)|\[\s*(?:\]|null\b|$))"
    r"|[^{<[*]*+(?:(?!<[%?]|\[\[|\*\|)[<[*][^{<[*]*+)*+(?:\{|<[%?]|\[\[|\*\|)",
    re.I,
)
# What stands in `src` until a script puts the picture there.
PLACEHOLDER = re.compile(
    r"(?:.*[/_.-])?(?:blank|placeholder|spacer|transparent|pixel|1x1|load(?:ing|er)?|lazy|gr[ae]y"
    r"|dummy|empty|no-?image|default)[\w.-]*\.(?:gif|png|svg|jpe?g|webp)(?:[?#].*)?",
    re.I | re.S,
)
UNREAD_TYPES = ("svg", "jxl", "heic", "heif", "jp2", "jpx", "jxr", "vnd.ms-photo")

ORIGIN = re.compile(r"https?://[\w.:-]+(?=[/?#]|$)", re.A)
ABSOLUTE = re.compile(r"https?://[\w.:-]+(?:[/?#][^\s\\]*)?", re.A)
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.I)
DOTS = {".": ".", "%2e": ".", "..": "..", ".%2e": "..", "%2e.": "..", "%2e%2e": ".."}
CANDIDATE = re.compile(r"[^\s,]\S*")
ENDS = "".join(map(chr, range(33)))  # of an address, which browsers take off
SEEN_BROKEN = str.maketrans({" ": "%20", "\t": None, "\n": None, "\r": None})


class Offers(NamedTuple):
    """What sets offer: those that scripts put in place later, and those that are in place."""

    late: list[Offer]
    own: list[Offer]


NONE = Offers([], [])


def address_of(attributes: Attributes, sources: Offers = NONE) -> str | None:
    """The address in the attributes of an <img> that may be in a <picture>.

    >>> address_of({"src": "/blank.gif", "data-src": "/kite.jpg"})
    '/kite.jpg'
    >>> address_of({"src": "a_300.jpg", "data-src": "a_{width}.jpg"})
    'a_300.jpg'
    >>> address_of({"src": "/img/blank.gif", "data-src": ""}), address_of({"data-src": "<%= x %>"})
    (None, None)
    """
    best, address, awaits = len(RANKS), None, False
    late, own = sources
    for name, value in attributes.items():
        if not value or name in PLAIN:
            awaits = awaits or name in LATE_NAMES
            continue
        if name == "srcset":
            own = srcset(value) + own
        elif name in LATE_SETS:
            late = srcset(value) + late
        else:
            rank = RANKS.get(name)
            if rank is None and OTHER.fullmatch(name):
                rank = RANKS["data-*"]
            if rank is not None and rank < best and _is_address(name, value):
                best, address = rank, value
    offers = late or own
    if offers:
        return _largest(offers)[0][1]
    if awaits and address and PLACEHOLDER.fullmatch(address):
        return None  # its script has yet to be given the picture
    return address.partition("|")[0] if address and best < RANKS["src"] else address


def source_offers(sources: Iterable[Attributes]) -> Offers:
    """The largest offers of the <source>s of a <picture>.

    >>> source_offers([{"srcset": "a.webp 2x"}, {"srcset": "b.svg", "type": "image/svg+xml"}]).own
    [(2.0, 'a.webp')]
    """
    late, own = [], []
    for source in sources:
        if _is_read(source.get("type") or ""):
            own += srcset(source.get("srcset") or "")
            for name in LATE_SETS & source.keys():
                late += srcset(source[name] or "")
    return Offers(_largest(late), _largest(own))


def _largest(offers: list[Offer]) -> list[Offer]:
    """A list of the largest offer, the first of equals; an empty list if there are no offers."""
    return [max(offers, key=lambda offer: offer[0])] if offers else []


def _is_address(name: str, value: str) -> bool:
    """Whether a value may be the address of a picture: no template, no JSON, no placeholder."""
    if NO_ADDRESS.match(value):
        return False
    if name == "src" or (name in SURE and ("/" in value or "." in value)):
        return True
    return ENDING.search(value) is not None


def _is_read(kind: str) -> bool:
    """Whether a <source> of this type is a picture that can be read.

    >>> _is_read(""), _is_read("image/webp"), _is_read("image/svg+xml"), _is_read("video/mp4")
    (True, True, False, False)
    """
    family, _, name = kind.strip().lower().partition("/")
    return not kind.strip() or (family == "image" and not name.startswith(UNREAD_TYPES))


def srcset(text: str) -> list[Offer]:
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
        if not NO_ADDRESS.match(address):
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
    """The address joined to the page's as browsers do; None for what is no address.

    The URL standard (4.4) reads a backslash as a slash, passes over slashes too many, and leaves
    out what surrounds an address; a space within is %20.

    >>> absolute("http://x.org/b/", "//y.org/a"), absolute("http://x.org/b/", "data:image/gif,")
    ('http://y.org/a', None)
    >>> absolute("http://x.org/b/", r"\\\\y.org\\a b"), absolute("http://x.org/", "http:///y.org/../a")
    ('http://y.org/a%20b', 'http://y.org/a')
    """
    if not address or NO_ADDRESS.match(address):
        return None
    if ABSOLUTE.fullmatch(address) and not may_have_dots(address):
        return address  # as most are
    try:
        return _joined(base, address.strip(ENDS).translate(SEEN_BROKEN))
    except ValueError:  # such as brackets without an IPv6 address
        return None


def may_have_dots(address: str) -> bool:
    """Whether the path may have a segment that stands for a directory, as it is or as %2e."""
    return "/." in address or "/%2" in address


def _joined(base: str, address: str) -> str:
    end = re.search(r"[?#]|$", address).start()  # type: ignore[union-attr]
    path, rest = address[:end].replace("\\", "/"), address[end:]
    scheme, host, base_path, query, _ = urlsplit(base)
    if own := SCHEME.match(path):
        if own[1].lower() not in ("http", "https"):
            return address
        is_whole = path.startswith("//", own.end()) or own[1].lower() != scheme
        scheme, path = own[1].lower(), path[own.end() :]
        path = "//" + path if is_whole else path
    if path.startswith("//"):
        host, _, path = path.lstrip("/").partition("/")
        path = "/" + path
    elif not path:
        path = base_path
        rest = rest if rest.startswith("?") or not query else f"?{query}{rest}"
    elif not path.startswith("/"):
        path = f"{base_path.rpartition('/')[0]}/{path}"
    url = f"{scheme}://{host}{_without_dots(path)}{rest}"
    urlsplit(url)  # raises ValueError
    return url.translate(SEEN_BROKEN)  # as the base may have spaces, too


def _without_dots(path: str) -> str:
    """
    >>> _without_dots("/a/../b//./c/%2E."), _without_dots("")
    ('/b//', '/')
    """
    kept: list[str] = []
    dots = ""
    for segment in path.split("/")[1:]:
        dots = DOTS.get(segment.lower(), "")
        if not dots:
            kept.append(segment)
        elif dots == ".." and kept:
            kept.pop()
    return "/" + "/".join([*kept, ""] if dots else kept)
