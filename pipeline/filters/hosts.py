"""Rules about URLs: private hosts, malformed hosts, files that are no pictures.

The rules read the key of a URL, its normal spelling by pipeline.web.url: http or https, the host in
lower case, no user name. The fetch checks later what address a name resolves to.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.settings.whole import FilterSettings
from pipeline.web.equivalence import equivalent_host
from pipeline.web.url import LONGEST_HOST, as_address, clean_host, is_public

HOST = r"^https?://(?P<host>\[[^\]/]*\]|[^/:]*)"
# Endings of names that only local networks answer: RFC 6761, 6762, 8375, 7686, ICANN's .internal,
# and the names that ICANN does not delegate because so many networks use them.
LOCAL = (
    *(".localhost", ".local", ".localdomain", ".internal", ".intranet", ".private", ".corp"),
    *(".home", ".home.arpa", ".lan", ".test", ".invalid", ".onion"),
)
# Nearly all hosts: two or more labels, the last of letters. Others are checked one by one.
ORDINARY = r"^[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\.[a-z]{2,63}$"
LOCAL_END = rf"(?:{'|'.join(map(re.escape, LOCAL))})$"


def url_masks(url_keys: pa.StringArray, settings: FilterSettings) -> dict[str, np.ndarray]:
    """For each rule about URLs, an (N,) bool mask of the rows that the rule drops.

    >>> masks = url_masks(pa.array(["http://10.0.0.1/a.jpg"]), FilterSettings())
    >>> [reason for reason, mask in masks.items() if mask[0]]
    ['url_private_host']
    """
    reasons = host_reasons(url_keys)
    masks = {}
    if settings.drop_bad_hosts:
        masks["url_bad_host"] = _equal(reasons, "url_bad_host")
    if not settings.allow_private_hosts:
        masks["url_private_host"] = _equal(reasons, "url_private_host")
    if settings.not_pictures:
        endings = "|".join(settings.not_pictures)
        masks["url_not_picture"] = matches(url_keys, rf"^[^?]*\.(?i:{endings})(?:\?|$)")
    return masks


def _equal(reasons: pa.StringArray, reason: str) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.equal(reasons, reason), False))


def matches(texts: pa.StringArray, pattern: str) -> np.ndarray:
    """(N,) bool: whether RE2, whose time is linear in the text, finds the pattern in each text."""
    return np.asarray(pc.match_substring_regex(texts, pattern))


def host_reasons(url_keys: pa.StringArray) -> pa.StringArray:
    """`host_reason` of every URL's host."""
    hosts = pc.fill_null(pc.struct_field(pc.extract_regex(url_keys, HOST), "host"), "")
    distinct = hosts.dictionary_encode()
    names = distinct.dictionary
    ordinary = matches(names, ORDINARY) & ~matches(names, LOCAL_END)
    ordinary &= np.asarray(pc.binary_length(names)) <= LONGEST_HOST
    reasons = [
        None if plain else host_reason(name)
        for name, plain in zip(names.to_pylist(), ordinary, strict=True)
    ]
    return pa.array(reasons, pa.string()).take(distinct.indices)


def host_reason(host: str) -> str | None:
    """Why no picture may be requested from this host; None where it may.

    >>> host_reason("0x7f.1"), host_reason("[::ffff:10.0.0.1]"), host_reason("printer.local")
    ('url_private_host', 'url_private_host', 'url_private_host')
    >>> host_reason("a..b"), host_reason("1.2.3.4.5"), host_reason("example.org")
    ('url_bad_host', 'url_bad_host', None)
    """
    name = clean_host(host)
    if name is None:
        return "url_bad_host"
    address = as_address(name)
    if address:
        return None if is_public(address) else "url_private_host"
    return "url_private_host" if "." not in name or name.endswith(LOCAL) else None


def parents(host: str) -> list[str]:
    """The host and every domain above it, the nearest first.

    An IP address has no domain above it. Neither has a name too long for a host, which may have a
    hundred thousand dots.

    >>> parents("cdn.example.org"), parents("10.1")
    (['cdn.example.org', 'example.org', 'org'], ['10.0.0.1'])
    """
    name = equivalent_host(host) or host
    if as_address(name) or len(name) > LONGEST_HOST + 1:  # it may end in a dot
        return [name]
    labels = name.split(".")
    return [".".join(labels[n:]) for n in range(len(labels))]
