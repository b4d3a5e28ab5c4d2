"""A made-up build of the size that benchmarks.audits asks: tables that belong together.

    write_build(folder, FULL, seed=0)

Every check of rows passes on it: the pairs are numbered in the order of selection, a query takes
pairs that are spread evenly over that order, a fifth of all pairs is lost in the fetch, and each
query keeps its first survivors up to the cap. What SQL cannot tell apart is not made: the tars.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.cap import mixed, power
from queries.tables.parts import write_json, write_part
from queries.tables.schemas import TABLES
from tests.tables import build_row, rows

N_QUERIES, N_HEADS, CAP = 500_000, 2_000, 20_000
ROWS_AT_ONCE = 2_000_000
LOST = ("not_found", "timeout", "image_too_small", "near_duplicate")
DROPPED = ("caption_too_short", "wrong_language", "caption_mostly_digits", "url_not_picture")
LICENSES = (None, None, "cc-by 4.0", "cc0", "cc-by-sa 3.0")
LANGUAGES = ("en", "en", "en", "de", "fr", "el", "ja")
CAPTIONS = (
    "A photo of lighthouse ",
    "ein rotes Haus Nr. ",
    "Ο φάρος ",
    "灯台 ",
    "the old harbour ",
)


@dataclass(frozen=True)
class Size:
    """How many rows the tables have: heads hold half of all matches, as many as tails do."""

    matches: int
    pairs: int
    shards: int

    @property
    def cap(self) -> int:
        """The cap of a smaller build is as much smaller."""
        return CAP * self.matches // FULL_MATCHES

    def matches_of_queries(self) -> np.ndarray:
        """How many matches each query has, the most frequent first."""
        rank = np.arange(1, N_QUERIES + 1) / (N_HEADS + 0.5)
        half = FULL_MATCHES / 2
        exact = np.concatenate([power(rank[:N_HEADS], half), power(rank[N_HEADS:], half)])
        spread = np.random.default_rng(0).random(N_QUERIES)
        n = np.floor(exact * self.matches / FULL_MATCHES + spread).astype(np.int64)
        return np.minimum(n, self.pairs // 2)


FULL_MATCHES = 170_000_000  # 106 million are kept
FULL, QUICK = Size(FULL_MATCHES, 32_000_000, 1024), Size(FULL_MATCHES // 100, 320_000, 16)


@dataclass
class Made:
    """What became of each pair, by its number."""

    lost: np.ndarray
    matched: np.ndarray
    asked: np.ndarray
    kept: np.ndarray


def pair_ids(number: np.ndarray) -> np.ndarray:
    return mixed(number, seed=0)


def priorities(number: np.ndarray, size: Size) -> np.ndarray:
    """They rise with the number, with gaps that look like chance."""
    gap = (1 << 62) // size.pairs
    return number * gap + mixed(number, seed=1) % gap


def write_build(folder: Path, size: Size, *, seed: int, like: Path | None = None) -> Path:
    """Write a build; of one `like` it, pairs, matches and drops are the same files.

    Another seed loses other pairs. Returns the folder.
    """
    lost = mixed(np.arange(size.pairs), seed=10 + seed) % 5 == 0
    made = Made(lost, *(np.zeros_like(lost) for _ in range(3)))
    tables = folder / "tables"
    for number, (match, kept_match) in enumerate(matches(size, made)):
        write(tables, "kept_match", number, kept_match)
        if like is None:
            write(tables, "match", number, match)
    order = np.argsort(pair_ids(np.arange(size.pairs)))
    write(tables, "attempt", 0, *attempts(order[made.asked[order]], size, made))
    write(tables, "outcome", 0, *outcomes(order[made.asked[order]], made))
    write_samples(folder / "shards", order[made.kept[order]], size)
    write_small(tables, size, made)
    if like is None:
        write(tables, "query", 0, queries())
        write(tables, "pair", 0, *(pairs(of, size) for of in chunks(order[made.matched[order]])))
        write(tables, "drop", 0, *drops(size, made))
    else:
        for name in ("match", "query", "pair", "drop"):
            (tables / name).symlink_to(like / "tables" / name)
    settings = {"selection": {"cap": size.cap}, "seed": seed}
    write_json(folder / "manifest.json", {"version": "made-up", "settings": settings, "files": []})
    return folder


def write(tables: Path, name: str, number: int, *batches: pa.RecordBatch) -> None:
    write_part(tables / name / f"{number:05d}.parquet", TABLES[name], batches)


def batch(table: str, **columns: object) -> pa.RecordBatch:
    """A batch of a declared table: arrays, or one value for all rows; what is not given is null."""
    n = max(len(one) for one in columns.values() if isinstance(one, (np.ndarray, pa.Array)))
    schema = TABLES[table].schema
    arrays = []
    for one in schema:
        given = columns.get(one.name)
        if not isinstance(given, (np.ndarray, pa.Array)):
            given = pa.repeat(pa.scalar(given, one.type), n)
        arrays.append(pa.array(given).cast(one.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def chunks(numbers: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(numbers), ROWS_AT_ONCE):
        yield numbers[start : start + ROWS_AT_ONCE]


# --- matches, and what they make of the pairs -----------------------------------------------------
def matches(size: Size, made: Made) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """The matches by query and priority, and the kept ones of them by query and pair."""
    n = size.matches_of_queries()
    chunk = np.cumsum(n) // ROWS_AT_ONCE
    for one in np.unique(chunk):
        of = np.flatnonzero(chunk == one)
        query = np.repeat(of, n[of])
        first = np.cumsum(n[of]) - n[of]
        nth = np.arange(len(query)) - np.repeat(first, n[of])
        jitter = np.random.default_rng(int(one)).random(len(query))
        step = size.pairs / np.maximum(n[of], 1)
        number = (nth * np.repeat(step, n[of])).astype(np.int64)
        number += (jitter * np.repeat(np.floor(step), n[of])).astype(np.int64)
        survived = ~made.lost[number]
        before = np.concatenate([[0], np.cumsum(survived)])
        stand = before[:-1] - np.repeat(before[first], n[of])  # survivors before it in its query
        kept = survived & (stand < size.cap)
        made.matched[number] = True
        made.asked[number[stand < size.cap]] = True
        made.kept[number[kept]] = True
        pair_id = pair_ids(number)
        ordered = np.lexsort((pair_id[kept], query[kept]))
        yield (
            batch("match", pair_id=pair_id, query_id=query, priority=priorities(number, size)),
            batch("kept_match", pair_id=pair_id[kept][ordered], query_id=query[kept][ordered]),
        )


# --- the other tables -----------------------------------------------------------------------------
def chosen(number: np.ndarray, seed: int, among: tuple[str | None, ...]) -> pa.Array:
    return pa.array(among, pa.string()).take(pa.array(mixed(number, seed) % len(among)))


def text(number: np.ndarray) -> pa.Array:
    return pa.array(number).cast(pa.string())


def joined(*pieces: object) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, "")


def hexadecimal(number: np.ndarray, words: int) -> pa.Array:
    """So many 64-bit words of each number, in hex."""
    mix = [number if words == 1 else mixed(number, seed=20 + word) for word in range(words)]
    digits = np.stack(mix, axis=1).astype(">i8").tobytes().hex().encode()
    ends = np.arange(len(number) + 1, dtype=np.int32) * 16 * words
    return pa.Array.from_buffers(
        pa.string(), len(number), [None, pa.py_buffer(ends), pa.py_buffer(digits)]
    )


def described(number: np.ndarray, size: Size) -> dict[str, object]:
    """The columns that a pair and its sample have in common."""
    host = np.sqrt(mixed(number, seed=2) % 2_500_000_000).astype(np.int64)  # few and many a host
    return {
        "pair_id": pair_ids(number),
        "priority": priorities(number, size),
        "url": joined("https://images", text(host), ".example.org/", text(number), ".jpg"),
        "caption": joined(
            chosen(number, 3, CAPTIONS),
            text(mixed(number, seed=4) % (size.pairs * 4)),
            " by the sea, seen from ",
            text(mixed(number, seed=5) % 9973),
        ),
        "source": chosen(number, 6, ("crawl", "crawl", "wiki")),
        "license": chosen(number, 7, LICENSES),
        "language": chosen(number, 8, LANGUAGES),
    }


def images(number: np.ndarray, size: Size) -> dict[str, object]:
    """The columns of a picture; one in fifty repeats another's bytes."""
    width, height = (200 + mixed(number, seed) % 3000 for seed in (11, 12))
    picture = np.where(mixed(number, seed=13) % 50 == 0, number % (size.pairs // 100), number)
    stored = {"width": 256, "height": 171, "image_bytes": 9000 + number % 5000}
    served = {"original_width": width, "original_height": height}
    hashes = {"sha256": hexadecimal(picture, 4), "phash": mixed(picture, seed=14)}
    return {**stored, **served, **hashes}


def pairs(number: np.ndarray, size: Size) -> pa.RecordBatch:
    return batch("pair", **described(number, size))


def reasons(number: np.ndarray, made: Made) -> pa.Array:
    """Why each pair asked for was lost; null where it was kept."""
    lost = chosen(number, 9, LOST)
    left = pc.if_else(pa.array(made.kept[number]), pa.scalar(None, pa.string()), "not_needed")
    return pc.if_else(pa.array(made.lost[number]), lost, left)


def attempts(asked: np.ndarray, size: Size, made: Made) -> Iterator[pa.RecordBatch]:
    for of in chunks(asked):
        reason = pc.if_else(pa.array(made.lost[of]), chosen(of, 9, LOST), None)
        yield batch(
            "attempt", pair_id=pair_ids(of), attempt=1, reason=reason, spread=50.0,
            **images(of, size),
        )  # fmt: skip


def outcomes(asked: np.ndarray, made: Made) -> Iterator[pa.RecordBatch]:
    for of in chunks(asked):
        yield batch("outcome", pair_id=pair_ids(of), attempt=1, reason=reasons(of, made))


def drops(size: Size, made: Made) -> Iterator[pa.RecordBatch]:
    """The pairs that no query takes, and two thirds as many rows as there are pairs besides."""
    filtered = np.arange(size.pairs, size.pairs * 5 // 3)
    for number, stage in ((filtered, "filter"), (np.flatnonzero(~made.matched), "match")):
        for of in chunks(number):
            reason = chosen(of, 9, DROPPED) if stage == "filter" else "no_query"
            both = described(of, size)
            columns = {one: both[one] for one in ("pair_id", "url", "caption", "source")}
            yield batch("drop", stage=stage, reason=reason, **columns)


def queries() -> pa.RecordBatch:
    number = np.arange(N_QUERIES)
    name = joined("query ", text(number))
    return batch(
        "query", query_id=number, text=name, display=name, sources=1 + number % 15,
        entered_by=chosen(number, 9, ("word", "bigram", "title", "wordnet")), rank=number + 1,
    )  # fmt: skip


def write_samples(shards: Path, kept: np.ndarray, size: Size) -> None:
    """The samples, which come in the order of their ids, cut by the leading bits of these."""
    ids = pair_ids(kept)
    borders = np.arange(1, size.shards) * ((1 << 63) // size.shards)
    for number, of in enumerate(np.split(kept, np.searchsorted(ids, borders))):
        columns = {**described(of, size), **images(of, size)}
        key = hexadecimal(pair_ids(of), 1)
        place = {"offset": 512 + 20_480 * np.arange(len(of)), "bytes": columns["image_bytes"]}
        rows = batch("sample", key=key, n_words=5 + of % 9, **columns, **place)
        write_part(shards / f"{number:05d}.parquet", TABLES["sample"], [rows])


def write_small(tables: Path, size: Size, made: Made) -> None:
    """The tables of few rows."""
    matched, asked, n_kept = (int(of.sum()) for of in (made.matched, made.asked, made.kept))
    survived = asked - int((made.asked & made.lost).sum())
    funnel = [("collect", size.pairs * 5 // 3, size.pairs * 5 // 3)]
    funnel += [("filter", funnel[0][1], size.pairs)]
    funnel += [("pool", size.pairs, size.pairs), ("match", size.pairs, matched)]
    funnel += [("select", matched, asked), ("fetch", asked, n_kept), ("pack", n_kept, n_kept)]
    stages = [
        {"stage": stage, "part": "all", "rows_in": n, "rows_kept": k, "rows_dropped": n - k}
        for stage, n, k in funnel
    ]
    fetched = {"round": 0, "n_unsettled": N_QUERIES, "n_asked": asked, "n_survived": survived}
    small = {
        "stage": rows("stage", *stages),
        "round": rows("round", fetched),
        "round_loss": rows("round_loss", {"round": 0, "reason": "timeout", "n": asked - survived}),
        "build": build_row(cap=size.cap, near_bits=2, n_queries=N_QUERIES),
    }
    for name, table in small.items():
        write(tables, name, 0, *table.to_batches())
