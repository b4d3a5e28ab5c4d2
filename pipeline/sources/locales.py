"""Which charsets a page's language is written in: for a guess of a text too short for statistics.

The languages and their first charsets are those of the HTML standard's table of fallbacks
(13.2.3.2, step 9), with the others that the web has for them. A page's language is the one that it
states; else that of its server; else that of its host's country.
"""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from pipeline.sources.legible import oddness

CENTRAL, CYRILLIC, CHINESE = "cp1250 iso8859-2", "cp1251 koi8-r koi8-u cp866", "gb18030 big5hkscs"
WESTERN = "cp1252"
CHARSETS = {
    **dict.fromkeys(["cs", "hr", "hu", "pl", "ro", "sk", "sl"], CENTRAL),
    **dict.fromkeys(["ba", "be", "bg", "kk", "ky", "mk", "ru", "sah", "tg", "tt", "uk"], CYRILLIC),
    **dict.fromkeys(["et", "lt", "lv"], "cp1257"),
    **dict.fromkeys(["az", "ku", "tr"], "cp1254"),
    **dict.fromkeys(["ar", "fa"], "cp1256"),
    **dict.fromkeys(
        [
            "ca",
            "da",
            "de",
            "es",
            "eu",
            "fi",
            "fr",
            "ga",
            "gl",
            "is",
            "it",
            "nb",
            "nl",
            "nn",
            "no",
            "pt",
            "sv",
        ],
        WESTERN,
    ),
    **{"el": "cp1253 iso8859-7", "he": "cp1255", "ja": "cp932 euc_jp iso2022_jp", "ko": "cp949"},
    **{"th": "cp874", "vi": "cp1258", "zh": CHINESE},
}
# Countries in whose domains one language is written, where the domain is not the language's code.
COUNTRIES: dict[str, str | None] = {
    **{"cz": "cs", "si": "sl", "ua": "uk", "by": "be", "kz": "kk", "gr": "el", "ee": "et"},
    **{"il": "he", "ir": "fa", "jp": "ja", "kr": "ko", "vn": "vi", "cn": "zh", "tw": "zh"},
    **{"at": "de", "br": "pt", "mx": "es", "cl": "es", "se": "sv", "dk": "da"},
    **dict.fromkeys(("bg", "de", "es", "fi", "fr", "hr", "hu", "is", "it", "lt", "lv", "mk")),
    **dict.fromkeys(("nl", "no", "pl", "pt", "ro", "ru", "sk", "th", "tr")),
}
# Letters and signs that Western texts have; a text in another charset soon has others.
LETTERS = set("äöüÄÖÜßéèêëÉÈÊàâáãåÀÂÁÃÅæÆçÇíìîïÍñÑóòôõøÓØúùûÚœŒ€£°©®«»¿¡‘’‚“”„–—…·ºª½²³´` \xa0")
LANG = re.compile(rb"<html\b[^>]{0,500}?\s(?:xml:)?lang\s*=\s*[\"']?([a-z]{2,3})\b", re.I)
LANG_BYTES = 4_096  # of a page's begin, in which its <html> stands
MOST_LETTERS = 60  # beyond ASCII; of a longer text statistics know the charset


def languages(body: bytes, server: str | None, url: str) -> list[str]:
    """The languages that a page may be in, the likeliest first.

    >>> languages(b"<html lang='cs-CZ'>", "sk", "http://x.pl/")
    ['cs', 'sk', 'pl']
    """
    stated = LANG.search(body[:LANG_BYTES])
    try:
        country = (urlsplit(url).hostname or "").rpartition(".")[2]
    except ValueError:
        country = ""
    words = [stated[1].decode() if stated else "", (server or "")[:40]]
    codes = [re.split("[^a-z]", word.strip().lower())[0] for word in words]
    if country in COUNTRIES:
        codes.append(COUNTRIES[country] or country)
    return [code for code in codes if code in CHARSETS]


def corrected(guess: str | None, sample: bytes, of: Iterable[str]) -> str | None:
    """The guess if these languages are written in it, else the first charset of theirs that fits.

    A sample of many letters, and one that reads odd in all of those, leaves the guess as it is.

    >>> corrected("cp1252", "Čaj".encode("cp1250"), ["cs"]), corrected("cp1252", b"caf\\xe9", [])
    ('cp1250', 'cp1252')
    """
    if sum(byte >= 0x80 for byte in sample) > MOST_LETTERS:
        return guess
    for language in of:
        charsets = CHARSETS[language].split()
        if guess in charsets:
            return guess
        for charset in charsets:
            if _fits(sample, charset):
                return charset
    return guess


def _fits(sample: bytes, charset: str) -> bool:
    try:
        text = sample.decode(charset)
    except UnicodeDecodeError:
        return False
    beyond = {letter for letter in text if letter >= "\x80"}
    return not oddness(text) and (charset != WESTERN or beyond <= LETTERS)
