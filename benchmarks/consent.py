"""The ledger of consent: requests a host, and what hearing owners costs of a picture's fetch.

    python -m benchmarks.consent [--quick]

A server on loopback with no signal serves photographs' sizes of JPEG. The cost is the thread's CPU
time of what hears a picture (headers, robots.txt, tdmrep.json, XMP and C2PA) beside the CPU time
of its whole fetch and judgement. Requests are those that the server counted, for one host.
"""

import io
import time
from collections.abc import Callable

import numpy as np
from PIL import Image

from benchmarks.harness import Row, arguments, show
from pipeline.fetch.guard import Guard
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.ledger import Ledger, as_text
from pipeline.images.judge import judge_picture
from pipeline.rights.embedded import embedded
from pipeline.rights.signals import statements
from pipeline.rights.tdmrep import TdmFile
from pipeline.settings.consent import ConsentSettings
from pipeline.settings.fetch import GuardSettings
from pipeline.settings.images import ImageSettings
from pipeline.web.robots import parse_robots
from tests.guard_server import GuardServer

ROBOTS = "User-agent: *\nDisallow: /private/\nAllow: /\nCrawl-delay: 0\n"
MOST_SHARE = 0.02


def photograph() -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (75, 100, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).resize((800, 600)).save(file, "JPEG", quality=85)
    return file.getvalue()


def cpu_s(work: Callable[[], object], times: int) -> float:
    """CPU seconds of this thread for each time."""
    started = time.thread_time()
    for _ in range(times):
        work()
    return (time.thread_time() - started) / times


def main() -> None:
    asked = arguments("benchmarks.consent", "requests a host, and CPU of the ledger")
    n = 200 if asked.quick else 2_000
    body, images, consent = photograph(), ImageSettings(), ConsentSettings()
    settings = GuardSettings(
        contact="mailto:me@example.org", allow_networks=("127.0.0.0/8",), per_host_rate=10_000.0
    )
    robots, file = parse_robots(ROBOTS, others=consent.tokens), TdmFile()

    def heard() -> None:
        ledger = Ledger(consent)
        ledger.note(statements(robots.usage("/a.jpg")), "robots.txt", "")
        ledger.note(statements(file.lines("/a.jpg")), "tdmrep.json", "")
        robots.refused_others("/a.jpg")
        ledger.note(embedded(body), "picture", "")
        as_text(ledger.rows)

    with GuardServer() as server:
        server.robots, server.bodies = ROBOTS, {"a.jpg": body}
        guard, url = Guard(settings, Hosts(settings)), server.url("/body/a.jpg")

        def fetched() -> None:
            answer = guard.fetch(url)
            assert answer.body == body
            judge_picture(body, images)

        whole_s = cpu_s(fetched, n)
        heard_s = cpu_s(heard, n)
        requests = [one.path for one in server.asked]
    more = len(requests) - n - requests.count("/robots.txt")
    share = heard_s / whole_s
    rows = [
        Row("more requests a host", "", [float(more)], "limit", [1.0]),
        Row("the ledger's share of CPU", "", [share], "limit", [MOST_SHARE]),
    ]
    show("The ledger of consent", rows, us_a_picture=round(1e6 * heard_s, 1))


if __name__ == "__main__":
    main()
