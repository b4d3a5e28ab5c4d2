"""`trainer score`: the cosine of every pair of a build, and training on those that pass."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from queries.tables.schemas import TABLES
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.data.pixels import centre, decode
from trainer.data.reading import read_samples
from trainer.evaluation.score import score
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

ONE_EPOCH = ["--epochs", "1", "--batch", "32"]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build of 48 pairs, two of them corrupt, a run trained on it, and its scores."""
    root = tmp_path_factory.mktemp("world")
    (root / "bad.json").write_text(json.dumps(make_build(root / "build", 3, corrupt=2)))
    assert main(["train", "--data", f"{root}/build", "--run", f"{root}/run", *ONE_EPOCH]) == 0
    told = ["score", "--data", f"{root}/build", "--run", f"{root}/run"]
    assert main([*told, "--to", f"{root}/scores.parquet"]) == 0
    return root


def slow_scores(world):
    """One pair after another: the tar's picture, the middle square, the two features' cosine."""
    found, samples = checkpoint.load(RunFolder(world / "run")), read_samples(world / "build", 64)
    bad = json.loads((world / "bad.json").read_text())
    for row in range(len(samples)):
        key, value = samples.key(row), None
        if key not in bad:
            square = centre(decode(samples.bytes_of(row)), 64).transpose(2, 0, 1).copy()
            tokens = found.tokenizer.encode(samples.captions(np.array([row])), 32)
            with torch.inference_mode():
                image = found.model.encode_image(torch.from_numpy(square)[None])[0]
                text = found.model.encode_text(torch.from_numpy(tokens))[0]
                value = float(image @ text / (image.norm() * text.norm()))
        yield int(key, 16), value


def test_each_score_is_the_cosine_of_the_pairs_features(world):
    rows = pq.read_table(world / "scores.parquet")
    assert rows.schema.equals(TABLES["clip_score"].schema)
    wanted = dict(slow_scores(world))
    assert rows["pair_id"].to_pylist() == sorted(wanted)
    for pair_id, got in zip(*rows.to_pydict().values(), strict=True):
        assert got == (
            None if wanted[pair_id] is None else pytest.approx(wanted[pair_id], abs=2e-6)
        )
    assert len(set(rows["clip_score"].to_pylist())) > 30


def test_a_corrupt_sample_is_named_and_has_no_score(world, tmp_path):
    found = score(world / "build", RunFolder(world / "run"), tmp_path / "again.parquet")
    bad = json.loads((world / "bad.json").read_text())
    assert list(found.corrupt) == bad
    rows = pq.read_table(tmp_path / "again.parquet")
    missing = rows.filter(rows["clip_score"].is_null())
    assert [f"{pair_id:016x}" for pair_id in missing["pair_id"].to_pylist()] == bad
    assert (tmp_path / "again.parquet").read_bytes() == (world / "scores.parquet").read_bytes()


def test_where_selects_exactly_the_pairs_above_the_score(world, tmp_path):
    found = score(world / "build", RunFolder(world / "run"), tmp_path / "scores.parquet")
    rows = pq.read_table(tmp_path / "scores.parquet").to_pylist()
    above = [r["pair_id"] for r in rows if (r["clip_score"] or -1) >= found.best]
    assert len(above) == round(0.3 * 46)
    where = f"clip_score >= {found.best}"
    some = read_samples(world / "build", 64, where, tmp_path / "scores.parquet")
    assert some.rows["pair_id"].to_pylist() == above
    both = f"{where} and caption like '%circle'"
    captions = read_samples(world / "build", 64, both, tmp_path / "scores.parquet")
    wanted = [caption for caption in some.rows["caption"].to_pylist() if "circle" in caption]
    assert captions.rows["caption"].to_pylist() == wanted


def test_a_pair_that_the_scores_lack_is_not_above_any(world, tmp_path):
    rows = pq.read_table(world / "scores.parquet").slice(10, 6)
    pq.write_table(rows, tmp_path / "some.parquet")
    some = read_samples(world / "build", 64, "clip_score > -2", tmp_path / "some.parquet")
    assert some.rows["pair_id"].to_pylist() == rows["pair_id"].to_pylist()


def test_a_model_is_trained_on_the_best_pairs_and_anew_when_the_scores_change(
    world, tmp_path, capsys
):
    pq.write_table(pq.read_table(world / "scores.parquet"), tmp_path / "scores.parquet")
    args = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}/run", *ONE_EPOCH]
    args += ["--scores", f"{tmp_path}/scores.parquet", "--where", "clip_score > -1"]
    assert main(args) == 0
    done = json.loads((tmp_path / "run" / "run.json").read_text())
    assert done["samples"] == 46
    assert main(args) == 0
    assert "nothing to do" in capsys.readouterr().out
    pq.write_table(pq.read_table(world / "scores.parquet")[:20], tmp_path / "scores.parquet")
    assert main(args) == 2
    assert "holds the work of another run (scores_sha256 " in capsys.readouterr().err
    assert main([*args, "--anew"]) == 0
    fewer = json.loads((tmp_path / "run" / "run.json").read_text())
    assert fewer["samples"] == 18  # 20 less the two corrupt ones, which stand first


def test_scores_lie_in_the_run_by_default_and_audits_see_them(world, capsys):
    from queries.__main__ import main as queries

    assert main(["score", "--data", f"{world}/build", "--run", f"{world}/run"]) == 0
    assert "48 pairs, 2 unreadable" in capsys.readouterr().out
    assert queries(["views", "--build", f"{world}/build", "--run", f"{world}/run"]) == 0
    assert "clip_score/clip_score.parquet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--scores", "none.parquet", "--where", "clip_score > 0"], "none.parquet"),
        (["--scores", "other.parquet", "--where", "clip_score > 0"], "other.parquet: columns"),
        (["--scores", "text.parquet", "--where", "clip_score > 0"], "Parquet magic bytes"),
        (["--scores", "other.parquet"], "expected --where beside it"),
        (["--where", "clip_score > 0"], '"clip_score" not found'),
        (["--scores", "r/own.parquet", "--where", "clip_score > 0"], "expected another's"),
    ],
)
def test_scores_that_are_none_are_one_line(world, more, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pq.write_table(pa.table({"pair_id": [1]}), "other.parquet")
    (tmp_path / "text.parquet").write_text("not a Parquet file")
    (tmp_path / "r").mkdir()
    pq.write_table(pq.read_table(world / "scores.parquet"), "r/own.parquet")
    assert main(["train", "--data", f"{world}/build", "--run", "r", *more]) == 2
    told = capsys.readouterr().err
    assert expected in told
    assert told.count("\n") == 1


def test_a_build_of_no_readable_picture_is_refused(world, tmp_path):
    make_build(tmp_path / "build", 1, corrupt=16)
    with pytest.raises(TrainerError, match="none of 16 pictures can be read"):
        score(tmp_path / "build", RunFolder(world / "run"), tmp_path / "scores.parquet")
    assert not (tmp_path / "scores.parquet").exists()
