"""What a page shows, as its address says: a search, facets, an order and a place in it.

The address holds the whole view, so a link opens it again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from math import isfinite
from typing import Any
from urllib.parse import urlencode

from pipeline.explore.search import caption_parameters
from queries.tables.errors import InputError

PAGE_ROWS = 60
MOST_PAGES = 500
MOST_PAIRS = 1_000  # selected by hand: an address holds no more
KEY = re.compile(r"[0-7][0-9a-f]{15}")  # a pair_id has 63 bits
NOT_STATED = "none"
LONGEST = 300  # characters of a value
SIZES = {  # by the shorter side of the picture as it was served, pixels
    "0": ("below 256", 0, 256),
    "256": ("256 to 511", 256, 512),
    "512": ("512 to 1,023", 512, 1024),
    "1024": ("1,024 and more", 1024, 1 << 30),
}
ORDERS = {  # a name in an address: a parameter of samples.sql, and words
    "stored": ("stored", "as stored: at random, by pair_id"),
    "selection": ("selection", "of selection: by priority"),
    "best": ("best_first", "score, highest first"),
    "worst": ("worst_first", "score, lowest first"),
    "large": ("largest_first", "size, largest first"),
    "small": ("smallest_first", "size, smallest first"),
    "long": ("longest_first", "words, most first"),
    "host": ("by_host", "host"),
}
CONSENTS = {
    "refused": "a statement says no to training",
    "allowed": "a statement says yes, or does not refuse",
    "silent": "no statement was found",
}
FACETS = ("query", "host", "license", "language", "source", "size", "consent", "month")
SCORED = ("best", "worst")


@dataclass(frozen=True)
class View:
    """The values of an address; an empty text leaves its facet open."""

    q: str = ""
    words: str = ""  # "on": whole words
    query: str = ""  # its query_id
    host: str = ""
    license: str = ""  # NOT_STATED: the samples whose source states none
    language: str = ""
    source: str = ""
    size: str = ""
    consent: str = ""
    month: str = ""
    scorer: str = ""
    score_from: str = ""
    score_below: str = ""
    order: str = "stored"
    area: str = ""  # of the map: left, right, bottom, top, with commas between
    pairs: str = ""  # pair_ids as hex, with commas between
    page: str = "1"

    @property
    def number(self) -> int:
        """The page's, from 1."""
        return whole_number("page", self.page, MOST_PAGES)

    @property
    def pair_ids(self) -> list[int]:
        """Those that are selected by hand."""
        return pair_ids(self.pairs.split(",")) if self.pairs else []

    def address(self, path: str = "/", **changed: Any) -> str:
        """The address of this view with other values; the page is the first unless it is named."""
        view = replace(self, **{"page": "1", **changed})
        default = View()
        values = {name: value for name, value in vars(view).items() if value != vars(default)[name]}
        return f"{path}?{urlencode(values)}" if values else path

    def parameters(self) -> dict[str, Any]:
        """The values of chosen.sql's parameters. Raises InputError for what is no view."""
        values: dict[str, Any] = caption_parameters(self.q, self.words == "on")
        for name in ("host", "source", "month"):
            if value := getattr(self, name):
                values[name] = value
        for name in ("license", "language"):
            if value := getattr(self, name):
                values[name] = "" if value == NOT_STATED else value
        if self.query:
            values["query"] = whole_number("query", self.query, 1 << 62, least=0)
        if self.size:
            _, values["side"], values["side_below"] = SIZES[_of("size", self.size, SIZES)]
        if self.consent:
            values[_of("consent", self.consent, CONSENTS)] = True
        if self.scorer:
            values["scorer"] = self.scorer
            for name in ("score_from", "score_below"):
                if value := getattr(self, name):
                    values[name] = _number(name, value)
        if self.area:
            values |= area_of(self.area)
        if self.pairs:
            values["pair_ids"] = self.pair_ids
        return values

    def ordered(self) -> dict[str, Any]:
        """The parameters of a page of samples.sql."""
        order = _of("order", self.order, ORDERS)
        if order in SCORED and not self.scorer:
            raise InputError(f"order {order!r}: expected a score beside it")
        offset = (self.number - 1) * PAGE_ROWS
        return {ORDERS[order][0]: True, "rows": PAGE_ROWS + 1, "offset": offset}


def view_of(address: Mapping[str, str]) -> View:
    """The view of an address's values. Raises InputError, in one line, for what is none."""
    values = {}
    for field in fields(View):
        if not (value := address.get(field.name)):
            continue  # a form sends the fields that nobody filled in, too
        most = MOST_PAIRS * 17 if field.name == "pairs" else LONGEST
        if len(value) > most:
            raise InputError(f"{field.name}: expected at most {most:,} characters")
        values[field.name] = value
    view = View(**values)
    view.parameters(), view.ordered()
    return view


def area_of(text: str) -> dict[str, float]:
    """The borders of a rectangle of the map. Raises InputError.

    >>> area_of("-1,0.5,0,2")
    {'area_left': -1.0, 'area_right': 0.5, 'area_bottom': 0.0, 'area_top': 2.0}
    """
    names = ("area_left", "area_right", "area_bottom", "area_top")
    numbers = text.split(",")
    if len(numbers) != len(names):
        raise InputError(f"area {text[:40]!r}: expected left, right, bottom, top")
    borders = {name: _number("area", number) for name, number in zip(names, numbers, strict=True)}
    if not all(isfinite(border) for border in borders.values()):
        raise InputError(f"area {text[:40]!r}: expected finite numbers")
    return borders


def pair_ids(texts: list[str]) -> list[int]:
    """The ids that 16 hex digits each name, as a sample's key does. Raises InputError.

    >>> pair_ids(["00000000000000ff"])
    [255]
    """
    if len(texts) > MOST_PAIRS:
        raise InputError(f"pairs: expected at most {MOST_PAIRS:,} of them")
    if not all(KEY.fullmatch(text) for text in texts):
        raise InputError("pairs: expected keys of 16 hex digits, with commas between")
    return [int(text, 16) for text in texts]


def key_of(pair_id: int) -> str:
    """
    >>> key_of(255)
    '00000000000000ff'
    """
    return f"{pair_id:016x}"


def whole_number(name: str, text: str, most: int, least: int = 1) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise InputError(f"{name} {text[:40]!r}: expected a number from {least:,} to {most:,}")
    return int(text)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{name} {text[:40]!r}: expected a number") from None


def _of(name: str, text: str, allowed: Mapping[str, Any]) -> str:
    if text not in allowed:
        raise InputError(f"{name} {text[:40]!r}: expected one of {', '.join(allowed)}")
    return text
