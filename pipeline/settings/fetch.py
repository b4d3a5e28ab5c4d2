"""How pictures are asked for: limits of one attempt, manners towards hosts, who asks.

But for `check_hash` and `hashes`, nothing here changes what is kept of an answer.
"""

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field

from pipeline.settings.values import Contact, ExistingPath, Positive, Section


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        raise ValueError("a network such as 10.1.0.0/16, no bit set beyond its length") from None


class GuardSettings(Section):
    """The guard around fetching. `allow_networks` is for tests and mirrors of one's own."""

    deadline_s: Annotated[float, Field(gt=0, le=600)] = 20.0  # of one attempt, redirects and all
    max_bytes: Annotated[int, Field(ge=1, le=1 << 30)] = 25_000_000  # of a body, unpacked
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    retries: Annotated[int, Field(ge=0, le=10)] = 1  # of what may pass
    backoff_s: Annotated[float, Field(ge=0, le=600)] = 1.0  # before the first retry, then doubled
    max_wait_s: Annotated[float, Field(ge=0, le=3_600)] = 60.0  # that a server may ask for
    robots: Literal["respect", "require", "ignore"] = "respect"  # require: there must be one
    per_host: Positive = 4  # connections at a time
    per_host_rate: Annotated[float, Field(gt=0, le=10_000)] = 10.0  # requests begun in a second
    # Times the Crawl-delay of robots.txt, the seconds from one request to the next; 0 ignores it.
    crawl_delay: Annotated[float, Field(ge=0, le=1_000)] = 1.0
    dead_after: Positive = 3  # failures to connect in a row, after which a host is given up
    contact: Contact = ""
    allow_networks: tuple[Annotated[str, AfterValidator(_network)], ...] = ()
    ca_file: ExistingPath | None = None  # certificates to trust beside the usual ones
    # Of the bytes of each picture, beside its sha256. Those that lists of exclusions ask for are
    # recorded anyway; a list that comes later can only be compared with what was recorded.
    hashes: tuple[Literal["md5", "sha1"], ...] = ()

    def shared_by(self, n: int) -> Self:
        """These for each of n who fetch at once, so that a host is asked no more often by all.

        >>> one = GuardSettings(per_host=4, per_host_rate=10.0).shared_by(2)
        >>> one.per_host, one.per_host_rate
        (2, 5.0)
        """
        of_one = {"per_host": max(1, self.per_host // n), "per_host_rate": self.per_host_rate / n}
        return self.model_copy(update=of_one | {"crawl_delay": self.crawl_delay * n})


class FetchSettings(GuardSettings):
    """How pictures are asked for.

    Only `check_hash` and `hashes` change what is kept, of pictures that are fetched from then on.
    """

    check_hash: bool = False  # lose a picture whose bytes are not those that its source hashed
    threads: Annotated[int, Field(ge=1, le=1024)] = 64
    rows_per_part: Annotated[int, Field(ge=10, le=100_000)] = 10_000
