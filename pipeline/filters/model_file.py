"""Whether a file is a whole fastText model of labels, by its lengths alone.

fastText believes its files: of one that is cut off it takes zeros for what is missing, asks for
many gigabytes, or ends the process. So the lengths in the file are added up before fastText reads
it. The layout is that of `saveModel` in fastText's source, versions 11 and 12.
"""

import mmap
import re
import struct
from pathlib import Path

from queries.tables.errors import InputError

MAGIC, VERSIONS, SUPERVISED = 793_712_314, (11, 12), 3
N_CENTROIDS = 256  # of each part of a vector, in a model that is packed
_ENTRY = re.compile(rb"[^\0]*\0.{9}", re.DOTALL)  # a word or label, its count and its kind


def check_file(path: str) -> None:
    """Raise InputError for a file that is no whole model that tells labels apart."""
    try:
        with (
            Path(path).open("rb") as file,
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as data,
        ):
            end, size = _Reader(data).end(), len(data)
    except (struct.error, ValueError, OSError) as error:
        fault = str(error) if type(error) is ValueError else "a file that is cut off"
    else:
        if end == size:
            return
        fault = (
            f"{size} bytes of {end}: it is cut off" if end > size else f"{size - end} bytes more"
        )
    raise InputError(
        f"filters.language_model: {path}: expected a fastText model that tells languages apart, "
        f"such as lid.176.ftz; found {fault}"
    )


class _Reader:
    """Goes from length to length."""

    def __init__(self, data: mmap.mmap):
        self.data, self.at = data, 0

    def take(self, layout: str) -> tuple[int, ...]:
        values = struct.unpack_from(f"<{layout}", self.data, self.at)
        self.at += struct.calcsize(f"<{layout}")
        return values

    def end(self) -> int:
        """Where the model ends, as its lengths have it."""
        if self.data[:4] != struct.pack("<i", MAGIC):
            raise ValueError(f"a file that begins with {self.data[:16]!r}")
        _, version, *arguments, _ = self.take("2i12id")
        if version not in VERSIONS or arguments[7] != SUPERVISED:
            raise ValueError("vectors of words, or a model of another version")
        n_entries, _, _, _, n_pruned = self.take("3i2q")
        for _ in range(n_entries):
            entry = _ENTRY.match(self.data, self.at)
            if not entry:
                raise ValueError("a file that is cut off")
            self.at = entry.end()
        self.at += 8 * max(n_pruned, 0)
        (packed,) = self.take("?")
        self.matrix(bool(packed))
        (packed_output,) = self.take("?")
        self.matrix(bool(packed and packed_output))
        return self.at

    def matrix(self, packed: bool) -> None:
        if not packed:
            n_rows, n_columns = self.take("2q")
            self.at += 4 * n_rows * n_columns
            return
        with_norms, n_rows, _, n_codes = self.take("?2qi")
        self.at += n_codes
        self.centroids()
        if with_norms:
            self.at += n_rows
            self.centroids()

    def centroids(self) -> None:
        n_columns, *_ = self.take("4i")
        self.at += 4 * N_CENTROIDS * n_columns
