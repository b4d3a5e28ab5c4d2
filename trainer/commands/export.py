"""The command export: a run's model in files that open_clip and OpenAI's code read."""

import argparse
from pathlib import Path

from trainer.commands.arguments import Commands, add_command, add_trained_run
from trainer.run_folder import RunFolder

TEXT = """\
write the model as files that open_clip and OpenAI's code read

example:
  python -m trainer export --run RUN --to DIR
      DIR/MODEL.pt, DIR/MODEL.json and DIR/merges.txt.gz, which open_clip reads so:

  open_clip.add_model_config("DIR/MODEL.json")
  model = open_clip.create_model("MODEL", pretrained="DIR/MODEL.pt")
  words = open_clip.SimpleTokenizer("DIR/merges.txt.gz", context_length=model.context_length)

and OpenAI's code so: clip.load("DIR/MODEL.pt").
"""


def add_export(commands: Commands) -> None:
    """export, and its arguments."""
    command = add_command(commands, export, "export", TEXT)
    add_trained_run(command)
    command.add_argument("--to", type=Path, required=True, metavar="DIR", help="folder to write")


def export(args: argparse.Namespace) -> None:
    """Write a run's model for the peers, and say what reads it."""
    from trainer.model.export import export as write

    done = write(RunFolder(args.run), args.to)
    print(f"{done.weights}, {done.config.name}, {done.merges.name}: open_clip reads them")
    if not done.openai:
        print("not for OpenAI's code: it takes every head to be 64 wide, and these are not")
