"""The command train: settings from flags and TOML, and what is said of a run at its end."""

import argparse
import json
import sys
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from queries.options import LocalPath
from trainer.commands.arguments import Commands, add_any_data, add_command, data_of, show_corrupt
from trainer.run_folder import RunFolder
from trainer.settings import (
    ACTIVATIONS,
    MODELS,
    OBJECTIVES,
    PRECISIONS,
    TOWERS,
    TrainerError,
    TrainSettings,
    read,
    with_defaults,
)

TEXT = """\
train a model on a build or any WebDataset

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
  python -m trainer train --data 'TARS/*.tar' OUT --weights .5 2 --caption txt json:alt --run RUN
      on a WebDataset, half of it an epoch, and twice on a build; captions from two files
  python -m trainer train --data OUT --run RUN --model ViT-L-14-336 --init L14
      from another run's weights, or a file's, their positions interpolated; --lock image is LiT
  python -m trainer train --data OUT --run RUN --where "width >= 256 and n_words > 3"
      on a part of the build; --scores FILE adds columns, such as clip_score (trainer score --help)

The run's folder gets run.toml (all settings), tokenizer.json, train.jsonl (a line every 10
steps), best.safetensors (the epoch of the lowest mean loss), checkpoint.safetensors and, last,
run.json. A finished run of the same settings and build is not trained again. A killed run goes on
from its last save, exactly; SIGTERM and Ctrl-C save it first. A folder with the work of other
settings or another build is refused, unless --anew deletes that work; [means] may differ. Equal
settings give equal weights, unless --max-seconds ends the run.

Pictures in memory: up to six batches, or two where six pass 8 GiB (a batch of 32,768 at 224 pixels
has 4.6 GiB, SLIP's three times as much; so 9.2 GiB), and decoded ones of up to 1 GiB beside, and
token ids of up to 1 GiB. A GPU's batches lie in page-locked memory, in powers of two.

Settings without a flag stand in the TOML: [recipe] has the papers' numbers and hard_negatives,
[means] has length_groups, checkpointing and compile, and for a GPU tf32 and cudnn_benchmark.
"""


def add_train(commands: Commands) -> None:
    """train, and its settings that have a flag."""
    command = add_command(commands, train, "train", TEXT)
    add_any_data(command)
    about = "how often an epoch shows each --data: 1 by default, .5 half of it, 2 twice"
    command.add_argument("--weights", type=float, nargs="+", metavar="W", help=about)
    command.add_argument(
        "--run", action=LocalPath, required=True, metavar="RUN", help="folder to write"
    )
    command.add_argument(
        "--settings", action=LocalPath, metavar="TOML", help="such as a run's run.toml"
    )
    command.add_argument("--model", metavar="NAME", help=f"default tiny-rn; {', '.join(MODELS)}")
    command.add_argument("--objective", choices=OBJECTIVES, help="default clip")
    command.add_argument("--epochs", type=int, metavar="N", help="default: the model's own")
    command.add_argument("--batch", type=int, metavar="N", help="pairs; default: the model's own")
    command.add_argument("--lr", type=float, metavar="RATE", help="peak; default: the model's own")
    command.add_argument("--seed", type=int, metavar="N", help="default 0")
    command.add_argument("--max-seconds", type=float, metavar="S", help="an upper bound")
    about = "share of the pairs to hold out; measured after every epoch, for the best weights"
    command.add_argument("--val", type=float, metavar="SHARE", help=about)
    about = "end after so many epochs without a better held-out loss"
    command.add_argument("--patience", type=int, metavar="N", help=about)
    about = "default auto: bf16 where the device computes in bf16"
    command.add_argument("--precision", choices=PRECISIONS, help=about)
    about = "a condition on the table sample: the pairs to train on"
    command.add_argument("--where", metavar="SQL", help=about)
    about = "a table by pair_id, as of `trainer score` or `clusters`: --where may name its columns"
    command.add_argument("--scores", metavar="FILE", help=about)
    about = (
        "weights to start from: a run, open_clip's or OpenAI's (.safetensors, .pt, a hub folder)"
    )
    command.add_argument("--init", metavar="PATH", help=about)
    about = "which tower of --init; the other starts from the seed; default both"
    command.add_argument("--init-tower", choices=TOWERS, help=about)
    about = "the tower that stays as it is: with image, LiT"
    command.add_argument("--lock", choices=TOWERS[1:], help=about)
    about = "default quick_gelu, OpenAI's; gelu for open_clip's models without -quickgelu"
    command.add_argument("--activation", choices=ACTIVATIONS, help=about)
    about = "CLIP's BPE merges; default: those of --init, or learned from the captions"
    command.add_argument("--merges", metavar="FILE", help=about)
    about = "pairs in memory at a time; default: the whole batch"
    command.add_argument("--micro-batch", type=int, metavar="N", help=about)
    about = "between saves; default 300"
    command.add_argument("--save-seconds", type=float, default=300, metavar="S", help=about)
    about = "steps per line of train.jsonl; default 10"
    command.add_argument("--log-every", type=int, default=10, metavar="N", help=about)
    about = "where the folder holds another run's work: delete that work first"
    command.add_argument("--anew", action="store_true", help=about)
    command.add_argument("--tensorboard", action="store_true", help="charts in RUN/tensorboard")


def train(args: argparse.Namespace) -> int:
    """Train, unless the run is there already; 128 + its number where a signal ended it."""
    settings = read(args.settings, flags(args))
    if args.log_every < 1:
        raise TrainerError(f"log-every {args.log_every}: expected at least 1")
    if args.tensorboard and find_spec("tensorboard") is None:
        raise TrainerError("no package tensorboard, expected by --tensorboard")
    if settings.weights and len(settings.weights) != len(args.data):
        raise TrainerError(f"{len(settings.weights)} weights, expected one for each --data")
    run = RunFolder(args.run)
    data = data_of(args)
    from trainer.data.reading import identity

    if is_finished(run, settings, identity(data, settings.captions)[0]):
        print(f"{args.run}: finished with these settings and this data; nothing to do")
        return 0
    from trainer.training.run import train as run_training
    from trainer.training.start import Habits
    from trainer.training.stop import StoppedError

    habits = Habits(args.save_seconds, args.log_every, args.tensorboard)
    try:
        done = run_training(data, run, settings, habits, args.anew)
    except StoppedError as stopped:
        print(f"{args.run}: {stopped}", file=sys.stderr)
        return 128 + stopped.number
    if not done:
        return 0  # one of several processes: the first one reports
    show_corrupt(done["corrupt"])
    print(
        f"{args.run}: {settings.model}, {done['parameters'] / 1e6:.2f} M parameters, "
        f"{done['steps']:,} of {done['steps_planned']:,} steps, {done['images']:,} images of "
        f"{done['samples']:,} samples in {done['seconds']:.1f} s, ended by {done['ended_by']}; "
        f"loss {done['loss']:.3f}, temperature {done['temperature']:.3f}, "
        f"{len(done['corrupt'])} corrupt samples"
    )
    if done["held_out"]:
        print(f"{args.run}: {held_out_line(done)}")
    if done["ended_by"] == "seconds" and done["images"] < done["samples"]:
        print(
            f"{args.run}: too little time for a result: the model has seen {done['images']:,} of "
            f"{done['samples']:,} samples; give it a longer --max-seconds"
        )
    return 0


def held_out_line(done: dict) -> str:
    """The last and the best epoch on the pairs that were held out, in one line."""
    last = done["held_out"]
    return (
        f"{last['pairs']:,} pairs held out: loss {last['loss']:.3f}, recall at 1 "
        f"{100 * last['image_to_text_1']:.1f}% from pictures to texts and "
        f"{100 * last['text_to_image_1']:.1f}% back; the best epoch, whose weights --best reads, "
        f"had a loss of {done['best_loss']:.3f}"
    )


def flags(args: argparse.Namespace) -> dict[str, dict]:
    """The settings that were given as flags, by section, as `trainer.settings.read` takes them."""
    sections = {
        "": (
            "model",
            "seed",
            "max_seconds",
            "precision",
            "val",
            "patience",
            "where",
            "scores",
            "weights",
            "merges",
            "init",
            "init_tower",
            "lock",
            "activation",
        ),
        "recipe": ("objective", "epochs", "batch", "lr"),
        "means": ("micro_batch",),
    }
    sections_set = {
        section: {name: getattr(args, name) for name in names if getattr(args, name) is not None}
        for section, names in sections.items()
    }
    return sections_set | ({"captions": dict(args.caption)} if args.caption else {})


def _same(recorded: dict, now: dict) -> bool:
    """Whether settings are those of a record, but for [means]."""
    return {**recorded, "means": None} == {**json.loads(json.dumps(now)), "means": None}


def is_finished(run: RunFolder, settings: TrainSettings, version: str) -> bool:
    """A run of equal settings and build has ended there, and its checkpoint is in place."""
    if not (run.done.is_file() and run.checkpoint.is_file() and run.tokenizer.is_file()):
        return False
    try:
        done = json.loads(run.done.read_text())
        made_with = [done["build_version"], done.get("scores_sha256", "")]
        made_with.append(done.get("init_sha256", ""))
        same = _same(with_defaults(done["settings"]), asdict(settings))
    except (OSError, ValueError, LookupError, TypeError):
        return False
    return same and made_with == [version, settings.scores_digest(), _init_digest(settings)]


def _init_digest(settings: TrainSettings) -> str:
    if settings.init is None:
        return ""
    from trainer.model.start_weights import digest

    return digest(Path(settings.init))
