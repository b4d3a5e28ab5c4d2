"""Decontamination: exclude the pairs near an evaluation set, and build again until none is left.

`BuildWIT --exclude` reads a list of exclusions: the pairs that are near an evaluation picture, and
the hash of every evaluation picture. The hash keeps the same picture from another address out of
the freed places. The next build may still hold a crop of the picture, so the loop searches again
until no pair is near.
"""

import csv
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from queries.tables.contracts import EXCLUSION_COLUMNS, MOST_BITS
from queries.tables.manifest import find
from queries.tables.parts import written_whole
from trainer.evaluation.sets import EvalSet
from trainer.overlap.search import EQUAL_BITS, Overlap, Search, SetPictures, search
from trainer.settings import TrainerError

Lines = dict[tuple[str, str], dict[str, str]]  # by kind and value


@dataclass(frozen=True)
class Round:
    """What one search of a build found."""

    build: Path
    pairs: int  # training pairs near an evaluation picture
    pictures: int  # evaluation pictures near a training pair
    sought: int  # evaluation pictures in all


def write_exclusions(path: Path, overlaps: Sequence[Overlap]) -> int:
    """Add the overlaps to the list of exclusions, and return how many lines are new.

    The file is created if it is missing. A line of the list is replaced only by a greater radius.
    Raises TrainerError for a file that is no list, or a radius of more than MOST_BITS.
    """
    lines = _read(path) if path.exists() else {}
    before = len(lines)
    for overlap in overlaps:
        for line in _lines(overlap):
            key = (line["kind"], line["value"])
            if key not in lines or int(lines[key]["radius"] or 0) < int(line["radius"] or 0):
                lines[key] = line
    with written_whole(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, EXCLUSION_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines[key] for key in sorted(lines))
    return len(lines) - before


def _lines(overlap: Overlap) -> Iterable[dict[str, str]]:
    """Exclusions by pair, and by the hashes of each picture that is not uniform and its mirror."""
    radius = EQUAL_BITS if overlap.by_detector is not None else overlap.threshold.value
    if radius > MOST_BITS:
        raise TrainerError(
            f"threshold {radius:g}: expected at most {MOST_BITS} bits, the radius of an exclusion"
        )
    seen = overlap.seen
    reason = f"near a picture of the evaluation set {seen.eval_set.name}"
    for pair_id in overlap.pair_ids().tolist():
        yield _line("pair_id", str(pair_id), "", reason)
    shows = (~seen.uniform).tolist()
    for hashes in (seen.hashes, seen.mirror_hashes):
        for value, kept in zip(hashes, shows, strict=True):
            if kept:
                yield _line("phash", f"{value % 2**64:016x}", f"{radius:.0f}", reason)


def _line(*cells: str) -> dict[str, str]:
    return dict(zip(EXCLUSION_COLUMNS, (*cells, ""), strict=True))


def _read(path: Path) -> Lines:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != EXCLUSION_COLUMNS:
                raise ValueError(f"columns {reader.fieldnames}")
            return {(line["kind"], line["value"]): line for line in reader}
    except (OSError, ValueError, csv.Error) as error:
        raise TrainerError(
            f"{path}: {error}, expected a list with the columns {','.join(EXCLUSION_COLUMNS)}"
        ) from None


def read_pictures(eval_sets: Sequence[EvalSet]) -> list[SetPictures]:
    """Every set's pictures as the detectors see them."""
    sets = [SetPictures(eval_set) for eval_set in eval_sets]
    for seen in sets:
        for _ in seen.noted(seen.eval_set.pictures()):
            pass
    return sets


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
    sets, rounds = read_pictures(eval_sets), list[Round]()
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
