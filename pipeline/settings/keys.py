"""The keys of a section of the settings, for who misspells one."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args, get_origin

from pipeline.settings.values import Section
from queries.tables.faults import nearest


def hint(top: type[Section], place: tuple[int | str, ...]) -> str:
    """What may have been meant by an unknown key at this place: "; did you mean cap?", or "".

    A key that another section has is told with it, as in "; did you mean selection.cap?".
    """
    *above, key = place
    sections = [top]
    for step in above:
        sections = list(_below(sections, step))
    own = nearest(key, sorted({name for section in sections for name in section.model_fields}))
    elsewhere = [name for name in dotted(top) if name.rpartition(".")[2] == str(key)]
    guess = " or ".join(list(dict.fromkeys(elsewhere))[:2]) or own
    return f"; did you mean {guess}?" if guess else ""


def dotted(section: type[Section], before: str = "") -> Iterator[str]:
    """Every key below a section, such as "selection.cap"; of lists of tables "sources.name"."""
    for name, field in section.model_fields.items():
        yield before + name
        for below in dict.fromkeys(sections_of(field.annotation)):
            yield from dotted(below, f"{before}{name}.")


def sections_of(annotation: Any) -> Iterator[type[Section]]:
    """The sections that a value of this type may be, in lists and unions too."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    elif get_origin(annotation) is not Literal:
        parts = get_args(annotation)
        for part in parts[:1] if get_origin(annotation) is Annotated else parts:
            yield from sections_of(part)


def _below(sections: list[type[Section]], step: int | str) -> Iterator[type[Section]]:
    """The sections at the next step of a place: a key, a number in a list, or a kind's tag."""
    for section in sections:
        if step in section.model_fields:
            yield from sections_of(section.model_fields[str(step)].annotation)
        elif isinstance(step, int) or step in (kinds(section) or (step,)):
            yield section


def kinds(section: type[Section]) -> tuple[str, ...]:
    """The values of `kind` that choose this section, where it is one of several."""
    field = section.model_fields.get("kind")
    return get_args(field.annotation) if field else ()
