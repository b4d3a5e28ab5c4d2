"""Options of a command line that name a path of this machine: an address is refused, not made one.

`pathlib` reads `s3://bucket/run` as the folder `s3:/bucket/run`, and an empty word as this folder.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from queries.endings import MISTAKE
from queries.tables.errors import InputError

Parse = Callable[[Sequence[str] | None], argparse.Namespace]


class LocalPath(argparse.Action):
    """An option's words as Paths, in place of `type=Path`; its InputErrors are for `parsed`."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        name = option_string or self.metavar or self.dest
        words = [values] if isinstance(values, str) else values
        for word in words:
            if not word.strip():
                raise InputError(f"{name} {word!r}: expected a path; it is empty")
            if "://" in word:
                raise InputError(f"{name} {word}: expected a path of this machine, not an address")
        paths = [Path(word) for word in words]
        setattr(namespace, self.dest, paths[0] if isinstance(values, str) else paths)


def parsed(parse: Parse, words: Sequence[str] | None) -> argparse.Namespace:
    """What a parser's method makes of the words; a wrong path ends the program with one line."""
    try:
        return parse(words)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(MISTAKE)
