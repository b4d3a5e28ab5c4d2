"""docs/settings.md: every setting, drawn from the models and from the comments beside them.

`python -m tests.settings_page` writes the page; with `--check` it only says whether it is current.
"""

import dataclasses
import inspect
import io
import json
import re
import sys
import tokenize
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import AfterValidator
from pydantic_core import PydanticUndefined

from pipeline.settings import values
from pipeline.settings.keys import kinds, sections_of
from pipeline.settings.values import Section, SpeltAs
from pipeline.settings.whole import Settings
from tests import ROOT
from trainer.settings import Means, Recipe, TrainSettings

PAGE = ROOT / "docs/settings.md"
HEAD = """# Settings

Every setting of a build and of a run, with its type and its default; what has none must be set. The
page is drawn from the code by `python -m tests.settings_page`, and a test holds it current.

A build's settings are one TOML, `luigi --module pipeline BuildWIT --settings my.toml`. It is
checked whole before any work: each fault is a line with the key, the value and what was expected,
and an unknown key with the one that was probably meant. Paths start at the TOML's folder, and
`package:NAME/PATH` is a file of an installed package.
"""
TRAINER = """
# Settings of a run

`python -m trainer train --settings run.toml`; most are options of the command, too. What a recipe
leaves out is as the papers have it for the model ([training.md](training.md)).
"""
NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false"}
TYPES = (  # of pipeline/settings/values.py, which check more than their type says
    (values.ExistingPath, "a path that exists, or an address that can be read"),
    (values.DownloadOrFile, "a file or an address"),
    (values.DownloadsOrFiles, "a list of files, folders, patterns and addresses"),
    (
        values.FirstExisting,
        "a list of paths, of which the first that exists is taken, or an address",
    ),
    (values.RemoteOrExisting, "a path or an address"),
    (values.RemoteOrFiles, "a path, a pattern or an address"),
)
BOUNDS = {Ge: "≥ {}", Gt: "> {}", Le: "≤ {}", Lt: "< {}"}
LONG = 60  # characters of a default that is shown


def page() -> str:
    sections = list(below(Settings, "", False))
    keys: dict[type, str] = {}
    for key, section, _ in sections:
        if key.count(".") <= keys.get(section, key).count("."):
            keys[section] = key  # of a section that stands at two places, the upper
    parts = [HEAD]
    for key, section, repeated in sections:
        parts.append(section_text(section, key, repeated, keys))
    parts.append(TRAINER)
    for key, run_section in (("", TrainSettings), ("recipe", Recipe), ("means", Means)):
        parts.append(section_text(run_section, key, False, {}))
    return "\n".join(part.strip() + "\n" for part in parts)


def below(section: type[Section], key: str, repeated: bool) -> Iterator[tuple[str, type, bool]]:
    """(key, section, whether it is a list of tables) of a section and of all below it."""
    yield key, section, repeated
    for name, field in section.model_fields.items():
        of_list = get_origin(_bare(field.annotation)) is tuple
        for one in dict.fromkeys(sections_of(field.annotation)):
            yield from below(one, f"{key}.{name}".strip("."), of_list)


def section_text(section: type, key: str, repeated: bool, keys: dict[type, str]) -> str:
    """A heading, what the section is for, and a table of its settings.

    `keys`: where each section is described; what is described elsewhere is only named.
    """
    chosen = kinds(section) if issubclass(section, Section) else ()
    title = f"`[[{key}]]`" if repeated else f"`[{key}]`" if key else "Of all"
    title += f", `kind = {json.dumps(chosen[0])}`" if chosen else ""
    above = [of for of in section.__mro__[1:] if of in keys]
    if keys.get(section, key) != key:
        return f"## {title}\n\nThe keys of `[{keys[section]}]`."
    paragraphs = [f"## {title}", _safe((inspect.getdoc(section) or "").strip())]
    if above:
        paragraphs.append(f"The keys of `[{keys[above[0]]}]`, and:")
    inherited = {name for of in above for name, _, _ in fields(of)}
    said = remarks(section)
    rows = [
        f"| `{name}` | {type_text(kind)} | {default_text(default)} | {said.get(name, '')} |"
        for name, kind, default in fields(section)
        if name != "kind" and name not in inherited and not nested(kind)
    ]
    if rows:
        head = ["| key | type | default | what it is |", "|---|---|---|---|"]
        paragraphs.append("\n".join([*head, *rows]))
    return "\n\n".join(filter(None, paragraphs))


def nested(kind: Any) -> bool:
    """Whether the value is a section, or a list of them, which has a heading of its own."""
    if dataclasses.is_dataclass(kind):
        return True
    return next(sections_of(kind), None) is not None and get_origin(_bare(kind)) is not dict


def fields(section: type) -> Iterator[tuple[str, Any, Any]]:
    """(name, type, default) of each setting of a model or of a dataclass."""
    hints = get_type_hints(section, include_extras=True)
    if issubclass(section, Section):
        for name, field in section.model_fields.items():
            yield name, hints[name], field.default
        return
    for one in dataclasses.fields(section):
        made = one.default_factory is not dataclasses.MISSING
        default = one.default_factory() if made else one.default
        none = default is dataclasses.MISSING
        yield one.name, hints[one.name], PydanticUndefined if none else default


def type_text(kind: Any) -> str:
    """A type in words: "whole number, ≥ 1"."""
    if get_origin(kind) is Annotated:
        for named, words in TYPES:
            if get_args(kind)[:2] == get_args(named)[:2]:
                return words
        bare, *checks = get_args(kind)
        return ", ".join(dict.fromkeys([form(checks) or type_text(bare), *bounds(checks)]))
    if get_origin(kind) is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in get_args(kind))
    if get_origin(kind) is tuple:
        args = get_args(kind)
        if args[-1] is Ellipsis:
            return f"list of: {type_text(args[0])}"
        return f"list of {len(args)}: {type_text(args[0])}"
    if get_origin(kind) is dict:
        return f"table of: {type_text(get_args(kind)[1])}"
    if get_origin(kind) in (Union, type(int | None)):
        parts = (type_text(part) for part in get_args(kind) if part is not type(None))
        return " or ".join(dict.fromkeys(parts))
    if isinstance(kind, type) and issubclass(kind, Section):
        return "table"
    return NAMES.get(kind, str(kind))


def form(checks: list[Any]) -> str:
    """What text of a form should be, in the words of its check."""
    funcs = [check.func for check in checks if isinstance(check, AfterValidator)]
    return next((func.expected for func in funcs if isinstance(func, SpeltAs)), "")


def bounds(checks: list[Any]) -> Iterator[str]:
    for check in checks:
        for one in [check, *getattr(check, "metadata", ())]:
            for kind, words in BOUNDS.items():
                if isinstance(one, kind):
                    yield words.format(f"{getattr(one, kind.__name__.lower()):,}")
            if isinstance(one, MinLen):
                yield "not empty"
            if isinstance(one, MaxLen):
                yield f"at most {one.max_length} characters"


def default_text(default: Any) -> str:
    if default is PydanticUndefined:
        return "none: must be set"
    if default is None:
        return "not set"
    if isinstance(default, Section):
        return "as below"
    text = json.dumps(default, ensure_ascii=False)
    if len(text) > LONG:
        text = f"{text[: LONG - 20]} …"
    return f"`{text}`"


def remarks(section: type) -> dict[str, str]:
    """What the comments say of each setting, those of inherited ones too."""
    said: dict[str, str] = {}
    for of in reversed(section.__mro__):
        if of.__module__.startswith(("pipeline.", "trainer.")):
            said |= own_remarks(of)
    return said


def own_remarks(section: type) -> dict[str, str]:
    """What the comments in a class say of each setting: above it, or at the end of its lines."""
    source = inspect.getsource(section)
    said: dict[str, list[str]] = {}
    above: list[str] = []
    name, depth, fresh = "", 0, True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and not token.string.startswith(("# noqa", "# type:")):
            own_line = not token.line[: token.start[1]].strip()
            (above if own_line and not depth else said.setdefault(name, [])).append(
                token.string.lstrip("# ").strip()
            )
        elif token.type == tokenize.OP and token.string in "([{":
            depth += 1
        elif token.type == tokenize.OP and token.string in ")]}":
            depth -= 1
        elif token.type == tokenize.NAME and fresh and token.start[1] == 4:
            name = token.string
            said.setdefault(name, []).extend(above)
            above = []
        fresh = token.type in (tokenize.NEWLINE, tokenize.NL, tokenize.INDENT) or (
            fresh and token.type == tokenize.COMMENT
        )
    return {name: _safe(" ".join(lines)) for name, lines in said.items() if lines}


def _safe(text: str) -> str:
    """A comment as Markdown, with the pages of the docs, which stand beside this one, as links."""
    text = text.replace("<", "&lt;").replace("|", "\\|").replace("None:", "not set:")
    return re.sub(r"\bdocs/(\w+\.md)\b", r"[\1](\1)", text)


def _bare(kind: Any) -> Any:
    return _bare(get_args(kind)[0]) if get_origin(kind) is Annotated else kind


def main(words: list[str]) -> int:
    current = page()
    stale = not PAGE.exists() or PAGE.read_text() != current
    if stale and "--check" not in words:
        PAGE.write_text(current)
    if stale:
        print(f"{PAGE}: was not current: python -m tests.settings_page")
    return 1 if stale and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
