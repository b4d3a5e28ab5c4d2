"""The meaning of a table's columns, and where a file has them.

A name may be a path: `image.url` is the value at `url` in each value of the column `image`, unless
a column is called so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal

Row = dict[str, Any] | None  # values by column; None: it does not parse
Place = tuple[int, tuple[str, ...]]  # a column of a file, and the steps into its values


@dataclass(frozen=True)
class Nested:
    """Where a JSON file that is one value has its rows, and the pictures that rows point to."""

    rows: str = ""  # the key of the list of rows; "": the file is the list
    inner: str = ""  # the key of a list in each of those, whose items are the rows
    file_names: str = "*"  # which files of a folder hold rows
    images: str = ""  # the key of the list of pictures
    images_file: str = ""  # the name of a file in the same folder that is the list of pictures
    ids_in_row: tuple[str, ...] = ()  # names of the picture's id in a row; the first there counts
    ids_in_picture: tuple[str, ...] = ()  # and in a picture, or in the item around `inner`
    licenses: str = ""  # the key of the list of licences; a picture has a licence's id


@dataclass(frozen=True)
class Layout:
    """How to read the rows of a source's files."""

    url: str
    captions: tuple[str, ...]  # each that is not empty gives a pair
    license: str | None = None
    page_url: str | None = None
    hash: str | None = None  # of the picture's bytes
    extra: tuple[str, ...] | Literal["all"] = ()
    # Of files whose first line is a row: the columns, by the number of fields; (): it names them.
    headers: tuple[tuple[str, ...], ...] = ()
    delimiter: str = ""  # between the fields of a line; "": by the file's ending
    quotes: bool = True  # whether " may enclose a field
    escapes: bool = False  # whether a backslash takes the next character as it is
    encoding: str = ""  # Python's name of it; "": UTF-8, or what a byte order mark says
    encoded: tuple[str, ...] = ()  # columns in URL encoding
    html: bool = False  # whether texts hold entities, and captions tags: no part of the text
    pictures: tuple[str, str] | None = None  # the column, and its value, that mark a picture
    nested: Nested | None = None
    kind: str | None = None  # of a file whose name has no ending
    asked: tuple[str, ...] = ()  # columns required besides the url and the captions
    also: tuple[tuple[str, str], ...] = ()  # (a column, another name of it)
    ready: bool = True

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """The columns that are read as text."""
        marker = self.pictures[0] if self.pictures else None
        named = (self.url, *self.captions, self.license, self.page_url, self.hash, marker)
        return tuple(dict.fromkeys(name for name in named if name))

    def spellings(self, name: str) -> tuple[str, ...]:
        """The names under which a column may be found, the best first."""
        return _spellings(name, self.also, self.ready)

    def places(self, columns: Sequence[str]) -> dict[str, Place]:
        """Where each wanted column is, from the names of a file's columns.

        >>> Layout("image.url", ("TEXT",)).places(["uid", "image", "text"])
        {'image.url': (1, ('url',)), 'TEXT': (2, ())}
        """
        places = {name: place for name in self.texts if (place := self._place(name, columns))}
        others: Sequence[str] = columns if self.extra == "all" else self.extra
        taken = set(places.values())
        for name in others:
            if (place := self._place(name, columns)) and place not in taken:
                places.setdefault(name, place)
        return places

    def _place(self, name: str, columns: Sequence[str]) -> Place | None:
        """None where no column has the name; another spelling counts only if none is equal."""
        for spelt in self.spellings(name):
            if spelt in columns:
                return columns.index(spelt), ()
        folded = [column.casefold() for column in columns] if self.ready else []
        if name.casefold() in folded:
            return folded.index(name.casefold()), ()
        around, _, rest = name.rpartition(".")
        if not around:
            return None
        place = self._place(around, columns)
        return (place[0], (*place[1], rest)) if place else None

    def fault(self, columns: Sequence[str]) -> str | None:
        """What is wrong with a file of these columns, or None."""
        places = self.places(columns)
        for name in (self.url, *self.captions, *self.asked):
            if name not in places:
                return f"no column {name!r}; it has: {listed(columns)}"
            if (n_equal := columns.count(columns[places[name][0]])) > 1:
                return f"{n_equal} columns {name!r}; it has: {listed(columns)}"
        return None


@lru_cache(maxsize=1_024)
def _spellings(name: str, also: tuple[tuple[str, str], ...], ready: bool) -> tuple[str, ...]:
    names = (name, *(other for column, other in also if column == name))
    folded = (
        [text for spelling in names for text in (spelling.lower(), spelling.upper())]
        if ready
        else []
    )
    return tuple(dict.fromkeys((*names, *folded)))


def listed(names: Sequence[str]) -> str:
    """The names in one short printable line for a message."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:50]]
    more = [f"and {len(names) - 50} more"] if len(names) > 50 else []
    return ", ".join([name if len(name) <= 60 else f"{name[:60]}…" for name in shown] + more)
