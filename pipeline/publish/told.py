"""What people have told of a dataset, `[card]`: kept beside a build for every later card."""

from pathlib import Path

from pydantic import ValidationError

from pipeline.settings.card import CardSettings
from pipeline.settings.keys import hint
from pipeline.settings.whole import SettingsError
from queries.tables.errors import InputError
from queries.tables.faults import UNKNOWN, faults, line
from queries.tables.parts import written_whole
from queries.tables.toml_files import TomlError, read_toml

TOLD = "card.json"


def read_told(folder: Path) -> CardSettings:
    """What was kept in a folder; nothing where nobody has told anything."""
    path = folder / TOLD
    if not path.is_file():
        return CardSettings()
    try:
        return CardSettings.model_validate_json(path.read_text("utf-8"))
    except ValidationError as error:
        raise InputError(f"{path}: {'; '.join(map(line, faults(error)))}") from None


def keep_told(folder: Path, answers: CardSettings) -> None:
    """Keep what was told, for later cards; a TOML without [card] changes nothing."""
    if answers.model_fields_set and answers != read_told(folder):
        with written_whole(folder / TOLD) as beside:
            beside.write_text(answers.model_dump_json(indent=1, exclude_unset=True) + "\n", "utf-8")


def told_in(path: Path) -> CardSettings:
    """The [card] of a TOML, whose other sections need not be whole. Raises SettingsError."""
    try:
        raw = read_toml(path).get("card", {})
    except (OSError, TomlError) as error:
        raise SettingsError(f"settings: {path}: expected a TOML with [card]: {error}") from None
    try:
        lists = {
            key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()
        }
        return CardSettings.model_validate(lists)
    except (ValidationError, AttributeError) as error:
        if isinstance(error, AttributeError):
            raise SettingsError(f"settings: {path}: card: expected a section, [card]") from None
        lines = [
            f"settings: {path}: card.{line(fault)}"
            + (hint(CardSettings, fault["loc"]) if fault["type"] in UNKNOWN else "")
            for fault in faults(error)
        ]
        raise SettingsError("\n".join(lines)) from None
