"""Prompts: templates with `{c}` for the class or the caption, and prompts of a class's own."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.evaluation.sets.files import read_lines, read_text
from trainer.settings import TrainerError

TEMPLATES = "zeroshot_classification_templates.txt"
DEFAULT_TEMPLATES = ("a photo of a {c}.",)  # CLIP, section 3.1.4
BARE_TEMPLATES = ("{c}",)  # what the default is tried against: icons want no "photo of"
CAPTION_TEMPLATES = ("a photo of {c}",)  # CLIP, section 3.1.4: what retrieval prepends
DEFAULT = "default"  # key of the templates of sets without their own

Templates = list[str] | dict[str, list[str]]  # of a set, or prompts of each of its classes


def in_templates(text: str, templates: Sequence[str]) -> list[str]:
    """
    >>> in_templates("cat", ["a {c}.", "no {c}"])
    ['a cat.', 'no cat']
    """
    return [template.replace("{c}", text) for template in templates]


def read_templates(path: Path | None) -> dict[str, Templates]:
    """The templates by set, or `default`: of [templates] in a TOML, or of CLIP_benchmark's JSON.

    A set has a list of templates, or a table of its classes with the prompts of each.
    """
    if path is None:
        return {}
    by_set = _json(path) if path.suffix.lower() == ".json" else _toml(path)
    for name, templates in by_set.items():
        _check_set(templates, f"{path}: {name}")
    return {name.removeprefix("wds/"): templates for name, templates in by_set.items()}


def _toml(path: Path) -> dict[str, Templates]:
    try:
        toml = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        raise TrainerError(f"{path}: {error}, expected a TOML of templates") from None
    by_set = toml.pop("templates", None)
    if toml or not isinstance(by_set, dict):
        raise TrainerError(f"{path}: {', '.join(toml) or 'empty'}, expected [templates] alone")
    return by_set


def _json(path: Path) -> dict[str, Templates]:
    try:
        by_set = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise TrainerError(f"{path}: {error}, expected a JSON of templates") from None
    if not isinstance(by_set, dict):
        raise TrainerError(f"{path}: {type(by_set).__name__}, expected templates by set")
    return by_set


def _check_set(templates: object, where: str) -> None:
    if isinstance(templates, dict) and templates:
        for name, prompts in templates.items():
            if not _is_texts(prompts) or not prompts:
                raise TrainerError(f"{where}: {name} {prompts!r:.80}, expected a list of prompts")
    elif not _is_texts(templates):
        raise TrainerError(f"{where} {templates!r:.80}, expected a list of templates")
    else:
        _check(templates, where)  # type: ignore[arg-type]


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _check(templates: list[str], where: str) -> list[str]:
    for template in templates or [""]:
        if "{c}" not in template:
            raise TrainerError(f"{where}: template {template!r}, expected one with {{c}}")
    return templates


def templates_of(root: Path, by_set: Mapping[str, Templates], default: Sequence[str]) -> Templates:
    """Those of `by_set` by the folder's name, else the folder's own, else the default's."""
    own, name = root / TEMPLATES, root.resolve().name
    if name in by_set:
        return by_set[name]
    if own.is_file():
        return _check([line for line in read_lines(own) if line], str(own))
    templates = by_set.get(DEFAULT, list(default))
    if isinstance(templates, dict):
        raise TrainerError(f"{DEFAULT}: prompts of classes, expected templates for any set")
    return templates


def need_prompts(prompts: Mapping[str, list[str]], classes: Sequence[str], root: Path) -> None:
    """Raise TrainerError if a class has no prompts of its own where others have."""
    if lacks := [name for name in classes if name not in prompts]:
        raise TrainerError(
            f"{root}: {len(lacks)} of its classes, such as {lacks[0]!r}, have no prompts in "
            "--templates, expected a list for each class"
        )
