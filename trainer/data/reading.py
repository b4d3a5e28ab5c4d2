"""From data sets to samples: a build's rows or a WebDataset's lists, chosen, joined and named.

Captions are kept as they are read, tar by tar, and never joined: so they are in memory once.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from queries.engine.duck import DuckEngine
from queries.engine.progress import shown
from queries.pixels.fingerprint import hash63
from queries.tables.contracts import manifest_digest
from queries.tables.errors import InputError, first_line
from queries.tables.manifest import MANIFEST, manifest, unchanged
from queries.tables.schemas import TABLES
from queries.tables.tars import PLACE, picture_names
from trainer.data.dataset import Dataset, find_data
from trainer.data.samples import Captions, Samples, joint
from trainer.data.shards import Shards, Tar, open_shards, threads
from trainer.data.webdataset import Listed, listed
from trainer.settings import TrainerError

COLUMNS = ["key", "pair_id", "caption"]
CAPTION = {"txt": 1.0}  # where a WebDataset's captions are, unless the settings say it
SQL_MEMORY = "1GB"
READ = ["key", "pair_id", *PLACE, "caption", "texts", "members", "reason"]
SHOWN = 3  # examples of what is missing

Data = Path | str | Sequence[Path | str]


def data_sets(data: Data) -> list[Path | str]:
    """The data sets, of which one may stand alone. A path in a store is no `Path` of the system.

    >>> data_sets("wit"), data_sets(["wit", "more"])
    (['wit'], ['wit', 'more'])
    """
    if isinstance(data, Sequence) and not isinstance(data, str):
        return list(data)
    return [data]


@dataclass(frozen=True)
class Choice:
    """Which samples of a data set are read, and which of their captions, by share."""

    where: str | None = None
    scores: pa.Table | None = None
    captions: Mapping[str, float] = field(default_factory=dict)


@dataclass
class Part:
    """What one data set gives to a run; the fields are those of Samples."""

    tables: list[pa.Table]
    places: np.ndarray
    tars: list[Tar]
    version: str
    digest: str
    names: list[str] = field(default_factory=list)  # of the tables, where tars name samples
    several: Captions | None = None
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        return len(self.places)


def read_samples(
    data: Data,
    side: int,
    where: str | None = None,
    scores: Path | None = None,
    captions: Mapping[str, float] | None = None,
    weights: Sequence[float] = (),
) -> Samples:
    """The samples of one or several data sets, none of them decoded yet.

    data: a build's folder or address, or tars, as trainer.data.dataset finds them. where: SQL over
    the table `sample`, such as "license = 'cc0'", or over the list of a WebDataset (key, caption,
    json); only samples that meet it are read. scores: a file of trainer.evaluation.score, whose
    clip_score is then one more column. captions: where a WebDataset has them, each with its share.
    weights: how often an epoch shows each data set's samples; by default once.
    """
    each = data_sets(data)
    beside = None if scores is None else read_scores(scores)
    choice = Choice(where, beside, captions or {})
    parts = [_part(path, choice) for path in each]
    samples = _joined(parts, side, tuple(weights) or (1.0,) * len(parts))
    if len(samples) < 2:
        chosen = "" if where is None else f" where {where}"
        raise TrainerError(
            f"{', '.join(map(str, each))}: {len(samples)} samples{chosen}, "
            f"expected at least 2 to contrast{_missing(samples.missing)}"
        )
    return samples


def missing_line(samples: Samples) -> str:
    """How many samples are left out for what they lack, with examples, in one line."""
    missing = samples.missing
    examples = "; ".join(f"{key}: {why}" for key, why in list(missing.items())[:SHOWN])
    more = f"; and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else ""
    return f"{len(missing):,} samples are left out beside {len(samples):,}: {examples}{more}"


def _missing(missing: Mapping[str, str]) -> str:
    """What other samples lack, in one line."""
    if not missing:
        return ""
    examples = "; ".join(f"{key}: {why}" for key, why in list(missing.items())[:SHOWN])
    return (
        f"; {len(missing):,} lack something: {examples}; --caption names the file of the captions"
    )


def identity(data: Data, captions: Mapping[str, float] | None = None) -> tuple[str, str]:
    """(version, digest) of the data, as read_samples has them, without reading the samples."""
    each = data_sets(data)
    named = []
    for path in each:
        dataset = find_data(path)
        if dataset.build is not None:
            named.append((_version(dataset.build), _digest(dataset.build)))
        else:
            named.append(_named(_lists(dataset, captions or CAPTION)))
    return joint(named)


def _part(data: Path | str, choice: Choice) -> Part:
    shards = open_shards(data)
    if shards.of_a_build():
        return _of_build(data, shards, choice)
    dataset = find_data(data)
    if dataset.build is not None:
        return _of_build(dataset.build, open_shards(str(dataset.build)), choice)
    return _of_tars(dataset, choice)


# --- a build --------------------------------------------------------------------------------
def _of_build(build: Path | str, shards: Shards, choice: Choice) -> Part:
    if choice.captions:
        raise TrainerError(f"{build}: a build has its own captions, expected no [captions] for it")
    if shards.files is None and (Path(build) / MANIFEST).exists():
        with unchanged(Path(build)):
            return _read_build(build, shards, choice)
    return _read_build(build, shards, choice)


def _read_build(build: Path | str, shards: Shards, choice: Choice) -> Part:
    names = shards.names()
    with ThreadPoolExecutor(shards.threads) as pool:  # a remote store answers many at once
        kept: list[np.ndarray | None] = [None] * len(names)
        if choice.where is not None:
            ids = list(pool.map(lambda name: shards.table(name, ["pair_id"])["pair_id"], names))
            rows: list[Path] | pa.Table = [Path(shards.parquet(name)) for name in names]
            if shards.files is not None and names:
                rows = pa.concat_tables([large(shards.table(name)) for name in names])
            kept = [*_masks(ids, _ids_where(rows, choice))]
        read = list(pool.map(partial(_shard, shards), names, range(len(names)), kept))
    places = np.concatenate([np.empty((0, 3), np.int64), *(place for _, place in read)])
    tars = [shards.tar(name) for name in names]
    about = (_version(Path(build)), _digest(Path(build))) if shards.files is None else ("", "")
    return Part([rows for rows, _ in read], places, tars, *about)


def _shard(
    shards: Shards, name: str, number: int, kept: np.ndarray | None
) -> tuple[pa.Table, np.ndarray]:
    """A shard's rows, or those of the mask, and where their pictures are."""
    rows = shards.table(name, [*COLUMNS, *PLACE])
    places = _places(shards.tar(name), number, rows)
    rows = large(rows.select(COLUMNS).cast(_columns(rows)))
    return (rows, places) if kept is None else (rows.filter(pa.array(kept)), places[kept])


def _columns(rows: pa.Table) -> pa.Schema:
    sample = TABLES["sample"].schema
    return pa.schema([sample.field(name).remove_metadata() for name in COLUMNS])


def _version(build: Path) -> str:
    return str(manifest(build)["version"]) if (build / MANIFEST).exists() else ""


def _digest(build: Path) -> str:
    return manifest_digest(build) if (build / MANIFEST).exists() else ""


def _places(tar: Tar, number: int, rows: pa.Table) -> np.ndarray:
    """Where a shard's pictures are: (n, 3), as `Samples.places`."""
    if set(PLACE) <= set(rows.column_names):
        begins, sizes = (rows[column].to_numpy() for column in PLACE)
        end = tar.size()
        whole = (begins >= 0) & (sizes >= 0) & (begins <= end) & (sizes <= end - begins)
        return np.stack([np.full_like(begins, number), begins, np.where(whole, sizes, -1)], axis=1)
    index = tar.index()  # a build made by 0.1.0
    lacking = (0, -1)
    places = [
        next((index[member] for member in picture_names(key) if member in index), lacking)
        for key in rows["key"].to_pylist()
    ]
    return np.array([(number, *place) for place in places], np.int64).reshape(-1, 3)


# --- a WebDataset ---------------------------------------------------------------------------
def _lists(dataset: Dataset, shares: Mapping[str, float]) -> list[Listed]:
    """The lists of its tars, those made that are not kept."""
    remote = any(tar.files is not None for _, tar in dataset.tars)
    members = list(shares)
    with (
        ThreadPoolExecutor(threads(remote=remote)) as pool,
        shown("list", len(dataset.tars), "tars") as step,
    ):
        lists = []
        for list_ in pool.map(lambda named: listed(named[0], named[1], members), dataset.tars):
            lists.append(list_)
            step.update()
    return lists


def _named(lists: Sequence[Listed]) -> tuple[str, str]:
    """The version and the digest of tars with these lists: of what they hold, not of where."""
    joint = hashlib.sha256("".join(list_.digest for list_ in lists).encode()).hexdigest()
    return joint[:16], joint


def _of_tars(dataset: Dataset, choice: Choice) -> Part:
    shares = choice.captions or CAPTION
    lists = _lists(dataset, shares)
    kept: list[np.ndarray | None] = [None] * len(lists)
    if choice.where is not None:
        ids = [_sound(pq.read_table(list_.path, columns=["pair_id", "reason"])) for list_ in lists]
        ids = [table["pair_id"] for table in ids]
        joint = np.concatenate([column.to_numpy() for column in ids])
        if len(np.unique(joint)) < len(joint):
            raise TrainerError(
                f"{dataset.path}: samples of one name in tars of one name, expected other names "
                "where a condition is to choose among them"
            )
        kept = [*_masks(ids, _ids_where([list_.path for list_ in lists], choice))]
    part = Part([], np.empty((0, 3), np.int64), [tar for _, tar in dataset.tars], *_named(lists))
    places, several = [part.places], []
    for number, ((name, tar), list_, mask) in enumerate(
        zip(dataset.tars, lists, kept, strict=True)
    ):
        table = pq.read_table(list_.path, columns=READ)
        part.missing |= {tar.path: list_.damage} if list_.damage else {}
        part.missing |= _reasons(name, table)
        table = _sound(table)
        table = table if mask is None else table.filter(pa.array(mask))
        part.tables.append(large(table.select(COLUMNS)))
        part.names.append(name)
        columns = [np.full(table.num_rows, number), *(table[at].to_numpy() for at in PLACE)]
        places.append(np.stack(columns, axis=1).astype(np.int64))
        several.append(_captions(table, list(shares.values())))
    part.places, part.several = np.concatenate(places), _chained(several)
    return part


def _sound(table: pa.Table) -> pa.Table:
    return table.filter(pc.is_null(table["reason"]))


def _reasons(name: str, table: pa.Table) -> dict[str, str]:
    """Why a tar's other samples are none, by tar and key."""
    bad = table.filter(pc.is_valid(table["reason"])).select(["key", "reason"]).to_pydict()
    return {f"{name}.tar: {key}": why for key, why in zip(bad["key"], bad["reason"], strict=True)}


def _captions(table: pa.Table, shares: Sequence[float]) -> Captions:
    """The captions of rows that have several; a member's share is divided among its texts, and a
    member that a row lacks leaves its share to the others."""
    lengths = pc.fill_null(pc.list_value_length(table["texts"]), 0).to_numpy().astype(np.int64)
    ends = np.cumsum(lengths)
    texts = large(pa.table({"texts": pc.list_flatten(table["texts"])}))["texts"]
    members = pc.list_flatten(table["members"]).to_numpy().astype(np.int64)
    row = np.repeat(np.arange(len(lengths)), lengths)
    _, which, counts = np.unique(
        row * len(shares) + members, return_inverse=True, return_counts=True
    )
    parts = np.array(shares)[members] / counts[which]
    sums = np.bincount(row, parts, minlength=len(lengths))
    before = np.concatenate([[0.0], np.cumsum(sums)])[row]
    until = (np.cumsum(parts) - before) / sums[row]
    return Captions(texts, ends - lengths, ends, until)


def _chained(several: Sequence[Captions]) -> Captions | None:
    """The captions of these rows in turn; None where no row has more than one."""
    if not any(len(captions.texts) for captions in several):
        return None
    starts = np.cumsum([0, *(len(captions.texts) for captions in several)])
    return Captions(
        pa.chunked_array([chunk for captions in several for chunk in captions.texts.chunks]),
        np.concatenate(
            [captions.begins + at for captions, at in zip(several, starts, strict=False)]
        ),
        np.concatenate([captions.ends + at for captions, at in zip(several, starts, strict=False)]),
        np.concatenate([captions.until for captions in several]),
    )


# --- both -----------------------------------------------------------------------------------
def _joined(parts: Sequence[Part], side: int, weights: Sequence[float]) -> Samples:
    """The samples of all data sets in turn."""
    empty = large(TABLES["sample"].empty().select(COLUMNS)).replace_schema_metadata()
    tables = [table.replace_schema_metadata() for part in parts for table in part.tables]
    rows = pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
    tars = [tar for part in parts for tar in part.tars]
    firsts = np.cumsum([0, *(len(part.tars) for part in parts)])
    places = [
        part.places + np.array([first, 0, 0]) for part, first in zip(parts, firsts, strict=False)
    ]
    several = [part.several or _none(part.rows) for part in parts]
    if len(parts) > 1 or parts[0].names:
        names = [
            pa.repeat(name, table.num_rows)
            for part in parts
            for name, table in zip(part.names or [""] * len(part.tables), part.tables, strict=True)
        ]
        rows = _apart(rows, pa.chunked_array(names, pa.string()))
    return Samples(
        rows,
        np.concatenate(places),
        tars,
        side,
        several=_chained(several),
        parts=tuple((part.rows, weight) for part, weight in zip(parts, weights, strict=True)),
        missing={key: why for part in parts for key, why in part.missing.items()},
        named=tuple((part.version, part.digest) for part in parts),
    )


def _none(rows: int) -> Captions:
    zeros = np.zeros(rows, np.int64)
    return Captions(pa.chunked_array([], pa.large_string()), zeros, zeros, np.empty(0))


def _apart(rows: pa.Table, names: pa.ChunkedArray) -> pa.Table:
    """The rows with other keys and numbers in place of those that an earlier row has."""
    ids = rows["pair_id"].to_numpy().copy()
    first = np.unique(ids, return_index=True)[1]
    if len(first) < len(ids):
        taken, again = set(ids[first].tolist()), np.setdiff1d(np.arange(len(ids)), first)
        for row in again.tolist():
            number, tries = int(ids[row]), 0
            while number in taken:
                number, tries = hash63(int(ids[row]), tries), tries + 1
            taken.add(number)
            ids[row] = number
        rows = rows.set_column(1, "pair_id", pa.array(ids))
    counts = pc.value_counts(rows["key"].combine_chunks())
    twice = counts.field("values").filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        hexes = pa.array([f"{number:x}" for number in ids.tolist()], pa.large_string())
        named = pc.binary_join_element_wise(
            names.cast(pa.large_string()), rows["key"], hexes, pa.scalar("/", pa.large_string())
        )
        keys = pc.if_else(pc.is_in(rows["key"], twice), named, rows["key"])
        rows = rows.set_column(0, "key", keys)
    return rows


def large(rows: pa.Table) -> pa.Table:
    """The rows with 64-bit offsets of their texts: those of all shards may pass 2 GiB."""
    for at, field_ in enumerate(rows.schema):
        if pa.types.is_string(field_.type):
            rows = rows.set_column(at, field_.name, rows[at].cast(pa.large_string()))
    return rows


def _masks(ids: Sequence[pa.ChunkedArray], chosen: pa.ChunkedArray) -> Iterator[np.ndarray]:
    """Which of the ids are among the chosen: a mask for each of the columns."""
    joint = pa.chunked_array([chunk for column in ids for chunk in column.chunks], pa.int64())
    mask, at = pc.is_in(joint, chosen).to_numpy(), 0
    for column in ids:
        yield mask[at : at + len(column)]
        at += len(column)


def _ids_where(rows: list[Path] | pa.Table, choice: Choice) -> pa.ChunkedArray:
    """The pair_id of each sample that meets the condition; DuckDB reads files of this machine."""
    assert choice.where is not None
    try:
        engine = DuckEngine(memory=SQL_MEMORY, quiet=True)
        return engine.pair_ids_where(rows, choice.where, choice.scores)
    except InputError as error:
        raise TrainerError(f"where {error}") from None


def read_scores(path: Path) -> pa.Table:
    """A table of columns by pair_id that a condition may name: of `trainer score`, `clusters`, or a
    selection. Raises TrainerError if it is none."""
    expected = "expected Parquet with pair_id and columns beside it, such as `trainer score` writes"
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise TrainerError(f"scores {path}: {first_line(error)}, {expected}") from None
    names = table.column_names
    taken = [name for name in names if name != "pair_id" and name in TABLES["sample"].schema.names]
    if "pair_id" not in names or len(names) < 2 or len(names) > len(set(names)):
        raise TrainerError(f"scores {path}: columns {', '.join(names)[:200]}; {expected}")
    if table.schema.field("pair_id").type != pa.int64() or taken:
        what = f"{taken[0]}, which sample has" if taken else "pair_id of another type than int64"
        raise TrainerError(f"scores {path}: a column {what}; {expected}")
    if pc.count_distinct(table["pair_id"]).as_py() < table.num_rows:
        raise TrainerError(f"scores {path}: a pair_id twice; {expected}")
    return table
