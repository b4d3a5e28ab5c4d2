"""Telephone numbers, by the numbering plans of the package phonenumbers.

A number with its country's code proves itself. A national one is looked up in the country of the
picture's host, as its top-level domain names it. Elsewhere it counts as a number of one of the
countries below, if it is grouped as that country groups it, or stands behind a word for telephone:
captions are full of numbers of parts, books and stock photographs, in one run of digits.
"""

import re
from collections.abc import Iterator
from itertools import islice

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberFormat

from pipeline.filters.privacy.shapes import NOT_BEFORE_LETTER, NOT_BEHIND_LETTER

Span = tuple[int, int]
NUMBER = re.compile(
    rf"(?:{NOT_BEHIND_LETTER}(?<![,#$€£¥/=+-])(?<![0-9][.:])|(?<=(?i:tel)))(?<![0-9] )"
    r"(?:\+ ?[0-9]|\(\+?[0-9]|[0-9])(?:[ ().\-/]{0,2}[0-9]){6,15}"
    rf"{NOT_BEFORE_LETTER}(?![%$€£円元원]|[.,-][0-9]|[-/]\w)"
)
WORD = re.compile(
    rf"(?:{NOT_BEHIND_LETTER}(?:tel[eé]?(?:phone|fono|foon|fon|fonu|fone)?|t[ée]l|phone|ph|"
    r"call(?: us)?|"
    r"mob(?:ile|il)?|cell|whats ?app|fax|handy|m[óo]vil|contact|hotline|kontakt|тел(?:ефон)?)\b"
    r"|電話|电话|전화|☎|📞|✆)"
    r"[^\w\n]{0,4}(?:(?:no|nr|number|us|at|on)\b[^\w\n]{0,4})?$",
    re.IGNORECASE,
)
PHONE_GATE = (  # of RE2, for texts with seven digits in a number: a number in one run needs a sign
    r"[+(] ?[0-9]|(?:^|[^0-9])0[0-9]|話|话|화|☎|📞|✆"
    r"|(?i:\b(?:tel|tel[eé]fono|telefoon|telefone|telefonu?|phone|ph|call|mob|mobile|cell|app|whatsapp|fax|handy|m[óo]vil|"
    r"contact|kontakt|hotline|t[eé]l|telephone|tele|тел|телефон)\b)"
    r"|[0-9]{2,4}[ .-][0-9]{2,4}[ .-][0-9]{2,4}"
)
WITH_ZERO = (  # countries whose numbers at home begin with 0
    *("GB", "DE", "FR", "NL", "BE", "AT", "CH", "SE", "IT", "AU", "NZ", "IN", "JP", "KR", "ZA"),
    *("TR", "IE", "UA", "RO", "FI", "TH", "ID", "MY", "VN", "PH", "EG", "NG", "IL", "TW", "CN"),
)
OTHERS = ("US", "ES", "PL", "PT", "DK", "NO", "CZ", "GR", "BR", "MX", "RU", "SG", "HK", "AR")
MOST_NUMBERS = 60  # of a text: each may be looked up in 44 plans
LEAST_DIGITS = 9  # of a number at home that nothing else shows to be one
GROUPS = re.compile(r"[0-9]+")
AMERICAN = re.compile(r"(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[0-9]{3}[ .-][0-9]{4}")
DATES = re.compile(
    r"(?:19|20)[0-9]{2}[ /-](?:19|20)[0-9]{2}"
    r"|[0-9]{1,4}[./-][0-9]{1,2}[./-][0-9]{1,4}(?: .*)?"
)


def find_phones(text: str, region: str | None = None) -> Iterator[Span]:
    """Where telephone numbers stand; `region`: the country of the host, such as "DE".

    >>> list(find_phones("erika or 030 1234567")), list(find_phones("part 0301234567"))
    ([(9, 20)], [])
    >>> list(find_phones("+49 30 1234567")), list(find_phones("Tel. 0301234567"))
    ([(0, 14)], [(5, 15)])
    """
    for match in islice(NUMBER.finditer(text), MOST_NUMBERS):
        written = match[0]
        if DATES.fullmatch(written):
            continue
        behind_word = WORD.search(text[max(0, match.start() - 30) : match.start()]) is not None
        if is_phone(written, region, behind_word):
            yield match.span()


def is_phone(written: str, region: str | None, behind_word: bool) -> bool:
    """Whether a run of digits and what stands between them is a telephone number.

    >>> is_phone("(402) 505-6600", None, False), is_phone("402 505 66", None, False)
    (True, False)
    """
    digits = "".join(GROUPS.findall(written))
    if written.startswith(("+", "(+", "00")):
        international = f"+{digits.removeprefix('00')}"
        if _valid(international, None):
            return True
    if written.startswith(("+", "(+")):
        return False
    if region and not written.isdigit():
        number = _valid(written, region)
        if number is not None and _grouped(written, number):
            return True
    regions = (*WITH_ZERO, *OTHERS) if behind_word else WITH_ZERO if digits[0] == "0" else ()
    if behind_word:
        return any(_valid(written, country) for country in regions)
    if AMERICAN.fullmatch(written):
        return _valid(written, "US") is not None
    if digits == written.strip("()") or len(digits) < LEAST_DIGITS:
        return False
    numbers = (_valid(written, country) for country in regions)
    return any(number is not None and _grouped(written, number) for number in numbers)


def _valid(written: str, region: str | None) -> PhoneNumber | None:
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return None
    fits = phonenumbers.is_valid_number(number)
    return number if fits and (region is None or _of(number, region)) else None


def _of(number: PhoneNumber, region: str) -> bool:
    return bool(number.country_code == phonenumbers.country_code_for_region(region))


def _grouped(written: str, number: PhoneNumber) -> bool:
    """Whether the first group is as the country groups the number."""
    usual = GROUPS.findall(phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL))
    return GROUPS.findall(written)[0] == usual[0] and len(usual) > 1


def region_of(url: str) -> str | None:
    """The country of a URL's host by its top-level domain.

    >>> region_of("http://cdn.example.de/1.jpg"), region_of("http://example.co.uk:80/")
    ('DE', 'GB')
    >>> region_of("http://example.org/a.de") is None
    True
    """
    top = url.partition("://")[2].partition("/")[0].partition(":")[0].rpartition(".")[2].upper()
    region = {"UK": "GB"}.get(top, top)
    return region if region in phonenumbers.SUPPORTED_REGIONS else None
