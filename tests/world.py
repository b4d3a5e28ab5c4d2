"""A small worldwide build: English and German lists; captions of both, and French ones."""

from pathlib import Path

from tests.small_build import LUIGI, PAGE, Small

ENGLISH = [
    "an old house beside the quiet lake",
    "a photograph of the old house in winter",
    "the children are playing with a kite in the garden",
    "a boat in the harbour in front of the old bridge",
    "my hand holds the rope of the boat",
]
GERMAN = [
    "ein altes Haus steht neben dem stillen See",
    "die Kinder spielen mit einem Drachen im Garten",
    "das Boot liegt im Hafen unter der alten Brücke",
    "meine Hand hält das Seil und das Boot",
]
FRENCH = [
    "une vieille maison au bord du lac tranquille",
    "le bateau est dans le port devant le vieux pont",
]
LANGUAGE = """
[[languages]]
code = "{code}"
n = 60
articles = ["{code}.xml"]
word_min = 1
bigram_min = 2
pmi_min = 0.0
title_quota = 0
{more}
"""


class World(Small):
    """The inputs of Small, with articles and captions in several languages."""

    def __post_init__(self):
        super().__post_init__()
        for code, texts in {"en": ENGLISH, "de": GERMAN, "fr": FRENCH}.items():
            text = ". ".join(texts * 2)
            page = PAGE.format(title="A", ns=0, number=1, redirect="", text=text)
            (self.folder / f"{code}.xml").write_text(f"<mediawiki>{page}</mediawiki>")

    def caption(self, one: int) -> tuple[str, str]:
        url, _ = super().caption(one)
        texts = (ENGLISH, ENGLISH, GERMAN, ENGLISH, FRENCH)[one % 5]
        return url, f"{texts[one // 5 % len(texts)]} {one}"

    def world(
        self, language_model: str, languages: dict[str, str], filters: str = "", **settings: int
    ) -> Path:
        """The settings: what each language has beyond its inputs, as lines of TOML."""
        path = self.settings(**settings)
        text = path.read_text()
        start, stop = text.index("[queries]"), text.index("[[sources]]")
        made = "".join(LANGUAGE.format(code=code, more=more) for code, more in languages.items())
        text = text[:start] + made + text[stop:]
        model = f'[filters]\nlanguage_model = "{language_model}"\n{filters}\n'
        path.write_text(text.replace("[filters]\n", model))
        return path


__all__ = ["ENGLISH", "FRENCH", "GERMAN", "LUIGI", "World"]
