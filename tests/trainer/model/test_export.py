"""The exported folder as a hub keeps it, and the towers as ONNX: the same ids and vectors."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tokenizers
import torch
from torch.nn import functional as F

from tests.trainer.model.test_openclip import saved
from trainer.__main__ import main
from trainer.model import checkpoint, tokenizer
from trainer.model.hub import library_tokenizer
from trainer.settings import MODELS

pytestmark = pytest.mark.slow  # torch takes some ten seconds for a tower
CAPTIONS = ["a red circle", "A Red  Circle, it's 42!", "", "rød sirkel 圆 👩‍🚀", "red " * 60]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("run"), "tiny-vit", MODELS["tiny-vit"])


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory):
    to = tmp_path_factory.mktemp("to") / "red-circles"
    assert main(["export", "--run", f"{run.root}", "--to", f"{to}", "--onnx"]) == 0
    return to


def vectors(run, captions: list[str], images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Those of the run's own model: of pictures and of texts, of length 1."""
    trained = checkpoint.load(run)
    tokens = torch.from_numpy(trained.tokenizer.encode(captions, trained.model.config.text.context))
    with torch.inference_mode():
        image, text = trained.model.encode_image(images), trained.model.encode_text(tokens)
    return F.normalize(image, dim=-1), F.normalize(text, dim=-1)


def pictures() -> torch.Tensor:
    side = MODELS["tiny-vit"].vision.pixels
    noise = np.random.default_rng(1).integers(0, 256, (5, 3, side, side), np.uint8)
    return torch.from_numpy(noise)


def test_open_clip_reads_the_folder_as_that_of_a_hub(open_clip, run, folder):
    pytest.importorskip("transformers", reason="make peers")
    peer = open_clip.create_model(f"local-dir:{folder}").eval()
    words = open_clip.get_tokenizer(f"local-dir:{folder}")
    ids, own = words(CAPTIONS).numpy(), checkpoint.load(run).tokenizer.encode(CAPTIONS, 32)
    own = np.pad(own, ((0, 0), (0, ids.shape[1] - own.shape[1])))
    end = own.argmax(1)[:, None]
    read = np.arange(own.shape[1]) <= end  # what stands behind the end token changes nothing
    np.testing.assert_array_equal(ids[read], own[read])
    mean, std = (
        torch.tensor(peer.visual.preprocess_cfg[key]).view(3, 1, 1) for key in ("mean", "std")
    )
    image, text = vectors(run, CAPTIONS, pictures())
    with torch.inference_mode():
        peers_image = peer.encode_image((pictures() / 255 - mean) / std, normalize=True)
        peers_text = peer.encode_text(words(CAPTIONS), normalize=True)
    assert (peers_image - image).abs().max() < 1e-5
    assert (peers_text - text).abs().max() < 1e-5


def test_onnx_runtime_and_the_tokenizer_file_give_the_models_vectors(run, folder):
    import onnxruntime

    words = tokenizers.Tokenizer.from_file(f"{folder}/tokenizer.json")
    ids = np.array([encoded.ids for encoded in words.encode_batch(CAPTIONS)])
    image, text = vectors(run, CAPTIONS, pictures())
    for name, key, given, expected in (
        ("image.onnx", "images", pictures().numpy(), image),
        ("text.onnx", "tokens", ids, text),
    ):
        session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        answers = session.run(None, {key: given})[0]
        assert np.abs(answers - expected.numpy()).max() < 1e-5
        assert answers.std() > 0.01


def test_no_file_of_the_folder_names_a_place_of_this_machine_but_where_open_clip_needs_it(folder):
    root, here = str(folder).encode(), str(Path(__file__).parents[3]).encode()
    holding = {file.name for file in folder.iterdir() if root in file.read_bytes()}
    assert holding == {"tiny-vit.json"}  # open_clip asks for the merges from any folder
    assert not [file.name for file in folder.iterdir() if here in file.read_bytes()]


def test_a_second_export_writes_the_same_bytes_and_leaves_a_card_that_people_wrote_in(
    run, folder, tmp_path
):
    again = tmp_path / "red-circles"
    again.mkdir()
    (again / "README.md").write_text("ours")
    export = ["export", "--run", f"{run.root}", "--to", f"{again}", "--onnx"]
    assert main([*export, "--repo", "me/circles"]) == 0
    assert (again / "README.md").read_text() == "ours"
    assert '"me/circles"' in (again / "open_clip_config.json").read_text()
    other = {"README.md", "open_clip_config.json", "tiny-vit.json"}
    for file in folder.iterdir():
        if file.name not in other:
            assert file.read_bytes() == (again / file.name).read_bytes(), file.name


def test_what_onnx_needs_is_named_with_its_cure(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    to = ["--to", f"{tmp_path}/export", "--onnx"]
    assert main(["export", "--run", f"{run.root}", *to]) == 2
    assert "pip install 'buildwit[onnx]'" in capsys.readouterr().err
    assert not list(tmp_path.glob("export/*.onnx"))


def test_the_tokenizer_file_has_the_ids_of_ten_thousand_captions_that_need_no_mending(shared):
    table = pq.read_table(shared / "laion_url_caption_10k.parquet")
    captions = [caption for caption in table["TEXT"].to_pylist() if caption]
    # A last sigma has a lower case of its own, which the library does not know.
    plain = [
        caption
        for caption in captions
        if tokenizer.clean(caption) == " ".join(caption.split()).lower() and "Σ" not in caption
    ]
    assert len(plain) > 8_000
    words = tokenizer.train(plain, 4_000, {})
    library = library_tokenizer(words, 32)
    ids = np.array([encoded.ids for encoded in library.encode_batch(plain)])
    own = words.encode(plain, 32)
    np.testing.assert_array_equal(ids[:, : own.shape[1]], own)
    assert not ids[:, own.shape[1] :].any()
