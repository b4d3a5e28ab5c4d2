"""A checkpoint as the files that peers read: `export(run, folder)`.

Our weights have OpenAI's names, so nothing is renamed.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from queries.tables.parts import written_whole
from trainer.model.checkpoint import load
from trainer.model.hub import write_hub_folder
from trainer.model.onnx_towers import write_onnx
from trainer.run_folder import RunFolder
from trainer.settings import ModelConfig, TrainerError

OPENAI_HEAD_WIDTH = 64  # OpenAI's code infers the number of heads from it


@dataclass(frozen=True)
class Exported:
    """The files written, and whether OpenAI's code infers the right model from the weights."""

    weights: Path  # a state dict, by torch.save
    config: Path  # for open_clip.add_model_config
    merges: Path  # for either's SimpleTokenizer
    openai: bool


def export(run: RunFolder, folder: Path, repo: str = "", onnx: bool = False) -> Exported:
    """Write the run's weights, its configuration and its merges into the folder, which is that of
    a hub as well: `trainer.model.hub`.

    repo: the hub's name of the folder; by default the folder's own. onnx: both towers as ONNX, too.
    TrainerError for a CBOW text tower: no peer has one.
    """
    checkpoint = load(run)
    name, model = checkpoint.state.settings["model"], checkpoint.state.model
    if not model.text.layers:
        raise TrainerError(
            f"{run.root}: {name} has a CBOW text tower, expected a transformer: "
            "neither open_clip nor OpenAI's code has a CBOW"
        )
    folder = folder.resolve()
    merges = folder / "merges.txt.gz"
    config = open_clip_config(model)
    # open_clip's tokenizer would read its own merges; it asks for the file from any folder.
    config["text_cfg"]["tokenizer_kwargs"] = {"bpe_path": str(merges)}
    widths = {config["vision_cfg"]["head_width"], model.text.width // model.text.heads}
    done = Exported(
        folder / f"{name}.pt",
        folder / f"{name}.json",
        merges,
        openai=widths == {OPENAI_HEAD_WIDTH} and model.activation == "quick_gelu",
    )
    weights = {key: tensor.contiguous() for key, tensor in checkpoint.model.state_dict().items()}
    with written_whole(done.weights) as beside, beside.open("wb") as file:
        torch.save(weights, file)  # to a path, it would write the path's random name into it
    with written_whole(done.config) as beside:
        beside.write_text(json.dumps(config, indent=2) + "\n")
    checkpoint.tokenizer.save_merges(done.merges)
    write_hub_folder(folder, name, config, checkpoint, repo or folder.name)
    if onnx:
        write_onnx(checkpoint.model, folder)
    return done


def open_clip_config(model: ModelConfig) -> dict:
    """The model as one of open_clip's configuration files describes it.

    >>> from trainer.settings import config
    >>> open_clip_config(config("ViT-B-32"))["vision_cfg"]
    {'image_size': 224, 'layers': 12, 'width': 768, 'head_width': 64, 'patch_size': 32}
    """
    vision, text = model.vision, model.text
    return {
        "embed_dim": model.embed,
        "quick_gelu": model.activation == "quick_gelu",
        "vision_cfg": {
            "image_size": vision.pixels,
            "layers": vision.blocks[0] if vision.patch else list(vision.blocks),
            "width": vision.width,
            "head_width": vision.features // vision.heads,
            "patch_size": vision.patch or None,
        },
        "text_cfg": {
            "context_length": text.context,
            "vocab_size": text.vocabulary,
            "width": text.width,
            "heads": text.heads,
            "layers": text.layers,
        },
    }
