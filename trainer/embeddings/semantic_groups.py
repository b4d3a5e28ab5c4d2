"""What clusters say of a build: the table `cluster`, the groups, and which pairs would go."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from trainer.embeddings.clusters import Clustered


@dataclass(frozen=True)
class Groups:
    """Groups of near duplicates: how many pairs are in them, and how many SemDeDup drops."""

    pairs: int
    clusters: int
    epsilon: float
    groups: int  # of two and more
    grouped: int  # pairs in them
    largest: int
    dropped: int

    @property
    def share(self) -> float:
        """The share of the pairs that goes, 0..1."""
        return self.dropped / max(1, self.pairs)


def groups_of(clustered: Clustered, epsilon: float) -> Groups:
    """The groups at an epsilon: each is a kept pair and those that go with it."""
    kept, root = clustered.kept(epsilon), clustered.groups(epsilon)
    sizes = np.bincount(root, minlength=len(root))
    several = sizes[sizes > 1]
    return Groups(
        len(kept),
        len(np.unique(clustered.cluster)),
        epsilon,
        len(several),
        int(several.sum()),
        int(sizes.max(initial=0)),
        int((~kept).sum()),
    )


def numbered(clustered: Clustered, epsilon: float) -> pa.Array:
    """The number of each pair's group, by the lowest pair_id of the groups; null: it has none."""
    root = clustered.groups(epsilon)
    sizes = np.bincount(root, minlength=len(root))
    alone = sizes[root] == 1
    _, first, number = np.unique(root[~alone], return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))
    numbers = np.zeros(len(root), np.int64)
    numbers[~alone] = rank[number]
    return pa.array(numbers, pa.int64(), mask=alone)


def table_of(clustered: Clustered, epsilon: float) -> pa.Table:
    """The table `cluster`, in order of pair_id."""
    none = clustered.nearest < 0
    columns = {
        "pair_id": pa.array(clustered.pair_ids),
        "cluster": pa.array(clustered.cluster),
        "centre_cosine": pa.array(clustered.centre_cosine),
        "nearest_cosine": pa.array(clustered.nearest_cosine, mask=none),
        "group_number": numbered(clustered, epsilon),
        "kept": pa.array(clustered.kept(epsilon)),
    }
    return pa.table(columns, schema=TABLES["cluster"].schema)


def write_table(run: Path, table: pa.Table) -> Path:
    """Write RUN/tables/cluster/cluster.parquet."""
    path = run / "tables" / "cluster" / "cluster.parquet"
    write_part(path, TABLES["cluster"], table.to_batches())
    return path
