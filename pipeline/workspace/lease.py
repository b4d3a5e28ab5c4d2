"""A lease: one build at a time in a store, by an object that its builder writes again and again.

A store has no locks that end with their process. So the object is put only if it is not there, as
far as the store can tell; one that stays as it is was left by a dead process. Two builds that meet
all the same do no harm but double work: parts are named by what decides them.
"""

import atexit
import json
import threading
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from queries.tables import store
from queries.tables.errors import UserError
from queries.tables.parts import write_json

BEAT_S = 10.0  # between two writes of the object
DEAD_S = 45.0  # an object that stays the same so long is nobody's


@dataclass
class Lease:
    """The object, and a file of this machine that remembers which was ours.

    The caller holds a lock of this machine, so an object of an earlier process here is nobody's.
    """

    path: Path
    remembered: Path
    token: str = field(default_factory=lambda: uuid.uuid4().hex)
    beats: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def take(self) -> None:
        """Have it, and keep it while this process lives. Raises UserError if another has it."""
        if not self._create():
            self._wait_for_its_end()
            self._remove()
            if not self._create():
                raise self._taken()
        write_json(self.remembered, {"token": self.token})
        beating = threading.Thread(target=self._beat, daemon=True)
        beating.start()
        atexit.register(self._give_back, beating)

    def _give_back(self, beating: threading.Thread) -> None:
        self.ended.set()
        beating.join(BEAT_S)
        with suppress(UserError):  # then it is nobody's in DEAD_S
            self._remove()

    def _remove(self) -> None:
        store.tried(self.path, lambda: self.path.unlink(missing_ok=True))

    def _create(self) -> bool:
        """Put the object where there is none."""
        body = self._body()

        def create() -> bool:
            try:
                store.fs_of(self.path).pipe_file(store.key_of(self.path), body, mode="create")
            except FileExistsError:
                # A try that was cut off may have put it.
                return self._token(self.path.read_bytes()) == self.token
            return True

        return store.tried(self.path, create)

    def _wait_for_its_end(self) -> None:
        """Return when the object is nobody's; UserError as soon as it changes."""
        body = self._read()
        ours = self._token(self.remembered.read_bytes()) if self.remembered.exists() else None
        until = time.monotonic() + DEAD_S
        while body is not None and self._token(body) != ours and time.monotonic() < until:
            time.sleep(min(1.0, DEAD_S))
            if (now := self._read()) not in (body, None):
                raise self._taken()
            body = now

    def _read(self) -> bytes | None:
        def read() -> bytes | None:
            try:
                return self.path.read_bytes()
            except FileNotFoundError:
                return None

        return store.tried(self.path, read)

    def _beat(self) -> None:
        while not self.ended.wait(BEAT_S):
            self.beats += 1
            with suppress(*store.faults()):  # the next one may come through
                store.fs_of(self.path).pipe_file(store.key_of(self.path), self._body())

    def _body(self) -> bytes:
        return json.dumps({"token": self.token, "beats": self.beats}).encode()

    @staticmethod
    def _token(body: bytes) -> object:
        try:
            return json.loads(body)["token"]
        except (ValueError, LookupError, TypeError):
            return None

    def _taken(self) -> UserError:
        return UserError(f"{self.path.parent}: another build is at work in this workspace")
