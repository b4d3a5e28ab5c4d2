"""The faults that pydantic finds in a user's settings, a line for each: key, value, expectation."""

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from queries.tables.addresses import hidden

# What pydantic calls a tuple is a list in TOML.
LIST_FAULTS = {"tuple_type": "a list, in brackets: [...]", "too_short": "a list that is not empty"}


def faults(error: ValidationError) -> list[ErrorDetails]:
    """The faults of an error, without those of a list that are told of its members as well."""
    details = error.errors(include_url=False)
    # A list whose members are at fault is also told to be too short: the members say enough.
    above = {fault["loc"][:n] for fault in details for n in range(len(fault["loc"]))}
    return [fault for fault in details if fault["loc"] not in above]


def line(fault: ErrorDetails) -> str:
    """One fault as a line such as "selection.cap = 0: expected greater than or equal to 1"."""
    key = ".".join(step for step in map(str, fault["loc"]) if step.strip())
    if fault["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{key}: unknown key"
    if fault["type"] == "missing":
        return f"{key}: missing, and it has no default"
    if fault["type"] == "union_tag_not_found":
        return f"{key}.kind: missing, and it has no default"
    if fault["type"] == "union_tag_invalid":
        tags = fault["ctx"]
        return hidden(f"{key}.kind = {tags['tag']!r}: expected one of {tags['expected_tags']}")
    if fault["type"] in LIST_FAULTS:
        return hidden(f"{key} = {_as_toml(fault['input'])}: expected {LIST_FAULTS[fault['type']]}")
    expected = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    given = fault["input"]
    is_long = any(isinstance(part, dict) for part in (given if type(given) is tuple else [given]))
    value = "" if is_long else f" = {given!r}"
    return hidden(f"{key}{value}: expected {expected}")


def _as_toml(value: object) -> str:
    return "[]" if value == () else repr(value)
