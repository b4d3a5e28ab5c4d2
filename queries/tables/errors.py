"""The errors that a user can mend: one line each, and never a traceback.

A UserError is told in one line that says what was found and what was expected; any other exception
is a fault of the program, and keeps its traceback.
"""


class UserError(Exception):
    """Something that a user gave or that the machine did, in one line."""


class InputError(UserError, ValueError):
    """An input that cannot be read as what it should be."""
