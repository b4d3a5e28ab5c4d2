"""Secrets in addresses are hidden, in linear time: what is hidden comes from files of strangers."""

import pytest

from queries.tables.addresses import hidden


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("an.ftp://me:word@example.org", "an.ftp://***@example.org"),
        ("éftp://me:word@example.org", "éftp://***@example.org"),
        ("(s3+x://key:word@bucket)", "(s3+x://***@bucket)"),
        ("see http://me@example.org/a", "see http://***@example.org/a"),
        ("abfs://container@account.net/a", "abfs://container@account.net/a"),
    ],
)
def test_a_user_with_a_password_is_hidden_wherever_the_address_begins(text, shown):
    assert hidden(text) == shown


@pytest.mark.parametrize("run", ["a.", "a+", "http:/", "a:", "-"])
def test_a_long_run_of_a_schemes_characters_is_read_once(run):
    text = run * 1_000_000
    assert hidden(text) == text  # in hours where each place may be a beginning
