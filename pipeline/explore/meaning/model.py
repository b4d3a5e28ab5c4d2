"""The model of a run's embeddings, in a process of its own: the explorer has no torch.

`python -m trainer embed --serve` answers lines of JSON. It is started by the first question and
ends with the explorer, whose end closes its input.
"""

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from threading import Lock, Timer
from typing import IO, Any

import numpy as np

from queries.tables.errors import InputError

SECONDS = 120.0  # for an answer; the first one waits until torch is loaded
MOST_ANSWER = 1 << 20  # bytes of a line
GOODBYE_S = 5.0


class EmbeddingModel:
    """Texts and pictures to vectors. Any thread may ask; one is answered at a time."""

    def __init__(self, run: Path, seconds: float = SECONDS):
        self.command = [sys.executable, "-m", "trainer", "embed", "--run", str(run), "--serve"]
        self.seconds = seconds
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._said: IO[bytes] | None = None  # what the process says of its own faults

    def of_text(self, text: str) -> np.ndarray:
        """The embedding (width,) of a text. Raises InputError."""
        return self._asked({"text": text})

    def of_picture(self, body: bytes) -> np.ndarray:
        """The embedding (width,) of a picture's file. Raises InputError."""
        return self._asked({"picture": base64.b64encode(body).decode()})

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _asked(self, request: dict[str, str]) -> np.ndarray:
        with self._lock:
            process = self._started()
            assert process.stdin is not None
            assert process.stdout is not None
            late = Timer(self.seconds, process.kill)
            late.start()
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline(MOST_ANSWER)
            except OSError:
                line = b""
            finally:
                late.cancel()
            if not line.endswith(b"\n"):
                raise InputError(f"the run's model gave no answer: {self._last_words()}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise InputError(f"the model cannot embed this: {answer['error']}")
        return np.array(answer["embedding"], np.float32)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._said = tempfile.TemporaryFile()  # noqa: SIM115  # closed by _end
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(  # noqa: S603  # no shell
                self.command, stdin=pipe, stdout=pipe, stderr=self._said
            )
        return self._process

    def _last_words(self) -> str:
        """The last line that the process wrote of its faults; it ends."""
        process, said = self._process, self._said
        assert process is not None
        assert said is not None
        process.kill()
        process.wait()
        said.seek(0)
        lines = said.read()[-4_000:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else f"it took more than {self.seconds:g} s"

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                process.stdin.close()
                process.wait(GOODBYE_S)
            except (OSError, subprocess.TimeoutExpired):
                process.kill()
                process.wait()
            process.stdout.close()
        if self._said is not None:
            self._said.close()
            self._said = None
