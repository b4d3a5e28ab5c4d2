"""A made-up build of any number of samples, for the explorer: its tables, and no pictures.

Captions have 3 to 15 words of 50,000, by Zipf's law, one caption in ten Chinese; each sample is
kept for up to three of its words. A shard has 10,000 samples, as by the settings' default. A
twentieth of the samples have a statement about training, all have a score. The seed of a shard is
its number.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from queries.tables.manifest import MANIFEST
from queries.tables.parts import write_json
from queries.tables.schemas import TABLES

SHARD_ROWS = 10_000
WORDS, CHINESE_SHARE = 50_000, 0.1
LONGEST, KEPT_FOR = 15, 3  # words; queries of a sample
HOSTS, SAID_SHARE = 20_000, 0.05
SOURCES, LICENSES = ["crawl", "commons", "tables"], ["CC-BY-4.0", "CC0-1.0", "CC-BY-SA-4.0", None]
LANGUAGES = ["en", "de", "fr", "zh", None]
SIDES = [120, 200, 300, 480, 640, 800, 1_024, 1_600, 2_400]
SYLLABLES = ["ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "sha", "tre", "pin"]


def vocabulary() -> list[str]:
    """Distinct words: most of Latin letters, two in a hundred of Chinese characters."""
    n, words = len(SYLLABLES), []
    for rank in range(WORDS):
        if rank % 50 == 49:
            words.append(chr(0x4E00 + rank // 50) + chr(0x5000 + rank // 50))
        else:
            spelt, left = "", rank + n
            while left:
                left, syllable = divmod(left, n)
                spelt += SYLLABLES[syllable]
            words.append(spelt)
    return words


def chosen(values: list, draw: np.random.Generator, n: int, kind: pa.DataType) -> pa.Array:
    """n of the values, those at the front more often."""
    weights = 1 / np.arange(1, len(values) + 1)
    picks = draw.choice(len(values), n, p=weights / weights.sum())
    return pa.array(values, kind).take(pa.array(picks))


def made_captions(draw: np.random.Generator, words: pa.Array, n: int) -> tuple[pa.Array, list]:
    """n captions, and of each the words: int64 ranks, by row and place."""
    lengths = draw.integers(3, LONGEST + 1, n)
    ranks = np.minimum(draw.zipf(1.3, int(lengths.sum())) - 1, WORDS - 1)
    chinese = np.repeat(draw.random(n) < CHINESE_SHARE, lengths)
    ranks[chinese] = ranks[chinese] // 50 * 50 + 49
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    listed = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), words.take(pa.array(ranks)))
    return pc.binary_join(listed, " "), np.split(ranks, offsets[1:-1])


def write_shard(folder: Path, number: int, n_shards: int, rows: int, words: pa.Array) -> np.ndarray:
    """Write one shard's samples, statements and scores; (query_id, pair_id) of its places."""
    draw, span = np.random.default_rng(number), (1 << 63) // n_shards
    ids = np.sort(draw.choice(span, 2 * rows)[:rows].astype(np.int64)) + number * span
    ids = np.maximum.accumulate(ids + np.arange(rows)) if len(np.unique(ids)) < rows else ids
    captions, ranks = made_captions(draw, words, rows)
    keys = pa.array([f"{key:016x}" for key in ids.tolist()])
    host = np.minimum(draw.zipf(1.4, rows), HOSTS)
    urls = pa.array(
        [f"https://img{at}.example.org/{key}.jpg" for at, key in zip(host, keys, strict=True)]
    )
    sides = [chosen(SIDES, draw, rows, pa.int32()) for _ in range(2)]
    licenses = chosen(LICENSES, draw, rows, pa.string())
    columns = {
        **{"key": keys, "pair_id": ids, "priority": draw.integers(0, 1 << 62, rows), "url": urls},
        **{"caption": captions, "source": chosen(SOURCES, draw, rows, pa.string())},
        **{
            "license": licenses,
            "license_id": licenses,
            "page_url": pc.replace_substring(urls, ".jpg", ""),
        },
        "language": chosen(LANGUAGES, draw, rows, pa.string()),
        **{"width": sides[0], "height": sides[1]},
        **{"original_width": sides[0], "original_height": sides[1]},
        "image_bytes": draw.integers(5_000, 90_000, rows),
        "sha256": pc.binary_join_element_wise(keys, keys, keys, keys, ""),
        "phash": draw.integers(-(1 << 63), (1 << 63) - 1, rows),
        "n_words": pa.array([len(own) for own in ranks], pa.int32()),
        **{"offset": np.arange(rows) * 65_536, "bytes": draw.integers(5_000, 60_000, rows)},
    }
    write(folder / "shards" / f"{number:05d}.parquet", "sample", columns)
    said = draw.random(rows) < SAID_SHARE
    n_said = int(said.sum())
    months = chosen(
        [f"2026-{month:02d}-11" for month in range(11, 3, -1)], draw, n_said, pa.string()
    )
    about = {"signal": "robots", "value": "noai", "place": "header", "policy": "record"}
    statements = {name: pa.array([text] * n_said) for name, text in about.items()}
    statements |= {"pair_id": ids[said], "refuses": draw.random(n_said) < 0.5, "seen": months}
    statements |= {"url": urls.filter(pa.array(said))}
    write(folder / "parts" / f"consent-{number}.parquet", "consent", statements)
    scores = {"pair_id": ids, "scorer": pa.array(["beauty"] * rows)}
    scores |= {"score": draw.normal(0.3, 0.1, rows)}
    write(folder / "parts" / f"score-{number}.parquet", "score", scores)
    pairs = [(rank, row) for row, own in enumerate(ranks) for rank in set(own[:KEPT_FOR].tolist())]
    placed = np.array(pairs, np.int64)
    return np.stack([placed[:, 0], ids[placed[:, 1]]])


def write(path: Path, name: str, columns: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    schema = TABLES[name].schema
    table = pa.table({each.name: columns[each.name] for each in schema}, schema=schema)
    pq.write_table(table, path, compression="zstd", row_group_size=65_536)


def build_of(folder: Path, rows: int) -> Path:
    """The build, made unless it is there."""
    build = folder / "made"
    if (build / MANIFEST).exists():
        return build
    shutil.rmtree(folder, ignore_errors=True)
    n_shards, words = max(1, rows // SHARD_ROWS), vocabulary()
    spelt = pa.array(words)
    kept = [write_shard(build, number, n_shards, SHARD_ROWS, spelt) for number in range(n_shards)]
    query_id, pair_id = np.concatenate(kept, axis=1)
    order = np.lexsort((pair_id, query_id))
    tables = build / "tables"
    columns = {"query_id": query_id[order], "pair_id": pair_id[order]}
    write(tables / "kept_match" / "0.parquet", "kept_match", columns)
    for name in ("consent", "score"):
        joined(build, name)
    shutil.rmtree(build / "parts")
    counts = np.bincount(query_id, minlength=WORDS)
    write(tables / "query" / "0.parquet", "query", query_columns(words, counts))
    files = sorted(path for path in build.rglob("*.parquet"))
    listed = [{"path": str(p.relative_to(build)), "bytes": p.stat().st_size} for p in files]
    write_json(build / MANIFEST, {"version": "made", "files": listed})
    return build


def query_columns(words: list[str], counts: np.ndarray) -> dict:
    n = len(words)
    columns = {
        name: pa.nulls(n, TABLES["query"].schema.field(name).type)
        for name in TABLES["query"].schema.names
    }
    columns |= {"query_id": np.arange(n), "text": words, "display": words, "language": ["en"] * n}
    columns |= {"entered_by": ["word"] * n, "sources": pa.array([1] * n, pa.int32())}
    return columns | {"word_n": counts, "rank": np.arange(n)}


def joined(build: Path, name: str) -> None:
    """The parts of a table as one file, in order of pair_id, as a build has them."""
    path = build / "tables" / name / "0.parquet"
    path.parent.mkdir(parents=True)
    parts = sorted((build / "parts").glob(f"{name}-*.parquet"), key=number_of)
    with pq.ParquetWriter(path, TABLES[name].schema, compression="zstd") as writer:
        for some in batched(parts, 8):
            table = pa.concat_tables(pq.read_table(part) for part in some)
            writer.write_table(table, row_group_size=65_536)


def number_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def batched(paths: list[Path], n: int) -> Iterator[list[Path]]:
    for begin in range(0, len(paths), n):
        yield paths[begin : begin + n]
