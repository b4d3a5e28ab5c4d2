"""`python -m tests.fuzz`: see the package.

The targets run in another process. If that process dies or takes all memory, the current input is
reported as a failure.
"""

import argparse
import faulthandler
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.limits import MAX_PIXELS
from tests.small_build import ROOT

CHUNK = 200  # inputs between two looks at the clock
SHOWN, SHOWN_LINES = 2_000, 60  # characters of a line, and lines, in the report of a failure


def main() -> int:
    options = parser().parse_args()
    if options.child:
        return child(options)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        command = [sys.executable, "-m", "tests.fuzz", "--child", folder, *sys.argv[1:]]
        env = {
            **os.environ,
            "OPENCV_IO_MAX_IMAGE_PIXELS": str(MAX_PIXELS),
            "OPENCV_LOG_LEVEL": "SILENT",
        }
        code = subprocess.run(command, cwd=ROOT, env=env).returncode
        if code < 0 or code > 1:
            at = place / "input"
            told = at.read_text() if at.exists() else "nothing"
            print(f"FAILED: the process ended with {code}; its input was\n{told[:SHOWN]}")
        return int(code != 0)


def shortened(failure: str) -> str:
    """The end of a traceback, its long lines cut: inputs may be of 300 kB."""
    return "\n".join(line[:SHOWN] for line in failure.splitlines()[-SHOWN_LINES:])


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser("python -m tests.fuzz", description=__doc__)
    made.add_argument("targets", nargs="*", metavar="TARGET", help="all by default")
    made.add_argument("--seconds", type=float, default=10, help="of each target; 10 by default")
    made.add_argument("--seed", type=int, default=0, help="0 by default")
    made.add_argument("--atheris", action="store_true", help="let coverage guide the inputs of one")
    made.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return made


def child(options: argparse.Namespace) -> int:
    faulthandler.enable()
    if options.atheris:
        from tests.fuzz.guided import guide

        return guide(" ".join(options.targets), options.seconds, options.seed, options.child)
    from tests.fuzz.targets import TARGETS

    named = options.targets or list(TARGETS)
    if unknown := sorted(set(named) - set(TARGETS)):
        print(f"{unknown[0]}: expected some of {', '.join(TARGETS)}", file=sys.stderr)
        return 1
    print("| target | inputs | s | failures |\n|---|---|---|---|", flush=True)
    counted, failed = {}, 0
    for name in named:
        n, took_s, failure = tried(TARGETS[name], options)
        counted[name] = n
        failed += failure is not None
        print(f"| {name} | {n} | {took_s:.0f} | {int(failure is not None)} |", flush=True)
        if failure:
            print(shortened(failure), flush=True)
    print(json.dumps({"inputs": counted, "failed": failed}))
    return int(failed > 0)


def tried(target, options: argparse.Namespace) -> tuple[int, float, str | None]:
    """How many inputs were tried in how many seconds, and what failed: its traceback."""
    from tests.fuzz.trying import Trying

    started, trying = time.monotonic(), Trying(target, options.child / "input")
    number = 0
    while time.monotonic() - started < options.seconds:
        if failure := trying.chunk(options.seed * 1_000_000 + number, CHUNK, options.seconds):
            return trying.n, time.monotonic() - started, failure
        number += 1
    return trying.n, time.monotonic() - started, None


if __name__ == "__main__":
    sys.exit(main())
