"""Codes of languages in one normal form, and the scripts in which each language is written.

The codes are those of ISO 639 and BCP 47, the likely script of a language is that of Unicode's
CLDR, both by the package langcodes. What CLDR's table of languages and their scripts adds to the
likely one stands here, in `SEVERAL`.
"""

from difflib import get_close_matches
from functools import lru_cache
from typing import NamedTuple

from langcodes import Language, tag_distance
from langcodes.registry_parser import parse_registry
from langcodes.tag_parser import LanguageTagError

# Languages that many people write in more scripts than one (CLDR, supplementalData, languageData).
# Hans and Hant are both of Unicode's script Han, but two ways of writing.
SEVERAL = {
    **dict.fromkeys(("az", "ky", "tg", "tk", "tt", "uz"), "Arab Cyrl Latn"),
    **dict.fromkeys(("zh", "yue", "nan", "wuu", "gan", "hak", "lzh"), "Hans Hant"),
    **dict.fromkeys(("bs", "sr", "sh", "crh", "gag", "be", "ro"), "Cyrl Latn"),
    **dict.fromkeys(("kk", "ku", "ug"), "Arab Cyrl Latn"),
    **dict.fromkeys(("ha", "ms", "ace", "bjn", "min", "sw", "so", "bal", "ckb"), "Arab Latn"),
    **dict.fromkeys(("ks", "sd", "bho", "mwr"), "Arab Deva"),
    **dict.fromkeys(("kok", "gom", "hif"), "Deva Latn"),
    **dict.fromkeys(("kab", "rif", "tzm", "shi", "taq"), "Arab Latn Tfng"),
    **dict.fromkeys(("ff", "knc", "kr"), "Adlm Arab Latn"),
    **dict.fromkeys(("mn", "bua"), "Cyrl Mong"),
    "bm": "Latn Nkoo",
    "cr": "Cans Latn",
    "iu": "Cans Latn",
    "jv": "Java Latn",
    "lad": "Hebr Latn",
    "mni": "Beng Mtei",
    "nan": "Hans Hant Latn",
    "pa": "Arab Guru",
    "sa": "Beng Deva Gujr Knda Mlym Orya Sinh Taml Telu",
    "sat": "Beng Deva Olck Orya",
    "su": "Latn Sund",
    "vi": "Hani Latn",
}
# Unicode's scripts that a script of ISO 15924 is made of.
MADE_OF = {
    **dict.fromkeys(("Hans", "Hant", "Hani"), ("Hani", "Bopo")),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
    "Hang": ("Hang", "Hani"),
    "Aran": ("Arab",),
}
# Names for all scripts of a language together: a code with one of these tells no script.
ALL_SCRIPTS = {"ja": {"Jpan"}, "ko": {"Kore", "Hang"}, "zh": {"Hani"}, "yue": {"Hani"}}
# What Wikipedia's codes mean where ISO 639 means another language by them, or none.
WIKIPEDIA = {
    "als": "gsw",
    "bat-smg": "sgs",
    "eml": "egl",
    "fiu-vro": "vro",
    "map-bms": "jv",
    "nrm": "nrf",
    "roa-rup": "rup",
    "simple": "en",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
    "zh-yue": "yue",
}
NEAR = 30  # in CLDR's measure of languages: of Swiss German to German 4, of Catalan to Spanish 20


class Code(NamedTuple):
    """A language, and a script where the code names one and the language has several.

    >>> str(code_of("srp_Latn")), str(code_of("srp_Cyrl")), str(code_of("sr"))
    ('sr-Latn', 'sr', 'sr')
    """

    language: str
    script: str = ""

    def __str__(self) -> str:
        usual = self.script in ("", _likely_script(self.language))
        return self.language if usual else f"{self.language}-{self.script}"

    def includes(self, other: "Code") -> bool:
        """Whether texts of the other code are of this one: "zh" includes "zh-Hant"."""
        return self.language == other.language and self.script in ("", other.script)


@lru_cache(maxsize=8_192)
def code_of(text: str, of_wikipedia: bool = False) -> Code | None:
    """The normal form of a code in any of the usual forms, none for what is no language's code.

    `of_wikipedia`: "als" means Alemannic, as among Wikipedia's codes, and not Tosk Albanian. The
    most spoken language of a macrolanguage stands for it ("cmn" is "zh", "nob" is "no"); a country
    tells no language apart, though it may tell a script ("zh_TW").

    >>> [str(code_of(text)) for text in ("deu", "ger", "zh_Hant", "zho_Hans", "cmn_Hani", "en-GB")]
    ['de', 'de', 'zh-Hant', 'zh', 'zh', 'en']
    >>> str(code_of("als_Latn")), str(code_of("als", of_wikipedia=True)), code_of("english")
    ('sq', 'gsw', None)
    """
    text = text.lower().replace("_", "-")
    if text == "sh":  # CLDR takes Serbo-Croatian for Serbian, but it is Bosnian and Croatian, too
        return Code("sh")
    try:
        tag = Language.get(WIKIPEDIA.get(text, text) if of_wikipedia else text)
    except LanguageTagError:
        return None
    if not tag.language or tag.language == "und" or not Language.make(tag.language).is_valid():
        return None
    language = "no" if tag.language == "nb" else tag.prefer_macrolanguage().language or ""
    script = tag.script or (tag.maximize().script if tag.territory else None) or ""
    likely = _likely_script(language)
    several = SEVERAL.get(language, likely).split()
    if script in ALL_SCRIPTS.get(language, ()) or (script == likely and len(several) == 1):
        script = ""
    return Code(language, script)


@lru_cache(maxsize=8_192)
def _likely_script(language: str) -> str:
    return Language.make(language).maximize().script or ""


def scripts_of(code: Code) -> frozenset[str]:
    """The scripts of Unicode, in ISO 15924's codes, in which the language is written; none where
    nobody has said.

    >>> sorted(scripts_of(Code("ja"))), sorted(scripts_of(Code("sr", "Latn")))
    (['Hani', 'Hira', 'Kana'], ['Latn'])
    """
    names = code.script or SEVERAL.get(code.language) or _likely_script(code.language)
    return frozenset(part for name in names.split() for part in MADE_OF.get(name, (name,)))


def nearest(text: str, codes: dict[str, Code]) -> str | None:
    """The key of the code nearest to a text that is none of them: a code, or a name in English.

    >>> codes = {"en": Code("en"), "de": Code("de")}
    >>> nearest("german", codes), nearest("gsw", codes), nearest("ee", codes)
    ('de', 'de', None)
    """
    wanted = code_of(text) or code_of(code_by_name(text))
    if wanted is None:
        return next(iter(get_close_matches(text, codes, 1)), None)
    far = {
        key: -1 if code.language == wanted.language else tag_distance(str(wanted), str(code))
        for key, code in codes.items()
    }
    closest = min(far, key=lambda key: (far[key], key), default=None)
    return closest if closest is not None and far[closest] <= NEAR else None


def code_by_name(name: str) -> str:
    """The code of the language of this English name in IANA's registry, "" for none."""
    for entry in parse_registry():
        of_language = entry.get("Type") == "language"
        if of_language and name.lower() in map(str.lower, entry["Description"]):
            return str(entry["Subtag"])
    return ""
