"""What a request to Hugging Face's hub carries, and what a refusal of it means.

The token of HF_TOKEN goes to the hub alone, not to where it redirects, and is written nowhere.
"""

import os

from pipeline.settings.hub import endpoint

REFUSED = {
    401: "the hub wants to know who asks: set HF_TOKEN to a token of yours",
    403: "the hub gives it to some only: accept its terms there, and set HF_TOKEN to your token",
    404: "the hub has no such repository, revision or file, or hides a private one: set HF_TOKEN",
}


def is_of_hub(url: str) -> bool:
    """Whether an address of the web is one of the hub's.

    >>> is_of_hub("https://huggingface.co.evil.example/a"), is_of_hub(endpoint() + "/a")
    (False, True)
    """
    return url.startswith(f"{endpoint()}/")


def authorization(url: str) -> dict[str, str]:
    """The header that a request to the hub carries; none for any other server."""
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token or not token.isprintable() or not is_of_hub(url):
        return {}
    return {"Authorization": f"Bearer {token}"}


def refusal(url: str, status: int) -> str:
    """What to do about a status of the hub, behind a semicolon; '' where nothing is known."""
    cure = REFUSED.get(status) if is_of_hub(url) else None
    return f"; {cure}" if cure else ""
