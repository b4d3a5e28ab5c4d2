"""`trainer embed`: what is written, by which model, and what a killed run leaves."""

import base64
import io
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from queries.tables.embeddings import read_embeddings
from queries.tables.errors import UserError
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.data.pixels import centre, decode
from trainer.data.reading import read_samples
from trainer.embeddings.encoders import encoder_of, encoder_of_run, encoder_of_towers
from trainer.embeddings.serving import MOST_LINE, answer, serve
from trainer.embeddings.writing import write
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

ONE_EPOCH = ["--epochs", "1", "--batch", "32"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build of 48 pairs, two of them corrupt, a run trained on it, and its embeddings."""
    root = tmp_path_factory.mktemp("world")
    (root / "bad.json").write_text(json.dumps(make_build(root / "build", 3, corrupt=2)))
    assert main(["train", "--data", f"{root}/build", "--run", f"{root}/run", *ONE_EPOCH]) == 0
    assert main(["embed", "--data", f"{root}/build", "--run", f"{root}/run"]) == 0
    return root


def test_each_row_has_the_embeddings_of_its_picture_and_caption(world):
    """The slow way: one pair after another, by the model itself."""
    model, samples = checkpoint.load(RunFolder(world / "run")), read_samples(world / "build", 64)
    bad = json.loads((world / "bad.json").read_text())
    embeddings = read_embeddings(world / "run")
    ids = embeddings.pair_ids()
    assert ids.tolist() == sorted(i for i in samples.pair_ids.tolist() if f"{i:016x}" not in bad)
    assert (embeddings.n, embeddings.about["unreadable"]) == (46, 2)
    got = {kind: embeddings.rows(kind, np.arange(46)) for kind in ("image", "text")}
    for row in range(len(samples)):
        if samples.key(row) in bad:
            continue
        square = centre(decode(samples.bytes_of(row)), 64).transpose(2, 0, 1).copy()
        tokens = model.tokenizer.encode(samples.captions(np.array([row])), 32)
        with torch.inference_mode():
            image = model.model.encode_image(torch.from_numpy(square)[None])[0].numpy()
            text = model.model.encode_text(torch.from_numpy(tokens))[0].numpy()
        at = np.searchsorted(ids, samples.pair_ids[row])
        for kind, wanted in (("image", image), ("text", text)):
            assert np.abs(got[kind][at] - wanted / np.linalg.norm(wanted)).max() < 1e-3


def test_a_killed_run_goes_on_and_gives_equal_bytes(world, tmp_path):
    encoder = encoder_of_run(RunFolder(world / "run"))

    def written(run):
        done = write(read_samples(world / "build", 64), run, encoder, part_rows=20)
        files = sorted((run / "embeddings").glob("*"))
        return done, {path.name: path.read_bytes() for path in files}

    whole, files = written(tmp_path / "a")
    assert [*files] == ["00000.parquet", "00001.parquet", "00002.parquet", "manifest.json"]
    assert (whole.n, whole.n_before) == (46, 0)
    killed = tmp_path / "b" / "embeddings"
    shutil.copytree(tmp_path / "a" / "embeddings", killed)
    (killed / "manifest.json").unlink()
    (killed / "00002.parquet").unlink()
    (killed / "00001.parquet").write_bytes(files["00001.parquet"][:400])  # no whole part
    (killed / ".00001.parquet.x").write_bytes(b"half")
    again, files_again = written(tmp_path / "b")
    assert files_again == files
    assert again.n_before == pq.read_metadata(killed / "00000.parquet").num_rows
    assert again.corrupt == whole.corrupt
    assert written(tmp_path / "b")[0].n_before == 46


def test_embeddings_of_another_build_are_replaced(world, tmp_path):
    encoder = encoder_of_run(RunFolder(world / "run"))
    write(read_samples(world / "build", 64), tmp_path, encoder, part_rows=20)
    (tmp_path / "embeddings" / "index").mkdir()
    make_build(tmp_path / "other", 1)
    write(read_samples(tmp_path / "other", 64), tmp_path, encoder)
    names = {path.name for path in (tmp_path / "embeddings").iterdir()}
    assert names == {"00000.parquet", "manifest.json"}
    assert read_embeddings(tmp_path).build_version == "shapes-1-0"


def test_weights_of_a_file_give_the_embeddings_of_their_run(world, tmp_path):
    (tmp_path / "towers.toml").write_text(f'[towers]\nweights = "{world}/run"\nmodel = "tiny-rn"\n')
    encoder = encoder_of_towers(tmp_path / "towers.toml")
    own = encoder_of_run(RunFolder(world / "run"))
    assert np.array_equal(encoder.embed_texts(["a red circle"]), own.embed_texts(["a red circle"]))
    assert encoder_of(encoder.about, tmp_path).digest == encoder.digest != own.digest


@pytest.mark.slow
def test_an_onnx_pair_gives_the_embeddings_of_the_model_it_was_exported_from(world, tmp_path):
    pytest.importorskip("onnxscript")
    assert main(["export", "--run", f"{world}/run", "--to", f"{tmp_path}/out", "--onnx"]) == 0
    (tmp_path / "out" / "towers.toml").write_text(
        '[towers]\nimage = "image.onnx"\ntext = "text.onnx"\nmerges = "merges.txt.gz"\n'
    )
    run = tmp_path / "run"
    told = ["embed", "--data", f"{world}/build", "--run", f"{run}"]
    assert main([*told, "--towers", f"{tmp_path}/out/towers.toml"]) == 0
    theirs, ours = read_embeddings(run), read_embeddings(world / "run")
    assert theirs.checkpoint != ours.checkpoint
    for kind in ("image", "text"):
        rows = np.arange(ours.n)
        assert np.abs(theirs.rows(kind, rows) - ours.rows(kind, rows)).max() < 2e-3
    encoder = encoder_of(theirs.about, run)  # as --serve makes it
    assert encoder.digest == theirs.checkpoint


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('[towers]\nimage = "a.onnx"\n', "expected `weights` and `model`, or"),
        ('[towers]\nimages = "a.onnx"\n', "images"),
        ("[other]\n", "tables other, expected [towers] alone"),
        ('[towers]\nweights = "no"\nmodel = "ViT-B-32"\n', "no"),
    ],
)
def test_towers_that_do_not_fit_are_refused_in_a_line(tmp_path, toml, expected):
    (tmp_path / "towers.toml").write_text(toml)
    with pytest.raises(TrainerError) as refused:
        encoder_of_towers(tmp_path / "towers.toml")
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_run_without_embeddings_names_the_command_that_makes_them(tmp_path):
    with pytest.raises(UserError, match="python -m trainer embed --data BUILD"):
        read_embeddings(tmp_path)


def test_a_text_and_a_picture_are_answered_by_the_embeddings_of_the_build(world):
    encoder = encoder_of_run(RunFolder(world / "run"))
    embeddings, samples = read_embeddings(world / "run"), read_samples(world / "build", 64)
    row = int(np.searchsorted(samples.pair_ids, embeddings.pair_ids()[5]))
    (caption,), body = samples.captions(np.array([row])), samples.bytes_of(row)
    asked = [{"text": caption}, {"picture": base64.b64encode(body).decode()}]
    out = io.BytesIO()
    serve(encoder, io.BytesIO(b"".join(json.dumps(a).encode() + b"\n" for a in asked)), out)
    text, image = (json.loads(line)["embedding"] for line in out.getvalue().splitlines())
    assert np.dot(text, embeddings.rows("text", np.array([5]))[0]) > 0.999
    assert np.dot(image, embeddings.rows("image", np.array([5]))[0]) > 0.98  # decoded larger


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"no json\n", "expected a line of JSON"),
        (b"[" * 200_000, "expected a line of JSON"),
        (b'{"text": 3}', "expected an object with a text or a picture"),
        (b'{"text": "  "}', "expected a text; it is empty"),
        (b'{"picture": "???"}', "base64"),
        (json.dumps({"text": "a" * 10_001}).encode(), "at most 10,000 characters"),
    ],
)
def test_what_cannot_be_embedded_is_answered_with_an_error(line, expected):
    assert expected in answer(None, line)["error"]


def test_a_line_that_is_too_long_is_skipped_and_the_next_is_answered(world):
    encoder = encoder_of_run(RunFolder(world / "run"))
    out = io.BytesIO()
    lines = b'{"text": "' + b"a" * (MOST_LINE + 10) + b'"}\n{"text": "\\ud800 circle"}\n'
    serve(encoder, io.BytesIO(lines + b'{"picture": "aGVsbG8="}'), out)
    first, second, third = (json.loads(line) for line in out.getvalue().splitlines())
    assert "more than" in first["error"]
    assert len(second["embedding"]) == 256
    assert third == {"error": "not_an_image"}
