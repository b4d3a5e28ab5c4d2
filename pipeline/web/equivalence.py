"""Which URLs name the same thing: the key that all equivalent spellings of one address share.

RFC 3986, section 6.2.2, has the rules: codes of characters that need none, dot segments, case. To
them come the spellings of a host. Lists of exclusions are compared by this key. A pair_id is not:
it was always made from `normalise_url`.
"""

import re
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.web.url import NAT64, as_address, clean_host, normalise_url

# Codes of characters that mean the same without: RFC 3986's unreserved, and "!'()*". RFC 2396 has
# these five unreserved, too, and http gives them no meaning: Python encodes them, browsers do not.
NEEDLESS = "(?:2[1789ADE]|2A|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])"
NEEDLESS_CODE = re.compile(f"%{NEEDLESS}")
LONE_PERCENT = re.compile("%(?![0-9A-F]{2})")
NO_PART_OF_A_URL = re.compile(r'["<>\\^`{|}\[\]]')  # RFC 3986 has them as codes alone
DELIMITERS = re.compile(r"[/?#@\\]")
KEY = re.compile(r"(https?://)(\[[^\]]*\]|[^/:]*)(:[0-9]+)?([^?]*)(.*)", re.DOTALL)

# Nearly all keys: a host of two or more labels, the last of letters, and nothing to change after.
PLAIN = (
    r"^https?://(?:[a-z0-9_-]{1,63}\.)+[a-z]{2,63}(?::[0-9]+)?/"
    r"(?:[!$&-;=?-Z_a-z~]|%(?:[0189A-F][0-9A-F]|2[02-6BCF]|3[A-F]|40|5[B-E]|60|7[B-DF]))*$"
)
DOT_SEGMENT = r"/\.\.?(?:[/?]|$)"


def equivalence_key(url: str) -> str:
    """The one spelling of an address. Raises ValueError for what is no http or https address.

    >>> equivalence_key("HTTP://Example.ORG.:80/b/../%7Eann/%66ox.jpg#top")
    'http://example.org/~ann/fox.jpg'
    >>> equivalence_key("http://0x7f.1/%2F"), equivalence_key("http://[::ffff:7f00:1]/%2f")
    ('http://127.0.0.1/%2F', 'http://127.0.0.1/%2F')
    """
    return _of_key(normalise_url(_host_decoded(url)))


def _host_decoded(url: str) -> str:
    """
    >>> _host_decoded("http://ex%61mple.org/%61")
    'http://example.org/%61'
    """
    host = urlsplit(url.strip()).netloc
    if "%" not in host:
        return url
    decoded = unquote(host)
    if DELIMITERS.search(decoded):
        raise ValueError(f"expected a host, got {host!r}")
    return url.replace(host, decoded, 1)


def _of_key(url_key: str) -> str:
    parts = KEY.fullmatch(url_key)
    if parts is None:  # a row without an address has an empty key
        return url_key
    scheme, host, port, path, query = parts.groups("")
    name = equivalent_host(host) or host.removeprefix("[").removesuffix("]")
    host = f"[{name}]" if ":" in name else name
    return f"{scheme}{host}{port}{_without_dots(_recoded(path))}{_recoded(query)}"


def _recoded(text: str) -> str:
    """Codes where they are needed, and only there."""
    text = LONE_PERCENT.sub("%25", text)
    text = NEEDLESS_CODE.sub(lambda code: unquote(code[0]), text)
    return NO_PART_OF_A_URL.sub(lambda character: quote(character[0]), text)


def _without_dots(path: str) -> str:
    """RFC 3986, section 5.2.4.

    >>> _without_dots("/a/b/c/./../../g"), _without_dots("/../a/.."), _without_dots("/a//../b")
    ('/a/g', '/', '/a/b')
    """
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            del segments[-1:]
        elif segment != ".":
            segments.append(segment)
    if path.endswith(("/.", "/..")):
        segments.append("")
    return "/" + "/".join(segments)


def equivalent_host(host: str) -> str | None:
    """A host in its one spelling; IPv4 that is written as IPv6 is IPv4. None for no host.

    >>> equivalent_host("2130706433"), equivalent_host("[::ffff:127.0.0.1]")
    ('127.0.0.1', '127.0.0.1')
    """
    name = clean_host(host)
    address = as_address(name or "")
    if isinstance(address, IPv6Address):
        if address in NAT64:
            return str(IPv4Address(int(address) & 0xFFFF_FFFF))
        return str(address.ipv4_mapped or address)
    return name


def equivalence_keys(url_keys: pa.StringArray) -> pa.StringArray:
    """(N,) equivalence keys of URLs in their normal spelling; null where that is the key already.

    >>> keys = equivalence_keys(pa.array(["http://a.org/~b", "http://a.org/%7Eb"]))
    >>> keys.to_pylist()
    [None, 'http://a.org/~b']
    """
    plain = pc.match_substring_regex(url_keys, PLAIN)
    dotted = pc.match_substring_regex(url_keys, DOT_SEGMENT)
    rest = pc.or_(pc.invert(plain), dotted)
    changed = [
        key if key != url_key else None
        for url_key in url_keys.filter(rest).to_pylist()
        for key in (_of_key(url_key),)
    ]
    nothing = pa.nulls(len(url_keys), pa.string())
    return pc.replace_with_mask(nothing, rest, pa.array(changed, pa.string()))
