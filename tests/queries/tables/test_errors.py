"""A user is told of an exception in one line, whatever its message is."""

import pytest

from pipeline.workspace.endings import line_of
from queries.tables.errors import first_line, one_line


@pytest.mark.parametrize(
    ("message", "first", "whole"),
    [
        ("no such host", "no such host", "no such host"),
        ("no such host\nat all", "no such host", "no such host at all"),
        ("\n  no such\thost\n", "no such\thost", "no such host"),
        ("", "OSError", "OSError"),
        ("\n\n", "OSError", "OSError"),
    ],
)
def test_a_message_of_any_form_is_one_line(message, first, whole):
    error = OSError(message)
    assert first_line(error) == first
    assert one_line(error) == whole


def test_a_long_message_is_cut():
    assert one_line(OSError("ab " * 200), most=5) == "ab ab"


def test_a_full_disk_is_one_line(tmp_path):
    error = OSError("No space left on device\nwhile writing")
    assert line_of(error, tmp_path) == f"{tmp_path}: No space left on device"
