"""Run as sitecustomize: stand still before a file gets or loses its name (see tests/hold)."""

import os
import re
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = FOLDER / "names"
NAMED = {"os.rename": 1, "os.remove": 0}  # which argument of the call is the name


def wait_before_a_name(event: str, arguments: tuple[object, ...]) -> None:
    if event not in NAMED or not is_held(name := str(arguments[NAMED[event]])):
        return
    if event == "os.remove" and not os.path.lexists(name):  # nothing loses its name
        return
    (FOLDER / str(os.getpid())).touch()
    while is_held(name):
        time.sleep(0.01)


def is_held(name: str) -> bool:
    try:
        return bool(re.search(NAMES.read_text(), name))
    except FileNotFoundError:
        return False


if __name__ == "sitecustomize":
    sys.addaudithook(wait_before_a_name)
