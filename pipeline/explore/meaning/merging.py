"""Blocks of an index to one file of lists, in a process of its own.

    python -m pipeline.explore.meaning.merging PARENT FILE LISTS BLOCK …

FAISS prints the size of the file, by C's printf and whatever its settings, to where the explorer
says its address. So `merged` gives this process no standard output.
"""

import os
import subprocess
import sys
from pathlib import Path

import faiss
from faiss.contrib.ondisk import merge_ondisk

from queries.processes import die_with


def merged(file: Path, lists: Path, blocks: list[Path]) -> None:
    """Move the blocks' rows to `lists`, and write the index `file`, of no rows so far, anew.

    Raises OSError with what the process said last.
    """
    words = [str(os.getpid()), *map(str, (file, lists, *blocks))]
    done = subprocess.run(  # noqa: S603  # this very module
        [sys.executable, "-m", "pipeline.explore.meaning.merging", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or [f"ended with {done.returncode}"]
        raise OSError(f"{lists}: the index could not be merged: {last[0]}")


def main() -> None:
    parent, file, lists, *blocks = sys.argv[1:]
    die_with(int(parent))
    index = faiss.read_index(file)
    merge_ondisk(index, blocks, lists)
    faiss.write_index(index, file)


if __name__ == "__main__":
    main()
