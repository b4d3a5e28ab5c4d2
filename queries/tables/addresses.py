"""Addresses as they may be shown: without the passwords and signatures in them.

A build publishes its settings and a run notes what it read, so an address with a secret in it is
refused at the door; what is told of it hides the secret.
"""

import re

# A user with a password, and of the web any user: abfs://container@account is no secret. One slash
# is what is left of two where an address was taken for a path. A scheme begins where a run of its
# characters begins: were each place of the run a beginning, the rest were read again from each.
WITH_USER = re.compile(
    r"(\bhttps?://?|(?<![a-z0-9+.-])[a-z0-9+.-]+://?(?=[^/\s@:]*:))[^/\s@?#]+@", re.IGNORECASE
)
SIGNED = re.compile(
    r"([?&](?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|token"
    r"|access_token|api_?key|key|password|secret)=)[^&#\s*]+",
    re.IGNORECASE,
)
EXPECTED = (
    "an address without a password, a token or a signature, as others will read it: fsspec takes "
    "those from its configuration or from the environment"
)


def hidden(text: str) -> str:
    """A text without the passwords and signatures of the addresses in it.

    >>> hidden("ftp://me:word@example.org/a.csv"), hidden("https://x.org/a?sig=12&b=3")
    ('ftp://***@example.org/a.csv', 'https://x.org/a?sig=***&b=3')
    >>> hidden("abfs://container@account.dfs.core.windows.net/a.parquet")
    'abfs://container@account.dfs.core.windows.net/a.parquet'
    """
    return SIGNED.sub(r"\1***", WITH_USER.sub(r"\1***@", text))
