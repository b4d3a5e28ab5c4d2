"""The arms of a comparison: a name, its data, and which of its pairs are trained on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from queries.tables.toml_files import TomlError, read_toml
from trainer.data.dataset import find_data
from trainer.settings import TrainerError

NAME = re.compile(r"[\w.+-]{1,60}", re.ASCII)
FORM = "NAME=DATA, or 'NAME=DATA where CONDITION'"
WHERE = " where "


@dataclass(frozen=True)
class Arm:
    """The data of some runs: a build or a WebDataset, and a condition on its pairs."""

    name: str
    data: str
    where: str | None = None  # SQL over the table `sample`, as of `trainer train`
    scores: str | None = None  # a table by pair_id, for `where`


def read_arms(options: Sequence[str], path: Path | None) -> list[Arm]:
    """The arms of --arm and of a TOML, the first of which is the baseline. Raises TrainerError.

    Each arm's data are found, not read: `data` is then the folder of the build.
    """
    arms = [*(from_option(text) for text in options), *(from_toml(path) if path else ())]
    names = [arm.name for arm in arms]
    for arm in arms:
        if not NAME.fullmatch(arm.name) or arm.name.startswith("."):
            raise TrainerError(
                f"arm {arm.name!r}: expected a name of letters, digits, '_', '-', '+' and '.', "
                "which does not begin with '.'"
            )
        if names.count(arm.name) > 1:
            raise TrainerError(f"arm {arm.name}: stands twice, expected each name once")
    if len(arms) < 2:
        raise TrainerError(
            f"{len(arms)} arms, expected at least 2 to compare: --arm {FORM}, several times, or "
            "--arms TOML"
        )
    return [located(arm) for arm in arms]


def from_option(text: str) -> Arm:
    """
    >>> from_option("all=OUT")
    Arm(name='all', data='OUT', where=None, scores=None)
    >>> from_option("long=OUT where n_words > 3").where
    'n_words > 3'
    """
    name, sign, rest = text.partition("=")
    data, word, where = rest.partition(WHERE)
    if not sign or not data.strip() or (word and not where.strip()):
        raise TrainerError(f"arm {text!r}: expected {FORM}")
    return Arm(name.strip(), data.strip(), where.strip() or None)


def from_toml(path: Path) -> Iterator[Arm]:
    """The arms of a TOML's sections [arm.NAME], in their order."""
    expected = "expected sections [arm.NAME], each with data, and perhaps where and scores"
    try:
        content = read_toml(path)
    except (OSError, TomlError) as error:
        raise TrainerError(f"{path}: {error}, {expected}") from None
    sections = content.pop("arm", None)
    if content or not isinstance(sections, dict):
        raise TrainerError(f"{path}: {', '.join(content) or 'no [arm.NAME]'}: {expected}")
    for name, section in sections.items():
        if not isinstance(section, Mapping):
            raise TrainerError(f"{path}: arm {name}: {section!r}, {expected}")
        yield _of_section(path, name, section)


def _of_section(path: Path, name: str, section: Mapping[str, Any]) -> Arm:
    keys = [field.name for field in fields(Arm) if field.name != "name"]
    for key, value in section.items():
        if key not in keys or not isinstance(value, str):
            raise TrainerError(
                f"{path}: [arm.{name}] {key} = {value!r}: expected {', '.join(keys)}, each a text"
            )
    if "data" not in section:
        raise TrainerError(f"{path}: [arm.{name}] has no data, expected a build or a WebDataset")
    return Arm(name, **section)


def located(arm: Arm) -> Arm:
    """The arm with the folder of its build, as that which a workspace's newest build has now."""
    if arm.scores is not None and arm.where is None:
        raise TrainerError(f"arm {arm.name}: scores {arm.scores}, expected a condition beside them")
    dataset = find_data(arm.data)
    return Arm(arm.name, str(dataset.build or dataset.path), arm.where, arm.scores)
