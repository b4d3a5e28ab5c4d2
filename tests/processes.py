"""Processes, ports and waits of tests, in a form that holds on a busy machine.

A process may end between the moment it is listed and the moment it is asked for its name: the
functions here then answer as if it had not been listed. `leave_none_behind` starts a guard that
kills all that the tests started when their own process ends, SIGKILL included.
"""

import os
import random
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import psutil

WAIT_S = 600  # long: a wait that is too short fails on a busy machine
LOOK_S = 0.2
MARK = "BUILDWIT_TEST_RUN"
T = TypeVar("T")


def wait_for(condition: Callable[[], T], what: str, seconds: float = WAIT_S) -> T:
    """Call the function until it returns something true, and return that."""
    end = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < end, f"not in {seconds:.0f} s: {what}"
        time.sleep(0.01)
    return answer


def wait_while(program: subprocess.Popen, condition: Callable[[], T], what: str) -> T:
    """Wait for what the program makes true before it ends."""

    def holds() -> T:
        assert program.poll() is None, f"{program.args} ended before: {what}"
        return condition()

    return wait_for(holds, what)


# --- processes that may end meanwhile -----------------------------------------------------------


def command_of(process: psutil.Process) -> str:
    """Its command line; '' where it has ended."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def name_of(process: psutil.Process) -> str:
    """The name of its program; '' where it has ended."""
    with suppress(psutil.Error):
        return process.name()
    return ""


def is_alive(process: psutil.Process) -> bool:
    """A zombie is not: it has ended, and only its parent has not noticed."""
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def descendants(process: psutil.Process | int) -> list[psutil.Process]:
    """All that the process started, and what these started; none where it has ended."""
    with suppress(psutil.Error):
        started = psutil.Process(process) if isinstance(process, int) else process
        return [child for child in started.children(recursive=True) if is_alive(child)]
    return []


def marked(name: str, mark: str) -> list[psutil.Process]:
    """The living processes that have this variable in the environment they were started with."""
    family = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if is_alive(process) and process.environ().get(name) == mark:
                family.append(process)
    return family


def kill(*processes: psutil.Process) -> None:
    for process in processes:
        with suppress(psutil.Error):
            process.kill()


# --- ports --------------------------------------------------------------------------------------


def free_port() -> int:
    """A port of 127.0.0.1 for a server that another process starts a moment later.

    It lies below the range from which the kernel gives out ports, so nobody is given it meanwhile.
    """
    for port in random.SystemRandom().sample(range(10_000, 32_000), 1000):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def wait_until_it_listens(port: int, server: subprocess.Popen) -> None:
    def answers() -> bool:
        assert server.poll() is None, f"{server.args} ended"
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_for(answers, f"{server.args} listens on port {port}")


# --- none is left behind ------------------------------------------------------------------------


def leave_none_behind() -> None:
    """Start the guard of this process: what is started from now on ends when this process ends.

    All that it starts inherits a variable of the environment, by which the guard knows it. The
    guard itself has an empty environment and a session of its own, so no signal to this process
    and no other guard ends it.
    """
    os.environ[MARK] = uuid.uuid4().hex
    command = [sys.executable, "-P", __file__, str(os.getpid()), os.environ[MARK]]
    none = subprocess.DEVNULL
    GUARDS.append(
        subprocess.Popen(
            command, stdin=none, stdout=none, stderr=none, env={}, cwd="/", start_new_session=True
        )
    )


GUARDS: list[subprocess.Popen] = []


def guard(parent: int, mark: str) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    end = time.monotonic() + WAIT_S
    while (family := marked(MARK, mark)) and time.monotonic() < end:
        kill(*family)
        time.sleep(0.01)


if __name__ == "__main__":
    guard(int(sys.argv[1]), sys.argv[2])
