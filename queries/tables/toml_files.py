"""A user's TOML: read in any encoding that says what it is, and refused in a line with a cure."""

import codecs
import tomllib
from pathlib import Path
from typing import Any

from queries.tables.addresses import hidden

BYTE_MARKS = {  # the longer first: UTF-32's begins as UTF-16's
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
SHOWN = 60  # characters of a line at fault
MOST_BYTES = 16 << 20  # of a file that anybody wrote
WINDOWS = r"write a path with \ in single quotes: 'C:\data'"
CURES = {  # by what tomllib says
    "Unescaped '\\'": WINDOWS,
    "Invalid hex value": WINDOWS,
    "Invalid value": 'text stands in quotes, as in name = "mine", and true, false without',
    "Expected '=' after a key": "a line is key = value, a section is [name]",
    "Invalid statement": "a line is key = value, a section is [name], a remark begins with #",
    "Cannot overwrite": "each key and each section once",
    "Cannot declare": "each section once; of [[sources]] and its like there may be several",
    "Illegal character '\\n'": "text in quotes ends on its line",
    "Unclosed array": "a list ends in ]",
    "Unclosed inline table": "what stands in { } stands in one line",
    "Expected newline": "one setting a line",
    "Expected ']'": "a section is [name]",
}


class TomlError(ValueError):
    """What is wrong with the file, and the cure, in one line."""


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML. Raises OSError, and TomlError for one that is none."""
    if path.stat().st_size > MOST_BYTES:
        raise TomlError(f"{path.stat().st_size:,} bytes: that is no file of settings")
    text = _text(path.read_bytes())
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TomlError(_told(error, text)) from None
    except ValueError:  # of int(), which reads no more than 4,300 digits
        raise TomlError("a number of thousands of digits: expected a shorter one") from None
    except RecursionError:
        raise TomlError("brackets within brackets, too many: expected fewer") from None


def _text(content: bytes) -> str:
    """The text of a file: UTF-8, or as a byte order mark says, which Notepad writes."""
    encoding = next((of for mark, of in BYTE_MARKS.items() if content.startswith(mark)), None)
    try:
        return content.decode(encoding or "utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TomlError(
            f"line {line}: the byte 0x{content[error.start]:02x} is no {encoding or 'UTF-8'}: save "
            "the file as UTF-8 (it may be in Latin-1 or Windows-1252)"
        ) from None


def _told(error: tomllib.TOMLDecodeError, text: str) -> str:
    """tomllib's words, the line that it stopped at, and a cure where there is a usual one."""
    words = str(error)
    cure = next((cure for begin, cure in CURES.items() if words.startswith(begin)), "")
    place = words.rpartition("(at line ")[2].partition(",")[0]
    lines = text.split("\n")
    at = lines[int(place) - 1].strip() if place.isdecimal() and int(place) <= len(lines) else ""
    shown = f": {hidden(at)[:SHOWN]!r}" if at else ""
    return f"{words}{shown}{': ' + cure if cure else ''}"
