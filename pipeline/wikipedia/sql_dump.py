"""The rows of one table in a SQL dump, read statement by statement; no SQL is executed.

What mariadb-dump, mysqldump and phpMyAdmin write: INSERT or REPLACE with or without a list of
columns, with IGNORE, over any number of lines; hex strings and escapes. Statements of other tables
are passed over. A statement of the wanted table that is not understood is refused.

Only about two chunks of the dump are in memory: nothing that is kept is longer than MAX_PIECE, and
strings, comments and statements that are passed over may be of any length. Every pattern is
possessive and begins where the last one ended, so hostile text takes linear time.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn, TypeVar

from queries.tables.errors import InputError

MAX_PIECE = 1 << 20  # characters of a row; a title has 255 bytes
HEAD = 1 << 16  # characters that are read ahead where a statement begins
MAX_COLUMNS = 256

STRING = r"'(?:[^'\\]++|\\.|'')*+'"
DOUBLE_QUOTED = r'"(?:[^"\\]++|\\.|"")*+"'
NAME = r'(?:`(?:[^`]++|``)++`|"[^"]++"|[\w$]++)'
COMMENT = r"(?:/\*(?:[^*]++|\*(?!/))*+\*/|--(?=\s)[^\n]*+|\#[^\n]*+)"
GAP = rf"(?:\s++|{COMMENT})*+"
# 7, -1e-05, NULL, NOW(), 'text', x'446f67', 0x446f67, _binary 'text'
VALUE = (
    rf"(?:(?:_\w++\s*+)?+(?:[xbn](?='))?+{STRING}|{DOUBLE_QUOTED}"
    r"|(?:_\w++\s++)?+[-+.\w]++(?:\(\d*+\))?+)"
)


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


WORD = _compiled(r"[a-z]*+")
TABLE = rf"(?:{NAME}\s*+\.\s*+)?+({NAME})"
CREATE = _compiled(
    rf"{GAP}(?:OR{GAP}REPLACE{GAP})?+(?:TEMPORARY{GAP})?+TABLE\b{GAP}"
    rf"(?:IF{GAP}NOT{GAP}EXISTS{GAP})?+{TABLE}{GAP}\("
)
INTO = _compiled(
    rf"{GAP}(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE|OR{GAP}[a-z]++)\b{GAP})*+"
    rf"(?:INTO\b{GAP})?+{TABLE}"
)
LISTED = _compiled(rf"{GAP}(?:\({GAP}({NAME}(?:{GAP},{GAP}{NAME})*+){GAP}\){GAP})?+VALUES?\b")
TOKEN = _compiled(
    rf"(?P<blank>\s++|{COMMENT})|(?P<name>{NAME})|(?P<text>{STRING}|{DOUBLE_QUOTED})"
    r"|(?P<mark>[(),])|(?P<other>[^'\"`/]|/(?!\*))"
)
# What an element of a CREATE TABLE begins with that is no column.
NO_COLUMNS = {
    *("PRIMARY", "KEY", "INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "CONSTRAINT", "FOREIGN"),
    *("CHECK", "PERIOD", "EXCLUDE"),
}

# Text up to a semicolon, or to what may have its end beyond the text that was read.
# A doubled quote ends one string and begins another: as INSIDE has it, or this would try again and
# again a string whose end is not there.
PLAIN = _compiled(
    r"(?:[^'\"`;/\#-]++|'(?:[^'\\]++|\\.)*+'|\"(?:[^\"\\]++|\\.)*+\"|`[^`]*+`"
    r"|/(?=[^*])|-(?=[^-])|--(?=\S))*+"
)
OPENING = _compiled(r"/\*|--(?=\s)|['\"`\#]")
# What stands inside, and what ends it.
INSIDE = {
    "'": (_compiled(r"(?:[^'\\]++|\\.)*+"), "'"),
    '"': (_compiled(r'(?:[^"\\]++|\\.)*+'), '"'),
    "`": (_compiled(r"[^`]*+"), "`"),
    "/*": (_compiled(r"(?:[^*]++|\*(?=[^/]))*+"), "*/"),
    "--": (_compiled(r"[^\n]*+"), "\n"),
    "#": (_compiled(r"[^\n]*+"), "\n"),
}
BLANK = _compiled(r"[\s;]*+")

ESCAPED = {quote: re.compile(rf"\\(.)|{quote}{quote}", re.DOTALL) for quote in "'\""}
ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a"}
INTRODUCER = re.compile(r"^_\w+\s*(?=['0xX])")
HEX = re.compile(r"(?:0x([0-9a-f]+)|x'([0-9a-f]*)')", re.IGNORECASE)


@dataclass(frozen=True)
class Wanted:
    """A table, its columns that are read, and those that are read where the table has them."""

    table: str
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()


Values = tuple[str | None, ...]  # of a row's wanted columns, as they stand in the dump
Row = TypeVar("Row")


def read_rows(
    path: Path, chunks: Iterator[str], wanted: Wanted, row_of: Callable[[Values], Row]
) -> Iterator[Row]:
    """What `row_of` makes of each row of the table; a ValueError of it tells what is wrong there.

    The table is told by its columns, so it may have a prefix (`mw_page`). An optional column that
    it lacks is None. Raises InputError for a dump without a row of it, or with two such tables.
    """
    dump = Dump(path, chunks)
    columns_of: dict[str, list[str]] = {}
    read: str | None = None  # the table whose rows were read
    while word := dump.next_word():
        if word == "CREATE" and (create := dump.match(CREATE)):
            table = _name(create[1])
            if table == read:
                dump.refuse(f"expected one table {table}; found another CREATE TABLE of that name")
            columns_of[table] = dump.columns()
        elif word in ("INSERT", "REPLACE") and (into := _into(dump, wanted, columns_of)):
            if read not in (None, into.table):
                dump.refuse(f"expected one table {wanted.table}; found {read} and {into.table}")
            read = into.table
            for values in _values(dump, into):
                try:
                    row = row_of(values)
                except ValueError as error:
                    dump.refuse(str(error))
                yield row
        dump.end_statement()
    if read is None:
        tables = ", ".join(sorted(columns_of)[:10])
        found = f"CREATE TABLE of {tables}" if tables else repr(dump.beginning)
        raise InputError(
            f"{path}: expected a dump of the table {wanted.table} in SQL, with INSERT INTO and the "
            f"columns {', '.join(wanted.columns)}; found {found} and no row of it"
        )


def text_of(value: str) -> str | None:
    """The text that a value means; None for NULL.

    >>> text_of(r"'Rock_\\'n\\'_Roll'"), text_of("0x446f67"), text_of("_binary 'Dog'")
    ("Rock_'n'_Roll", 'Dog', 'Dog')
    """
    if value.startswith("_"):
        value = INTRODUCER.sub("", value, count=1)
    if coded := HEX.fullmatch(value):
        digits = coded[1] or coded[2] or ""
        return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)).decode(errors="replace")
    if (quote := value[-1]) in ESCAPED:
        text = value[value.index(quote) + 1 : -1]
        return ESCAPED[quote].sub(_unescaped, text) if "\\" in text or quote in text else text
    return None if value.upper() == "NULL" else value


def _unescaped(match: re.Match[str]) -> str:
    escaped = match[1]
    return match[0][0] if escaped is None else ESCAPES.get(escaped, escaped)


def _name(name: str) -> str:
    """A name without its quotes; case does not tell names apart."""
    return name.strip('`"').lower()


@dataclass(frozen=True)
class Into:
    """What an INSERT says before its rows: the table, and the wanted columns' places of n."""

    table: str
    n: int
    places: tuple[int | None, ...]


def _into(dump: "Dump", wanted: Wanted, columns_of: dict[str, list[str]]) -> Into | None:
    """The head of an INSERT whose first word was read; None if it is of another table."""
    head = dump.match(INTO)
    if head is None:
        return None
    table, listed = _name(head[1]), dump.match(LISTED)
    columns = columns_of.get(table, [])
    if listed and listed[1]:
        columns = [_name(name) for name in re.findall(NAME, listed[1])]
    missing = [name for name in wanted.columns if name not in columns]
    if missing and table == wanted.table:
        has = f"it has {', '.join(columns[:20])}" if columns else "no CREATE TABLE names them"
        dump.refuse(f"no column {', '.join(missing)}; {has}")
    if missing:
        return None
    if not listed:
        dump.refuse(f"expected INSERT INTO {table} (columns) VALUES; {dump.here()}")
    if len(columns) > MAX_COLUMNS:
        dump.refuse(f"expected up to {MAX_COLUMNS} columns; found {len(columns)}")
    order = (*wanted.columns, *wanted.optional)
    places = [columns.index(name) if name in columns else None for name in order]
    return Into(table, len(columns), tuple(places))


def _values(dump: "Dump", into: Into) -> Iterator[Values]:
    """The wanted values of each row of an INSERT whose head was read."""
    row = _row(into.n, into.places)
    captured = sorted(place for place in into.places if place is not None)
    groups = [None if place is None else captured.index(place) + 1 for place in into.places]
    while match := dump.match(row):
        yield tuple(None if group is None else match[group] for group in groups)
        if match["next"] != ",":
            dump.at = match.end() - len(match["next"])
            return
    dump.refuse(
        f"expected a row of {into.n} values in parentheses, then a comma or the end of the "
        f"statement; {dump.here()}"
    )


@cache
def _row(n: int, places: tuple[int | None, ...]) -> re.Pattern[str]:
    """A row of n values and what follows it; the values at the places are groups."""
    values = [f"({VALUE})" if place in places else VALUE for place in range(n)]
    between = r"\s*+,\s*+"
    # After the last row: a semicolon, or ON DUPLICATE KEY UPDATE.
    return _compiled(rf"{GAP}\(\s*+{between.join(values)}\s*+\){GAP}(?P<next>[,;]|(?=[a-z]))")


class Dump:
    """The text of a dump, read chunk by chunk; `at` is where reading goes on."""

    def __init__(self, path: Path, chunks: Iterator[str]):
        self.path = path
        self.chunks = chunks
        self.text = next(chunks, "").removeprefix("\ufeff")
        self.beginning = self.text[:60]
        self.at = 0
        self._line, self._counted = 1, 0  # the line of a place in `text` that was passed

    @property
    def line(self) -> int:
        """The line that reading is at; each character is counted once."""
        self._line += self.text.count("\n", self._counted, self.at)
        self._counted = max(self._counted, self.at)
        return self._line

    def refuse(self, what: str) -> NoReturn:
        raise InputError(f"{self.path}: line {self.line}: {what}")

    def here(self) -> str:
        return f"found {self.text[self.at : self.at + 60]!r}"

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Match the pattern here, with more text where its end may lie beyond what was read."""
        while True:
            match = pattern.match(self.text, self.at)
            whole = match is not None and match.end() < len(self.text)
            if whole or len(self.text) - self.at > MAX_PIECE or not self._fill():
                self.at = match.end() if match else self.at
                return match

    def next_word(self) -> str:
        """The first word of the next statement, or the character that it begins with; "" at the
        end of the dump."""
        while True:
            self._pass(BLANK)
            if len(self.text) - self.at < HEAD and self._fill():
                continue
            opening = OPENING.match(self.text, self.at)
            if opening is None or opening[0] in "'\"`":
                break
            self._pass_to_end_of(opening[0])
        word = self.match(WORD)
        return (word[0].upper() if word else "") or self.text[self.at : self.at + 1]

    def end_statement(self) -> None:
        """Go on behind the next semicolon that stands in no string and no comment."""
        while True:
            self._pass(PLAIN)
            if self.text.startswith(";", self.at):
                self.at += 1
                return
            if opening := OPENING.match(self.text, self.at):
                self._pass_to_end_of(opening[0])
            elif not self._fill():
                self.at = len(self.text)
                return

    def columns(self) -> list[str]:
        """The columns of a CREATE TABLE whose opening parenthesis was read."""
        names: list[str] = []
        depth, begins = 1, True
        while depth:
            token = self.match(TOKEN)
            if token is None:
                self.refuse(f"expected the columns of CREATE TABLE; {self.here()}")
            if token[0] in ("(", ")"):
                depth += 1 if token[0] == "(" else -1
            elif depth == 1 and token[0] == ",":
                begins = True
            elif begins and token.lastgroup != "blank":
                begins = False
                if token.lastgroup == "name" and token[0].upper() not in NO_COLUMNS:
                    names.append(_name(token[0]))
        return names

    def _pass(self, pattern: re.Pattern[str]) -> None:
        """Pass over what the pattern, which may match nothing, finds in the text that is here."""
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def _pass_to_end_of(self, opening: str) -> None:
        """Pass over a string or a comment of any length."""
        began = self.line
        inside, end = INSIDE[opening]
        self.at += len(opening)
        while True:
            self._pass(inside)
            if self.text.startswith(end, self.at):
                self.at += len(end)
                return
            if not self._fill():
                break
        if end != "\n":
            raise InputError(
                f"{self.path}: line {began}: expected the end of what {opening} begins there; "
                f"found the end of the file"
            )
        self.at = len(self.text)

    def _fill(self) -> bool:
        """Forget what was passed and add a chunk; False at the end of the dump."""
        chunk = next(self.chunks, "")
        if not chunk:
            return False
        self._line = self.line
        self.text, self.at, self._counted = self.text[self.at :] + chunk, 0, 0
        return True
