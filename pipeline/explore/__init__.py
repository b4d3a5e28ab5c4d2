"""A build in the browser: see, search and question it, and select from it; nothing is written."""

LOOPBACK = ("127.0.0.1", "::1", "localhost")  # reached from this machine alone
