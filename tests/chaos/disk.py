"""A disk in memory whose size can be changed; only root can mount it."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.processes import wait_for


def why_not(folder: Path) -> str | None:
    """Why no small disk can be mounted below the folder; None if one can."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return "a small disk is mounted by root alone"
    with_one = Disk(folder / "why_not")
    mounted = with_one.mount("size=1m")
    if mounted.returncode:
        return f"no disk can be mounted here: {mounted.stderr.strip()}"
    with_one.unmount()
    return None


class Disk:
    """A folder that is a disk once it is mounted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def mount(self, options: str) -> subprocess.CompletedProcess:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True)

    def unmount(self) -> None:
        """Unmount; a process that exits gives up its memory, and its mark, before its files."""
        wait_for(self._is_unmounted, f"no file open below {self.folder}")

    def _is_unmounted(self) -> bool:
        return subprocess.run(["umount", str(self.folder)], capture_output=True).returncode == 0
