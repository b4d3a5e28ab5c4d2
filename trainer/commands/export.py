"""The command export: a run's model in files that peers read."""

import argparse

from queries.options import LocalPath
from trainer.commands.arguments import Commands, add_command, add_trained_run
from trainer.run_folder import RunFolder

TEXT = """\
write the model as files that open_clip, OpenAI's code, a hub and ONNX Runtime read

example:
  python -m trainer export --run RUN --to DIR --onnx
      DIR in the layout of a hub's model (open_clip_config.json, open_clip_model.safetensors,
      tokenizer.json, README.md), beside it DIR/MODEL.pt, DIR/MODEL.json and DIR/merges.txt.gz,
      and with --onnx DIR/image.onnx and DIR/text.onnx.

open_clip reads the folder, here or on a hub (--repo says under which name), with transformers:

  model, preprocess = open_clip.create_model_from_pretrained("local-dir:DIR")
  words = open_clip.get_tokenizer("local-dir:DIR")

or its files, without transformers:

  open_clip.add_model_config("DIR/MODEL.json")
  model = open_clip.create_model("MODEL", pretrained="DIR/MODEL.pt")
  words = open_clip.get_tokenizer("MODEL")

OpenAI's code: clip.load("DIR/MODEL.pt"). ONNX Runtime: image.onnx takes "images", RGB as uint8
(B, 3, side, side), text.onnx "tokens", the int64 (B, context) that tokenizer.json gives; both
answer vectors of length 1.
"""


def add_export(commands: Commands) -> None:
    """export, and its arguments."""
    command = add_command(commands, export, "export", TEXT)
    add_trained_run(command)
    command.add_argument(
        "--to", action=LocalPath, required=True, metavar="DIR", help="folder to write"
    )
    about = "the hub's name of the folder, for its tokenizer (default: the folder's own name)"
    command.add_argument("--repo", default="", metavar="ORG/NAME", help=about)
    about = "both towers as ONNX, too; needs pip install 'buildwit[onnx]'"
    command.add_argument("--onnx", action="store_true", help=about)


def export(args: argparse.Namespace) -> None:
    """Write a run's model for the peers, and say what reads it."""
    from trainer.model.export import export as write

    done = write(RunFolder(args.run, best=args.best), args.to, args.repo, args.onnx)
    print(f"{done.weights}, {done.config.name}, {done.merges.name}: open_clip reads them")
    print(f"{done.weights.parent}: open_clip reads it by local-dir:, and by hf-hub: from a hub")
    if args.onnx:
        print("image.onnx, text.onnx: run once by ONNX Runtime, with the vectors of the model")
    if not done.openai:
        print("not for OpenAI's code: it takes every head to be 64 wide, and these are not")
