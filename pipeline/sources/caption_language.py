"""In which language captions are, by their letters and small words: a guess for a person."""

import re
from collections import Counter
from collections.abc import Iterable

WORD = re.compile(r"[^\W\d_]+")
LEAST_LETTERS = 0.3  # share of the letters that a script other than the Latin one must have
LEAST_WORDS, LEAST_SHARE = 5, 0.04  # small words that tell a language, and their share of the words
LEAD = 1.5  # times as many as of the next language

# Scripts by their letters; where several languages write one, a letter that only the first has.
SCRIPTS = (
    ("[ぁ-ヿ]", "ja", 0.02),
    ("[가-힣]", "ko", LEAST_LETTERS),
    ("[一-鿿]", "zh", LEAST_LETTERS),
    ("[іїєґІЇЄҐ]", "uk", 0.02),
    ("[а-яА-ЯёЁ]", "ru", LEAST_LETTERS),
    ("[α-ωΑ-Ωά-ώ]", "el", LEAST_LETTERS),
    ("[א-ת]", "he", LEAST_LETTERS),
    ("[پچژگ]", "fa", 0.02),
    ("[ء-ي]", "ar", LEAST_LETTERS),
    ("[ก-๙]", "th", LEAST_LETTERS),
    ("[ऀ-ॿ]", "hi", LEAST_LETTERS),
)
# Articles, prepositions and the like, but for those that two of these languages share.
SMALL_WORDS = {
    "en": "the and with of for from at by this is",
    "de": "der das und mit auf für ein eine im vom zum bei",
    "fr": "le les et des une dans avec sur pour du au",
    "es": "el los las una con del y para por en",
    "it": "il gli della di nel con che per sul una",
    "pt": "uma com do dos da em não ao pela para",
    "nl": "het een van met op voor bij uit",
    "sv": "och ett med på av från till vid",
    "pl": "z na i w się do nad przy",
    "cs": "na v se s a u při pod",
    "fi": "ja on sekä kanssa tai",
    "tr": "ve bir ile için olan",
    "hu": "az és egy a egyik",
    "id": "dan di yang dengan untuk dari",
    "vi": "và của trong một với",
    "ro": "și cu în din pe la",
}
OF_WORD = {language: frozenset(words.split()) for language, words in SMALL_WORDS.items()}


def language_of(captions: Iterable[str]) -> str | None:
    """The code of the language, or None where it cannot be told.

    >>> language_of(["ein Haus mit rotem Dach", "der Hund und das Kind auf der Wiese"])
    'de'
    >>> language_of(["красный дом"]), language_of(["赤い家の写真"]), language_of(["IMG 0412"])
    ('ru', 'ja', None)
    """
    text = " ".join(captions)
    words = [word.lower() for word in WORD.findall(text)]
    n_letters = sum(map(len, words)) or 1
    for letters, language, share in SCRIPTS:
        if len(re.findall(letters, text)) >= share * n_letters:
            return language
    counts = Counter(
        language for word in words for language, small in OF_WORD.items() if word in small
    )
    (best, most), (_, next_most) = (*counts.most_common(2), ("", 0), ("", 0))[:2]
    if most < max(LEAST_WORDS, LEAST_SHARE * len(words)) or most < LEAD * next_most:
        return None
    return best
