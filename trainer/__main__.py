"""The trainer's commands: `python -m trainer --help`.

Torch is imported by the command that needs it, so help, a wrong argument and "nothing to do"
answer at once.
"""

import argparse
import json
import sys
from dataclasses import asdict
from importlib.util import find_spec

from queries.tables.errors import UserError
from queries.tables.manifest import find, manifest
from trainer.commands.arguments import EVALUATIONS, OVERLAPPING, parser
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError, TrainSettings, read


def train(args: argparse.Namespace) -> None:
    """Train, unless the run is there already."""
    settings = read(args.settings, flags(args))
    if args.log_every < 1:
        raise TrainerError(f"log-every {args.log_every}: expected at least 1")
    if args.tensorboard and find_spec("tensorboard") is None:
        raise TrainerError("no package tensorboard, expected by --tensorboard")
    build, run = find(args.data), RunFolder(args.run)
    if is_finished(run, settings, manifest(build)["version"]):
        print(f"{args.run}: finished with these settings and this build; nothing to do")
        return
    from trainer.training.run import Habits
    from trainer.training.run import train as run_training

    habits = Habits(args.save_seconds, args.log_every, args.tensorboard)
    done = run_training(build, run, settings, habits)
    if not done:
        return  # one of several processes: the first one reports
    for key, why in done["corrupt"].items():
        print(f"corrupt sample {key}: {why}")
    print(
        f"{args.run}: {settings.model}, {done['parameters'] / 1e6:.2f} M parameters, "
        f"{done['steps']:,} of {done['steps_planned']:,} steps, {done['images']:,} images of "
        f"{done['samples']:,} samples in {done['seconds']:.1f} s, ended by {done['ended_by']}; "
        f"loss {done['loss']:.3f}, temperature {done['temperature']:.3f}, "
        f"{len(done['corrupt'])} corrupt samples"
    )


def flags(args: argparse.Namespace) -> dict[str, dict]:
    """The settings that were given as flags, by section, as `trainer.settings.read` takes them."""
    sections = {
        "": ("model", "seed", "max_seconds", "precision", "where", "scores", "merges"),
        "recipe": ("objective", "epochs", "batch", "lr"),
        "means": ("micro_batch",),
    }
    return {
        section: {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        for section, names in sections.items()
    }


def is_finished(run: RunFolder, settings: TrainSettings, version: str) -> bool:
    """A run of equal settings and build has ended there, and its checkpoint is in place."""
    if not (run.done.is_file() and run.checkpoint.is_file() and run.tokenizer.is_file()):
        return False
    done = json.loads(run.done.read_text())
    made_with = (done["settings"], done["build_version"], done.get("scores_sha256", ""))
    return made_with == (asdict(settings), version, settings.scores_digest())


def evaluate(args: argparse.Namespace) -> None:
    """Evaluate a run, in the way that the command names."""
    from trainer.commands.evaluate import evaluate as command

    command(args)


def overlapping(args: argparse.Namespace) -> None:
    """overlap, decontaminate, duplicates or detector."""
    from trainer.commands import overlap

    commands = {
        "overlap": overlap.overlap,
        "decontaminate": overlap.decontaminate,
        "duplicates": overlap.duplicates,
        "detector": overlap.detector,
    }
    commands[args.command](args)


def score(args: argparse.Namespace) -> None:
    """Score a build's pairs, and say what the scores are."""
    build, run = find(args.data), RunFolder(args.run)
    to = args.to or run.root / "tables" / "clip_score" / "clip_score.parquet"
    if to.is_dir():
        raise TrainerError(f"--to {to}: a folder, expected a file to write")
    from trainer.evaluation.score import score as write

    done = write(build, run, to)
    for key, why in done.corrupt.items():
        print(f"corrupt sample {key}: {why}")
    quantiles = ", ".join(f"{percent}% {value:.4f}" for percent, value in done.quantiles.items())
    print(f"{to}: {done.n:,} pairs, {len(done.corrupt)} unreadable; quantiles {quantiles}")
    print(f'the best 30%: --scores {to} --where "clip_score >= {done.best}"')


def export(args: argparse.Namespace) -> None:
    """Write a run's model for the peers, and say what reads it."""
    from trainer.model.export import export as write

    done = write(RunFolder(args.run), args.to)
    print(f"{done.weights}, {done.config.name}, {done.merges.name}: open_clip reads them")
    if not done.openai:
        print("not for OpenAI's code: it takes every head to be 64 wide, and these are not")


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 done, 2 cannot run, 130 interrupted."""
    args = parser().parse_args(argv)
    try:
        commands = {
            "train": train,
            **dict.fromkeys(EVALUATIONS, evaluate),
            **dict.fromkeys(OVERLAPPING, overlapping),
            "score": score,
            "export": export,
        }
        commands[args.command](args)
    except UserError as error:
        print(f"trainer {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        end = "it goes on from its last save" if args.command == "train" else "nothing was finished"
        print(f"\ntrainer {args.command}: interrupted; {end}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
