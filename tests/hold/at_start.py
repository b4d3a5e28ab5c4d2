"""Run by Python as sitecustomize: stand still before a file gets its name (see tests/hold)."""

import os
import re
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
NAMES = FOLDER / "names"


def wait_before_a_name(event: str, arguments: tuple[object, ...]) -> None:
    if event != "os.rename" or not is_held(str(arguments[1])):
        return
    (FOLDER / str(os.getpid())).touch()
    while is_held(str(arguments[1])):
        time.sleep(0.01)


def is_held(name: str) -> bool:
    try:
        return bool(re.search(NAMES.read_text(), name))
    except FileNotFoundError:
        return False


if __name__ == "sitecustomize":
    sys.addaudithook(wait_before_a_name)
