"""The command clusters: near duplicates of meaning in a build, by its embeddings."""

import argparse
from pathlib import Path

from queries.options import LocalPath
from trainer.commands.arguments import Commands, add_any_data, add_command, data_of
from trainer.settings import TrainerError

TEXT = """\
near duplicates of meaning in a build, by its embeddings

examples:
  python -m trainer clusters --data OUT --run RUN
      groups of pairs whose pictures are alike by a cosine above 0.95 (SemDeDup); kept in
      RUN/tables/cluster; `queries audit near_in_meaning --run RUN` asks it
  python -m trainer clusters --data OUT --run RUN --keep 0.5
      at the epsilon that keeps half of the pairs
  python -m trainer train --data OUT --run SMALLER --scores RUN/tables/cluster/cluster.parquet \\
      --where kept
      a model of the pairs that were kept
  python -m trainer clusters --data OUT --run RUN --export pairs.parquet
      with places on a plane, neighbours and pictures, for embedding-atlas and FiftyOne

Needs `trainer embed` before. Pairs are compared within clusters of k-means alone (Abbas et al.
2023). Of what is alike the pair farthest from its cluster's centre stays. A model that was
trained for a moment finds all alike: look at the groups before you drop them.
"""


def add_clusters(commands: Commands) -> None:
    """clusters, and its arguments."""
    command = add_command(commands, clusters, "clusters", TEXT)
    add_any_data(command)
    about = "a run with embeddings"
    command.add_argument("--run", action=LocalPath, required=True, metavar="RUN", help=about)
    about = "compare pictures, the default, or captions"
    command.add_argument("--by", choices=("image", "text"), default="image", help=about)
    how = command.add_mutually_exclusive_group()
    about = "drop what is alike by a cosine above 1 - E; default 0.05"
    how.add_argument("--epsilon", type=float, metavar="E", help=about)
    about = "choose the epsilon that keeps this share of the pairs"
    how.add_argument("--keep", type=float, metavar="SHARE", help=about)
    about = "default: one for a thousand pairs"
    command.add_argument("--clusters", type=int, metavar="N", help=about)
    command.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")
    about = "a list of pairs to exclude, made or added to: those that are not kept"
    command.add_argument("--write-exclusions", action=LocalPath, metavar="FILE", help=about)
    about = "write a Parquet file for embedding-atlas and FiftyOne"
    command.add_argument("--export", action=LocalPath, metavar="FILE", help=about)


def clusters(args: argparse.Namespace) -> None:
    """Cluster the embeddings, write the table, and say what is alike."""
    _check(args)
    data = data_of(args)
    from queries.tables.embeddings import read_embeddings
    from trainer.data.reading import identity
    from trainer.embeddings import clusters as by_cluster
    from trainer.embeddings.semantic_groups import groups_of, table_of, write_table
    from trainer.overlap.exclusions import need_list

    if args.write_exclusions:
        need_list(args.write_exclusions)
    embeddings = read_embeddings(args.run)
    if identity(data, dict(args.caption or ()))[1] != embeddings.build_digest:
        raise TrainerError(
            f"{args.run}: its embeddings are of {embeddings.build_version}, expected those of "
            f"{', '.join(data)}: `trainer embed` makes them"
        )
    clustered = by_cluster.clusters(embeddings, args.by, args.clusters, args.seed)
    epsilon = 0.05 if args.epsilon is None else args.epsilon
    if args.keep is not None:
        epsilon = clustered.epsilon_for(args.keep)
    groups = groups_of(clustered, epsilon)
    table = table_of(clustered, epsilon)
    path = write_table(args.run, table)
    print(
        f"{path}: {groups.pairs:,} pairs in {groups.clusters:,} clusters; cosine above "
        f"{1 - epsilon:.4f}: {groups.groups:,} groups of {groups.grouped:,} pairs, the largest of "
        f"{groups.largest:,}; {groups.dropped:,} pairs are not kept, {100 * groups.share:.1f}%"
    )
    if args.write_exclusions:
        _exclude(args.write_exclusions, clustered.pair_ids[~clustered.kept(epsilon)].tolist())
    if args.export:
        _export(args, data, table)


def _check(args: argparse.Namespace) -> None:
    for name, value, most in (("epsilon", args.epsilon, 2), ("keep", args.keep, 1)):
        if value is not None and not 0 < value <= most:
            raise TrainerError(f"--{name} {value:g}: expected more than 0, at most {most}")
    if args.clusters is not None and args.clusters < 1:
        raise TrainerError(f"--clusters {args.clusters}: expected at least 1")
    if not 0 <= args.seed < 1 << 31:
        raise TrainerError(f"--seed {args.seed}: expected 0 to {(1 << 31) - 1:,}")
    if args.export and args.export.is_dir():
        raise TrainerError(f"--export {args.export}: a folder, expected a file to write")


def _exclude(path: Path, pair_ids: list[int]) -> None:
    from trainer.overlap.exclusions import exclude_pairs

    reason = "another pair shows or says nearly the same"
    print(f"{path}: {exclude_pairs(path, pair_ids, reason):,} exclusions added")


def _export(args: argparse.Namespace, data: list[str], table) -> None:
    from queries.tables.embeddings import read_embeddings
    from trainer.data.reading import read_samples
    from trainer.embeddings.exporting import export

    samples = read_samples(data, 1, captions=dict(args.caption or ()))
    n = export(read_embeddings(args.run), args.by, samples, table, args.export)
    print(f"{args.export}: {n:,} pairs")
