"""The matcher's inner loop, compiled by Numba where it is installed: the same matches, sooner.

The matches are those of `Matcher._found`. Each row is cut into words, and BLOCK_WORDS words are
looked up together, so that the processor loads their cells from memory at the same time.
"""

import fcntl
import pickle
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np

from pipeline.match.tables import FREE, LONG, SHORT, STEP_SHIFT, leads_on, node, query_number

BLOCK_WORDS = 4096  # their cells, 64 bytes each, stay in the processor's cache
FEW_BITS = 6
FEW = 1 << FEW_BITS  # matches of a row that are sorted by counting

_UINT8 = nb.types.Array(nb.uint8, 1, "C", readonly=True)
_UINT64 = nb.types.Array(nb.uint64, 1, "C", readonly=True)
_EIGHTS = nb.types.Array(nb.uint64, 1, "A", readonly=True, aligned=False)
_INT64 = nb.types.Array(nb.int64, 1, "C", readonly=True)
_TEXT = nb.types.Tuple((_EIGHTS, _INT64, _INT64))  # the bytes, the rows' begins, their ends
_WORDS = nb.types.Tuple((_EIGHTS, _INT64, _INT64))  # the bytes, the words' starts, their lengths
_TABLE = nb.types.Tuple((_UINT64, nb.int64))  # cells, bits
_HASH = nb.types.Tuple((nb.uint64, nb.int64))  # multiplier, the longest word's bytes
_STEP = nb.types.Tuple((_UINT64, nb.int64, _UINT8, nb.int64, nb.uint64))
SIGNATURE = nb.types.Tuple((nb.int64[::1], nb.int64[::1]))(_TEXT, _TABLE, _HASH, _WORDS, _STEP)

compiled_in = nb.njit(nogil=True)  # compiled together with the caller


@compiled_in
def _mixed(number, multiplier):
    number *= multiplier
    number ^= number >> np.uint64(32)
    number *= multiplier
    return number ^ (number >> np.uint64(32))


@compiled_in
def _wish(key, bits):
    return (key >> np.uint64(64 - bits)) << np.uint64(1)


@compiled_in
def _look_up(cells, bits, key):
    at = _wish(key, bits)
    while cells[at] < key:
        at += np.uint64(2)
    value = np.int64(cells[at + np.uint64(1)])
    return value if cells[at] == key else FREE


_node, _query_number, _leads_on = map(compiled_in, (node, query_number, leads_on))


@compiled_in
def _step(value, follower, multiplier):
    return np.uint64(_node(value) << STEP_SHIFT | _node(follower)) * multiplier


@compiled_in
def _below(n_bytes):
    """A mask of the first bytes of 8."""
    return (np.uint64(1) << np.uint64(8 * n_bytes)) - np.uint64(1)


@compiled_in
def _equal(eights, at, length, words, number):
    others, starts, lengths = words
    if lengths[number] != length:
        return False
    other = starts[number]
    for _ in range(length // SHORT):
        if eights[at] != others[other]:
            return False
        at, other = at + SHORT, other + SHORT
    return not (eights[at] ^ others[other]) & _below(length % SHORT)


@compiled_in
def _flag(flags, bits, key):
    flag = key >> np.uint64(64 - bits)
    return flags[flag >> np.uint64(3)] >> np.uint8(flag & np.uint64(7)) & 1


@compiled_in
def _grown(matches, needed):
    """A larger array with the same beginning, which has a place `needed`."""
    more = np.empty(2 * needed + 1, np.int64)
    more[: len(matches)] = matches
    return more


@compiled_in
def _spaces(eight):
    """The top bit of the first space among 8 bytes, and some behind it; 0 if there is none."""
    differ = eight ^ np.uint64(0x2020202020202020)
    return (differ - np.uint64(0x0101010101010101)) & ~differ & np.uint64(0x8080808080808080)


@compiled_in
def _cut(eights, at, end, hashing, hashes, spans, n_words):
    """The hashes and spans of a row's words; how many there are now."""
    multiplier, longest = hashing
    while at < end:
        start, hashed = at, np.uint64(0)
        while True:
            eight = eights[at]
            if end - at < SHORT:  # what is behind the row is space
                eight |= np.uint64(0x2020202020202020) << np.uint64(8 * (end - at))
                eight &= _below(end - at) | np.uint64(0x2020202020202020)
            space = _spaces(eight)
            if space:
                break
            if at == start or at - start < longest:
                hashed = _mixed(eight + hashed, multiplier)
            at += SHORT
        space &= ~space + np.uint64(1)
        below = (space >> np.uint64(7)) - np.uint64(1)  # the bytes before the space
        n_bytes = np.int64(below & np.uint64(0x0101010101010101)) * 0x0101010101010101
        n_bytes = np.int64(np.uint64(n_bytes) >> np.uint64(56))
        if n_bytes and (at == start or at - start < longest):
            hashed = _mixed((eight & below) + hashed, multiplier)
        at += n_bytes
        hashes[n_words] = hashed
        spans[n_words, 0], spans[n_words, 1] = start, at - start
        n_words += at != start
        at += 1
    return n_words


@compiled_in
def _sort_few(matches, first, end, few):
    """Sort at most FEW in place: each goes to the place that the number of smaller ones names,
    with no branch to foresee."""
    for n in range(end - first):  # no two are equal: their places are their last bits
        few[n] = matches[first + n] << FEW_BITS | n
    for n in range(end - first):
        key, place = few[n], first
        for other in range(end - first):
            place += few[other] < key
        matches[place] = key >> FEW_BITS


@compiled_in
def _sift(heap, top, n):
    """Move the top element of a heap of n down to its place."""
    key = heap[top]
    while True:
        below = 2 * top + 1
        if below >= n:
            break
        if below + 1 < n and heap[below + 1] > heap[below]:
            below += 1
        if heap[below] <= key:
            break
        heap[top] = heap[below]
        top = below
    heap[top] = key


@compiled_in
def _sort(matches, first, end, few):
    """Sort a row's matches in place, each once; returns their end.

    Many are sorted by a heap (Williams 1964), which no text can slow down.
    """
    if end - first <= FEW:
        _sort_few(matches, first, end, few)
    else:
        heap = matches[first:end]
        for top in range(len(heap) // 2 - 1, -1, -1):
            _sift(heap, top, len(heap))
        for last in range(len(heap) - 1, 0, -1):
            heap[0], heap[last] = heap[last], heap[0]
            _sift(heap, 0, last)
    kept = first
    for n in range(first + 1, end):
        kept += matches[n] != matches[kept]
        matches[kept] = matches[n]
    return kept + 1 if end > first else end


@compiled_in
def _cut_block(texts, first_row, hashing, hashes, spans, ends):
    """Cut rows into words, until there are BLOCK_WORDS; the row and the word behind the last.

    ends: of each row the end of its words. Behind the words of a row stands a word for none.
    """
    eights, begins, stops = texts
    row, n_words = first_row, 0
    while row < len(begins) and n_words < BLOCK_WORDS:
        n_words = _cut(eights, begins[row], stops[row], hashing, hashes, spans, n_words)
        ends[row] = n_words
        hashes[n_words], spans[n_words] = 0, 0
        n_words += 1
        row += 1
    return row, n_words


@compiled_in
def _find_words(eights, n_words, table, words, hashes, spans, values, seen):
    """The value of each word's node, FREE of words that begin no query."""
    cells, bits = table
    for n in range(n_words):  # bring the cells
        seen[n] = cells[_wish(hashes[n], bits)]
    for n in range(n_words):
        value = _look_up(cells, bits, hashes[n])
        start, length = spans[n]
        long = value != FREE and (length > SHORT or value & LONG)
        if long and not _equal(eights, start, length, words, _node(value)):
            value = FREE
        values[n] = value


@compiled_in
def _find_pairs(n_words, steps, values, hashes, spans, follows, seen):
    """The values of the nodes of two words, at `spans[:, 0]`, in order; how many there are.

    The flags tell most steps that lead nowhere, before any cell is read for them.
    """
    cells, bits, flags, flag_bits, multiplier = steps
    likely = 0
    for n in range(n_words - 1):
        key = _step(values[n], values[n + 1], multiplier)
        hashes[likely], spans[likely, 0] = key, n
        on = _leads_on(values[n]) & (values[n] != FREE) & (values[n + 1] != FREE)
        likely += on & _flag(flags, flag_bits, key)
    for n in range(likely):
        seen[n] = cells[_wish(hashes[n], bits)]
    n_follows = 0
    for n in range(likely):
        follows[n_follows] = _look_up(cells, bits, hashes[n])
        spans[n_follows, 0] = spans[n, 0]
        n_follows += follows[n_follows] != FREE
    return n_follows


@compiled_in
def _match_rows(rows, ends, values, pairs, steps, matches, match_ends, few):
    """Write the query_ids of a block's rows behind those of the rows before; `matches`, grown.

    rows: the first and the one behind the last. pairs: what `_find_pairs` has found.
    """
    cells, bits, flags, flag_bits, multiplier = steps
    spans, follows, n_follows = pairs
    first_row, stop_row = rows
    n_matches = match_ends[first_row - 1] if first_row else 0
    n = nth = 0
    for row in range(first_row, stop_row):
        first = n_matches
        if n_matches + ends[row] - n >= len(matches):
            matches = _grown(matches, n_matches + ends[row] - n)
        while n < ends[row]:
            matches[n_matches] = _query_number(values[n]) - 1
            n_matches += _query_number(values[n]) > 0
            n += 1
        n += 1
        while nth < n_follows and spans[nth, 0] < n:
            value, after = follows[nth], spans[nth, 0] + 2
            while value != FREE:
                if n_matches == len(matches):
                    matches = _grown(matches, n_matches)
                matches[n_matches] = _query_number(value) - 1
                n_matches += _query_number(value) > 0
                if not _leads_on(value) or values[after] == FREE:
                    break
                key = _step(value, values[after], multiplier)
                if not _flag(flags, flag_bits, key):
                    break
                value = _look_up(cells, bits, key)
                after += 1
            nth += 1
        n_matches = _sort(matches, first, n_matches, few)
        match_ends[row] = n_matches
    return matches


def _find(texts, table, hashing, words, steps):
    """The rows and query_ids of all matches, sorted, each once."""
    eights, begins, stops = texts
    n_rows = len(begins)
    most = 0
    for row in range(n_rows):
        most = max(most, stops[row] - begins[row])
    room = 2 * BLOCK_WORDS + most // 2 + 2  # of a row no more words than that, and a word for none
    hashes = np.empty(room, np.uint64)
    spans = np.empty((room, 2), np.int64)
    values = np.empty(room, np.int64)
    follows = np.empty(room, np.int64)
    seen = np.empty(room, np.uint64)
    ends = np.empty(n_rows, np.int64)  # of the words of a block's rows
    matches = np.empty(16 * n_rows + 16, np.int64)
    few = np.empty(FEW, np.int64)
    match_ends = np.empty(n_rows, np.int64)  # of each row's matches

    first_row = 0
    while first_row < n_rows:
        stop_row, n_words = _cut_block(texts, first_row, hashing, hashes, spans, ends)
        _find_words(eights, n_words, table, words, hashes, spans, values, seen)
        pairs = spans, follows, _find_pairs(n_words, steps, values, hashes, spans, follows, seen)
        block = first_row, stop_row
        matches = _match_rows(block, ends, values, pairs, steps, matches, match_ends, few)
        first_row = stop_row
    n_matches = match_ends[n_rows - 1] if n_rows else 0
    rows = np.empty(n_matches, np.int64)
    n = 0
    for row in range(n_rows):
        while n < match_ends[row]:
            rows[n] = row
            n += 1
    return rows, matches[:n_matches].copy()


@contextmanager
def _alone() -> Iterator[bool]:
    """Hold the lock of this file, which needs no right to write; False where there are no locks."""
    with Path(__file__).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            yield False
        else:
            yield True


@lru_cache(maxsize=1)
def compiled() -> Callable[..., Any]:
    """The kernel: some seconds the first time, then from Numba's cache beside this file.

    One process at a time, since Numba writes the cache's index before the code: a process that
    starts after an update beside another one could read the new index and the old code. Where the
    cache cannot be written, or is damaged, the kernel is compiled for this process alone.
    """
    with _alone() as alone:
        if alone:
            try:
                return nb.njit(SIGNATURE, nogil=True, cache=True)(_find)
            except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
                warnings.warn(f"the matcher is compiled anew: {error!r}", stacklevel=2)
    return nb.njit(SIGNATURE, nogil=True)(_find)
