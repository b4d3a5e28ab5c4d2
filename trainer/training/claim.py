"""Who may write the folder of a run: one process at a time, and no run over another's work."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager

from queries.tables.errors import first_line
from trainer.model import checkpoint, tokenizer
from trainer.model.checkpoint import DAMAGE
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, with_defaults
from trainer.training.log import keep_lines
from trainer.training.saves import Save, newest

Value = dict[str, object]

WHOLE = "captions"  # of the settings: compared as they are
LEFT_OUT = "means"  # of the settings: how a step is computed makes no other run


def claimed(folder: RunFolder, expected: Value, anew: bool) -> Save | None:
    """The newest save of a killed run of these settings and build; None in a folder made ready.

    expected: settings, build_version, build_digest and scores_sha256. Raises TrainerError for a
    folder with another run's work, or with damaged saves alone, unless `anew` deletes them.
    """
    _clear_beside(folder)
    try:
        save = newest(folder)
    except TrainerError:
        if not anew:
            raise
        save = None
    differing = differences(folder, save, expected)
    if differing and not anew:
        raise TrainerError(
            f"{folder.root}: holds the work of another run ({'; '.join(differing[:4])}); "
            "expected another folder, or --anew, which deletes that work"
        )
    if save is None or differing:
        folder.clear()
        return None
    _check_tokenizer(folder, save)
    for log in (folder.log, folder.val_log):
        keep_lines(log, save.state["progress"]["steps"])
    return save


def _check_tokenizer(folder: RunFolder, save: Save) -> None:
    """Raise TrainerError unless the save was trained with the tokenizer of the folder."""
    try:
        digest = f"digest {tokenizer.load(folder.tokenizer).digest()}"
    except DAMAGE as error:
        digest = first_line(error)
    if digest != f"digest {save.state.get('tokenizer')}":
        raise TrainerError(
            f"{folder.tokenizer}: {digest:.200}, expected the tokenizer of {save.path.name}, "
            f"digest {save.state.get('tokenizer')}"
        )


@contextmanager
def locked(folder: RunFolder) -> Iterator[None]:
    """Nobody else trains in the folder meanwhile. Raises TrainerError where somebody does.

    A file system that has no locks goes without.
    """
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise TrainerError(f"{folder.root}: expected a folder to write ({error})") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainerError(
                f"{folder.root}: another process trains there, expected a folder of its own"
            ) from None
        except OSError:
            pass
        yield
    finally:
        os.close(handle)


def _clear_beside(folder: RunFolder) -> None:
    """Remove what kills in the middle of a write left beside the run's files."""
    for path in folder.root.iterdir():
        if path.is_file() and path.name.startswith(".") and path != folder.lock:
            name = path.name[1:].rpartition(".")[0]
            if name in folder.names:
                path.unlink()


def differences(folder: RunFolder, save: Save | None, expected: Value) -> list[str] | None:
    """How the run whose work is in the folder differs from the expected one; None: no work there.

    "recipe.lr 0.002, now 0.001" for a setting; none where they are one run.
    """
    value = save.state if save else _record(folder)
    return None if value is None else _differing(value, expected)


def _record(folder: RunFolder) -> Value | None:
    """What the record of a finished run, or the weights that a run kept, say of it."""
    if folder.done.exists():
        try:
            value = json.loads(folder.done.read_text())
            return value if isinstance(value, dict) else {}
        except (OSError, ValueError):
            return {}
    for path in (folder.checkpoint, folder.best):
        if path.exists():
            try:
                return checkpoint.read_state(path)
            except DAMAGE:
                return {}
    return None


def _differing(value: Value, expected: Value) -> list[str]:
    """A setting that an earlier version did not have had its default; what else it did not record
    cannot differ."""
    settings = value.get("settings")
    if not isinstance(settings, dict) or not isinstance(settings.get("recipe", {}), dict):
        return ["its settings cannot be read"]
    flat = _flat(value | {"settings": with_defaults(settings)})
    return [
        f"{name} {flat[name]:.40}, now {now:.40}"
        for name, now in _flat(expected).items()
        if flat.get(name, now) != now
    ]


def _flat(value: Value) -> dict[str, str]:
    """Nested settings as JSON by dotted name, without LEFT_OUT.

    >>> _flat({"settings": {"seed": 1, "recipe": {"lr": 0.1}, "means": {}}})
    {'seed': '1', 'recipe.lr': '0.1'}
    """
    flat: dict[str, str] = {}
    for name, part in value.items():
        if name in LEFT_OUT:
            continue
        if isinstance(part, dict) and name != WHOLE:
            inside = "" if name == "settings" else f"{name}."
            flat |= {f"{inside}{key}": text for key, text in _flat(part).items()}
        else:
            flat[name] = json.dumps(part)
    return flat
