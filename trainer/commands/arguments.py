"""The arguments of `python -m trainer`, and what its help says."""

import argparse
from pathlib import Path

from trainer.settings import MODELS, OBJECTIVES, PRECISIONS

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
  python -m trainer train --data OUT --run RUN --where "width >= 256 and n_words > 3"
      on a part of the build; --scores FILE adds the column clip_score (trainer score --help)

The run's folder gets run.toml (all settings), tokenizer.json, train.jsonl (a line every 10
steps), best.safetensors (the epoch of the lowest mean loss), checkpoint.safetensors and, last,
run.json. A finished run of the same settings and build is not trained again; one that was killed
goes on from its last save, exactly. Equal settings give equal weights, unless --max-seconds ends
the run.

What has no flag is set in the TOML: [recipe] has the papers' numbers and hard_negatives, [means]
length_groups, checkpointing and compile.
"""
CAPTIONED = (
    "a captioned set: test/*.tar of pictures with a .txt each, a caption a line, or a folder of "
    "pictures with a .txt beside each"
)
FITTED = f"{EVAL}; with train/ and, if there is one, val/ beside test/"
TEMPLATES = (
    "[templates] with a list for a set's folder's name, before its own, or for `default`, of sets "
    'without; "a photo of a {c}." otherwise'
)
ZEROSHOT = """\
example:
  python -m trainer zeroshot --run RUN --eval SET SET
      top-1, top-5 and the mean of the classes' top-1, with 95% intervals, beside chance; kept in
      RUN/zeroshot.json and RUN/tables/evaluation

A template says where the class goes, as in "a photo of a {c}."; the embeddings of a class's
prompts are averaged (CLIP, section 3.1.4). docs/evaluation.md says how each figure is made.
"""
RETRIEVAL = """\
example:
  python -m trainer retrieval --run RUN --eval SET
      recall at 1, 5 and 10 from pictures to captions and back, with 95% intervals, beside chance;
      kept in RUN/retrieval.json and RUN/tables/evaluation

In a template, "a photo of {c}" by default, {c} is the caption (CLIP, section 3.1.4).
"""
PROBE = """\
example:
  python -m trainer probe --run RUN --eval SET
      accuracies of a logistic regression on the model's features, which stay as they are; kept in
      RUN/probe.json and RUN/tables/evaluation

Its L2 is chosen on val/, or on a fifth of train/ (CLIP, section 3.2 and appendix A.3). Needs
scikit-learn: pip install '.[probe]'.
"""
FEWSHOT = """\
example:
  python -m trainer fewshot --run RUN --eval SET
      probes of 1, 2, 4, 8, 16 and all train pictures a class, beside zero-shot, and at how many
      the two are equal (CLIP, section 3.1.5); kept in RUN/fewshot.json and RUN/tables/evaluation
"""
ROBUSTNESS = """\
example:
  python -m trainer robustness --run RUN --pair SET SHIFTED --pair SET OTHER
      zero-shot and a probe of SET, on SET and under its shift; kept in RUN/robustness.json,
      RUN/robustness.svg and RUN/tables/evaluation

SHIFTED's classes are those of SET, or some of them, by name; only these are told apart. The
reference models are those of a CSV (in_distribution, shifted, model, accuracy, shifted_accuracy;
sets by their folders' names), or regressions on thumbnails of SET (CLIP, section 3.3).
"""
EVALUATIONS = {
    "zeroshot": ("classify evaluation sets by their class names alone", ZEROSHOT, EVAL),
    "retrieval": ("find captions by pictures, and pictures by captions", RETRIEVAL, CAPTIONED),
    "probe": ("fit a linear classifier to the model's features", PROBE, FITTED),
    "fewshot": ("how many labelled pictures zero-shot is worth", FEWSHOT, FITTED),
    "robustness": ("what a shift of the pictures costs zero-shot and a probe", ROBUSTNESS, ""),
}
OVERLAP = """\
examples:
  python -m trainer overlap --data OUT --run RUN --eval SET SET
      accuracy on all pictures, on those without and on those with a near duplicate among the
      training pictures (CLIP, section 5); kept in RUN/overlap.json, RUN/overlap.svg and
      RUN/tables/, with a page of the neighbours around the threshold in RUN/overlap/
  python -m trainer overlap --data OUT --eval SET --detector FILE --write-exclusions FILE
      the same look with a learned detector, without a model; and a list for BuildWIT --exclude

A threshold is bits of pHash that may differ (they are even: 4 equals 5), or the least score of a
learned detector. Without one it is chosen for each set: at --rate false positives per pair, on
pairs of pictures of different classes. docs/overlap.md tells how.
"""
DETECTOR = """\
example:
  python -m trainer detector --data OUT --to detector.safetensors --seconds 600
      a copy detector trained on the build's own pictures and their synthetic copies (CLIP,
      appendix C); one frozen file, which results name by its digest

Equal pictures, seed and steps give equal weights on one machine; --seconds is CPU time.
"""
DECONTAMINATE = """\
example:
  python -m trainer decontaminate --data OUT --eval SET --exclude excluded.csv --settings TOML
      looks for SET in the newest build, adds what is found to the list, makes the next version
      without it (BuildWIT --exclude), and looks again until nothing is found
"""
DUPLICATES = """\
example:
  python -m trainer duplicates --data OUT --detector FILE --run RUN
      groups of near duplicates among a build's own pictures: how many, how large, what share;
      kept in RUN/duplicates.json
"""
OVERLAPPING = ("overlap", "decontaminate", "duplicates", "detector")
SCORE = """\
examples:
  python -m trainer score --data OUT --run RUN --to scores.parquet
      a row per pair of the build, in order of pair_id: pair_id, clip_score
  python -m trainer train --data OUT --run BETTER --scores scores.parquet \\
      --where "clip_score > 0.25"
      a model of the pairs that the first one finds to agree: DataComp's filter, bootstrapped

clip_score is the cosine of the picture's middle square and the caption, in float32; null where
the picture cannot be read, so that no condition on it holds. The command prints which score the
best 30% of the pairs reach: DataComp's share (Gadre et al. 2023). In RUN/tables/
clip_score, where --to puts it by default, `python -m queries … --run RUN` sees it as a table.
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
    train.add_argument("--data", required=True, metavar="PATH", help=DATA)
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
        "--scores", metavar="FILE", help="of trainer score: clip_score is then a column for --where"
    )
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

    for name, (about, epilog, sets) in EVALUATIONS.items():
        task = _parser(commands.add_parser, name, help=about, epilog=epilog)
        task.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")
        if sets:
            task.add_argument(
                "--eval", type=Path, required=True, nargs="+", metavar="SET", help=sets
            )
        else:
            task.add_argument(
                "--pair",
                type=Path,
                required=True,
                nargs=2,
                action="append",
                metavar=("SET", "SHIFTED"),
                help=f"{FITTED}; and a set of its classes under a shift",
            )
            task.add_argument("--reference", type=Path, metavar="CSV", help="reference models")
        if name == "probe":
            task.set_defaults(templates=None)
        else:
            task.add_argument("--templates", type=Path, metavar="TOML", help=TEMPLATES)

    _add_overlap(commands)

    about = "how well each pair's caption and picture agree, to filter by"
    score = _parser(commands.add_parser, "score", help=about, epilog=SCORE)
    score.add_argument("--data", required=True, metavar="PATH", help=DATA)
    score.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")
    score.add_argument(
        "--to", type=Path, metavar="FILE", help="default RUN/tables/clip_score/clip_score.parquet"
    )

    about = "write the model as files that open_clip and OpenAI's code read"
    export = _parser(commands.add_parser, "export", help=about, epilog=EXPORT)
    export.add_argument("--run", type=Path, required=True, metavar="RUN", help="a trained run")
    export.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write")
    return top


def _add_overlap(commands: "argparse._SubParsersAction") -> None:
    """overlap, and what belongs to it."""
    about = "report what evaluation sets share with the training data"
    overlap = _parser(commands.add_parser, "overlap", help=about, epilog=OVERLAP)
    overlap.add_argument("--run", type=Path, metavar="RUN", help="a trained run, to judge")
    overlap.add_argument(
        "--write-exclusions", type=Path, metavar="FILE", help="a list, made or added to"
    )
    about = "exclude what is near evaluation sets, and build again, until nothing is"
    clean = _parser(commands.add_parser, "decontaminate", help=about, epilog=DECONTAMINATE)
    clean.add_argument(
        "--exclude", type=Path, required=True, metavar="FILE", help="a list, made or added to"
    )
    clean.add_argument("--settings", type=Path, metavar="TOML", help="of the build; default: own")
    clean.add_argument("--rounds", type=int, default=5, metavar="N", help="most builds; default 5")
    about = "near duplicates among a build's own pictures"
    within = _parser(commands.add_parser, "duplicates", help=about, epilog=DUPLICATES)
    within.add_argument("--run", type=Path, metavar="RUN", help="folder for duplicates.json")
    for command in (overlap, clean, within):
        command.add_argument("--data", required=True, metavar="PATH", help=DATA)
        command.add_argument(
            "--detector", default="phash", metavar="FILE", help="phash, the default, or a file"
        )
        command.add_argument(
            "--threshold", type=float, metavar="X", help="bits, or a score; default: chosen"
        )
        command.add_argument(
            "--rate", type=float, metavar="R", help="of false positives, to choose a threshold by"
        )
    for command in (overlap, clean):
        command.add_argument(
            "--eval", type=Path, required=True, nargs="+", metavar="SET", help=EVAL
        )

    about = "train a copy detector for overlap on a build's pictures"
    detector = _parser(commands.add_parser, "detector", help=about, epilog=DETECTOR)
    detector.add_argument("--data", required=True, metavar="PATH", help=DATA)
    detector.add_argument("--to", type=Path, required=True, metavar="FILE", help="what to write")
    detector.add_argument("--steps", type=int, default=1_200, metavar="N", help="default 1200")
    detector.add_argument("--seconds", type=float, metavar="S", help="of CPU, an upper bound")
    detector.add_argument("--seed", type=int, default=0, metavar="N", help="default 0")


def _parser(make, *args, **kwargs) -> argparse.ArgumentParser:
    return make(*args, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs)
