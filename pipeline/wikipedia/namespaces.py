"""What the wikis of the world's languages call their namespaces, redirects and main pages.

`.ci/wiki_names` prints `wiki_names.tsv` from MediaWiki 1.39.17: its messages files, Scribunto, and
what Parsoid keeps of 19 Wikipedias. Names that are as in English stand only in English's line.
MediaWiki does not know what a wiki adds: the names of the project, of portals and of lists below
are those of the Wikipedias with most views.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("wiki_names.tsv")

# Codes in the addresses of wikis that MediaWiki calls otherwise.
LANGUAGE_OF_WIKI = {
    "simple": "en",
    "no": "nb",
    "als": "gsw",
    "bat-smg": "sgs",
    "be-x-old": "be-tarask",
    "crh": "crh-latn",
    "eml": "egl",
    "fiu-vro": "vro",
    "kk": "kk-cyrl",
    "roa-rup": "rup",
    "sr": "sr-ec",
    "ku": "ku-latn",
    "shi": "shi-latn",
    "tg": "tg-cyrl",
    "zh-classical": "lzh",
    "zh-min-nan": "nan",
    "zh-yue": "yue",
}
# Names of namespaces that only the wiki itself declares: the project, its portals, its annexes.
OWN = {
    "af": "Wikipedia|Portaal",
    "az": "Vikipediya|Portal",
    "be": "Вікіпедыя|Партал",
    "bg": "Уикипедия|Портал",
    "bn": "উইকিপিডিয়া|প্রবেশদ্বার",
    "cy": "Wicipedia|Porth",
    "da": "Portal",
    "el": "Βικιπαίδεια|Πύλη",
    "en": "Wikipedia|Project|Project talk|Book|Book talk|Education Program|MOS|MOS talk",
    "eo": "Vikipedio|Portalo|Projekto",
    "et": "Vikipeedia|Portaal",
    "eu": "Atari|Txikipedia|Wikiproiektu",
    "fr": "Wikipédia|Portail|Projet",
    "gl": "Wikipedia|Portal|Libro",
    "he": "ויקיפדיה|פורטל|ספר|טיוטה",
    "hi": "विकिपीडिया|प्रवेशद्वार",
    "hr": "Wikipedija|Portal|Dodatak",
    "hu": "Wikipédia|Portál",
    "hy": "Վիքիպեդիա|Պորտալ|Վիքինախագիծ",
    "id": "Portal|Draf",
    "it": "Portale|Progetto|Bozza",
    "ja": "ポータル|ポータル‐ノート|プロジェクト|プロジェクト‐ノート",
    "ka": "ვიკიპედია|პორტალი",
    "kk-cyrl": "Уикипедия|Портал|Жоба",
    "ko": "위키백과|들머리|위키프로젝트|초안",
    "la": "Vicipaedia|Porta",
    "lt": "Vikipedija|Vikisritis|Vikiprojektas",
    "lv": "Vikipēdija|Portāls",
    "mk": "Википедија|Портал",
    "ml": "വിക്കിപീഡിയ|കവാടം",
    "mr": "विकिपीडिया|दालन",
    "ms": "Gerbang",
    "nb": "Portal",
    "nl": "Portaal",
    "pl": "Wikiprojekt|Wikipedysta|Wikipedystka|Dyskusja wikipedysty|Dyskusja wikipedystki",
    "pt": "Wikipédia|Anexo|Livro|Rascunho",
    "ro": "Proiect",
    "sk": "Wikipédia|Portál",
    "sl": "Wikipedija|Portal",
    "sq": "Portal",
    "sv": "Portal",
    "ta": "விக்கிப்பீடியா|வலைவாசல்",
    "te": "వికీపీడియా|వేదిక",
    "th": "วิกิพีเดีย|สถานีย่อย",
    "tt": "Википедия|Портал",
    "uk": "Вікіпедія|Портал|Проєкт",
    "ur": "ویکیپیڈیا|باب",
    "uz": "Vikipediya|Portal",
    "vi": "Cổng thông tin|Chủ đề",
}
# Beginnings, or after "…" endings, of titles of lists and the like.
LISTS = {
    "en": "List of |Lists of |Index of |Outline of |Timeline of ",
    "ar": "قائمة |قوائم ",
    "az": "… siyahısı",
    "bg": "Списък на |Списъци на ",
    "ca": "Llista de |Llista d'|Llistes de ",
    "cs": "Seznam |Seznamy ",
    "da": "Liste over |Lister over ",
    "de": "Liste |Listen |Nekrolog ",
    "el": "Κατάλογος |Λίστα ",
    "eo": "Listo de |Listoj de ",
    "es": "Lista de |Listas de |Anexo:|Cronología de ",
    "eu": "… zerrenda",
    "fa": "فهرست ",
    "fi": "Luettelo ",
    "fr": "Liste de |Liste des |Liste du |Liste d'|Liste d’|Listes |Chronologie d",
    "gl": "Lista de |Listas de ",
    "he": "רשימת |רשימות ",
    "hi": "… की सूची",
    "hr": "Popis |Dodatak:Popis ",
    "hu": "… listája",
    "id": "Daftar ",
    "it": "Lista di |Lista de|Liste di |Elenco |Cronologia d",
    "ja": "…一覧|…の年表",
    "ko": "…목록|…연표",
    "ms": "Senarai ",
    "nb": "Liste over |Lister over ",
    "nl": "Lijst van |Lijsten van ",
    "pl": "Lista |Listy ",
    "pt": "Lista de |Lista d|Listas de ",
    "ro": "Lista |Listă |Liste de ",
    "ru": "Список |Списки |Хронология ",
    "sk": "Zoznam ",
    "sl": "Seznam ",
    "sr-ec": "Списак |Spisak ",
    "sv": "Lista över |Listor över ",
    "th": "รายชื่อ|รายการ",
    "tr": "… listesi",
    "uk": "Список |Списки |Перелік ",
    "vi": "Danh sách ",
    "zh": "…列表|…年表",
}
# Main pages that MediaWiki does not know.
MAIN_PAGES = {
    "ar": "الصفحة الرئيسة",
    "ca": "Portada",
    "el": "Πύλη:Κύρια",
    "zh": "首页|首頁",
}


@dataclass(frozen=True)
class Names:
    """What a language calls things: lower case, with spaces."""

    silent: frozenset[str] = (
        frozenset()
    )  # namespaces whose links show no words: media, file, category
    other: frozenset[str] = frozenset()  # all other namespaces but that of articles
    redirect: frozenset[str] = frozenset()  # words of a redirect, without "#"
    main_page: frozenset[str] = frozenset()

    def __or__(self, other: "Names") -> "Names":
        return Names(
            self.silent | other.silent,
            self.other | other.other,
            self.redirect | other.redirect,
            self.main_page | other.main_page,
        )


@cache
def names_of(wiki: str) -> Names:
    """The names that a wiki or a language uses: its own, of those it falls back on, and English.

    An unknown code has English's.

    >>> sorted(names_of("de").silent)
    ['bild', 'category', 'datei', 'file', 'image', 'kategorie', 'media', 'medium']
    """
    code = LANGUAGE_OF_WIKI.get(wiki, wiki)
    names = Names()
    for language in dict.fromkeys([code, *_fallbacks(code), "en"]):
        names |= _table().get(language, ((), Names()))[1]
        names |= Names(
            other=_words(OWN.get(language, "")),
            main_page=_words(MAIN_PAGES.get(language, "")),
        )
    projects = [name for name in names.other if "pedia" in name or name in _own(code)]
    talk = {name.replace("$1", project) for name in names.other for project in projects}
    return names | Names(other=frozenset(talk))


@cache
def all_names() -> Names:
    """The names of all languages together."""
    names = Names()
    for _, of_language in _table().values():
        names |= of_language
    return names


def languages_with(silent: frozenset[str]) -> list[str]:
    """The languages that have all these names of media, files and categories, in lower case.

    None if all are English, which every language knows.

    >>> languages_with(frozenset({"datei", "kategorie"}))[:3]
    ['bar', 'de', 'de-at']
    """
    if silent <= names_of("en").silent:
        return []
    return [code for code in _table() if silent <= names_of(code).silent]


@cache
def no_name(wiki: str) -> re.Pattern[str]:
    """Matches the titles of a wiki that name nothing: other namespaces, lists, the main page, "-".

    A title has spaces, no underscores.

    >>> [bool(no_name("de").match(title)) for title in ("Spezial:Suche", "Liste der Hunde", "Hund")]
    [True, True, False]
    """
    code = LANGUAGE_OF_WIKI.get(wiki, wiki)
    names = names_of(wiki)
    # A name of one letter (H:, P:) begins films and albums, too; one of Hangul is a word (틀:).
    every = names.silent | names.other
    prefixes = sorted(name for name in every if len(name) > 1 or name.upper() == name)
    namespace = "|".join(re.escape(name) for name in prefixes)
    main_page = "|".join(re.escape(name) for name in sorted(names.main_page))
    lists = "|".join(_list_patterns(code))
    return re.compile(rf"(?i:(?:{namespace}) ?:|(?:{main_page})$)|{lists}|-?$")


def _list_patterns(code: str) -> Iterator[str]:
    for language in dict.fromkeys([code, *_fallbacks(code), "en"]):
        for words in filter(None, LISTS.get(language, "").split("|")):
            ending = words.removeprefix("…")
            yield re.escape(words) if ending == words else rf".*{re.escape(ending)}$"


def _words(text: str) -> frozenset[str]:
    """The words in lower case; one with "İ" as Unicode and as Turks write it: "i̇", "i"."""
    lower = text.lower()
    return frozenset(f"{lower}|{lower.replace('i̇', 'i')}".split("|")) - {""}


def _own(code: str) -> frozenset[str]:
    return _words(OWN.get(code, "").partition("|")[0])


def _fallbacks(code: str) -> tuple[str, ...]:
    return _table().get(code, ((), Names()))[0]


@cache
def _table() -> dict[str, tuple[tuple[str, ...], Names]]:
    """Of each language those it falls back on, and its names."""
    table = {}
    for line in TABLE.read_text("utf-8").splitlines():
        code, fallbacks, *columns = line.split("\t")
        table[code] = (tuple(filter(None, fallbacks.split("|"))), Names(*map(_words, columns)))
    return table
