"""Templates that show words of the page's own text; all others leave a break.

What a template shows is written in the wiki, not in the page: of the thousands of a Wikipedia the
tables below hold those that stand inside sentences most. A shape gives what they show: `{1}` is the
first parameter, `{lt/1}` the first of these that is there, `{-1}` the last one without a name,
`{name}` the template's own name, `{measure}` a number with its unit; all else stands for itself.
"""

import re
from collections.abc import Iterable

from pipeline.wikipedia.breaks import EMPTY, NOTE

MOST_NAMES = 10_000  # that are remembered as they are written

# Shape to the names of templates.
_EVERYWHERE = {
    "{1}": "abbr|abbrv|angbr|as written|big|center|chem2|citation needed span|cn span|dfn|em"
    "|fontsize|flag|flagcountry|formatnum|gaps|hebrew|hover title|illm|interlanguage link|iw|kbd"
    "|larger|linktext|mvar|nobold|nobr|nobreak|noitalic|not a typo|nowr|nowrap|nts|number"
    "|proper name|rtl-para|sc|serif|sic|small|small caps|smallcaps|smaller|strong|sub|sup|tooltip"
    "|tt|val|vanchor|var|visible anchor|xt",
    "{lt/1}": "ill|interlanguage link multi|link-interwiki|red link",
    "{text/quote/1}": "block quote|blockquote|cquote|quotation|quote|rquote",
    "{2}": "audio|color|colour|font color|lang|langue|langx|llang|native phrase|resize|wikt-lang",
    "{2/1}": "w",
    "{-1}": "translit|transl|transliteration|tlit|xlit",
    "{measure}": "conv|convert|cvt|eenheid|unidad|unidade|unit|unità|unité",
    "{1} ({2}, {3})": "korean name|nihongo",
    "{1}/{2}": "frac|fraction|sfrac",
    "as of {1}": "as of|asof",
    "c. {1}": "c.|circa",
    "{name} {1}": "hmas|hmcs|hms|rms|ss|uss",
    "{1} {2}": "ship",
    "US${1}": "us$|usd",
    "£{1}": "gbp|£",
    "€{1}": "eur|euro|€",
    "₹{1}": "inr|indian rupee|₹",
    " – ": "dash|snd|sndash|snds|spaced dash|spaced en dash|spaced endash|spaced ndash|spnd"
    "|spndash",
    "–": "en dash|endash|ndash",
    " — ": "smd|spaced em dash|spaced mdash",
    "—": "em dash|emdash|mdash",
    "-": "hyphen|nbh|nbhyph|nbhyphen",
    " · ": "dot|interpunct|mdot|middot|·",
    " • ": "bull|bullet|•",
    " ": "0|hair space|hairsp|indent|nbsp|nnbsp|sp|space|spaces|thin space|thinsp",
    "\n": "-|br|break|clear|clr|crlf|paragraph break|pb",
    f"{EMPTY}'{EMPTY}": "'|apostrophe|apos",
    f"{EMPTY}'s{EMPTY}": "'s",
    '"': '"',
    "=": "=",
    "ʻ": "okina|ʻ",
    "*": "*|asterisk",
    "": "anchor|anchors|j|nowrap begin|nowrap end|nowrap/begin|nowrap/end|shy|toc|use dmy dates"
    "|use mdy dates|wbr|wj|zwj|zwnj|zwsp",
    NOTE: "according to whom|attribution needed|better source|better source needed|by whom"
    "|citation needed|cite needed|clarify|cn|dead link|disambiguation needed|dn|dubious|efn"
    "|efn-lr|efn-ua|fact|failed verification|full citation needed|harvsp|note|note label|notetag"
    "|odn|page needed|pn|r|ref|ref label|refn|rp|sfn|sfnm|sfnp|specify|unreliable source?|vague"
    "|verify|when|where|which|who|whom|why",
}
# What only one language's Wikipedia calls so, or shows so.
_IN_LANGUAGE = {
    "ar": {"{1}": "إنج|ألم|فرن|لات", "{نص/عر/1}": "وإو|وصلة إنترويكي"},
    "de": {
        "{1}": '"|höhe|kapitälchen|zitat',
        "{2}": "farbe",
        "{measure}": "maß",
        "": "absatz|anker|nowrap ende",
        NOTE: "belege|fn|fnz",
        # {{enS|…}} is English writing
        "{1} ": "ars|css|das|els|ens|ess|fas|fis|frs|grcs|grs|hes|hus|its|jas|kos|las|nls|nos"
        "|pls|pts|rus|srs|svs|trs|uks|zhs",
    },
    "es": {
        "{1}": "cita|esd|nobr|versalita",
        "{1} {2}": "siglo",
        NOTE: "cita requerida|quién|refn|añadir referencias",
    },
    "fa": {"{1}": "به انگلیسی|به عربی|به فرانسوی|به آلمانی"},
    "fr": {
        "{1}": "abr|abrd|abréviation|abréviation discrète|cita|citation|citation bloc|exp|guil"
        "|incise|ind|petites capitales|refnec|référence nécessaire|romain|référence souhaitée"
        "|souverain",
        "{texte/2}": "lang|langue",
        "{texte/fr/1}": "lien",
        "{name} {1}": "dr|m.|me|mgr|mlle|mme|pr",
        "{1}{2} siècle": "s|s-|s mini-",
        "{1}{2} siècle av. J.-C.": "-s|-s-",
        "{1} {2} {3}": "date|date-",
        "{1} ({2}, {3})": "japonais",
        "no {1}": "n°|no|numéro",
        "{name}": "e|er|re|nd|nde|1er|1re|ier|ire|iie|iiie|ive|xe siècle|xie siècle|xiie siècle"
        "|xiiie siècle|xive siècle|xve siècle|xvie siècle|xviie siècle|xviiie siècle|xixe siècle"
        "|xxe siècle|xxie siècle",
        "{measure}": "heure|nombre|unité/2",
        "": "ancre",
        NOTE: "passage à actualiser|quand|qui|note",
    },
    "it": {
        "{1}": "citazione|maiuscoletto|nobr",
        "{1} {2}{3}{u/ul}": "m",
        "{measure}": "unità",
        NOTE: "citazione necessaria|chi|cn|senza fonte",
    },
    "ja": {
        "{1}": "要出典範囲|色",
        "{1} ({2})": "ふりがな|ルビ|読み|読み仮名|読み仮名 ruby不使用",
        "{label/1}": "仮リンク|日本語版にない記事リンク",
        NOTE: "いつ|どこ|誰|要出典|要説明|refnest",
    },
    "ko": {"{1} ({2})": "한자|한글|llang2", "{1}": "임시링크", NOTE: "출처"},
    "pt": {
        "{1}": "citação|nobr|versalete",
        "{measure}": "fmtn",
        "século {1}": "séc|século",
        NOTE: "carece de fontes|quem|quando|nre",
    },
    "ru": {
        "{1}": "s|comment|цитата|начало цитаты|число",
        "{текст/2/надо/1}": "нп|нп1|нп2|нп3|нп4|нп5|не переведено|не переведено 3"
        "|не переведено 4|не переведено 5",
        NOTE: "где|когда|кто|нет аи|уточнить|sfn-multi|что",
    },
    "tr": {"{2}": "dil"},
    "uk": {
        "{1}": "s|число",
        "{текст/2/треба/1}": "нп|нп3|нп5|не перекладено",
        NOTE: "джерело|коли|хто|уточнити",
    },
    "zh": {
        "{1}": "le|link|en-link|internal link helper|link-en|link-fr|link-de|link-ja|nobr",
        "{3/2}": "tsl|translink",
        "{1} ({2})": "ruby",
        NOTE: "來源請求|来源请求|fact|何时|谁",
    },
}
# Families: {{lang-fr|…}}, {{ill-de|…}}, {{script/Arabic|…}}. Parser functions: {{lc:…}}.
_MARK_OF_FAMILY = re.compile(r"[-/:]")
_FAMILY = re.compile(r"(?:lang|ill|link|script|internal link helper)[-/][^{}|]{1,30}")
_FUNCTION = re.compile(r"(?:formatnum|lc|uc|lcfirst|ucfirst):")
_NOTE_FUNCTION = "#tag:ref"

_FIELD = re.compile(r"\{([^{}]*)\}")
_PLACES = {"{1}": 1, "{2}": 2}  # the commonest shapes
_JOINERS = {
    *("to", "and", "or", "by", "x", "xx", "×", "-", "–", "to(-)", "and(-)", "+/-", "±", "+", "*"),
    *("et", "à", "e", "y", "a", "und", "bis"),
}


class Shapes(dict[str, str | None]):
    """The shape of each template by its name as it is written; None for one that shows nothing.

    >>> [Shapes()[name] for name in ("Nowrap ", "lang-fr", "lc:ABC", "Infobox ship")]
    ['{1}', '{1}', '{name}', None]
    """

    def __init__(self, languages: Iterable[str] = ()):
        tables = [_EVERYWHERE, *(_IN_LANGUAGE.get(language, {}) for language in languages)]
        rows = [row for table in tables for row in table.items()]
        self.shapes = {name: shape for shape, names in rows for name in names.split("|")}

    def __missing__(self, written: str) -> str | None:
        shape = self.shape_of(written.strip(" \n\t_").replace("_", " ").lower())
        if len(self) < MOST_NAMES:
            self[written] = shape
        return shape

    def shape_of(self, name: str) -> str | None:
        shape = self.shapes.get(name)
        if shape is not None or not _MARK_OF_FAMILY.search(name):
            return shape
        if _FAMILY.fullmatch(name):
            return "{1}"
        if _FUNCTION.match(name):
            return "{name}"
        return NOTE if name == _NOTE_FUNCTION else None


def shown(name: str, shape: str, parameters: str) -> str:
    """What a template shows, whose parameters are given as they are written, with their bars.

    >>> shown("lang", "{2}", "|fr|[[Paris]]|italic=no"), shown("Snd", " – ", "")
    ('[[Paris]]', ' – ')
    >>> shown("convert", "{measure}", "|5|to|10|km|mi"), shown("USS", "{name} {1}", "|Iowa")
    ('5 to 10 km', 'USS Iowa')
    """
    if "{" not in shape:
        return shape
    if shape in _PLACES and "=" not in parameters:
        values = parameters.split("|", maxsplit=_PLACES[shape] + 1)
        return values[_PLACES[shape]].strip() if len(values) > _PLACES[shape] else ""
    if shape == "{measure}":
        return _measure(parameters)
    named = _values(parameters)

    def value(field: re.Match[str]) -> str:
        if field[1] == "name":
            return name.partition(":")[2].strip() if ":" in name else name.strip(" \n_")
        return next((named[key] for key in field[1].split("/") if named.get(key)), "")

    text = _FIELD.sub(value, shape)
    return text.replace(" (, )", "").replace(", )", ")").replace(" ()", "").strip(" ")


def _values(parameters: str) -> dict[str, str]:
    """Named and numbered parameters, and as "-1" the last numbered one.

    >>> _values("|fr|2 = Paris|3=x|rtl=no")
    {'1': 'fr', '-1': 'fr', '2': 'Paris', '3': 'x', 'rtl': 'no'}
    """
    values: dict[str, str] = {}
    n = 0
    for parameter in parameters.split("|")[1:]:
        key, equals, value = parameter.partition("=")
        if not equals:
            n += 1
            values[str(n)] = values["-1"] = parameter.strip()
        else:
            values[key.strip()] = value.strip()
    return values


def _measure(parameters: str) -> str:
    """A number, or several with words between them, and the first unit.

    >>> _measure("|3|x|5|m|ft|abbr=on"), _measure("|7")
    ('3 x 5 m', '7')
    """
    values = [value.strip() for value in parameters.split("|")[1:10] if "=" not in value]
    n = 1
    while n < len(values) - 1 and values[n] in _JOINERS:
        n += 2
    return " ".join(values[: n + 1])
