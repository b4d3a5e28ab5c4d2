"""The charset of a table: Python's codec for a name of it, and how bytes that it lacks are read.

UTF-8 is the default; a byte order mark decides before any setting. Where a table is of another
charset, the settings say so, and `python -m pipeline init` guesses.
"""

import codecs

from pipeline.sources.candidate import SourceError
from pipeline.sources.charsets import codec_of

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Not of texts that people write; some take quadratic time.
REFUSED = {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "utf-7", "undefined", "oem"}
LONE = "\udcff"  # half of a character, as which bytes are read that are none: no caption has it


def _lone(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return LONE, error.end
    raise error


codecs.register_error("pipeline.lone", _lone)


def codec(label: str) -> str:
    """Python's codec for a charset's name, as the web means it, else as Python does.

    Raises SourceError for a name that neither knows.

    >>> codec("latin1"), codec("Shift_JIS"), codec("cp437"), codec("utf8")
    ('cp1252', 'cp932', 'cp437', 'utf-8')
    """
    if known := codec_of(label):
        return known
    try:
        found = codecs.lookup(label)
        if found.name in REFUSED or not found._is_text_encoding:
            raise LookupError
    except (LookupError, ValueError):
        raise SourceError(
            f"encoding = {label[:40]!r}: expected a charset, such as 'utf-8' or 'windows-1252'"
        ) from None
    return found.name


def reading(start: bytes, encoding: str) -> tuple[str, str]:
    """(the codec of a file that begins with these bytes, its way with bytes that are none).

    >>> reading(b"\\xff\\xfeu\\0", "cp1252"), reading(b"url", "")
    (('utf-16', 'pipeline.lone'), ('utf-8-sig', 'surrogateescape'))
    """
    marked = next((name for mark, name in MARKS.items() if start.startswith(mark)), None)
    name = marked or encoding or "utf-8-sig"
    return (name, "surrogateescape") if name.startswith("utf-8") else (name, "pipeline.lone")
