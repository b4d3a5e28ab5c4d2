"""An image server in another process, which dies at a request and starts again at the same address,
since a pair's id depends on its address.

    python -m tests.chaos.server PORT DIES_AT   # 0: never
"""

import os
import subprocess
import sys
import threading
import time
import urllib.request

from tests.image_server import Handler, ImageServer
from tests.processes import WAIT_S, free_port, wait_until_it_listens
from tests.small_build import ROOT


class Mortal(Handler):
    """Answers, and ends the process at the request that is its last."""

    dies_at = 0
    asked = 0
    counting = threading.Lock()

    def do_GET(self) -> None:  # noqa: N802  # http.server's name
        if self.path == "/asked":
            self.answer(str(Mortal.asked).encode())
            return
        with self.counting:
            Mortal.asked += 1
            if Mortal.asked == self.dies_at:
                os._exit(9)  # in the middle of what its other threads are answering
        super().do_GET()


def main() -> None:
    port, Mortal.dies_at = map(int, sys.argv[1:])
    with ImageServer(port, Mortal):
        threading.Event().wait()


class MortalServer:
    """The process, on one port for as long as this lives."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen | None = None
        self.dying: subprocess.Popen | None = None
        self.watching: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def asked(self) -> int:
        """Requests since it was started."""
        with urllib.request.urlopen(f"{self.url}/asked", timeout=WAIT_S) as answer:
            return int(answer.read())

    def start(self, dies_at: int = 0, away_s: float = 0.0) -> None:
        """Start it anew: it dies at this request, and is back after so many seconds."""
        self.stop()
        self._run(dies_at)
        if dies_at:
            self.watching = threading.Thread(target=self._again, args=(away_s,), daemon=True)
            self.dying = self.process
            self.watching.start()

    def back(self) -> bool:
        """See that it answers again; whether it had died by itself."""
        watching, self.watching = self.watching, None
        if watching is None or self.dying is None:
            return False
        has_died = self.dying.poll() is not None
        self.dying.kill()  # what watches it starts it anew
        watching.join()
        return has_died

    def _again(self, away_s: float) -> None:
        assert self.dying is not None
        self.dying.wait()
        time.sleep(away_s)
        self._run(0)

    def _run(self, dies_at: int) -> None:
        command = [sys.executable, "-m", "tests.chaos.server", str(self.port), str(dies_at)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        wait_until_it_listens(self.port, self.process)

    def stop(self) -> None:
        self.back()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> "MortalServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


if __name__ == "__main__":
    main()
