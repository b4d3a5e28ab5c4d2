"""Bytes of a page to its text: by its byte order mark, what the server or the page says, a guess.

The order is the HTML standard's (13.2.3.2), the labels are those of the WHATWG's Encoding standard
(4.2). Of the 228, `x-user-defined` and the six that a browser shows nothing of (hz-gb-2312,
iso-2022-kr …) count as none.
"""

import re
from collections.abc import Iterable

import chardet

from pipeline.sources import legible
from pipeline.sources.locales import corrected, languages

# Python's codec, then the labels that mean it. Python's own aliases are not used: some of its
# codecs (idna, punycode, unicode_escape) take quadratic time, and the standard reads some labels as
# a larger charset.
LABELS = """
utf-8: unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8
cp866: 866 cp866 csibm866 ibm866
iso8859-2: csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2
    latin2
iso8859-3: csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3
    latin3
iso8859-4: csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4
    latin4
iso8859-5: csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5
    iso_8859-5:1988
iso8859-6: arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6
    iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987
iso8859-7: csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7
    iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek
iso8859-8: csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8
    iso88598 iso_8859-8 iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical
iso8859-10: csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6
iso8859-13: iso-8859-13 iso8859-13 iso885913
iso8859-14: iso-8859-14 iso8859-14 iso885914
iso8859-15: csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9
iso8859-16: iso-8859-16
koi8-r: cskoi8r koi koi8 koi8-r koi8_r
koi8-u: koi8-ru koi8-u
mac-roman: csmacintosh mac macintosh x-mac-roman
cp874: dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874
cp1250: cp1250 windows-1250 x-cp1250
cp1251: cp1251 windows-1251 x-cp1251
cp1252: ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1
    iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252
cp1253: cp1253 windows-1253 x-cp1253
cp1254: cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989
    l5 latin5 windows-1254 x-cp1254
cp1255: cp1255 windows-1255 x-cp1255
cp1256: cp1256 windows-1256 x-cp1256
cp1257: cp1257 windows-1257 x-cp1257
cp1258: cp1258 windows-1258 x-cp1258
mac-cyrillic: x-mac-cyrillic x-mac-ukrainian
gb18030: chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030
big5hkscs: big5 big5-hkscs cn-big5 csbig5 x-x-big5
euc_jp: cseucpkdfmtjapanese euc-jp x-euc-jp
iso2022_jp: csiso2022jp iso-2022-jp
cp932: csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis
cp949: cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601
    ksc_5601 windows-949
utf-16-be: unicodefffe utf-16be
utf-16-le: csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le
"""
GUESSED = (  # those in which pages without a word are written
    *("big5hkscs", "cp932", "cp949", "euc-jp", "gb18030", "iso-2022-jp", "iso-8859-2", "koi8-r"),
    *("koi8-u", "cp866", "cp874", *(f"cp125{n}" for n in range(9))),
)
UTF_16 = ("utf-16-le", "utf-16-be")
MARKS = {b"\xef\xbb\xbf": "utf-8", b"\xfe\xff": "utf-16-be", b"\xff\xfe": "utf-16-le"}
XML_IN_UTF_16 = {b"<\0?\0x\0": "utf-16-le", b"\0<\0?\0x": "utf-16-be"}

DECLARED_BYTES = 1_024  # where a page must declare its charset (HTML 4.2.5.4)
LATE_BYTES = 1 << 16  # where many do it, which browsers obey, too
SAMPLE_BYTES = 4_096  # of text that is not ASCII; more would not make the guess better
# Every token but a <meta> is skipped, with what stands in comments and scripts. A token that begins
# ends at the latest with the bytes, so no byte is read twice.
TOKEN = re.compile(
    rb"""<(?: !--(?: -?> | (?:[^-]++ | -(?!-!?>))*+ (?:--!?> | \Z) )
      | (s(?:cript|tyle)|t(?:extarea|itle)) (?=[\s/>]) (?: [^<]++ | <(?!/\1[\s/>]) )*+
      | (meta) (?=[\s/]) ((?: [^>"']++ | "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) )*+) >
      | [!/?a-z] (?: [^>"']++ | "[^"]*+(?:"|\Z) | '[^']*+(?:'|\Z) )*+
    )""",
    re.X | re.I,
)
ATTRIBUTE = re.compile(  # a name begins where a run of its bytes begins: each is read once
    rb"""(?<![^\s"'<>/=])([^\s"'<>/=]++)\s*+=\s*+(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))"""
)
CONTENT = re.compile(rb"""charset\s*+=\s*+["']?\s*+([^\s"';,]+)""", re.I)
XML = re.compile(rb"""<\?xml\s[^>]{0,200}?encoding\s*=\s*["']\s*([\w.:-]{1,40})""")
NOT_TEXT = re.compile(rb"""[<>"'=]+""")  # none of these bytes is a part of a character


def _codecs() -> dict[str, str]:
    """The codec of each label."""
    by_label, codec = {}, ""
    for word in LABELS.split():
        if word.endswith(":"):
            codec = word[:-1]
        else:
            by_label[word] = codec
    return by_label


CODECS = _codecs()
OF_PAGES = tuple(
    codec
    for codec in (*legible.NARROW, *legible.WIDE)
    if codec in {CODECS.get(name, name) for name in GUESSED}
)


def decoded(body: bytes, charset: str | None) -> tuple[str, str | None]:
    """(the page as text, the charset if it is a guess); `charset` is what the server declared.

    >>> decoded(b"caf\\xe9", "iso-8859-1"), decoded(b"caf\\xc3\\xa9", "punycode")
    (('café', None), ('café', None))
    """
    content, guess = in_utf_8(body, charset)
    return content.decode("utf-8", "replace"), guess


def in_utf_8(
    body: bytes, charset: str | None, language: str | None = None, url: str = ""
) -> tuple[bytes, str | None]:
    """The same in UTF-8. Of a page that is in UTF-8 the bytes are not touched, nor checked.

    `language` is the server's; with it and the address a short text is guessed better.
    """
    for mark, marked in MARKS.items():
        if body.startswith(mark):
            return _encoded(body[len(mark) :], marked), None
    if codec := codec_of(charset) or _declared(body):
        return _encoded(body, codec), None
    if _is_utf_8(body) and not (body.isascii() and b"\x1b$" in body):
        return body, None
    if codec := _declared(body, late=True):
        return _encoded(body, codec), None
    codec = guessed(body, languages(body, language, url))
    return _encoded(body, codec or "utf-8"), codec


def _encoded(body: bytes, codec: str) -> bytes:
    return body if codec == "utf-8" else body.decode(codec, "replace").encode()


def codec_of(label: str | None) -> str | None:
    """Python's codec for a label of a charset; None if the web knows no such charset.

    >>> codec_of(" Windows-1251"), codec_of('"x-sjis"'), codec_of("zip"), codec_of("utf_8")
    ('cp1251', 'cp932', None, None)
    """
    return CODECS.get((label or "").strip(" \t\r\n\f\"'").lower())


def _declared(body: bytes, late: bool = False) -> str | None:
    """The codec that a page names in a <meta> or its XML declaration.

    >>> _declared(b'<!-- <meta charset=l1> --><meta charset="utf-16">')
    'utf-8'
    """
    for start, wide in XML_IN_UTF_16.items():
        if body.startswith(start):
            return wide
    head = body[: LATE_BYTES if late else DECLARED_BYTES]
    metas = (token[3] for token in TOKEN.finditer(head) if token[2])
    xml = XML.match(head.lstrip())
    codec = next(filter(None, map(_named, metas)), None) or (
        codec_of(xml[1].decode()) if xml else None
    )
    return "utf-8" if codec in UTF_16 else codec  # in UTF-16 it would be unreadable


def _named(meta: bytes) -> str | None:
    """The codec that the attributes of a <meta> name."""
    attributes: dict[bytes, bytes] = {}
    for name, *values in ATTRIBUTE.findall(meta):
        attributes.setdefault(name.lower(), b"".join(values))
    label = attributes.get(b"charset")
    if label is None and attributes.get(b"http-equiv", b"").strip().lower() == b"content-type":
        content = CONTENT.search(attributes.get(b"content", b""))
        label = content[1] if content else None
    return codec_of((label or b"").decode("ascii", "replace"))


def _is_utf_8(body: bytes) -> bool:
    """Whether a page, which may be cut within a character, is UTF-8."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data" and not body[: error.start].isascii()
    return True


def guessed(body: bytes, of: Iterable[str] = ()) -> str | None:
    """The likeliest codec of a page that names none, by its text that is not ASCII.

    `of` are the languages that it may be in, which decide for a short text.
    """
    escape = body.find(b"\x1b$")
    if escape >= 0 and body.isascii():  # in ISO-2022-JP every byte is a part of characters
        return _likeliest(body[escape : escape + SAMPLE_BYTES])
    sample, length = [], 0
    for text in NOT_TEXT.split(body[: 1 << 20]):
        if not text.isascii():
            sample.append(text[:SAMPLE_BYTES])
            length += len(sample[-1])
            if length >= SAMPLE_BYTES:
                break
    text = b" ".join(sample)
    return corrected(_legible(text), text, of)


def _likeliest(sample: bytes) -> str | None:
    """The codec by how often its letters come in languages, which of short texts says little."""
    likeliest = chardet.detect(sample, include_encodings=GUESSED)["encoding"] or ""
    name = likeliest.lower()  # a label of the web, or a codec of Python
    return name if name in CODECS.values() else codec_of(name)


def _legible(sample: bytes) -> str | None:
    """The same, unless it reads odd and another codec of the web's reads better.

    >>> _legible("La città è più bella".encode("cp1252")), _legible("Żółta łódź".encode("cp1250"))
    ('cp1252', 'cp1250')
    """
    guess = _likeliest(sample)
    return legible.likeliest(sample, guess, OF_PAGES) if guess else None
