"""Which of several charsets reads a short text as people write: for a guess that statistics miss.

A few captions are too little for a count of letters. But in a wrong charset they have controls,
signs and capitals within words, and letters of two scripts side by side: what is odd is counted.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

ESCAPED = {  # of charsets whose bytes are all ASCII: how a text in them begins its characters
    "iso2022_kr": re.compile(rb"\x1b\$\)C"),
    "iso2022_jp": re.compile(rb"\x1b\$(?:[@B]|\(D)"),
    "hz": re.compile(rb"~\{(?:[!-w][!-~])+~\}"),
}
WIDE = ("euc_jp", "cp949", "gb18030", "big5hkscs", "cp932")
NARROW = (  # in the order in which equals are believed
    *("cp1252", "cp1250", "iso8859-2", "mac-roman", "cp437", "cp850", "cp1251", "koi8-r", "cp866"),
    *("cp1253", "cp1254", "cp1257", "cp852"),
)
KANA, SYLLABLE = re.compile("[ぁ-ヿ]"), re.compile("[가-힣]")
RUN = re.compile(rb"[\x80-\xff]+")
MOST_ACCENTS = 4  # in a row, which no word of Latin letters has
SURE = 3  # characters of Korea or Japan that make a charset sure
WITHIN_WORDS = frozenset("'’‘-–—…\u2010\u2011\u200b\u200c\u200d\xad")
AHEAD_OF_WORDS = frozenset("«»“”„‟‘’‚‹›¿¡#€£¥$§°·•…–—")
SAMPLE = 20_000  # characters
CUT = ("incomplete multibyte sequence", "unexpected end of data")  # in Python's words


def escaped(data: bytes) -> str | None:
    """The codec of a text that shifts between ASCII and others by escapes, or None.

    >>> escaped("赤い家".encode("iso2022_jp")), escaped("红色".encode("hz")), escaped(b"~{a~} {b}")
    ('iso2022_jp', 'hz', None)
    """
    if not data.isascii():
        return None
    for codec, start in ESCAPED.items():
        if (match := start.search(data)) and _text(data[match.start() :][:SAMPLE], codec):
            return codec
    return None


def likeliest(data: bytes, guess: str | None, of: Sequence[str] = (*NARROW, *WIDE)) -> str | None:
    """The codec in which the text is the least odd; the guess among equals; None where all fail.

    >>> likeliest("Hänsel, éclair à la crème".encode("mac_roman"), "iso8859-2")
    'mac-roman'
    >>> likeliest("빨간 집".encode("euc_kr"), "cp1254"), likeliest("дом".encode("koi8_r"), "koi8-r")
    ('cp949', 'koi8-r')
    """
    if sure := _of_pairs(data):
        return sure
    text = _text(data, guess) if guess else None
    if text is not None and not oddness(text):
        return guess  # as most are
    codecs = dict.fromkeys((*([guess] if guess else []), *of))
    odd = {codec: oddness(text) for codec in codecs if (text := _text(data, codec)) is not None}
    best = min(odd, key=lambda codec: odd[codec], default=None)
    return None if best is None or odd[best] == float("inf") else best


def oddness(text: str) -> float:
    """How many characters beyond ASCII stand where people write none; infinity for a control.

    >>> oddness("Žluťoučký kůň"), oddness("HŠnsel"), oddness("®lu»ouèký"), oddness("a\\x8ab")
    (0.0, 1.0, 2.0, inf)
    """
    odd, n_latin = 0.0, 0
    for before, here, after in zip(f" {text}", text, f"{text[1:]} ", strict=False):
        if here < "\x80" and before < "\x80":
            continue
        if "\x7f" <= here <= "\x9f" or "\ue000" <= here <= "\uf8ff" or here == "\ufffd":
            return float("inf")
        n_latin = n_latin + 1 if here >= "\x80" and _script(here) == "LATIN" else 0
        odd += _is_odd(before, here, after) or n_latin >= MOST_ACCENTS
    return odd


def _is_odd(before: str, here: str, after: str) -> bool:
    script, ahead, behind = _script(here), _script(before), _script(after)
    if here >= "\x80" and not script:  # a sign
        in_word = bool(ahead and behind) and here not in WITHIN_WORDS
        begins = bool(behind) and here not in AHEAD_OF_WORDS | WITHIN_WORDS
        return in_word or begins
    if not script or not ahead:
        return False
    if script == "WIDE" or ahead == "WIDE":
        return script != ahead and before.isascii() and after.isascii() and after.isalpha()
    capital = here >= "\x80" and here.isupper() and after.islower()
    return script != ahead or capital or (before.islower() and here.isupper())


@lru_cache(maxsize=4_096)
def _script(character: str) -> str:
    """The script of a letter, by its name; WIDE for those of China, Japan and Korea; "" for signs.

    >>> _script("é"), _script("д"), _script("家"), _script("ｱ"), _script("+")
    ('LATIN', 'CYRILLIC', 'WIDE', 'HALFWIDTH', '')
    """
    if unicodedata.category(character)[0] not in "LM" or character in "ªº":
        return ""
    word = unicodedata.name(character, "").partition(" ")[0]
    return "WIDE" if word in ("CJK", "HIRAGANA", "KATAKANA", "HANGUL") else word


def _of_pairs(data: bytes) -> str | None:
    """The codec of a text whose bytes beyond ASCII all come in pairs, as Korea and Japan write.

    Western letters come one at a time, Cyrillic ones in words of any length.
    """
    runs = RUN.findall(data)
    if any(len(run) % 2 or min(run) < 0xA1 for run in runs):
        return None
    for codec, kind, share in (("euc_jp", KANA, 0.3), ("cp949", SYLLABLE, 0.9)):
        text = _text(data, codec) or ""
        n_of_kind = len(kind.findall(text))
        if n_of_kind >= SURE and n_of_kind >= share * sum(letter >= "\x80" for letter in text):
            return codec
    return None


def _text(data: bytes, codec: str) -> str | None:
    """The text; None where bytes are none of the charset's. A sample may cut a character."""
    try:
        return data.decode(codec)[:SAMPLE]
    except UnicodeDecodeError as error:
        if error.start < len(data) - 4 or error.reason not in CUT:
            return None
        return data[: error.start].decode(codec)[:SAMPLE]


def sample_of(data: bytes, most: int) -> bytes:
    """The fields that are not ASCII, as many as are enough.

    >>> sample_of("a,Klöße\\nb,c\\nd,é".encode("cp1252"), 100)
    b'Kl\\xf6\\xdfe \\xe9'
    """
    fields: list[bytes] = []
    for field in re.split(rb"[\n\r,;\t\"]", data):
        if not field.isascii():
            fields.append(field)
            most -= len(field)
            if most < 0:
                break
    return b" ".join(fields)
