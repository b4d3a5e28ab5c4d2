"""`python -m tests.chaos --runs 200`: that many runs, as a table."""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.chaos.runs import KINDS, Run, kind_of, modelled, run, why_not
from tests.processes import leave_none_behind


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="10 by default, one of each kind")
    parser.add_argument("--seed", type=int, default=0, help="of the first run; 0 by default")
    parser.add_argument("--kind", choices=KINDS, help="only the runs of this kind")
    asked = parser.parse_args()
    leave_none_behind()
    seeds = range(asked.seed, asked.seed + asked.runs)
    ended: Counter[tuple[str, str]] = Counter()
    print("| seed | disturbed by | when and how; exit | then | s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, modelled(Path(name)) as model:
        for seed in [one for one in seeds if asked.kind in (None, kind_of(one))]:
            end = one_run(seed, model, Path(name))
            ended[kind_of(seed), end] += 1
    print("\n| disturbed by | runs | then |\n|---|---|---|")
    for (kind, end), n in sorted(ended.items()):
        print(f"| {kind} | {n} | {end} |")
    return int(any(end.startswith("FAILED") for _, end in ended))


def one_run(seed: int, model, folder: Path) -> str:
    """Make the run, print its line, and return how it ended."""
    kind, started = kind_of(seed), time.monotonic()
    if reason := why_not(kind, folder):
        how, end = reason, "not run"
    else:
        try:
            done = run(seed, model, folder / str(seed))
            how, end = told(done), "equal after a retry" if done.retried else "equal"
        except AssertionError as error:
            how, end = " ".join(str(error).split())[:2000], "FAILED"
    print(f"| {seed} | {kind} | {how} | {end} | {time.monotonic() - started:.0f} |", flush=True)
    return end


def told(done: Run) -> str:
    return ", then ".join(
        f"{one.moment}: {one.what}; {one.returncode}{', published' * one.finished}"
        for one in done.disturbed
    )


if __name__ == "__main__":
    sys.exit(main())
