"""The trainer's commands: `python -m trainer --help`.

Torch is imported by the command that needs it, so help, a wrong argument and "nothing to do"
answer at once.
"""

import argparse
import json
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from queries.build import BuildError, find, manifest
from trainer.settings import (
    MODELS,
    OBJECTIVES,
    PRECISIONS,
    RunFolder,
    TrainerError,
    TrainSettings,
    read,
)

ABOUT = "Train a CLIP model on a build, and report honestly what it learned and had seen."
STEPS = """\
the usual way:
  python -m trainer train    --data OUT --run RUN
  python -m trainer zeroshot --run RUN --eval SET
  python -m trainer overlap  --data OUT --run RUN --eval SET
  python -m trainer export   --run RUN --to DIR
"""
DATA = "a build, or the workspace that `luigi --module pipeline BuildWIT --out` wrote"
EVAL = (
    "an evaluation set in CLIP_benchmark's layout (classnames.txt, "
    "zeroshot_classification_templates.txt, test/*.tar), or a folder with a folder of pictures "
    "per class"
)
TRAIN = """\
examples:
  python -m trainer train --data OUT --run RUN
      the tiny ResNet, 64 pixels, for its epochs: about a minute on two cores
  python -m trainer train --data OUT --run RUN --max-seconds 50
      the same, but warmed up and cooled down within 50 seconds at most
  python -m trainer train --data OUT --run RUN --model ViT-B-32 --micro-batch 256
      the paper's batch of 32,768 in the memory of 256
  torchrun --nproc-per-node 2 -m -- trainer train --data OUT --run RUN
      the same run, each batch shared by two processes ("--": or torchrun claims --run)
  python -m trainer train --data OUT --run RUN --settings RUN/run.toml
      as that run was; a flag beside it changes one of its settings

The run's folder gets run.toml (all settings), tokenizer.json, train.jsonl (a line every 10
steps), best.safetensors (the epoch of the lowest mean loss), checkpoint.safetensors and, last,
run.json. A finished run of the same settings and build is not trained again; one that was killed
goes on from its last save, exactly. Equal settings give equal weights, unless --max-seconds ends
the run.

What has no flag is set in the TOML: [recipe] has the papers' numbers and hard_negatives, [means]
length_groups, checkpointing and compile.
"""
ZEROSHOT = """\
example:
  python -m trainer zeroshot --run RUN --eval SET
      top-1 with its 95% interval (Wilson) and top-5, beside chance; kept in RUN/zeroshot.json

A template says where the class goes, as in "a photo of a {c}."; the embeddings of a class's
prompts are averaged (CLIP, section 3.1.4).
"""
OVERLAP = """\
example:
  python -m trainer overlap --data OUT --run RUN --eval SET --near-bits 4
      accuracy on all pictures, on those without and on those with a near duplicate among the
      training pictures (CLIP, section 5); kept in RUN/overlap.json and RUN/tables/

An evaluation picture overlaps if the perceptual hash of a training picture differs from its own
in at most --near-bits of 64. Distances are even, so 4 equals 5.
"""
EXPORT = """\
example:
  python -m trainer export --run RUN --to DIR
      DIR/MODEL.pt, DIR/MODEL.json and DIR/merges.txt.gz, which open_clip reads so:

  open_clip.add_model_config("DIR/MODEL.json")
  model = open_clip.create_model("MODEL", pretrained="DIR/MODEL.pt")
  words = open_clip.SimpleTokenizer("DIR/merges.txt.gz", context_length=model.context_length)

and OpenAI's code so: clip.load("DIR/MODEL.pt").
"""


def parser() -> argparse.ArgumentParser:
    """Every command and its arguments."""
    top = _parser(
        argparse.ArgumentParser, prog="python -m trainer", description=ABOUT, epilog=STEPS
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = _parser(commands.add_parser, "train", help="train a model on a build", epilog=TRAIN)
    train.add_argument("--data", type=Path, required=True, metavar="PATH", help=DATA)
    train.add_argument("--run", type=Path, required=True, metavar="RUN", help="folder to write")
    train.add_argument("--settings", type=Path, metavar="TOML", help="as run.toml of a run")
    train.add_argument("--model", metavar="NAME", help=f"default tiny-rn; {', '.join(MODELS)}")
    train.add_argument("--objective", choices=OBJECTIVES, help="default clip")
    train.add_argument("--epochs", type=int, metavar="N", help="default: the model's own")
    train.add_argument("--batch", type=int, metavar="N", help="pairs; default: the model's own")
    train.add_argument("--lr", type=float, metavar="RATE", help="greatest; default: the model's")
    train.add_argument("--seed", type=int, metavar="N", help="default 0")
    train.add_argument("--max-seconds", type=float, metavar="S", help="an upper bound")
    train.add_argument(
        "--precision", choices=PRECISIONS, help="default auto: bf16 where the device computes in it"
    )
    train.add_argument("--where", metavar="SQL", help="over the table sample: which to train on")
    train.add_argument(
        "--merges", metavar="FILE", help="CLIP's merges; default: learned from the captions"
    )
    train.add_argument(
        "--micro-batch", type=int, metavar="N", help="pairs in memory at a time; default: all"
    )
    train.add_argument(
        "--save-seconds", type=float, default=300, metavar="S", help="between saves; default 300"
    )
    train.add_argument(
        "--log-every", type=int, default=10, metavar="N", help="steps a line; default 10"
    )
    train.add_argument("--tensorboard", action="store_true", help="charts in RUN/tensorboard")

    about = "classify an evaluation set by its class names alone"
    zeroshot = _parser(commands.add_parser, "zeroshot", help=about, epilog=ZEROSHOT)
    zeroshot.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")
    zeroshot.add_argument("--eval", type=Path, required=True, metavar="SET", help=EVAL)

    about = "report what an evaluation set shares with the training data"
    overlap = _parser(commands.add_parser, "overlap", help=about, epilog=OVERLAP)
    overlap.add_argument("--data", type=Path, required=True, metavar="PATH", help=DATA)
    overlap.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")
    overlap.add_argument("--eval", type=Path, required=True, metavar="SET", help=EVAL)
    overlap.add_argument("--near-bits", type=int, default=4, metavar="N", help="default 4, of 64")

    about = "write the model as files that open_clip and OpenAI's code read"
    export = _parser(commands.add_parser, "export", help=about, epilog=EXPORT)
    export.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")
    export.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write")
    return top


def _parser(make, *args, **kwargs) -> argparse.ArgumentParser:
    return make(*args, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)


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
    from trainer.train import Habits
    from trainer.train import train as run_training

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
        "": ("model", "seed", "max_seconds", "precision", "where", "merges"),
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
    return done["settings"] == asdict(settings) and done["build_version"] == version


def zeroshot(args: argparse.Namespace) -> None:
    """Evaluate a run on a set, and print the table."""
    from rich.console import Console

    from trainer.evalset import read_eval_set

    eval_set = read_eval_set(args.eval)
    from trainer.zeroshot import show
    from trainer.zeroshot import zeroshot as evaluate

    show(evaluate(RunFolder(args.run), eval_set), Console())


def overlap(args: argparse.Namespace) -> None:
    """Compare a set with the training data, and print the table."""
    from rich.console import Console

    from trainer.evalset import read_eval_set

    build, eval_set = find(args.data), read_eval_set(args.eval)
    if not 0 <= args.near_bits <= 64:
        raise TrainerError(f"near-bits {args.near_bits}: expected 0..64")
    from trainer.overlap import overlap as compare
    from trainer.overlap import show

    show(compare(build, RunFolder(args.run), eval_set, args.near_bits), Console())


def export(args: argparse.Namespace) -> None:
    """Write a run's model for the peers, and say what reads it."""
    from trainer.export import export as write

    done = write(RunFolder(args.run), args.to)
    print(f"{done.weights}, {done.config.name}, {done.merges.name}: open_clip reads them")
    if not done.openai:
        print("not for OpenAI's code: it takes every head to be 64 wide, and these are not")


def main(argv: list[str] | None = None) -> int:
    """Run one command: 0 done, 2 cannot run, 130 interrupted."""
    args = parser().parse_args(argv)
    try:
        commands = {"train": train, "zeroshot": zeroshot, "overlap": overlap, "export": export}
        commands[args.command](args)
    except (BuildError, TrainerError) as error:
        print(f"trainer {args.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        end = "it goes on from its last save" if args.command == "train" else "nothing was finished"
        print(f"\ntrainer {args.command}: interrupted; {end}", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
