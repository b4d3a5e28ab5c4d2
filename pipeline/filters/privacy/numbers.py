"""Numbers of people and accounts that prove themselves: cards, IBANs, national numbers.

A number counts where its form and its check digits accept fewer than two of a hundred random
numbers of that form, which a test measures. Weaker ones count only behind their name.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from stdnum import iban, luhn
from stdnum.ar import cuit
from stdnum.be import nn
from stdnum.bg import egn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.dk import cpr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.ro import cnp
from stdnum.se import personnummer
from stdnum.tr import tckimlik
from stdnum.us import ssn
from stdnum.za import idnr as za_idnr

from pipeline.filters.privacy.shapes import NOT_BEFORE_LETTER, NOT_BEHIND_LETTER

from stdnum.in_ import aadhaar  # isort: skip
from stdnum.ca import sin  # isort: skip

Span = tuple[int, int]
BEFORE = NOT_BEHIND_LETTER + r"(?<![.,+#-])"
AFTER = NOT_BEFORE_LETTER + r"(?!-|[.,][0-9])"

# Issuers, by the first digits, and how long their numbers are: ISO/IEC 7812, of networks in use.
# Visa's old numbers of 13 digits look like the EAN of German and Japanese goods: they are left out.
CARDS = re.compile(
    r"(?:4[0-9]{15}|5[1-5][0-9]{14}|2(?:22[1-9]|2[3-9][0-9]|[3-6][0-9]{2}|7[01][0-9]|720)[0-9]{12}"
    r"|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|35(?:2[89]|[3-8][0-9])[0-9]{12}"
    r"|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12}|62[0-9]{14,17})"
)
CARD = re.compile(
    rf"{BEFORE}(?:[0-9]{{4}}(?P<by>[ -])(?:[0-9]{{4}}(?P=by)){{2}}[0-9]{{4}}(?:(?P=by)[0-9]{{3}})?"
    r"|[0-9]{4}(?P<of>[ -])[0-9]{6}(?P=of)[0-9]{4,5}|[0-9]{14,19})" + AFTER
)
IBAN = re.compile(BEFORE + r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{1,4}){3,8}" + NOT_BEFORE_LETTER)


def find_cards(text: str) -> Iterator[Span]:
    """
    >>> list(find_cards("paid with 4111 1111 1111 1111"))
    [(10, 29)]
    """
    for match in CARD.finditer(text):
        digits = re.sub("[ -]", "", match[0])
        if CARDS.fullmatch(digits) and len(set(digits)) > 1 and luhn.is_valid(digits):
            yield match.span()


def find_ibans(text: str) -> Iterator[Span]:
    """The longest part of each run that is an IBAN: words in capitals may follow it.

    >>> list(find_ibans("IBAN DE89 3704 0044 0532 0130 00 BANK"))
    [(5, 32)]
    """
    for match in IBAN.finditer(text):
        written = match[0]
        ends = [len(written), *(at for at in range(len(written) - 1, 14, -1) if written[at] == " ")]
        for at in ends:
            if iban.is_valid(written[:at]):
                yield match.start(), match.start() + at
                break


MONTH_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"


@dataclass(frozen=True)
class National:
    """How a country writes its numbers of people, and what proves one."""

    country: str
    pattern: str
    is_valid: Callable[[str], bool]
    name: str = ""  # a pattern: the word that must stand before a number that proves too little


NATIONAL = (
    National("ar", r"(?:20|2[3-7]|30|33)-[0-9]{8}-[0-9]", cuit.is_valid),
    National("be", r"[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}[.-][0-9]{2}", nn.is_valid),
    National("br", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", cpf.is_valid),
    National("ch", r"756\.[0-9]{4}\.[0-9]{4}\.[0-9]{2}", ahv.is_valid),
    National("cl", r"[0-9]{1,2}\.[0-9]{3}\.[0-9]{3}-[0-9kK]", rut.is_valid, r"RU[TN]"),
    National("cn", r"[1-8][0-9]{16}[0-9X]", ric.is_valid),
    National("cz", r"[0-9]{6}/[0-9]{4}", rc.is_valid, r"(?:R[ČC]|[Rr]odné číslo)"),
    National("es", r"[0-9]{8}-?[A-Z]", dni.is_valid, r"(?:DNI|D\.N\.I\.|NIF)"),
    National("es", r"[XYZ]-?[0-9]{7}-?[A-Z]", nie.is_valid, r"(?:NIE|N\.I\.E\.)"),
    National("fi", r"[0-9]{6}[-+A-FU-Y][0-9]{3}[0-9A-Y]", hetu.is_valid),
    National("fr", r"[12](?: ?[0-9]{2}){3}(?: ?[0-9]{3}){2} ?[0-9]{2}", nir.is_valid),
    National("it", r"[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]", codicefiscale.is_valid),
    National("kr", r"[0-9]{6}-[1-4][0-9]{6}", rrn.is_valid),
    National("mx", r"[A-Z]{4}[0-9]{6}[HMX][A-Z]{5}[0-9A-Z][0-9]", curp.is_valid),
    National("ro", rf"[1-8][0-9]{{2}}{MONTH_DAY}[0-9]{{6}}", cnp.is_valid),
    National("se", r"(?:[0-9]{2})?[0-9]{6}[-+][0-9]{4}", personnummer.is_valid),
    National("za", rf"[0-9]{{2}}{MONTH_DAY}[0-9]{{4}}[01][0-9]{{2}}", za_idnr.is_valid),
    # What follows proves too little by itself.
    National("bg", r"[0-9]{10}", egn.is_valid, r"(?:EGN|ЕГН)"),
    National("ca", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", sin.is_valid, r"(?:SIN|NAS)"),
    National(
        "de",
        r"[0-9]{2} ?[0-9]{3} ?[0-9]{3} ?[0-9]{3}",
        idnr.is_valid,
        r"(?:Steuer-?ID|IdNr\.?|Steueridentifikationsnummer)",
    ),
    National("dk", r"[0-9]{6}-?[0-9]{4}", cpr.is_valid, r"CPR"),
    National("gb", r"[0-9]{3} ?[0-9]{3} ?[0-9]{4}", nhs.is_valid, r"NHS"),
    National("in", r"[0-9]{4} ?[0-9]{4} ?[0-9]{4}", aadhaar.is_valid, r"(?:Aadhaar|Aadhar|UID)"),
    National("nl", r"[0-9]{9}", bsn.is_valid, r"(?:BSN|[Bb]urgerservicenummer)"),
    National("pl", r"[0-9]{11}", pesel.is_valid, r"PESEL"),
    National("tr", r"[0-9]{11}", tckimlik.is_valid, r"(?:TC|T\.C\.|TCKN|[Kk]imlik)"),
    National("us", r"[0-9]{3}-[0-9]{2}-[0-9]{4}", ssn.is_valid, r"(?:SSN|[Ss]ocial [Ss]ecurity)"),
)
GATE = "|".join(  # of RE2: the form of a number, or the name of one that needs it
    rf"\b{each.name}" if each.name else each.pattern for each in NATIONAL
)
BETWEEN = r"(?: (?:[Nn]o|[Nn]r|[Nn]umber|[Nn]úmero|[Kk]imlik))?\.?:? ?#?"
_PATTERNS = [
    (
        each,
        re.compile(
            f"(?<!\\w){each.name}{BETWEEN}(?P<number>{each.pattern}){AFTER}"
            if each.name
            else f"{BEFORE}(?P<number>{each.pattern}){AFTER}"
        ),
    )
    for each in NATIONAL
]


def find_national_ids(text: str) -> Iterator[Span]:
    """
    >>> list(find_national_ids("CPF 390.533.447-05, PESEL 44051401359, part 44051401359"))
    [(4, 18), (26, 37)]
    """
    for each, pattern in _PATTERNS:
        if each.name and not _NAMES.search(text):
            continue
        for match in pattern.finditer(text):
            if each.is_valid(match["number"]):
                yield match.span("number")


_NAMES = re.compile("|".join(each.name for each in NATIONAL if each.name))
