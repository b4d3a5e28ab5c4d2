"""Run Hypothesis over one target: count the inputs, limit the time, note the current input."""

import time
import traceback
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.fuzz.limits import watched
from tests.fuzz.target import Target

NOTED = 10_000  # characters of an input that are noted before it is tried


class Trying:
    """Tries inputs of a target; `n` counts them."""

    def __init__(self, target: Target, note: Path) -> None:
        self.target, self.note, self.n = target, note, 0
        self.run = watched(target.run)
        self.until = float("inf")

    def one(self, given_one: Any) -> None:
        if time.monotonic() > self.until:  # the rest of the chunk is not tried
            return
        self.note.write_text(f"{self.target.name}: {given_one!r:.{NOTED}}")
        self.n += 1
        self.run(given_one)

    def test(self, number: int, most: int) -> Any:
        """A hypothesis test of so many inputs, drawn from a seed."""

        @seed(number)
        @settings(
            max_examples=most,
            deadline=None,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        @given(self.target.inputs)
        def test(given_one: Any) -> None:
            self.one(given_one)

        return test

    def chunk(self, number: int, most: int, seconds: float) -> str | None:
        """Try so many inputs, for at most so long; the traceback of what failed."""
        self.until = time.monotonic() + seconds
        try:
            self.test(number, most)()
        except Exception:
            return traceback.format_exc()
        return None
