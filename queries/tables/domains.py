"""The registrable domains of hosts, by the public suffix list that its package carries."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from publicsuffixlist import PublicSuffixList

from queries.tables.parts import read_batches
from queries.tables.schemas import TABLES

HOST = r"^[a-zA-Z]+://(?P<host>[^/?#]*)"
ADDRESS = re.compile(r"\[.*\]|[0-9.]+")


def domain_table(shards: Iterable[Path]) -> pa.Table:
    """Table `domain` of the hosts in the shards' Parquet files; memory grows with hosts alone."""
    hosts: set[str] = set()
    for shard in shards:
        for batch in read_batches(shard, columns=["url"]):
            found = pc.struct_field(pc.extract_regex(batch["url"], HOST), "host")
            hosts.update(pc.unique(found.drop_null()).to_pylist())
    rows = [
        {"host": host, **dict(zip(("domain", "suffix"), domain_of(host), strict=True))}
        for host in sorted(hosts)
    ]
    return pa.Table.from_pylist(rows, TABLES["domain"].schema)


def domain_of(host: str) -> tuple[str, str | None]:
    """(registrable domain, public suffix) of a host; an address of numbers is its own domain.

    >>> domain_of("a.b.Example.co.uk:8080"), domain_of("me.github.io")
    (('example.co.uk', 'co.uk'), ('me.github.io', 'github.io'))
    >>> domain_of("127.0.0.1:80"), domain_of("github.io"), domain_of("пример.рф")
    (('127.0.0.1', None), ('github.io', 'github.io'), ('xn--e1afmkfd.xn--p1ai', 'xn--p1ai'))
    """
    name = re.sub(r":[0-9]*$", "", host.rpartition("@")[2]).rstrip(".").lower()
    if ADDRESS.fullmatch(name):
        return name, None
    if not name.isascii():
        name = name.encode("idna").decode() if len(name) < 64 else name
    suffix = _list().publicsuffix(name)
    return _list().privatesuffix(name) or name, suffix


@lru_cache(1)
def _list() -> PublicSuffixList:
    return PublicSuffixList()
