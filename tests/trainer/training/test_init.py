"""Any start: of a run, open_clip's or OpenAI's weights, at another size, with a tower locked."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.model import CLIP, checkpoint, start_weights
from trainer.model.export import open_clip_config
from trainer.run_folder import RunFolder
from trainer.settings import MODELS, TrainerError, TrainSettings, recipe
from trainer.training.distributed import ALONE
from trainer.training.pieces import Inputs
from trainer.training.run import train
from trainer.training.start import Habits, make_stepper

TINY = ("tiny-rn", "tiny-vit")
FLAGS = ["--precision", "fp32", "--epochs", "1", "--batch", "16"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build, and a run of each tiny model."""
    root = tmp_path_factory.mktemp("init")
    make_build(root / "build", per_class=2)
    for model in TINY:
        arguments = ["--data", f"{root}/build", "--run", f"{root}/{model}", "--model", model]
        assert main(["train", *arguments, *FLAGS]) == 0
    return root


def peer(open_clip, name: str, activation: str = "quick_gelu", **vision):
    """open_clip's model of our configuration, with random weights of its own."""
    torch.manual_seed(7)
    config = open_clip_config(replace(MODELS[name], activation=activation))
    config["vision_cfg"] |= vision
    return open_clip.CLIP(**config).eval()


def started(name: str, init: Path, **settings) -> CLIP:
    """The model before its first step."""
    own = TrainSettings(name, recipe(name), init=f"{init}", **settings)
    return make_stepper(own, ALONE, torch.device("cpu")).model.eval()


def test_a_siglip_run_hands_its_bias_on(world, tmp_path):
    """It is no weight of the model, and who embeds does not need it; who trains on does."""
    arguments = ["--data", f"{world}/build", "--objective", "siglip", *FLAGS]
    assert main(["train", *arguments, "--run", f"{tmp_path}/run"]) == 0
    run = RunFolder(tmp_path / "run")
    weights, _ = checkpoint.read(run.checkpoint)
    bias = weights["logit_bias"]
    assert bias != -10.0  # it has learned
    settings = TrainSettings("tiny-rn", recipe("tiny-rn", "siglip"), init=f"{run.root}")
    stepper = make_stepper(settings, ALONE, torch.device("cpu"))
    assert stepper.objective.logit_bias == bias
    assert stepper.model.logit_scale == weights["logit_scale"]
    assert checkpoint.load(run).model.logit_scale == weights["logit_scale"]


def inputs(model: CLIP) -> tuple[torch.Tensor, torch.Tensor]:
    draw = np.random.default_rng(0)
    side, text = model.config.vision.pixels, model.config.text
    images = torch.from_numpy(draw.integers(0, 256, (3, 3, side, side), dtype=np.uint8))
    tokens = torch.from_numpy(draw.integers(1, text.vocabulary - 1, (3, text.context)))
    tokens[:, 9], tokens[:, 10:] = text.vocabulary - 1, 0
    return images, tokens


@torch.inference_mode()
def furthest(model: CLIP, other: torch.nn.Module) -> float:
    """The greatest difference of an embedding from open_clip's."""
    images, tokens = inputs(model)
    pixels = (images.float() - model.mean) / model.std
    image = model.encode_image(images) - other.encode_image(pixels)
    text = model.encode_text(tokens) - other.encode_text(tokens)
    scale = model.logit_scale.exp() - other.logit_scale.exp()
    return max(one.abs().max().item() for one in (image, text, scale))


def as_state_dict(weights, path):
    torch.save(weights, path)


def as_a_training_checkpoint(weights, path):
    """As open_clip's training saves it, wrapped for several processes."""
    wrapped = {f"module.{name}": weight for name, weight in weights.items()}
    optimizer = {"state": {}, "param_groups": [{"lr": 0.1}]}
    torch.save({"epoch": 3, "name": "x", "state_dict": wrapped, "optimizer": optimizer}, path)


def as_openais(weights, path):
    """Three numbers beside the weights, as its archives hold them."""
    numbers = {"input_resolution": 64, "context_length": 32, "vocab_size": 4096}
    torch.save(weights | {name: torch.tensor(number) for name, number in numbers.items()}, path)


def as_safetensors(weights, path):
    save_file({name: weight.contiguous() for name, weight in weights.items()}, path)


@pytest.mark.parametrize("activation", ["quick_gelu", "gelu"])
@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize(
    "save", [as_state_dict, as_a_training_checkpoint, as_openais, as_safetensors]
)
def test_the_first_embeddings_are_the_sources(save, name, activation, open_clip, tmp_path):
    source = peer(open_clip, name, activation)
    save(source.state_dict(), tmp_path / "weights")
    assert furthest(started(name, tmp_path / "weights", activation=activation), source) < 5e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "ours", "activation"),
    [
        ("ViT-B-32", "ViT-B-32", "gelu"),
        ("ViT-B-32-quickgelu", "ViT-B-32", "quick_gelu"),
        ("RN50-quickgelu", "RN50", "quick_gelu"),
    ],
)
def test_models_that_open_clip_names_start_as_they_are(name, ours, activation, open_clip, tmp_path):
    torch.manual_seed(0)
    source = open_clip.create_model(name).eval()
    torch.save(source.state_dict(), tmp_path / "weights.pt")
    assert furthest(started(ours, tmp_path / "weights.pt", activation=activation), source) < 2e-5


def test_half_precision_weights_are_read(open_clip, tmp_path):
    source = peer(open_clip, "tiny-vit")
    torch.save({k: v.half() for k, v in source.state_dict().items()}, tmp_path / "half.pt")
    source.load_state_dict(torch.load(tmp_path / "half.pt", weights_only=True))
    assert furthest(started("tiny-vit", tmp_path / "half.pt"), source) < 5e-6


@pytest.mark.parametrize("side", [32, 96])
def test_positions_of_another_size_are_those_of_open_clip(side, open_clip, tmp_path):
    from open_clip.model import resize_pos_embed, resize_text_pos_embed

    small = peer(open_clip, "tiny-vit", image_size=side)
    torch.save(small.state_dict(), tmp_path / "weights.pt")
    source, weights = peer(open_clip, "tiny-vit"), small.state_dict()
    resize_pos_embed(weights, source)
    source.load_state_dict(weights)
    assert furthest(started("tiny-vit", tmp_path / "weights.pt"), source) < 5e-6
    texts = {"positional_embedding": torch.randn(77, 128)}
    expected = dict(texts)
    resize_text_pos_embed(expected, source)
    ours = start_weights.resized(texts["positional_embedding"], torch.Size([32, 128]), grid=False)
    assert torch.equal(ours, expected["positional_embedding"])


def test_a_hub_s_folder_says_its_activation(open_clip, tmp_path, world, capsys):
    source = peer(open_clip, "tiny-vit", "gelu")
    as_safetensors(source.state_dict(), tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": {"embed_dim": 256}}))
    command = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/run", *FLAGS]
    command += ["--model", "tiny-vit", "--init", f"{tmp_path}"]
    assert main(command) == 2
    assert "its model has gelu, expected --activation gelu" in capsys.readouterr().err
    assert main([*command, "--activation", "gelu"]) == 0
    state = checkpoint.load(RunFolder(tmp_path / "run")).state
    assert state.model.activation == "gelu"
    record = json.loads((tmp_path / "run" / "tokenizer.json").read_text())
    assert record["merges_file"] == "bpe_simple_vocab_16e6.txt.gz"


def test_a_run_starts_from_a_run_with_its_tokenizer(world, tmp_path):
    before = checkpoint.load(RunFolder(world / "tiny-vit"))
    model = started("tiny-vit", world / "tiny-vit")
    images, tokens = inputs(model)
    with torch.inference_mode():
        for ours, theirs in zip(model(images, tokens), before.model(images, tokens), strict=True):
            assert torch.equal(ours, theirs)
    best = started("tiny-vit", world / "tiny-vit" / "best.safetensors")
    assert torch.equal(best.text_projection, model.text_projection)
    command = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/run", *FLAGS]
    command += ["--model", "tiny-vit", "--init", f"{world}/tiny-vit"]
    assert main(command) == 0
    words = [
        RunFolder(root).tokenizer.read_text() for root in (world / "tiny-vit", tmp_path / "run")
    ]
    assert words[0] == words[1]
    assert main(command) == 0


def test_a_run_from_other_weights_is_another_run(world, tmp_path, capsys):
    init = tmp_path / "weights.safetensors"
    as_safetensors(checkpoint.read(world / "tiny-rn" / "best.safetensors")[0], init)
    command = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/run", *FLAGS]
    command += ["--init", f"{init}", "--init-tower", "image"]
    assert main(command) == 0
    torch.manual_seed(1)
    as_safetensors(CLIP(MODELS["tiny-rn"]).state_dict(), init)
    assert main(command) == 2
    assert "another run (init_sha256" in capsys.readouterr().err


@pytest.mark.parametrize("tower", ["image", "text"])
@pytest.mark.parametrize("micro_batch", [0, 4])
@pytest.mark.parametrize("name", TINY)
def test_a_locked_tower_stays_as_it_is_and_the_other_learns(tower, micro_batch, name, world):
    own = recipe(name)
    settings = TrainSettings(name, own, init=f"{world}/{name}", lock=tower)
    settings = replace(settings, means=replace(settings.means, micro_batch=micro_batch))
    stepper = make_stepper(settings, ALONE, torch.device("cpu"))
    before = {key: value.clone() for key, value in stepper.model.state_dict().items()}
    images, tokens = inputs(stepper.model)
    batch = Inputs(images.repeat(4, 1, 1, 1).numpy(), tokens.repeat(4, 1).numpy())
    for _ in range(2):
        stepper.step(batch, 1e-3)
    for key, value in stepper.model.state_dict().items():
        locked = key != "logit_scale" and key.startswith("visual.") == (tower == "image")
        if locked:
            assert torch.equal(value, before[key]), key
    changed = [
        key for key, value in stepper.model.state_dict().items() if (value != before[key]).any()
    ]
    assert {"logit_scale"} < set(changed)


def test_the_gradients_beside_a_locked_tower_are_those_of_the_whole_batch(world):
    gradients = []
    for micro_batch in (0, 4):
        settings = TrainSettings(
            "tiny-vit", recipe("tiny-vit"), init=f"{world}/tiny-vit", lock="image"
        )
        settings = replace(settings, means=replace(settings.means, micro_batch=micro_batch))
        stepper = make_stepper(settings, ALONE, torch.device("cpu"))
        images, tokens = inputs(stepper.model)
        stepper.gradients(Inputs(images.numpy(), tokens.numpy()))
        gradients.append(torch.cat([p.grad.flatten() for p in stepper.parameters()]))
    assert torch.allclose(*gradients, atol=1e-6)
    assert F.cosine_similarity(*gradients, dim=0) > 0.99999


def test_a_locked_run_that_was_stopped_goes_on_exactly(world, tmp_path, monkeypatch):
    settings = TrainSettings(
        "tiny-rn",
        replace(recipe("tiny-rn"), epochs=1, batch=8),
        precision="fp32",
        init=f"{world}/tiny-rn",
        lock="image",
    )
    every = Habits(save_seconds=0, log_every=1)
    train(world / "build", RunFolder(tmp_path / "whole"), settings, every)
    from trainer.training import saves

    write = saves.write

    def stop(*arguments):
        write(*arguments)
        if arguments[-1]["progress"]["steps"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(saves, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            train(world / "build", RunFolder(tmp_path / "cut"), settings, every)
    train(world / "build", RunFolder(tmp_path / "cut"), settings, every)
    names = ("whole", "cut")
    whole, cut = ((tmp_path / name / "checkpoint.safetensors").read_bytes() for name in names)
    assert whole == cut


# --- files that are no weights, or that would do harm ---------------------------------------
class Harm:
    def __reduce__(self):
        return Path.touch, (Path("harmed"),)


def compressed(path: Path) -> None:
    """A member of 1 GiB in 1 MB: torch's own files compress none."""
    torch.save({"a": torch.zeros(9)}, path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/1", bytes(1 << 24))


def vast(path: Path) -> None:
    torch.save({"visual.positional_embedding": torch.zeros(1).expand(1 << 40, 128)}, path)


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda path: torch.save({"a": Harm()}, path), "expected tensors alone"),
        (lambda path: path.write_bytes(b"\x80\x04pickled"), "expected weights by safetensors"),
        (lambda path: path.write_bytes(b""), "expected weights by safetensors"),
        (lambda path: path.write_bytes(b"\xff" * 7 + b"\x7f{}"), "expected weights by safetensors"),
        (lambda path: torch.save([1, 2], path), "no state_dict in it"),
        (compressed, "a member is compressed"),
        (vast, "expected the weights of tiny-vit"),
        (lambda path: path.mkdir(), "expected a finished run, or a folder with open_clip_model"),
        (lambda path: None, "expected a run or a file of weights"),
    ],
)
def test_what_is_no_weights_is_one_line_and_runs_nothing(
    make, fault, world, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "weights.pt")
    command = ["train", "--data", f"{world}/build", "--run", "run", *FLAGS, "--model", "tiny-vit"]
    assert main([*command, "--init", f"{tmp_path}/weights.pt"]) == 2
    message = capsys.readouterr().err
    assert fault in message
    assert len(message.splitlines()) == 1
    assert not Path("harmed").exists()


def test_a_torchscript_archive_is_refused_with_the_way_to_its_weights(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "program.pt")
    with pytest.raises(TrainerError, match="of a TorchScript archive save the state_dict"):
        start_weights.read_source(tmp_path / "program.pt")


def test_the_weights_of_another_model_are_named(world, capsys, tmp_path):
    command = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/run", *FLAGS]
    assert main([*command, "--model", "tiny-vit", "--init", f"{world}/tiny-rn"]) == 2
    message = capsys.readouterr().err
    assert "expected the weights of tiny-vit; no visual.class_embedding" in message
    assert message.strip().endswith("they are those of --model tiny-rn")


@pytest.mark.parametrize(
    ("flags", "fault"),
    [
        (["--lock", "image"], "lock image: expected --init with the weights of that tower"),
        (["--lock", "image", "--init", "x", "--init-tower", "text"], "lock image: expected --init"),
        (["--lock", "image", "--init", "x", "--objective", "slip"], "an objective that has texts"),
    ],
)
def test_a_lock_that_makes_no_sense_is_one_line(flags, fault, world, tmp_path, capsys):
    command = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/run", *flags]
    assert main(command) == 2
    assert fault in capsys.readouterr().err
