"""Addresses of files on Hugging Face's hub, hf://datasets/ORG/NAME/PATH, and where they lead.

The hub is that of HF_ENDPOINT, as for its own programs, else huggingface.co.
"""

import os
import re
from urllib.parse import quote

HF = "hf://"
REVISION = r"(?:[0-9a-f]{7,40}|main|v?\d+(?:\.\d+)*|refs/(?:convert|pr)/\w+)"
ADDRESS = re.compile(
    r"hf://(?P<repository>(?:(?:datasets|spaces)/|(?!(?:datasets|spaces)/))[\w.-]+/[\w.-]+)"
    rf"(?:@(?P<revision>refs/\w+/\w+|[\w.-]+))?/(?P<path>[^?#]+?)(?:@(?P<behind>{REVISION}))?"
)


def with_revision(text: str) -> str:
    """The address with its revision where the hub's own programs have it, behind the repository.

    >>> with_revision("hf://datasets/me/birds/data/a.csv@v1.0"), with_revision("hf://me/a/b@2x.jpg")
    ('hf://datasets/me/birds@v1.0/data/a.csv', 'hf://me/a/b@2x.jpg')
    """
    match = ADDRESS.fullmatch(text)
    if not match or not match["behind"] or match["revision"]:
        return text
    return f"{HF}{match['repository']}@{match['behind']}/{match['path']}"


def endpoint() -> str:
    """The hub's address."""
    return (os.environ.get("HF_ENDPOINT") or "https://huggingface.co").rstrip("/")


def resolved(text: str) -> str | None:
    """The address of the web at which the hub gives a file; None for what names no file.

    >>> resolved("hf://datasets/me/birds@refs/convert/parquet/a b.csv").removeprefix(endpoint())
    '/datasets/me/birds/resolve/refs%2Fconvert%2Fparquet/a%20b.csv'
    """
    match = ADDRESS.fullmatch(with_revision(text))
    if not match:
        return None
    revision = quote(match["revision"] or "main", safe="")
    return f"{endpoint()}/{match['repository']}/resolve/{revision}/{quote(match['path'])}"
