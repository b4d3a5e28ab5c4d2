"""A batch in pieces, and their way to the device: out of page-locked memory, beside the work.

On a GPU nothing here is waited for by the host: a piece is copied on a stream of its own while the
one before it is computed, and only the stream that computes waits for the copy.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

Rows = np.ndarray | Tensor


@dataclass(frozen=True)
class Inputs:
    """This process's rows of a batch, in the host's memory: uint8 (B, 3, H, W), ids (B, T), and
    SimCLR's two views."""

    images: Rows
    tokens: Rows
    views: tuple[Rows, ...] = ()

    def pinned(self) -> "Inputs":
        """A copy in page-locked memory, which CUDA keeps until it has been copied from."""
        images, tokens, *views = (
            torch.as_tensor(rows).pin_memory() for rows in (self.images, self.tokens, *self.views)
        )
        return Inputs(images, tokens, tuple(views))


@dataclass(frozen=True)
class Piece:
    """Rows of one kind of input that are embedded together."""

    kind: str  # image, text, view1 or view2
    rows: Tensor | slice  # (b,), where in the batch they stand; of pictures a slice
    inputs: Tensor  # (b, ...), on the host until it is `copied`
    width: int | None = None  # of texts: the columns that are read, those of the longest


def pictures_in_pieces(kind: str, values: Rows, n: int) -> Iterator[Piece]:
    """The pictures in n pieces, equal but for one row."""
    whole = torch.as_tensor(values)
    for begin, end in pairwise(cuts(len(whole), n)):
        yield Piece(kind, slice(begin, end), whole[begin:end])


def texts_in_pieces(tokens: Rows, n: int, device: torch.device, most: int) -> Iterator[Piece]:
    """The texts in n pieces of like length, of `most` rows at most; fewer pieces where there are
    fewer texts or lengths.

    A trimmed text is the same text, since no token sees a later one, so the pieces are exact.
    """
    ids = np.asarray(tokens)
    lengths = ids.argmax(axis=1) + 1 if len(ids) else np.ones(1, np.int64)
    order = np.argsort(lengths[: len(ids)], kind="stable")
    sorted_ids, rows = torch.from_numpy(ids[order]), sent(torch.from_numpy(order), device)
    lengths.sort()
    borders = cuts(len(order), min(n, max(1, len(order))))
    for at in range(len(borders) - 2, 0, -1):
        before, end = borders[at - 1], borders[at + 1]
        if lengths[borders[at] - 1] == lengths[end - 1] and end - before <= most:
            del borders[at]  # both pieces are as long: one product of matrices is less work
    for begin, end in pairwise(borders):
        longest = int(lengths[max(begin, end - 1)])
        yield Piece("text", rows[begin:end], sorted_ids[begin:end], longest)


def cuts(n_rows: int, n: int) -> list[int]:
    """Where n pieces of the rows begin, and the end: the longer ones first.

    >>> cuts(8, 3), cuts(0, 2)
    ([0, 3, 6, 8], [0, 0, 0])
    """
    size, longer = divmod(n_rows, n)
    return [at * size + min(at, longer) for at in range(n + 1)]


def sent(values: Tensor, device: torch.device) -> Tensor:
    """The values on the device, to which they may still be on their way."""
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def copied(pieces: Iterable[Piece], device: torch.device) -> Iterator[Piece]:
    """Each piece on the device. One is copied ahead, so no more than two of them are there for
    this alone."""
    if device.type != "cuda":
        for piece in pieces:
            yield trimmed(piece, sent(piece.inputs, device))
        return
    stream, ahead = copy_stream(device), None
    for following in [*pieces, None]:
        begun = None
        if following is not None:
            with torch.cuda.stream(stream):
                begun = trimmed(following, sent(following.inputs, device)), stream.record_event()
        if ahead is not None:
            arriving, event = ahead
            computing = torch.cuda.current_stream(device)
            computing.wait_event(event)
            arriving.inputs.record_stream(computing)  # its memory is not free before that is done
            yield arriving
        ahead = begun


def trimmed(piece: Piece, inputs: Tensor) -> Piece:
    """The piece with inputs on the device, of texts the columns that are read."""
    return replace(piece, inputs=inputs if piece.width is None else inputs[:, : piece.width])


@cache
def copy_stream(device: torch.device) -> torch.cuda.Stream:
    """The stream of a GPU that its inputs are copied on."""
    return torch.cuda.Stream(device)
