"""moto's S3 server on loopback in a process of its own, with one bucket: no real S3."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

BUCKET = "bucket"
# Made up: the server takes any. From the environment alone, as everywhere.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class S3Server:
    """`place` is where it listens; `environment(address)` is what a client needs."""

    def __enter__(self) -> "S3Server":
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.place = free.getsockname()
        command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p"]
        self.process = subprocess.Popen(
            [*map(str, command), str(self.place[1])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(self.place, timeout=1).close()
                return self
            except OSError:
                assert self.process.poll() is None, "moto_server ended"
                assert time.monotonic() < until, "moto_server does not listen"
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.place[1]}"

    @staticmethod
    def environment(address: str) -> dict[str, str]:
        return {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": address}
