"""One name for a licence that sources write in many ways: its SPDX identifier where it has one.

Creative Commons' addresses and names are read by rule; of others an identifier of SPDX's list
(https://spdx.org/licenses/) counts, and a few well-known names. A licence is never guessed: what a
text does not say for sure has no id.
"""

import re
from functools import lru_cache

from license_expression import get_license_index

LONGEST = 400  # characters; longer ones are texts about rights, no names

VERSIONS = {"1.0", "2.0", "2.1", "2.5", "3.0", "4.0"}  # of Creative Commons; 2.1 in a few ports
ELEMENTS = ("by", "nc", "nd", "sa")  # in the order of a licence's name; 1.0 has others in addresses
VERSION = r"v?(\d\.\d|\d)(?![\d.])"
# Behind a version: a country's port, with nothing else behind it.
PORT = r"([a-z]{2}|igo|scotland)"
DEED = re.compile(
    r"(?:[a-z]+\.)?creativecommons\.org/(licenses|publicdomain|license)/([a-z0-9+-]+)"
    rf"(?:/{VERSION}(?:/{PORT}(?=/|$))?)?(?:[/.][a-z0-9._-]*)*"
)
CODES = re.compile(
    rf"(?:cc[ -]?)?(by(?:[ -](?:nc|nd|sa))*)(?:[ -]{VERSION}(?:[ -]{PORT})?)?"
    r"(?: (?:unported|international|generic))?"
)
ZERO = re.compile(r"cc[ -]?(?:0|zero)(?:[ -]v?1(?:\.0)?)?(?: universal)?")
MARK = re.compile(r"(?:cc[ -])?(?:pdm|public domain mark)(?:[ -]v?1(?:\.0)?)?")
PUBLIC_DOMAIN = re.compile(r"(?:in the )?public[ -]?domain|pd")
# Words of names, longer ones before those that they begin with.
WORDS = (
    (re.compile(r"non[ -]?commercial"), "nc"),
    (re.compile(r"no[ -]?deriv(?:ative)?s?(?: works)?"), "nd"),
    (re.compile(r"share[ -]?alike"), "sa"),
    (re.compile(r"attribution"), "by"),
    (re.compile(r"creative ?commons"), "cc"),
    (re.compile(r"licen[cs]es?|the\b|\bdeed\b|[(),]"), " "),
    (re.compile(r"[\s_/–-]+"), " "),
)
OTHERS = {  # names and addresses of licences that are not spelt as SPDX does
    "fal": "LAL-1.3",
    "free art": "LAL-1.3",
    "artlibre.org/licence/lal": "LAL-1.3",
    "artlibre.org/licence/lal/en": "LAL-1.3",
    "apache 2.0": "Apache-2.0",
    "apache version 2.0": "Apache-2.0",
    "apache.org/licenses/license-2.0": "Apache-2.0",
    "ogl 1.0": "OGL-UK-1.0",
    "ogl 2.0": "OGL-UK-2.0",
    "ogl 2": "OGL-UK-2.0",
    "ogl 3.0": "OGL-UK-3.0",
    "ogl 3": "OGL-UK-3.0",
    "open government v3.0": "OGL-UK-3.0",
    "nationalarchives.gov.uk/doc/open government licence/version/3": "OGL-UK-3.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/1": "OGL-UK-1.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/2": "OGL-UK-2.0",
    "nationalarchives.gov.uk/doc/open-government-licence/version/3": "OGL-UK-3.0",
}
LISTED = re.compile(r"(?:spdx|opensource)\.org/licenses?/([a-z0-9.+-]+)")
GNU = re.compile(r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?((?:fdl|[al]?gpl)-\d\.\d)")
RIGHTS = re.compile(r"rightsstatements\.org/(?:vocab|page|data)/([a-z-]+)/1\.0")
STATEMENTS = {  # of rightsstatements.org, which museums use
    code.lower(): code
    for code in (
        *("InC", "InC-OW-EU", "InC-EDU", "InC-NC", "InC-RUU", "NoC-CR", "NoC-NC", "NoC-OKLR"),
        *("NoC-US", "CNE", "UND", "NKC"),
    )
}
ADDRESS = re.compile(r"(?:https?:)?(?://)?(?:www\.)?(?=[a-z0-9-]+\.[a-z])", re.I)
ENDING = re.compile(r"\.(?:html?|php|txt|en|rdf)$")


@lru_cache(1 << 16)  # of the licences of a thousand pictures nearly all are the same few
def license_id(text: str | None) -> str | None:
    """The id of a licence by its name or its address; None where the text names none for sure.

    A licence of Creative Commons without a version, or a port that SPDX does not list, is named
    in the same way: CC-BY, CC-BY-3.0-FR. The public domain without a mark or a deed is
    LicenseRef-Public-Domain, a statement of rightsstatements.org such as LicenseRef-InC.

    >>> license_id("http://creativecommons.org/licenses/by-nc/2.0/"), license_id("CC BY-SA 4.0")
    ('CC-BY-NC-2.0', 'CC-BY-SA-4.0')
    >>> license_id("Attribution-ShareAlike License"), license_id("All rights reserved")
    ('CC-BY-SA', None)
    """
    text = " ".join((text or "").split())
    if not text or len(text) > LONGEST:
        return None
    folded = text.lower()
    address = ADDRESS.match(folded)
    if address and " " not in text:
        return _of_address(ENDING.sub("", folded[address.end() :].split("#")[0].split("?")[0]))
    if folded == "attribution":  # at Wikimedia Commons a licence that is not Creative Commons'
        return None
    outside, bracket, inside = folded.partition("(")
    if bracket:  # such as Attribution 4.0 International (CC BY 4.0)
        return _of_name(outside) if _of_name(outside) == _of_name(inside) else None
    return _ids().get(folded) or _of_name(folded)


def _of_address(address: str) -> str | None:
    address = address.rstrip("/")
    if deed := DEED.fullmatch(address):
        _, code, version, port = deed.groups()
        if code in ("zero", "cc0", "mark") and version not in (None, "1", "1.0"):
            return None
        if code in ("zero", "cc0"):
            return "CC0-1.0"
        if code == "mark":
            return "CC-PDM-1.0"
        return "CC-PDDC" if code == "publicdomain" else _creative_commons(code, version, port)
    if statement := RIGHTS.match(address):
        code = STATEMENTS.get(statement[1])
        return f"LicenseRef-{code}" if code else None
    if listed := LISTED.fullmatch(address) or GNU.match(address):
        return _ids().get(listed[1].replace("fdl-", "gfdl-"))
    return OTHERS.get(address)


def _of_name(name: str) -> str | None:
    for pattern, word in WORDS:
        name = pattern.sub(word, name)
    name = name.strip(" .")
    if name in OTHERS:
        return OTHERS[name]
    if ZERO.fullmatch(name):
        return "CC0-1.0"
    if MARK.fullmatch(name):
        return "CC-PDM-1.0"
    if PUBLIC_DOMAIN.fullmatch(name):
        return "LicenseRef-Public-Domain"
    codes = CODES.fullmatch(name)
    return _creative_commons(*codes.groups()) if codes else _ids().get(name.replace(" ", "-"))


def _creative_commons(code: str, version: str | None, port: str | None) -> str | None:
    """The id of a licence with these elements, in any order; None if there is no such licence."""
    elements = re.split("[ -]", code)
    if len(set(elements)) < len(elements) or not set(elements) <= set(ELEMENTS):
        return None
    if {"nd", "sa"} <= set(elements):  # what may not be changed cannot be shared changed
        return None
    if "by" not in elements and version != "1.0":
        return None
    version = f"{version}.0" if version and "." not in version else version
    if version and version not in VERSIONS:
        return None
    ordered = [element for element in ELEMENTS if element in elements]
    return "-".join(part.upper() for part in ("cc", *ordered, version, port) if part)


@lru_cache(1)
def _ids() -> dict[str, str]:
    """SPDX's identifiers by their small letters, old ones, too; the package carries the list."""
    ids: dict[str, str] = {}
    for license in get_license_index():
        key = license["spdx_license_key"]
        if key and not key.startswith("LicenseRef-") and not license["is_exception"]:
            for name in (key, *license["other_spdx_license_keys"]):
                ids.setdefault(name.lower(), key)
    return ids
