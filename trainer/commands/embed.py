"""The command embed: a build's embeddings beside a run, or a process that embeds by request."""

import argparse
import sys
from pathlib import Path

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
write the embeddings of a build's pictures and captions

examples:
  python -m trainer embed --data OUT --run RUN
      RUN/embeddings: Parquet parts in order of pair_id with the columns pair_id, image and text,
      lists of float16 of length 1, and a manifest.json; a killed run goes on where it was
  python -m trainer embed --data OUT --run RUN --towers clip.toml
      by another model than the run's: [towers] has weights, model and merges, or two ONNX networks
      (image, text) and merges, as `trainer export --onnx` writes them
  python -m trainer embed --run RUN --serve
      answers {"text": "…"} and {"picture": "BASE64"}, a line each, by {"embedding": […]}

RUN/tables/place gets the places of the pictures on a plane (PCA), for the explorer's map. A picture
that cannot be read has no row, and is named. Embeddings of another build or model that
are there are replaced. docs/embeddings.md has the formats.
"""


def add_embed(commands: Commands) -> None:
    """embed, and its arguments."""
    command = add_command(commands, embed, "embed", TEXT)
    add_any_data(command, required=False)
    add_trained_run(command)
    about = "a TOML that names another model than the run's, in a table [towers]"
    command.add_argument("--towers", action=LocalPath, metavar="TOML", help=about)
    about = "answer lines of JSON on the standard input by the model of the run's embeddings"
    command.add_argument("--serve", action="store_true", help=about)


def embed(args: argparse.Namespace) -> None:
    """Embed a build, and say how many pairs were."""
    if args.serve == bool(args.data):
        raise TrainerError("embed: expected --data BUILD, or --serve")
    if args.serve:
        _serve(args)
        return
    data = data_of(args)
    from trainer.data.reading import read_samples
    from trainer.embeddings.places import write_places
    from trainer.embeddings.writing import write

    encoder = _encoder(args)
    samples = read_samples(data, encoder.towers.pixels, captions=dict(args.caption or ()))
    done = write(samples, args.run, encoder)
    write_places(args.run)
    show_corrupt(done.corrupt)
    before = f", {done.n_before:,} of them before" if done.n_before else ""
    print(
        f"{args.run / 'embeddings'}: {done.n:,} pairs{before}, {len(done.corrupt)} unreadable; "
        f"{encoder.towers.width} numbers each of picture and caption"
    )


def _encoder(args: argparse.Namespace):
    from trainer.embeddings.encoders import encoder_of_run, encoder_of_towers

    if args.towers:
        return encoder_of_towers(args.towers)
    return encoder_of_run(RunFolder(args.run, best=args.best))


def _serve(args: argparse.Namespace) -> None:
    """Embed what comes by the model of the run's embeddings; without these, by the run's."""
    from queries.tables.embeddings import FOLDER, read_embeddings
    from queries.tables.manifest import MANIFEST
    from trainer.embeddings.encoders import encoder_of
    from trainer.embeddings.serving import serve

    run: Path = args.run
    if args.towers or not (run / FOLDER / MANIFEST).exists():
        encoder = _encoder(args)
    else:
        embeddings = read_embeddings(run)
        encoder = encoder_of(embeddings.about, run)
        if encoder.digest != embeddings.checkpoint:
            raise TrainerError(
                f"{run}: its model is not the one of its embeddings: expected `trainer embed` anew"
            )
    serve(encoder, sys.stdin.buffer, sys.stdout.buffer)
