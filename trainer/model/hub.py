"""A model as the folder that a hub keeps of it: open_clip reads it by `local-dir:` or `hf-hub:`.

Its files have the names and forms that open_clip's `push_to_hf_hub` writes, and the tokenizer's
those of the `tokenizers` library, which other programs read as well.
"""

import json
from pathlib import Path

import tokenizers
from safetensors.torch import save_file
from tokenizers import Regex, models, normalizers, pre_tokenizers, processors

from queries.tables.parts import written_whole
from trainer.model import IMAGE_MEAN, IMAGE_STD, checkpoint
from trainer.model.tokenizer import MARKS, PIECES, WORD_END, Tokenizer

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
TOKENIZER, TOKENIZER_CONFIG = "tokenizer.json", "tokenizer_config.json"
CARD = "README.md"


def write_hub_folder(
    folder: Path, name: str, config: dict, trained: checkpoint.Checkpoint, repo: str
) -> None:
    """Write the weights, configuration, tokenizer and card of the model `name` into the folder.

    config: as open_clip_config makes it. repo: the name ORG/NAME under which the hub will keep the
    folder. A card that is there stays: people write in it.
    """
    start, end = MARKS
    context = trained.state.model.text.context
    text = config["text_cfg"] | {"hf_tokenizer_name": repo}
    text.pop("tokenizer_kwargs", None)  # of open_clip's own tokenizer, which is not asked here
    description = {
        "model_cfg": config | {"text_cfg": text},
        "preprocess_cfg": {
            "mean": IMAGE_MEAN,
            "std": IMAGE_STD,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
        },
    }
    words = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": start,
        "eos_token": end,
        "pad_token": end,  # behind the first end token nothing is read
        "model_max_length": context,
        "clean_up_tokenization_spaces": False,
    }
    weights = {key: value.contiguous() for key, value in trained.model.state_dict().items()}
    with written_whole(folder / WEIGHTS) as beside:
        save_file(weights, beside, {"format": "pt"})
    _write_json(folder / CONFIG, description)
    _write_json(folder / TOKENIZER_CONFIG, words)
    with written_whole(folder / TOKENIZER) as beside:
        library_tokenizer(trained.tokenizer, context).save(str(beside))
    if not (folder / CARD).exists():
        with written_whole(folder / CARD) as beside:
            beside.write_text(_card(name, trained.state, repo))


def _write_json(path: Path, content: dict) -> None:
    with written_whole(path) as beside:
        beside.write_text(json.dumps(content, indent=2) + "\n")


def library_tokenizer(words: Tokenizer, context: int) -> tokenizers.Tokenizer:
    """The same ids from the `tokenizers` library alone: (context,) each, zeros behind the end.

    It mends no mojibake and unescapes no HTML, and knows the letters of an older Unicode: for
    captions that need neither, the ids are those of `Tokenizer.encode`.

    >>> from trainer.model.tokenizer import train
    >>> library_tokenizer(train(["a cat"], 514, {}), 6).encode(" A  cat").ids
    [512, 320, 66, 64, 339, 513]
    """
    start, end = MARKS
    pieces = {piece: number for number, piece in enumerate(words.pieces)}
    bpe = models.BPE(pieces, words.merges, end_of_word_suffix=WORD_END)
    library = tokenizers.Tokenizer(bpe)
    library.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    library.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(f"(?i:{PIECES.pattern})"), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    library.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, words.start), (end, words.end)]
    )
    library.enable_truncation(context)
    library.enable_padding(pad_id=0, pad_token=words.pieces[0], length=context)
    return library


def _card(name: str, state: checkpoint.State, repo: str) -> str:
    """The first words of a model card; what only its maker knows is left to them."""
    return f"""\
---
library_name: open_clip
pipeline_tag: zero-shot-image-classification
tags:
- clip
---
# {repo.rpartition("/")[2]}

A CLIP model of the shape {name}, trained for {state.step:,} steps on the dataset build
{state.build_version}. Its licence, its uses and its limits are for its maker to state here.

```python
import open_clip

model, preprocess = open_clip.create_model_from_pretrained("hf-hub:{repo}")
words = open_clip.get_tokenizer("hf-hub:{repo}")
```

From a folder on this machine write `local-dir:FOLDER` for `hf-hub:{repo}`.
"""
