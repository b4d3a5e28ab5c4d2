"""Postal addresses: a street with a number, as eleven languages write it, or a Japanese postcode.

A street alone is no address, and a name with a number alone is none: both stand together.
"""

import re
from collections.abc import Iterator

WORD = r"[A-ZÀ-ÖØ-ÞŁŚŻŹČŠŽŘ][\w'’.-]{0,30}"  # of a street's name, with a capital
NUMBER = r"[0-9]{1,5}(?: ?[a-zA-Z]\b)?(?:[-/][0-9]{1,4}[a-zA-Z]?)?"
SIDE = r"(?:[NSEW]|NE|NW|SE|SW|North|South|East|West)\.?"
ENGLISH = (
    *("Street", "Avenue", "Road", "Boulevard", "Lane", "Drive", "Court", "Place", "Terrace"),
    *("Circle", "Crescent", "Parkway", "Highway", "Trail", "Close", "Grove", "Way"),
)
SHORT = (*("St", "Ave", "Rd", "Blvd", "Ln", "Dr", "Ct", "Pl", "Pkwy", "Hwy", "Ter", "Cir", "Trl"),)
GERMAN = ("str.", "straße", "strasse", "gasse", "allee", "damm", "ufer", "weg", "platz")
DUTCH = ("straat", "laan", "plein", "gracht", "kade", "dijk", "singel")
NORDIC = ("gatan", "vägen", "gränd", "gade", "vej", "gata", "veien", "katu")
FRENCH = ("rue", "avenue", "boulevard", "bd", "chemin", "impasse", "allée", "quai")
IBERIAN = ("Calle", "Avenida", "Avda.", "Paseo", "Carrer", "Rua", "Travessa", "Av.", "C/")
ITALIAN = ("Via", "Viale", "Piazza", "Corso", "Vicolo")
POLISH = ("ul.", "al.", "os.")
RUSSIAN = ("ул.", "улица", "пр.", "просп.", "пер.", "вул.")
TURKISH = ("Sokak", "Sok.", "Caddesi", "Cad.", "Mahallesi", "Mah.")


def _any(words: tuple[str, ...], *forms: str) -> str:
    every = [word for word in words for word in (word, *(getattr(word, form)() for form in forms))]
    return f"(?:{'|'.join(map(re.escape, dict.fromkeys(every)))})"


_ENGLISH = _any((*ENGLISH, *SHORT), "upper")
_GERMAN, _FRENCH = _any(GERMAN, "capitalize"), _any(FRENCH, "capitalize")
_OF = r"(?:de la |de l['’]|d[eu] |des |d['’])?"
_NO_STREET = (  # what is counted, where no street has a number: "1 Hour Drive"
    r"(?:The|For|A|An|And|Of|To|In|Hours?|Days?|Weeks?|Months?|Years?|Min(?:ute)?s?|Stars?|Inch|Tips|"
    r"Bed(?:room)?s?|Baths?|Pieces?|Pcs|Packs?|Ways?|Wonders|Things|Best|Parts?|Lights?|Cars?|"
    r"Doors?|Persons?|People|Steps?|Miles?|Acres?|Sets?|GB|TB|Amp|Watt|Volt|Feet|Ft|Speed)\b"
)
_CYRILLIC = r"[А-ЯЁІЇЄ][\w.-]{0,30}"

NUMBER_FIRST = re.compile(
    rf"(?<![\w$€£.,/#-]){NUMBER},? (?!{_NO_STREET})"
    rf"(?:{SIDE} )?(?:{WORD} ){{1,3}}{_ENGLISH}\b(?! [0-9])"
    rf"|(?<![\w.,/-]){NUMBER}(?: ?(?:bis|ter))?,? {_FRENCH} {_OF}{WORD}(?:[ -]{WORD}){{0,3}}"
)
NUMBER_LAST = re.compile(
    "|".join(
        (
            rf"\b{WORD}(?:[ -]{WORD}){{0,2}}[ -]?{_GERMAN} ?{NUMBER}(?!\w|\.[0-9])",
            rf"\b{WORD}{_any(DUTCH + NORDIC)} {NUMBER}(?!\w)",
            rf"\b{_any(IBERIAN)} ?(?:(?:de|del|da|do|dos|las?|los|el) ){{0,3}}"
            rf"{WORD}(?:(?: de| del| da| do| la)? {WORD}){{0,3}},? (?:n[º°.]? ?)?{NUMBER}(?!\w)",
            rf"\b{_any(ITALIAN)} (?:(?:di|del|della|dei|delle) )?{WORD}(?: {WORD}){{0,3}},? "
            rf"(?:n\. ?)?{NUMBER}(?!\w)",
            rf"\b{_any(POLISH)} {WORD}(?: {WORD}){{0,2}} {NUMBER}(?!\w)",
            rf"\b{_any(RUSSIAN)} ?{_CYRILLIC}(?: {_CYRILLIC}){{0,2}},? (?:д\.? ?|дом |буд\. ?)?"
            r"[0-9]{1,4}[а-я]?(?!\w)",
            rf"\b{WORD}(?: {WORD}){{0,2}} {_any(TURKISH)},? ?(?:[Nn]o[:.]? ?)?{NUMBER}(?!\w)",
            r"〒 ?[0-9]{3}-[0-9]{4}",
        )
    )
)
# Of RE2: words that stand behind a number, or before one.
_BEFORE = rf"(?:{_ENGLISH}|{_FRENCH})"
_BEHIND = _any(
    (*GERMAN, *DUTCH, *NORDIC, *IBERIAN, *ITALIAN, *POLISH, *RUSSIAN, *TURKISH), "capitalize"
)
ADDRESS_GATES = (
    rf" {_BEFORE}\b",
    rf"{_BEHIND}|〒",
)  # of texts with a digit; as one: twice the time
_LAST = re.compile(rf"{_BEHIND}|〒")


def find_addresses(text: str) -> Iterator[tuple[int, int]]:
    """
    >>> list(find_addresses("at home, Musterstr. 1")), list(find_addresses("10 Downing Street"))
    ([(9, 21)], [(0, 17)])
    >>> list(find_addresses("Street art, 3 pieces"))
    []
    """
    for match in NUMBER_FIRST.finditer(text):
        yield match.span()
    if _LAST.search(text):
        for match in NUMBER_LAST.finditer(text):
            yield match.span()
