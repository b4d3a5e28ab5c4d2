"""The row filters as a plain loop; tests check that the vectorised rules give equal results."""

import re
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import fasttext
import regex

from pipeline.filters.captions import (
    ADDRESS,
    CAMERA_NAME,
    FILE_NAME,
    is_mojibake,
    read_blocked,
    whole,
    with_words,
)
from pipeline.filters.hosts import host_reason
from pipeline.filters.language_model import codes_of
from pipeline.filters.placeholders import chosen
from pipeline.settings.whole import FilterSettings
from pipeline.text import words
from pipeline.text.languages import Code, code_of, scripts_of

CAMERA, FILE, WEB = map(re.compile, map(whole, (CAMERA_NAME, FILE_NAME, ADDRESS)))
LETTER = regex.compile(r"[\p{L}\p{M}]")
CAPITALS = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def reason(url_key: str, caption: str, settings: FilterSettings) -> tuple[str | None, str | None]:
    """(reason, language) of one row."""
    found = url_reason(url_key, settings) or caption_reason(caption, settings)
    if found or not settings.language_model:
        return found, None
    name, reason = language(caption, settings)
    return reason, name


def url_reason(url_key: str, settings: FilterSettings) -> str | None:
    _, _, host, path = url_key.split("/", 3)
    found = host_reason(re.sub(":[0-9]+$", "", host))
    if found == "url_bad_host" and settings.drop_bad_hosts:
        return found
    if found == "url_private_host" and not settings.allow_private_hosts:
        return found
    _, dot, ending = path.partition("?")[0].rpartition(".")
    return "url_not_picture" if dot and ending.lower() in settings.not_pictures else None


def caption_reason(caption: str, settings: FilterSettings) -> str | None:
    n_words, n_characters = len(caption.split()), len(caption.strip())
    if n_words < settings.min_words or n_characters < settings.min_characters:
        return "caption_too_short"
    if n_words > (settings.max_words or n_words):
        return "caption_too_long"
    if n_characters > (settings.max_characters or n_characters):
        return "caption_too_long"
    lower = caption.translate(CAPITALS)
    if settings.drop_urls and WEB.fullmatch(lower):
        return "caption_is_url"
    if settings.drop_file_names and is_file_name(lower, settings.file_name_words):
        return "caption_is_file_name"
    if settings.drop_mojibake and is_mojibake(caption):
        return "caption_mojibake"
    n_visible = len(caption) - sum(map(str.isspace, caption))
    n_letters = len(LETTER.findall(caption))
    if (n_letters / n_visible if n_visible else 0) < settings.min_letter_share:
        return "caption_mostly_digits"
    found = words(caption)
    key = " ".join(found)
    if is_placeholder(lower, key, settings.placeholders):
        return "caption_placeholder"
    if (1 - len(set(found)) / len(found) if found else 0) > settings.max_repeated_share:
        return "caption_repeats"
    if any(f" {one} " in f" {key} " for one in blocked(settings.blocked_words)):
        return "caption_blocked"
    return None


def is_file_name(lower: str, n_words: int) -> bool:
    if CAMERA.fullmatch(lower):
        return True
    described = n_words and re.search(with_words(n_words), lower, re.DOTALL)
    return bool(FILE.fullmatch(lower)) and not described


def is_placeholder(lower: str, key: str, placeholders: tuple[str, ...]) -> bool:
    lines = chosen(placeholders)
    if any(fits(f" {key}", phrase.split()) for phrase in lines["phrases"]):
        return True
    whole_text = any(re.fullmatch(whole(line), lower) for line in lines["whole"])
    return whole_text or any(re.search(line, lower) for line in lines["anywhere"])


def fits(rest: str, pieces: list[str]) -> bool:
    """Whether the rest of a key, each word behind a space, is a phrase of these pieces."""
    if not pieces:
        return not rest
    piece, later = pieces[0], pieces[1:]
    if piece == "…":
        skipped = range(1, len(rest) + 1) if rest.startswith(" ") else ()
        return any(fits(rest[at:], later) for at in (0, *skipped))
    if piece == "#":
        n_digits = len(re.match(" ?([0-9]*)", rest)[1])
        start = int(rest.startswith(" "))
        return any(fits(rest[start + n :], later) for n in range(1, n_digits + 1))
    if piece.endswith("?"):
        return fits(rest, later) or fits(rest, [piece[:-1], *later])
    words = [f" {word}" for word in alternatives(piece)]
    return any(rest.startswith(word) and fits(rest[len(word) :], later) for word in words)


@cache
def alternatives(piece: str) -> list[str]:
    return [" ".join(words(text)) for text in piece.split("|")]


@lru_cache
def blocked(paths: tuple[str, ...]) -> set[str]:
    return {key for path in paths for key in read_blocked(Path(path))}


@lru_cache
def model(path: str) -> Any:
    return fasttext.load_model(path)


def language(caption: str, settings: FilterSettings) -> tuple[str, str | None]:
    n_capital, n_small = sum(map(str.isupper, caption)), sum(map(str.islower, caption))
    if n_capital and n_capital >= n_small:
        return look(caption.lower(), settings)
    written = look(caption, settings)
    lower = written if not written[1] else look(caption.lower(), settings)
    return written if lower[1] else lower


def look(caption: str, settings: FilterSettings) -> tuple[str, str | None]:
    """Of the languages that the letters allow, the likeliest, and whether a wanted one is near."""
    labels, p = model(settings.language_model).predict(caption.replace("\n", " "), -1)
    scores = dict(zip(labels, p, strict=True))
    codes = codes_of(model(settings.language_model).get_labels(), settings.language_model)
    wanted = wanted_labels(codes, settings.languages)
    fits = [label for label in scores if may_be(codes[label], caption)]
    best = next(iter([*fits, *scores]))
    if not any(may_be(codes[label], caption) for label in wanted):
        return str(codes[best]), "wrong_script"
    for label in set(fits) & wanted:
        odds = value(settings.language_odds, codes[label], 3.0)
        least = value(settings.language_min_score, codes[label], 0.0)
        if scores[label] >= max(scores[best] / odds, least):
            return str(codes[best]), None
    return str(codes[best]), "wrong_language"


def wanted_labels(codes: dict[str, Code], languages: tuple[str, ...]) -> set[str]:
    wanted = [code_of(text) for text in languages]
    return {
        label
        for label, code in codes.items()
        if not wanted or any(one and one.includes(code) for one in wanted)
    }


def may_be(code: Code, caption: str) -> bool:
    """Whether a tenth of the letters is of a script that the language is written in."""
    scripts = "".join(rf"\p{{Script={name}}}" for name in scripts_of(code))
    letters = regex.findall(r"(?V1)[\p{L}--[\p{Script=Common}\p{Script=Inherited}]]", caption)
    good = regex.findall(f"[{scripts}]", "".join(letters)) if scripts else letters
    return not letters or len(good) / len(letters) >= 0.1


def value(values: float | dict[str, float], code: Code, default: float) -> float:
    if not isinstance(values, dict):
        return values
    found = {text: n for text, n in values.items() if text != "other"}
    fits = [(len(text), n) for text, n in found.items() if code_of(text).includes(code)]
    return max(fits)[1] if fits else values.get("other", default)
