"""The command score: how well each pair of a build agrees with a run's model."""

import argparse

from queries.options import LocalPath
from trainer.commands.arguments import (
    Commands,
    add_any_data,
    add_command,
    add_trained_run,
    data_of,
    show_corrupt,
)
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

TEXT = """\
how well each pair's caption and picture agree, to filter by

examples:
  python -m trainer score --data OUT --run RUN --to scores.parquet
      a row per pair of the build, in order of pair_id: pair_id, clip_score
  python -m trainer train --data OUT --run BETTER --scores scores.parquet \\
      --where "clip_score > 0.25"
      a model of the pairs whose picture and caption agree, as the first model judges: DataComp's
      filter, bootstrapped

clip_score is the cosine of the picture's middle square and the caption, in float32. It is null
where the picture cannot be read, so that no condition on it holds. The command prints the score
that the best 30% of the pairs reach: DataComp's share (Gadre et al. 2023). --to writes to
RUN/tables/clip_score by default, where `python -m queries … --run RUN` sees a table.
"""


def add_score(commands: Commands) -> None:
    """score, and its arguments."""
    command = add_command(commands, score, "score", TEXT)
    add_any_data(command)
    add_trained_run(command)
    about = "default RUN/tables/clip_score/clip_score.parquet"
    command.add_argument("--to", action=LocalPath, metavar="FILE", help=about)


def score(args: argparse.Namespace) -> None:
    """Score a build's pairs, and say what the scores are."""
    run = RunFolder(args.run, best=args.best)
    data = data_of(args)
    to = args.to or run.root / "tables" / "clip_score" / "clip_score.parquet"
    if to.is_dir():
        raise TrainerError(f"--to {to}: a folder, expected a file to write")
    from trainer.evaluation.score import score as write

    done = write(data, run, to, dict(args.caption or ()))
    show_corrupt(done.corrupt)
    quantiles = ", ".join(f"{percent}% {value:.4f}" for percent, value in done.quantiles.items())
    print(f"{to}: {done.n:,} pairs, {len(done.corrupt)} unreadable; quantiles {quantiles}")
    print(f'the best 30%: --scores {to} --where "clip_score >= {done.best}"')
