"""Spelling of URLs: the key of a URL, the request it stands for, and whether that may be sent.

    parse_url("http://BÜCHER.example/a cat.png")  # Target("http", "xn--bcher-kva.example", 80, …)

What browsers repair is repaired (spaces, other alphabets, full-width digits); a URL without one
clear meaning is refused. Addresses are judged by the lists below, as the answers of ipaddress'
properties differ from one Python to the next.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import idna

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = {"http": 80, "https": 443}
LEAST_PORT = 1024  # but for those two: below are mail, shells and printers, which obey any client
LONGEST_URL = 8_000
LONGEST_HOST = 253
LONGEST_LABEL = 63
KEY_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")  # after IDNA; the second is an IPv6 address
HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # WHATWG URL: "ends in a number"
UNSENDABLE = re.compile(r'[^\x21-\x7e]+|["<>`{}\\^]+')

# IANA's registries of special-purpose addresses. IPv6 names what is public, and what of it is not.
SPECIAL_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3"),
    )
)
PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
SPECIAL_V6 = tuple(  # protocols and Teredo, documentation, 6to4, documentation
    ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # how a network without IPv4 sees all of IPv4


@dataclass(frozen=True)
class Target:
    """The target of one request: every part ASCII, the path percent-encoded and with its query."""

    scheme: str
    host: str  # a name, or an address in its one spelling
    port: int
    path: str

    @property
    def authority(self) -> str:
        """The host as the Host header names it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        return self.origin + self.path


def normalise_url(url: str) -> str:
    """The key of a URL: equal for all spellings of one address. Raises ValueError for other texts.

    The query keeps its order and the path its slashes: a server may tell them apart. The key
    decides the pair_id, so it stays as it is; pipeline.web.equivalence goes further.

    >>> normalise_url("HTTP://Bücher.example:80/a%c3%a9 b#top")
    'http://xn--bcher-kva.example/a%C3%A9%20b'
    """
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in PORTS or "@" in parts.netloc:
        raise ValueError("expected http or https, and no user name")
    if not host.isascii():
        host = _idna(host)
    if not KEY_HOST.fullmatch(host):
        raise ValueError(f"expected a host, got {host!r}")
    host = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, PORTS[scheme]) else f":{parts.port}"
    query = f"?{_percent_encoded(parts.query)}" if parts.query else ""
    return f"{scheme}://{host}{port}{_percent_encoded(parts.path) or '/'}{query}"


def _percent_encoded(text: str) -> str:
    """Space and other than ASCII encoded, and every code in capitals."""
    text = re.sub(r"[^\x21-\x7e]+", lambda match: quote(match[0]), text)
    return re.sub(r"%[0-9a-fA-F]{2}", lambda match: match[0].upper(), text)


def parse_url(url: str) -> Target | None:
    """What a URL asks for, repaired where it can be; None if it is no http or https address.

    >>> parse_url("http://0x7f.1:8080/a b?c#d")
    Target(scheme='http', host='127.0.0.1', port=8080, path='/a%20b?c')
    >>> parse_url("http://user:word@example.org/"), parse_url("file:///etc/passwd")
    (None, None)
    """
    try:
        parts = urlsplit(url.strip()) if len(url) <= LONGEST_URL else None
        if parts is None or parts.scheme not in PORTS or "@" in parts.netloc:
            return None
        if "[" in parts.netloc and ":" not in (parts.hostname or ""):
            return None  # such as [v1.a], which is no name
        host = clean_host(parts.hostname or "")
        port = PORTS[parts.scheme] if parts.port is None else parts.port
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        path = UNSENDABLE.sub(lambda match: quote(match[0], safe=""), path)
    except ValueError:  # a port of letters, brackets without an address, half a character
        return None
    if host is None or not (port in PORTS.values() or port >= LEAST_PORT):
        return None
    return Target(parts.scheme, host, port, path) if len(path) <= LONGEST_URL else None


def redirected(target: Target, location: str) -> Target | None:
    """What a Location header names, seen from the target; http.client reads its UTF-8 as Latin-1.

    >>> redirected(Target("http", "x.org", 80, "/a/b"), "../c").url
    'http://x.org/c'
    """
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode()
    try:
        return parse_url(urljoin(target.url, location.strip()))
    except ValueError:
        return None


def clean_host(host: str) -> str | None:
    """A host in its one ASCII spelling; None if no name server and no network can know it.

    >>> clean_host("１２７.1"), clean_host("Bücher.example."), clean_host("a..b")
    ('127.0.0.1', 'xn--bcher-kva.example', None)
    >>> clean_host("[0::1]"), clean_host("[::g]")
    ('::1', None)
    """
    try:
        return _clean_host(host.removeprefix("[").removesuffix("]"))
    except ValueError:  # such as half a character, or no IPv6 address
        return None


def _clean_host(host: str) -> str | None:
    if ":" in host:
        return None if "%" in host else str(ipaddress.IPv6Address(host))
    if not host.isascii():
        host = _idna(host)
    name = host.lower().removesuffix(".")
    if not HOST.fullmatch(name) or len(name) > LONGEST_HOST:
        return None
    if not NUMERIC.fullmatch(name):
        return name
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return None


def _idna(host: str) -> str:
    """Browsers' mapping (UTS 46), then each label in Punycode, those with an emoji, too.

    Empty for what can be no host: too long, or with a character that none may have.
    """
    if len(host) > LONGEST_HOST:
        return ""
    try:
        mapped = idna.uts46_remap(host, std3_rules=False)
    except idna.IDNAError:
        return ""
    labels = [
        label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
        for label in mapped.split(".")
    ]
    return "" if max(map(len, labels)) > LONGEST_LABEL else ".".join(labels)


def as_address(host: str) -> Address | None:
    """The IP address that a cleaned host is, or None for a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address is on the public internet; IPv4 written as IPv6 is not, NAT64 apart.

    >>> texts = ("1.1.1.1", "10.0.0.1", "::ffff:1.1.1.1")
    >>> [is_public(ipaddress.ip_address(text)) for text in texts]
    [True, False, False]
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in SPECIAL_V4)
    if address in NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if address.scope_id or address not in PUBLIC_V6:
        return False
    return not any(address in network for network in SPECIAL_V6)


def may_be_asked(address: Address, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or in a network that the settings allow."""
    return is_public(address) or any(address in network for network in allowed)
