"""Decontamination: exclude the pairs near an evaluation set, and build again until none is left.

`BuildWIT --exclude` reads a list of exclusions: the pairs that are near an evaluation picture, and
the hash of every evaluation picture. The hash keeps the same picture from another address out of
the freed places. The next build may still hold a crop of the picture, so the loop searches again
until no pair is near.
"""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from queries.tables.manifest import find
from trainer.evaluation.sets import EvalSet
from trainer.overlap.exclusions import write_exclusions
from trainer.overlap.search import Search, SetPictures, search, stored_side
from trainer.settings import TrainerError


@dataclass(frozen=True)
class Round:
    """What one search of a build found."""

    build: Path
    pairs: int  # training pairs near an evaluation picture
    pictures: int  # evaluation pictures near a training pair
    sought: int  # evaluation pictures in all


def decontaminate(
    out: Path,
    eval_sets: Sequence[EvalSet],
    method: Search,
    exclude: Path,
    settings: Path | None,
    most_rounds: int,
) -> list[Round]:
    """Search, exclude and build again, until no pair is near; return what each search found.

    Raises TrainerError if a pair is still near after `most_rounds` builds, or if a build fails.
    """
    size = stored_side(find(out))
    sets = [SetPictures(eval_set, method.embeddings()).read(size) for eval_set in eval_sets]
    rounds = list[Round]()
    for left in range(most_rounds, -1, -1):
        build = find(out)
        overlaps = search(build, sets, method)
        pairs = {pair_id for overlap in overlaps for pair_id in overlap.pair_ids().tolist()}
        pictures = sum(int(overlap.overlap.sum()) for overlap in overlaps)
        rounds.append(Round(build, len(pairs), pictures, sum(len(seen) for seen in sets)))
        print(
            f"build {build.name}: {len(pairs):,} pairs are near {pictures:,} of "
            f"{rounds[-1].sought:,} evaluation pictures",
            flush=True,
        )
        if not pairs:
            return rounds
        if left:
            print(
                f"{exclude}: {write_exclusions(exclude, overlaps):,} exclusions added", flush=True
            )
            _build(out, exclude, settings)
            if find(out) == build:
                raise TrainerError(f"{out}: the build is the same with {exclude}")
    raise TrainerError(
        f"{rounds[-1].pairs:,} pairs are still near after {most_rounds} builds: more --rounds"
    )


def _build(out: Path, exclude: Path, settings: Path | None) -> None:
    """Build the next version by the public command: luigi --module pipeline BuildWIT."""
    luigi = Path(sys.executable).with_name("luigi")
    command = [luigi, "--module", "pipeline", "BuildWIT", "--out", out, "--exclude", exclude]
    command += ["--settings", settings] if settings else []
    done = subprocess.run([*map(str, command)], check=False)  # noqa: S603  # no shell
    if done.returncode:
        raise TrainerError(f"{' '.join(map(str, command))}: exit code {done.returncode}")
