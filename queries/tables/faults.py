"""The faults that pydantic finds in a user's settings, a line for each: key, value, expectation."""

import re
from collections.abc import Collection
from difflib import get_close_matches

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from queries.tables.addresses import hidden

# What pydantic calls a tuple is a list in TOML.
LIST_FAULTS = {"tuple_type": "a list, in brackets: [...]", "too_short": "a list that is not empty"}
SUBJECT = re.compile(r"^(Value error, |Input should be |(String|Dictionary|List) should (?=have ))")
UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")


def faults(error: ValidationError) -> list[ErrorDetails]:
    """The faults of an error, without those of a list that are told of its members as well."""
    details = error.errors(include_url=False)
    # A list whose members are at fault is also told to be too short: the members say enough.
    above = {fault["loc"][:n] for fault in details for n in range(len(fault["loc"]))}
    return [fault for fault in details if fault["loc"] not in above]


def line(fault: ErrorDetails) -> str:
    """One fault as a line such as "selection.cap = 0: expected greater than or equal to 1"."""
    key = ".".join(step for step in map(str, fault["loc"]) if step.strip())
    kind, value = fault["type"], fault["input"]
    if kind in UNKNOWN:
        return f"{key}: unknown key"
    if kind == "missing":
        return f"{key}: missing, and it has no default"
    if kind == "union_tag_not_found":
        return f"{key}.kind: missing, and it has no default"
    if kind == "union_tag_invalid":
        tags = fault["ctx"]
        return hidden(f"{key}.kind = {tags['tag']!r}: expected one of {tags['expected_tags']}")
    if kind == "tuple_type" and isinstance(value, dict):
        return f"{key}: expected a list; of tables: [[{key}]], in two brackets"
    if kind in LIST_FAULTS:
        return hidden(f"{key} = {_as_toml(value)}: expected {LIST_FAULTS[kind]}")
    expected = SUBJECT.sub("", fault["msg"])
    if kind == "literal_error" and (meant := nearest(value, re.findall("'([^']+)'", expected))):
        expected += f"; did you mean {meant!r}?"
    if "instance of" in expected or kind == "dict_type":
        expected = f"a section of settings, [{key}]"
    is_long = any(isinstance(part, dict) for part in (value if type(value) is tuple else [value]))
    shown = "" if is_long else f" = {value!r}"
    return hidden(f"{key}{shown}: expected {expected}")


def nearest(name: object, keys: Collection[str]) -> str:
    """The key that was meant, as far as the spelling tells; or "".

    >>> nearest("max-words", ["min_words", "max_words"]), nearest("colour", ["cap"])
    ('max_words', '')
    """
    close = get_close_matches(str(name).lower().replace("-", "_"), keys, 1)
    return close[0] if close else ""


def _as_toml(value: object) -> str:
    return "[]" if value == () else repr(value)
