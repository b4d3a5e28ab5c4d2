"""The errors that a user can correct: one line each, without a traceback.

A UserError is told in one line that says what was found and what was expected; any other exception
is a fault of the program, and keeps its traceback.
"""


class UserError(Exception):
    """Something that a user gave or that the machine did, in one line."""


class InputError(UserError, ValueError):
    """An input that cannot be read in the expected format."""


class MachineError(UserError):
    """The machine, a store or the network does not do its part; the same command may do later."""


def first_line(error: BaseException) -> str:
    """The first line of an exception's message; the name of its type where the message is empty.

    >>> first_line(OSError("no such host\\nat all")), first_line(OSError(""))
    ('no such host', 'OSError')
    """
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def one_line(error: BaseException, most: int = 300) -> str:
    """An exception's whole message as one line of at most so many characters.

    >>> one_line(OSError("no such host\\nat all"))
    'no such host at all'
    """
    return " ".join(str(error).split())[:most] or type(error).__name__
