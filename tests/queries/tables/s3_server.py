"""moto's S3 server on loopback in a process of its own, with one bucket: no real S3."""

import os
import subprocess
import sys
from pathlib import Path

from tests.processes import free_port, wait_until_it_listens

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
        self.place = ("127.0.0.1", free_port())
        command = [Path(sys.executable).with_name("moto_server"), "-H", "127.0.0.1", "-p"]
        self.process = subprocess.Popen(
            [*map(str, command), str(self.place[1])],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until_it_listens(self.place[1], self.process)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.place[1]}"

    @staticmethod
    def environment(address: str) -> dict[str, str]:
        return {**os.environ, **CREDENTIALS, "AWS_ENDPOINT_URL": address}
