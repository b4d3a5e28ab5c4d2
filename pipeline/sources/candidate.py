"""Raw rows of a source to rows of table `candidate`: ids, order, reasons.

Every source's rows are built here, so the same URL and caption get the same pair_id from any
source. Every raw row gives exactly one candidate, valid or not.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline.rights.licences import license_id
from pipeline.sources.digests import stated_hash
from pipeline.web.url import normalise_url
from queries.pixels.fingerprint import hash63
from queries.tables.errors import InputError, MachineError
from queries.tables.schemas import TABLES

BATCH_ROWS = 8_192
BATCH_CHARACTERS = 1 << 25  # a table's row may have a million in its other columns
SURROGATE = re.compile("[\ud800-\udfff]")
NOT_TEXT = object()  # a value that is no text: a list, a date, a picture


class SourceError(InputError):
    """A source that cannot be read: one line that says what was found and what was expected."""


class UnreachedError(MachineError, SourceError):
    """A source whose store or server does not answer: the same command may read it later."""


class Raw(NamedTuple):
    """One row as a source has it; it has a `reason` where the source cannot read the row."""

    url: Any = None
    caption: Any = None
    license: Any = None
    page_url: Any = None
    reason: str | None = None
    extra: dict[str, Any] | None = None  # JSON-able: other columns of the source
    page_signals: str | None = None  # as pipeline.rights.signals writes statements
    page_date: str | None = None
    source_hash: Any = None  # of the picture's bytes, as pipeline.sources.digests reads it


def candidates(raws: Iterable[Raw], source: str, seed: int) -> Iterator[pa.RecordBatch]:
    """Batches of table `candidate`, one row for each raw row, in their order."""
    rows, n_characters = [], 0
    for number, raw in enumerate(raws):
        row = candidate(raw, source, seed, number)
        rows.append(row)
        n_characters += sum(len(value) for value in row.values() if isinstance(value, str))
        if len(rows) == BATCH_ROWS or n_characters > BATCH_CHARACTERS:
            yield pa.RecordBatch.from_pylist(rows, TABLES["candidate"].schema)
            rows, n_characters = [], 0
    if rows:
        yield pa.RecordBatch.from_pylist(rows, TABLES["candidate"].schema)


def candidate(raw: Raw, source: str, seed: int, row: int) -> dict[str, Any]:
    """One row of table `candidate`; the url and the caption are '' where they are missing."""
    url, url_key, url_reason = _url(raw.url)
    caption, caption_reason = _caption(raw.caption)
    pair_id = hash63(url_key, caption)
    license = _optional(raw.license)
    source_hash, hash_reason = _hash(raw.source_hash)
    return {
        "pair_id": pair_id,
        "priority": hash63(seed, pair_id),
        "url": url,
        "caption": caption,
        "source": source,
        "license": license,
        "license_id": _license_id(license, raw.extra),
        "page_url": _optional(raw.page_url),
        "row": row,
        "url_key": url_key,
        "page_signals": raw.page_signals,
        "page_date": raw.page_date,
        "source_hash": source_hash,
        "reason": raw.reason or url_reason or caption_reason or hash_reason,
        "extra": as_json(raw.extra) if raw.extra else None,
    }


def as_json(extra: dict[str, Any]) -> str:
    """A source's other columns as JSON, keys sorted; a value that JSON lacks is written as text.

    >>> as_json({"width": 640, "author": "Zoë", "note": None})
    '{"author": "Zoë", "width": 640}'
    """
    present = {str(key): value for key, value in extra.items() if value is not None}
    text = json.dumps(present, ensure_ascii=False, sort_keys=True, default=str)
    return SURROGATE.sub("\ufffd", text)


def as_text(value: Any) -> str | None:
    """A source's value as text, None if it is missing. Raises ValueError if it is no text.

    Bytes are read as UTF-8. Numbers become text: a table's captions may be years.

    >>> as_text(1969), as_text(b"moon")
    ('1969', 'moon')
    """
    if value is None or value != value:  # NaN is how pandas writes a missing text
        return None
    text = value.decode() if isinstance(value, bytes) else value
    if isinstance(text, (int, float)):
        text = str(text)
    if not isinstance(text, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    text.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    return text


def _shown(value: Any) -> str:
    """A value that is no text, as the table of drops shows it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return SURROGATE.sub("\ufffd", value) if isinstance(value, str) else ""


def _url(value: Any) -> tuple[str, str, str | None]:
    """(url, its key, the reason why it is not valid or None)."""
    try:
        url = as_text(value)
        if url is None or not url.strip():
            return "", "", "url_missing"
        return url, normalise_url(url), None
    except ValueError:
        return _shown(value), "", "url_invalid"


def _caption(value: Any) -> tuple[str, str | None]:
    """(caption, the reason why it is not valid or None)."""
    try:
        caption = as_text(value)
    except ValueError:
        return _shown(value), "caption_invalid"
    if caption is None or not caption.strip():
        return "", "caption_missing"
    return caption, None


def _hash(value: Any) -> tuple[str | None, str | None]:
    """(hash, the reason why it is not valid or None)."""
    try:
        return stated_hash(value), None
    except ValueError:
        return None, "hash_invalid"


def _license_id(stated: str | None, extra: dict[str, Any] | None) -> str | None:
    """The id of the licence: by its address, if the source has one beside its name.

    >>> _license_id("Attribution License", {"license_url": "http://creativecommons.org/licenses/by/2.0/"})
    'CC-BY-2.0'
    """
    address = _optional((extra or {}).get("license_url"))
    return license_id(address) or license_id(stated)


def _optional(value: Any) -> str | None:
    try:
        return as_text(value) or None
    except ValueError:
        return None
