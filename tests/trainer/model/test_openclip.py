"""Equal to open_clip and to OpenAI's code: weights, features, logits, loss, gradients, ids."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import nn

from tests import peers
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.model import CLIP, build, checkpoint, tokenizer
from trainer.model.export import export, open_clip_config
from trainer.run_folder import RunFolder
from trainer.settings import MODELS, RECIPES, ModelConfig, TrainSettings
from trainer.training.losses import contrastive

PAPER = [name for name in MODELS if not name.startswith(("tiny", "ViT-S"))]
TINY = ["tiny-rn", "tiny-vit"]
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in ("RN50", "ViT-B-32", "ViT-S-16")]


@pytest.fixture(scope="module")
def openai():
    try:
        return peers.openai_model()
    except ImportError as error:
        pytest.skip(f"{error}: make peers")


def ours(name: str) -> CLIP:
    """A model whose every weight and statistic is random, gains and biases too."""
    torch.manual_seed(0)
    model = build(name)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
        for norm in (one for one in model.modules() if isinstance(one, nn.BatchNorm2d)):
            norm.running_mean.normal_(std=0.1)
            norm.running_var.uniform_(0.5, 1.5)
    return model.eval()


def theirs(open_clip, name: str, model: CLIP) -> nn.Module:
    """open_clip's model of our configuration, with our weights."""
    peer = open_clip.CLIP(**open_clip_config(MODELS[name]))
    peer.load_state_dict(model.state_dict())
    return peer.eval()


def batch(model: CLIP, size: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images as uint8, the same as normalised floats, and token ids of the full context."""
    draw, config = np.random.default_rng(0), model.config
    shape = (size, 3, config.vision.pixels, config.vision.pixels)
    images = torch.from_numpy(draw.integers(0, 256, shape, dtype=np.uint8))
    last = config.text.vocabulary - 1
    tokens = np.zeros((size, config.text.context), np.int64)
    for row in tokens:
        n = draw.integers(1, config.text.context - 1)
        row[: n + 2] = [last - 1, *draw.integers(0, last - 1, n), last]
    return images, (images.float() - model.mean) / model.std, torch.from_numpy(tokens)


@pytest.mark.parametrize("name", PAPER)
def test_a_paper_model_is_open_clips_in_shape_and_size(open_clip, name):
    with torch.device("meta"):
        peer = open_clip.CLIP(**open_clip.get_model_config(name)).state_dict()
        model = build(name).state_dict()
    assert {key: value.shape for key, value in model.items()} == {
        key: value.shape for key, value in peer.items()
    }


@pytest.mark.parametrize("name", [*LARGE, *TINY])
@torch.inference_mode()
def test_features_and_logits_equal_open_clips(open_clip, name):
    model = ours(name)
    peer = theirs(open_clip, name, model)
    images, pixels, tokens = batch(model)
    pairs = [
        (model.encode_image(images), peer.encode_image(pixels)),
        (model.encode_text(tokens), peer.encode_text(tokens)),
    ]
    for own, other in pairs:
        assert own.std() > 0.01
        assert (own - other).abs().max() < 1e-5
    image, text, scale = model(images, tokens)
    own, other = scale * image @ text.T, peer.get_logits(pixels, tokens)[0]
    torch.testing.assert_close(own, other, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("name", TINY)
def test_the_loss_of_a_training_step_and_its_gradients_equal_open_clips(open_clip, name):
    model = ours(name).train()
    peer = theirs(open_clip, name, model).train()
    images, pixels, tokens = batch(model, size=8)
    loss = contrastive(*model(images, tokens))
    loss.backward()
    expected = open_clip.ClipLoss()(*peer(pixels, tokens))
    expected.backward()
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-5)
    gradients = dict(peer.named_parameters())
    for key, parameter in model.named_parameters():
        other = gradients[key].grad
        assert (parameter.grad - other).norm() <= 1e-3 * other.norm() + 1e-6, key


@pytest.mark.parametrize("name", TINY)
def test_weights_of_either_open_clip_class_load(open_clip, name):
    model, fresh = ours(name), build(name)
    custom = open_clip.CustomTextCLIP(**open_clip_config(MODELS[name]))
    with torch.no_grad():
        custom.logit_scale.fill_(1.5)
    fresh.load_state_dict({f"module.{key}": value for key, value in custom.state_dict().items()})
    assert fresh.logit_scale == 1.5
    fresh.load_state_dict(theirs(open_clip, name, model).state_dict())
    assert all(map(torch.equal, fresh.state_dict().values(), model.state_dict().values()))


@pytest.mark.parametrize("name", TINY)
@torch.inference_mode()
def test_openais_code_infers_the_model_from_its_weights_and_agrees(openai, name):
    model = ours(name)
    images, pixels, tokens = batch(model)
    peer = openai.build_model(model.state_dict()).float()  # from weights that it cut to 16 bits
    torch.testing.assert_close(
        peer.encode_image(pixels), model.encode_image(images), rtol=0.01, atol=0.01
    )
    peer.load_state_dict(model.state_dict())
    assert (model.encode_image(images) - peer.encode_image(pixels)).abs().max() < 1e-5
    assert (model.encode_text(tokens) - peer.encode_text(tokens)).abs().max() < 1e-5
    half = openai.build_model(model.state_dict()).state_dict()
    build(name).load_state_dict(half | dict.fromkeys(["input_resolution", "vocab_size"], 1))


def drawn_strings(merges: Path, n: int) -> list[str]:
    """Strings of CLIP's own pieces, odd characters, entities, contractions, spaces and marks.

    The first are short enough to be read whole, the others often too long.
    """
    draw = random.Random(0)
    words = tokenizer.read_merges(merges, 49_408)
    pieces = ["".join(merge).removesuffix("</w>") for merge in words.merges]
    odd = ["it's", "WE'LL", "don'ſt", "'", "&amp;amp;", "&eacute;", "&#39;", "\t\n", "\u3000", "4²"]
    odd += [
        "schÃ¶n",
        "“quoted”",
        "İ",
        "ß",
        "\u0345",
        "👩\u200d🚀",
        "❤️",
        "e\u0301",
        "\ufeff",
        "\x1b[1m",
    ]
    blocks = [(0x20, 0x7F), (0xA0, 0x250), (0x370, 0x530), (0x600, 0x700), (0x900, 0xE80)]
    blocks += [(0x2000, 0x2C00), (0x3040, 0x3100), (0x4E00, 0x9FFF), (0xAC00, 0xD7A4)]
    blocks += [(0x10000, 0x1F000), (0x1F300, 0x1FB00), (0x1, 0xD800), (0xE000, 0x110000)]

    def fragment() -> str:
        kind = draw.random()
        if kind < 0.6:
            return draw.choice(pieces)
        if kind < 0.8:
            return draw.choice(odd)
        return "".join(chr(draw.randrange(*draw.choice(blocks))) for _ in range(3))

    return [
        "".join(fragment() + draw.choice(["", " ", " "]) for _ in range(draw.randrange(8 + i % 40)))
        for i in range(n)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["drawn", "real"])
def test_ids_of_ten_thousand_captions_equal_open_clips(open_clip, source, request):
    merges = Path(open_clip.tokenizer.default_bpe())
    if source == "drawn":
        captions = drawn_strings(merges, 10_000)
    else:
        table = pq.read_table(request.getfixturevalue("shared") / "laion_url_caption_10k.parquet")
        captions = [caption or "" for caption in table["TEXT"].to_pylist()]
    words = tokenizer.read_merges(merges, 49_408)
    assert len(words) == 49_408
    own, other = words.encode(captions, 77), open_clip.tokenize(captions).numpy()
    assert len(set(captions)) > 9_000
    assert (own[:, -1] == words.end).any()  # some are cut, and end nevertheless
    np.testing.assert_array_equal(own, other[:, : own.shape[1]])
    assert not other[:, own.shape[1] :].any()


def trained(root: Path) -> RunFolder:
    """A run of a few steps."""
    make_build(root / "build", per_class=1)
    train = ["train", "--data", f"{root}/build", "--run", f"{root}/run", "--batch", "8"]
    assert main([*train, "--epochs", "1"]) == 0
    return RunFolder(root / "run")


def test_an_exported_run_is_read_by_open_clip_and_says_the_same(open_clip, tmp_path, capsys):
    run, to = trained(tmp_path), tmp_path / "export"
    assert main(["export", "--run", f"{run.root}", "--to", f"{to}"]) == 0
    assert "open_clip reads them" in capsys.readouterr().out
    found = checkpoint.load(run)
    open_clip.add_model_config(to / "tiny-rn.json")
    peer = open_clip.create_model("tiny-rn", pretrained=f"{to}/tiny-rn.pt").eval()
    words = open_clip.get_tokenizer("tiny-rn")
    images, pixels, _ = batch(found.model)
    captions = ["a red circle", "A green Square, twice", ""]
    tokens = torch.from_numpy(found.tokenizer.encode(captions, 32))
    np.testing.assert_array_equal(words(captions)[:, : tokens.shape[1]], tokens)
    with torch.inference_mode():
        text = found.model.encode_text(tokens) - peer.encode_text(words(captions))
        image = found.model.encode_image(images) - peer.encode_image(pixels)
    assert max(text.abs().max(), image.abs().max()) < 1e-5


def test_an_export_repeats_byte_for_byte_and_holds_tensors_alone(tmp_path):
    run = trained(tmp_path)
    first, again = export(run, tmp_path / "a"), export(run, tmp_path / "b")
    for one, other in ((first.weights, again.weights), (first.merges, again.merges)):
        assert one.read_bytes() == other.read_bytes()
    weights = torch.load(first.weights, weights_only=True)
    assert weights.keys() == checkpoint.load(run).model.state_dict().keys()
    assert {weight.dtype for weight in weights.values()} == {torch.float32, torch.int64}
    assert first.openai


def saved(root: Path, name: str, config: ModelConfig) -> RunFolder:
    """The run of an untrained model of the configuration, under the name of another."""
    run = RunFolder(root)
    tokenizer.train(["a red circle"], 520, {}).save(run.tokenizer)
    checkpoint.save(run, CLIP(config), TrainSettings(name, RECIPES[name]), 0, "none")
    return run


def test_a_model_whose_heads_openais_code_would_misread_says_so(tmp_path, capsys):
    tiny = MODELS["tiny-vit"]
    run = saved(tmp_path, "tiny-vit", replace(tiny, vision=replace(tiny.vision, heads=4)))
    assert main(["export", "--run", f"{run.root}", "--to", f"{tmp_path}/export"]) == 0
    assert "not for OpenAI's code" in capsys.readouterr().out


def test_a_cbow_model_is_not_exported(tmp_path, capsys):
    tiny = MODELS["tiny-vit"]
    run = saved(tmp_path, "tiny-vit", replace(tiny, text=replace(tiny.text, layers=0)))
    assert main(["export", "--run", f"{run.root}", "--to", f"{tmp_path}/export"]) == 2
    assert "expected a transformer" in capsys.readouterr().err
    assert not (tmp_path / "export").exists()
