"""A JSON text value by value: the items of its lists, in a window that holds one of them.

ijson 3.6 streams too, at 0.65 of the speed, but it holds strings of any length and the path to each
bracket: 20,000 brackets, 20 KB of input, took 970 MB.
"""

import json
import re
from collections.abc import Collection, Iterator
from typing import IO, Any

from pipeline.sources.unpacked import DamagedError

CHUNK = 1 << 18  # characters
LONGEST_ITEM = 1 << 22  # characters: a picture of Visual Genome with all its regions has 20,000
SPACE = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder(strict=False)
TOP = ""  # the key of the list where the file is the list itself


def items(text: IO[str], keys: Collection[str]) -> Iterator[tuple[str, Any]]:
    """The items of the lists at the keys of a JSON object, or of the list that the text is.

    Raises DamagedError where the text is no such JSON, ends early, or has an item that is too long.

    >>> import io
    >>> list(items(io.StringIO('{"info": {}, "rows": [1, [2]]}'), {"rows"}))
    [('rows', 1), ('rows', [2])]
    >>> list(items(io.StringIO('[{"a": 1}]'), {TOP}))
    [('', {'a': 1})]
    """
    scanner = Scanner(text)
    if scanner.take("["):
        for item in scanner.items():
            if TOP in keys:
                yield TOP, item
    else:
        scanner.expect("{")
        for key in scanner.members():
            if scanner.take("["):
                for item in scanner.items():
                    if key in keys:
                        yield key, item
            else:
                scanner.value()
    if scanner.peek():
        raise DamagedError("expected the end of the file")


class Scanner:
    """A JSON text in a window that holds one value at a time."""

    def __init__(self, text: Any) -> None:
        self.text, self.window, self.at = text, "", 0

    def more(self, n_characters: int = CHUNK) -> bool:
        """Read more characters; False at the end of the text."""
        read = self.text.read(n_characters)
        self.window, self.at = self.window[self.at :] + read, 0
        return bool(read)

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        while True:
            self.at = SPACE.match(self.window, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.window):
                return self.window[self.at]
            if not self.more():
                return ""

    def take(self, mark: str) -> bool:
        if matches := self.peek() == mark:
            self.at += 1
        return matches

    def expect(self, mark: str) -> None:
        if not self.take(mark):
            raise DamagedError(f"expected {mark!r}, got {self.peek()!r}")

    def value(self) -> Any:
        """The next value. The window grows until the value ends in it."""
        while self.peek():
            try:
                value, end = DECODER.raw_decode(self.window, self.at)
                if end < len(self.window) or self.window[end - 1] in '}]"':  # a number may go on
                    self.at = end
                    return value
            except (ValueError, RecursionError):
                pass  # the value may go on beyond the window
            held = len(self.window) - self.at
            if held > LONGEST_ITEM or not self.more(max(CHUNK, held)):
                break
        raise DamagedError(f"expected a value in JSON of at most {LONGEST_ITEM} characters")

    def items(self) -> Iterator[Any]:
        """The items of a list, after its opening bracket."""
        if self.take("]"):
            return
        while True:
            yield self.value()
            if self.take("]"):
                return
            self.expect(",")

    def members(self) -> Iterator[str]:
        """The keys of an object, after its opening brace; the caller takes each value."""
        if self.take("}"):
            return
        while True:
            key = self.value()
            if not isinstance(key, str):
                raise DamagedError(f"expected a key, got {key!r:.60}")
            self.expect(":")
            yield key
            if self.take("}"):
                return
            self.expect(",")
