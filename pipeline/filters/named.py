"""Which hosts and addresses a list of exclusions names, however they are spelled."""

import html
import re
import unicodedata
from collections.abc import Collection, Iterator
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.filters.hosts import parents
from pipeline.web.equivalence import equivalence_key, equivalence_keys
from pipeline.web.url import clean_host
from queries.tables.parts import read_rows
from queries.tables.schemas import TABLES

# What may be a host: IPv6 in brackets, or letters of any alphabet with dots.
HOST_LIKE = re.compile(r"\[[0-9A-Fa-f:.]+\]|[\w.-]+")


def excluded_hosts(
    batches: Iterator[pa.RecordBatch], exclusions: tuple[Path, ...]
) -> Iterator[pa.RecordBatch]:
    """Map: rows of `host` in, rows of `excluded_host` out: each host with each exclusion of it.

    An exclusion names a host and all hosts below it. To look up each domain above a host takes a
    few steps, however long the list is; SQL would join every host with every exclusion.
    `exclusions` are parts of the table `exclusion`.
    """
    named = {
        value
        for path in exclusions
        for value in read_rows(path, columns=["value"], filters=[("kind", "=", "host")])[
            "value"
        ].to_pylist()
    }
    schema = TABLES["excluded_host"].schema
    for batch in batches:
        hosts = batch["host"].to_pylist() if named else []
        rows = [{"host": host, "value": value} for host in hosts for value in _named(host, named)]
        yield pa.RecordBatch.from_pylist(rows, schema)


def parent_in(host: str, named: Collection[str]) -> str | None:
    """The host without its port, or the nearest domain above it, if `named` has it; else None.

    >>> parent_in("a.example.org:80", {"example.org"}), parent_in("example.com", {"example.org"})
    ('example.org', None)
    """
    return next(iter(_named(host, named)), None)


def _named(host: str, named: Collection[str]) -> list[str]:
    """Of the host without its port and the domains above it those that `named` has."""
    return [domain for domain in parents(_name(host)) if domain in named]


def address_key(url: str) -> str:
    """The key by which lists compare addresses; '' for no address.

    >>> address_key("HTTP://a.org/%7Eb"), address_key("ftp://a.org")
    ('http://a.org/~b', '')
    """
    try:
        return equivalence_key(url)
    except ValueError:
        return ""


def address_keys(url_keys: pa.StringArray) -> list[str]:
    """The same of addresses in their normal spelling, as candidates have it."""
    keys: list[str] = pc.coalesce(equivalence_keys(url_keys), url_keys).to_pylist()
    return keys


def hosts_in(text: str) -> set[str]:
    """All that may be a host in an unreadable address: too many rather than too few.

    >>> sorted(hosts_in("htp:/me@A.org:99999/1.png"))
    ['0.1.134.159', '1.png', 'a.org', 'htp', 'me']
    """
    plain = unicodedata.normalize("NFKC", unquote(html.unescape(text)))
    names = (clean_host(name) for name in HOST_LIKE.findall(plain))
    return {f"[{name}]" if ":" in name else name for name in names if name}


def _name(host: str) -> str:
    """
    >>> _name("[::1]:80"), _name("example.org:80"), _name("example.org")
    ('[::1]', 'example.org', 'example.org')
    """
    return re.sub(r":[0-9]*$", "", host)
