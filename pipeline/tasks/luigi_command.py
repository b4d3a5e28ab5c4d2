"""What the `luigi` command says of our tasks where Luigi itself would show a traceback."""

import os
import re
import signal
import sys
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType

from queries.endings import INTERRUPTED, MISTAKE, Ending, ending

TASKS = ("BuildQueries", "BuildWIT")
OPTIONS = ("--settings", "--out", "--engine", "--retry", "--exclude", "--language", "--module")
NO_TASK = re.compile(r"No task (\S+)\.")


def at_work() -> bool:
    """Whether this program is Luigi's command, by its name."""
    program = Path(sys.argv[0])
    name = program.parent.name if program.name == "__main__.py" else program.stem
    return name == "luigi"


def check_options() -> None:
    """End the command for an option that is nearly one of ours: Luigi's answer has forty lines."""
    for word in sys.argv[1:]:
        name = word.partition("=")[0]
        close = get_close_matches(name, OPTIONS, 1, cutoff=0.8) if name.startswith("--") else []
        if close and close[0] != name:
            print(f"no option {name}: did you mean {close[0]}?", file=sys.stderr)
            sys.exit(MISTAKE)


def end_in_one_line() -> None:
    """Let faults that no stage meets, such as a misspelt task, end the command in one line."""
    sys.excepthook = end


def end(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None = None
) -> None:
    """An excepthook: end the program with the line and the exit code of the fault's kind."""
    ended = ending_of(error)
    if ended is None:
        sys.__excepthook__(kind, error, traceback)
        return
    print(ended.line, file=sys.stderr, flush=True)
    os._exit(ended.code)  # after an excepthook Python's own exit code is always 1


def ending_of(error: BaseException) -> Ending | None:
    """
    >>> ending_of(LookupError("No task BuildWit. Candidates are: …")).line
    "no task 'BuildWit': did you mean BuildWIT? expected one of BuildQueries, BuildWIT"
    """
    if isinstance(error, KeyboardInterrupt):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        return Ending(INTERRUPTED, "\ninterrupted; nothing was begun")
    if misspelt := NO_TASK.match(str(error)):
        return Ending(MISTAKE, no_task(misspelt[1]))
    if type(error).__module__ == "luigi.parameter":
        return Ending(MISTAKE, f"{error}: luigi --module pipeline BuildWIT --help has the options")
    return ending(error)


def no_task(name: str) -> str:
    """What to say of a name that no task has."""
    by_small = {task.lower(): task for task in TASKS}
    close = get_close_matches(name.lower(), by_small, 1)
    guess = f"did you mean {by_small[close[0]]}? " if close else ""
    return f"no task {name!r}: {guess}expected one of {', '.join(TASKS)}"
