"""What the pages of one wiki mean by the names in their links and templates."""

from dataclasses import dataclass, field
from functools import cache

from pipeline.wikipedia.namespaces import all_names, languages_with, names_of
from pipeline.wikipedia.templates import Shapes


@dataclass(frozen=True)
class Site:
    """A wiki: namespaces whose links show no words, and the templates that show some."""

    silent: frozenset[str]  # lower case, with spaces
    shapes: Shapes = field(compare=False)


@cache
def site_of(language: str = "", silent: frozenset[str] = frozenset()) -> Site:
    """The wiki of a language whose export declares these names for media, files and categories.

    Where an export does not say its language, all languages with the same names are taken, and
    all of the world if it declares none, either.
    """
    declared = frozenset(name.lower().replace("_", " ") for name in silent)
    languages = [language] if language else languages_with(declared)
    names = [names_of(code).silent for code in languages] or [all_names().silent]
    return Site(declared.union(*names), Shapes(languages))
