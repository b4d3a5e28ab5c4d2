"""What a table's content says of its form: charset, delimiter, and which columns hold what.

For a person who has not said it: `python -m pipeline init` writes the guess down, and a refused
table comes with it as the cure. A build itself never guesses.
"""

import json
import re
from collections import Counter
from dataclasses import replace
from typing import Any

from pipeline.sources.charsets import guessed
from pipeline.sources.legible import escaped, likeliest, oddness, sample_of
from pipeline.sources.tables.encodings import MARKS
from pipeline.sources.tables.layouts import Layout
from pipeline.sources.tables.lines import first_fields, stated_delimiter

DELIMITERS = (",", "\t", ";", "|")
ADDRESS = re.compile(r"\s*https?://\S+\s*", re.IGNORECASE)
PICTURE = re.compile(r"\.(?:jpe?g|png|webp|gif|avif|bmp|tiff?|svg)\b", re.IGNORECASE)
WORD = re.compile(r"[^\W\d_]+")
# Names of columns, as people write them in some languages.
OF_PICTURES = re.compile(
    r"im(?:age|g)|photo|foto|pict|bild|src|download|thumb|media|imagen|画像", re.I
)
OF_PAGES = re.compile(r"page|landing|seite|site|permalink|foreign|origin|article|post", re.I)
OF_LICENCES = re.compile(r"licen[cs]|lizenz|licen[cç]|rights|copyright|droits", re.I)
OF_CAPTIONS = re.compile(
    r"caption|text|title|titel|titre|t[ií]tulo|alt|desc|beschreib|überschrift|phrase|legend|sentence|"
    r"名前|標題|キャプション",
    re.I,
)
OF_PEOPLE = re.compile(
    r"author|creator|user|autor|artist|owner|name$|tag|categor|date|credit", re.I
)
ASCII = set(map(chr, range(128)))
WESTERN = set("äöüÄÖÜßéèêëÉÈÊàâáãåÀÂÁÅçÇíìîïÍñÑóòôõøÓØúùûÚœŒæÆ€£°©®«»¿¡‘’‚“”„–—…·")
SAMPLE_BYTES = 20_000  # beyond ASCII, for a guess of the charset
MANY = 10  # rows
DEEPEST = 3  # objects in objects, whose values are looked at


def charset_of(data: bytes) -> str:
    """The charset of a file that begins so, by its byte order mark or its bytes.

    >>> charset_of("Gemüsesuppe mit Klößen".encode("cp1252")), charset_of("Klöße".encode())
    ('windows-1252', 'utf-8')
    """
    if mark := next((name for start, name in MARKS.items() if data.startswith(start)), None):
        return mark.removesuffix("-sig")
    if (zeros := data[:4096].count(0)) > len(data[:4096]) // 4:  # half of each letter of ASCII
        return "utf-16-le" if data[1:4096:2].count(0) > zeros // 2 else "utf-16-be"
    try:
        data.decode()
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.start > len(data) - 4:
            return "utf-8"
    else:
        return escaped(data) or "utf-8"
    sample = sample_of(data, SAMPLE_BYTES)
    text = sample.decode("cp1252", "replace")
    if set(text) - ASCII <= WESTERN and not oddness(text):
        return "windows-1252"  # of short texts a guess by their bytes alone is often another
    name = likeliest(sample, guessed(data)) or "windows-1252"
    return re.sub(r"^cp(?=125\d$|874$)", "windows-", name)


def best_delimiter(path: str, layout: Layout) -> Layout:
    """The layout with the delimiter, quotes and escapes that split the first rows most evenly."""
    stated = stated_delimiter(path, layout)
    ways = [replace(layout, delimiter=stated) if stated else layout]
    ways += [] if stated else [replace(layout, delimiter=mark) for mark in DELIMITERS]
    ways += [replace(way, escapes=True) for way in ways]
    ways += [replace(way, quotes=False, escapes=False) for way in ways]
    return max(ways, key=lambda way: _evenness(path, way))  # the first of equals


def _evenness(path: str, layout: Layout) -> float:
    """How many rows have as many fields as most have, if those are several, and are whole."""
    fields = first_fields(path, layout)
    widths = Counter(len(row) for row in fields if len(row) > 1)
    if not widths:
        return 0.0
    width, n_rows = widths.most_common(1)[0]
    torn = sum(str(field).count('"') % 2 for row in fields for field in row if not layout.quotes)
    escaped = sum(str(field).endswith("\\") for row in fields for field in row)
    return n_rows - 0.5 * torn - 0.25 * escaped + min(width, 20) / 100


def flat(row: dict[str, Any], depth: int = DEEPEST) -> dict[str, Any]:
    """The values of a row by their paths; of a list of objects, the first's.

    >>> flat({"image": {"url": "a", "size": [1, 2]}, "texts": [{"raw": "b"}, {"raw": "c"}]})
    {'image.url': 'a', 'image.size': [1, 2], 'texts.raw': 'b'}
    """
    values: dict[str, Any] = {}
    for name, value in row.items():
        inner = value[0] if isinstance(value, list) and value else value
        if isinstance(inner, dict) and inner and depth:
            below = flat(inner, depth - 1)
            values |= {f"{name}.{path}": item for path, item in below.items()}
        else:
            values[name] = value
    return values


def addresses(rows: list[dict[str, Any]]) -> list[str]:
    """The columns most of whose values are http addresses, the likeliest picture first."""
    values = _by_column(rows)
    shares = {name: _share(texts, ADDRESS.fullmatch) for name, texts in values.items()}
    return sorted(
        (name for name, share in shares.items() if share > 0.5),
        key=lambda name: -_like_a_picture(name, values[name]),
    )


def columns_of(rows: list[dict[str, Any]]) -> dict[str, str | None]:
    """The columns that hold the address, the caption, the licence and the page; None for none.

    >>> row = {"id": 7, "link": "http://x.org/a.jpg", "alt": "a red kite", "license": "CC0"}
    >>> columns_of([row, row])
    {'url': 'link', 'caption': 'alt', 'license': 'license', 'page_url': None}
    """
    values = _by_column(rows)
    urls = addresses(rows)
    rest = [name for name in values if name not in urls]
    licence = next((name for name in values if OF_LICENCES.search(name)), None)
    pages = [name for name in urls[1:] if name != licence and OF_PAGES.search(name)]
    scores = {name: _like_a_caption(name, values[name]) for name in rest if name != licence}
    caption = max(scores, key=lambda name: scores[name], default=None)
    return {
        "url": urls[0] if urls else None,
        "caption": caption if caption and scores[caption] > 0 else None,
        "license": licence,
        "page_url": pages[0] if pages else None,
    }


def apart(names: list[str]) -> list[str]:
    """The names of columns, of which none is there twice.

    >>> apart(["url", "text", "text", "text_2"])
    ['url', 'text', 'text_3', 'text_2']
    """
    made: list[str] = []
    for name in names:
        tries = (name, *(f"{name}_{number}" for number in range(2, len(names) + 2)))
        taken = {*made, *(names if name in made else ())}
        made.append(next(other for other in tries if other not in taken))
    return made


def toml(value: Any) -> str:
    r"""A value as TOML writes it.

    >>> toml('a "b"\t\x7f'), toml(True), toml(["a", "é"])
    ('"a \\"b\\"\\t\\u007f"', 'true', '["a", "é"]')
    """
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _by_column(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The texts of each column; a list's first."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in flat(row).items():
            first = value[0] if isinstance(value, list) and value else value
            text = first.decode("utf-8", "replace") if isinstance(first, bytes) else first
            values.setdefault(name, [])
            if isinstance(text, str) and text.strip():
                values[name].append(text)
    return values


def _share(texts: list[str], fits: Any) -> float:
    return sum(1 for text in texts if fits(text)) / len(texts) if texts else 0.0


def _like_a_picture(name: str, texts: list[str]) -> float:
    by_name = bool(OF_PICTURES.search(name)) - bool(
        OF_PAGES.search(name) or OF_LICENCES.search(name)
    )
    return _share(texts, PICTURE.search) + by_name


def _like_a_caption(name: str, texts: list[str]) -> float:
    """More for texts of several words and for a name that means a caption; 0 without words.

    Also 0 where many rows have one text, such as who speaks first in a conversation, unless the
    name says that they are captions.
    """
    words = [len(WORD.findall(text)) for text in texts]
    always_one = len(texts) >= MANY and len(set(texts)) == 1 and not OF_CAPTIONS.search(name)
    if not any(words) or always_one:
        return 0.0
    by_name = 3 * bool(OF_CAPTIONS.search(name)) - 2 * bool(OF_PEOPLE.search(name))
    mean = sum(words) / len(words)
    return max(0.01, min(mean, 12) / 4 + len(set(texts)) / len(texts) + by_name)
