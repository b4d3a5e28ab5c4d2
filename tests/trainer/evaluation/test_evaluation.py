"""Evaluation sets and prompts, zero-shot on several sets, and retrieval, on drawn shapes."""

import json

import numpy as np
import pytest
import torch

from tests.trainer_fixtures import CLASSES, found_in, make_eval_set, picture, png, write_tar
from trainer.__main__ import main
from trainer.evaluation.retrieval import chance_of_a_picture, ranks
from trainer.evaluation.sets import read_captioned_set, read_eval_set, read_templates
from trainer.settings import TrainerError


@pytest.fixture(scope="module")
def world(world_of_shapes):
    return world_of_shapes


# --- several sets, prompts ----------------------------------------------------------------------


def test_several_sets_are_one_table_and_one_file(world, capsys):
    assert (
        main(["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/shapes", f"{world}/dark"])
        == 0
    )
    results = found_in(world, "zeroshot")
    assert {"shapes", "dark"} <= set(results)
    assert (results["shapes"]["classes"], results["dark"]["classes"]) == (16, 6)
    told = capsys.readouterr().out
    assert told.count("95% interval") == told.count("top-5") - 1 == told.count("mean per") - 1 == 1


def test_the_figures_are_a_table_that_sql_can_ask(world, capsys):
    assert main(["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/dark"]) == 0
    capsys.readouterr()
    from queries.__main__ import main as ask

    about = ["--build", f"{world}/build", "--run", f"{world}/run", "--format", "json"]
    assert ask(["audit", "evaluations", *about]) == 0
    rows = json.loads(capsys.readouterr().out)
    (top1,) = (row for row in rows if (row["eval_set"], row["name"]) == ("dark", "top1"))
    of = found_in(world, "zeroshot")["dark"]
    assert top1["percent"] == pytest.approx(100 * of["top1"], abs=0.01)
    assert top1["chance_percent"] == pytest.approx(100 / 6, abs=0.01)


def test_two_sets_of_one_name_are_refused(world, capsys):
    one = f"{world}/shapes"
    assert main(["zeroshot", "--run", f"{world}/run", "--eval", one, one]) == 2
    assert "shapes stands twice" in capsys.readouterr().err


def test_templates_are_the_settings_of_the_set_then_its_own_then_the_settings_default(
    world, tmp_path
):
    given = tmp_path / "templates.toml"
    given.write_text('[templates]\ndefault = ["{c}"]\nshapes = ["one {c}", "two {c}"]\n')
    templates = read_templates(given)
    assert read_eval_set(world / "shapes", templates).templates == ["one {c}", "two {c}"]
    assert read_eval_set(world / "shapes").templates == ["a {c}", "a picture of a {c}"]
    assert read_eval_set(world / "dark", templates).templates == ["{c}"]
    assert read_eval_set(world / "dark").templates == ["a photo of a {c}."]
    assert read_captioned_set(world / "captioned").templates == ["a photo of {c}"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[templates", "expected a TOML of templates"),
        ("", "expected [templates] alone"),
        ("[templates]\n[other]\n", "other, expected [templates] alone"),
        ('[templates]\npets = "a {c}"\n', "expected a list of templates"),
        ('[templates]\npets = ["a {}"]\n', "expected one with {c}"),
        ("[templates]\npets = []\n", "expected one with {c}"),
    ],
)
def test_a_wrong_file_of_templates_is_one_line(tmp_path, text, expected):
    (tmp_path / "t.toml").write_text(text)
    with pytest.raises(TrainerError) as raised:
        read_templates(tmp_path / "t.toml")
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


# --- sets ---------------------------------------------------------------------------------------


def test_an_image_folder_may_have_splits_and_a_class_named_test(tmp_path):
    for place in ("train/cat", "test/cat", "test/dog", "train/dog", "train/eel"):
        (tmp_path / "split" / place).mkdir(parents=True)
        (tmp_path / "split" / place / "1.png").write_bytes(png(picture("red circle", 0)))
    for place in ("train", "test"):  # two classes
        (tmp_path / "whole" / place).mkdir(parents=True)
        (tmp_path / "whole" / place / "1.png").write_bytes(png(picture("red circle", 0)))
    split, whole = (read_eval_set(tmp_path / name) for name in ("split", "whole"))
    assert (split.classes, whole.classes) == (["cat", "dog"], ["test", "train"])
    assert (split.has("train"), split.has("val"), whole.has("train")) == (True, False, False)
    assert [(one.name, one.label) for one in split.pictures("train")] == [
        ("cat/1.png", 0),
        ("dog/1.png", 1),
    ]
    assert split.bad == {"eel/1.png": "class -1: expected 0..1"}


def test_a_folder_of_pictures_with_captions_beside_is_a_captioned_set(tmp_path):
    for name, caption in (("a", "a cat\n\na small cat\n"), ("b", "a dog"), ("c", None)):
        (tmp_path / f"{name}.png").write_bytes(png(picture("red circle", 0)))
        if caption:
            (tmp_path / f"{name}.txt").write_text(caption)
    captioned = read_captioned_set(tmp_path)
    assert [(one.name, one.captions) for one in captioned.pictures()] == [
        ("a.png", ("a cat", "a small cat")),
        ("b.png", ("a dog",)),
    ]
    assert list(captioned.bad) == ["c.png"]


def test_what_an_archive_may_not_hold_is_named_and_no_traceback(tmp_path, monkeypatch):
    monkeypatch.setattr("trainer.evaluation.sets.files.FILE_BYTES", 5_000)
    make_eval_set(tmp_path, first=0, per_class=1)
    write_tar(
        tmp_path / "test" / "1.tar",
        {"a.png": bytes(5_001), "a.cls": b"0", "b.png": png(picture("red circle", 0))},
    )
    eval_set = read_eval_set(tmp_path)
    assert len(list(eval_set.pictures())) == len(CLASSES)
    assert eval_set.bad == {
        "1.tar/a.png": "expected at most 5,000 bytes",
        "1.tar/b.png": "class -1: expected 0..15",
    }
    (tmp_path / "test" / "2.tar").write_bytes(b"\x1f\x8b no tar")
    with pytest.raises(TrainerError, match="expected an uncompressed tar"):
        list(eval_set.pictures())
    (tmp_path / "classnames.txt").write_bytes(b"cat\xff\n")
    with pytest.raises(TrainerError, match="expected lines of UTF-8"):
        read_eval_set(tmp_path)


# --- retrieval ----------------------------------------------------------------------------------


def test_the_ranks_equal_those_of_a_plain_loop():
    draw = np.random.default_rng(0)
    owner = np.repeat(np.arange(20), draw.integers(1, 6, 20))
    images, texts = (
        torch.from_numpy(draw.integers(-2, 3, (n, 4)).astype(np.float32)) for n in (20, len(owner))
    )  # few values: many ties
    of_images, of_texts = ranks(images, texts, owner)
    cosines = (images @ texts.T).numpy()
    for i in range(20):
        order = sorted(range(len(owner)), key=lambda t: (-cosines[i, t], t))
        assert of_images[i] == min(order.index(t) for t in np.flatnonzero(owner == i))
    for t in range(len(owner)):
        order = sorted(range(20), key=lambda i: (-cosines[i, t], i))
        assert of_texts[t] == order.index(owner[t])


def test_the_ranks_do_not_depend_on_the_size_of_a_block(monkeypatch):
    draw = torch.Generator().manual_seed(0)
    images, texts = torch.randn(9, 8, generator=draw), torch.randn(18, 8, generator=draw)
    owner = np.arange(18) // 2
    whole = ranks(images, texts, owner)
    monkeypatch.setattr("trainer.evaluation.retrieval.BLOCK_CELLS", 20)
    for one, other in zip(whole, ranks(images, texts, owner), strict=True):
        assert one.tolist() == other.tolist()


def test_chance_is_what_blind_draws_find():
    draw = np.random.default_rng(0)
    n_own = np.array([1, 2, 5, 4])
    owner = np.repeat(np.arange(4), n_own)
    drawn = [
        [picture in owner[draw.permutation(12)[:5]] for picture in range(4)] for _ in range(4_000)
    ]
    assert chance_of_a_picture(n_own, 5) == pytest.approx(np.mean(drawn), abs=0.01)


def test_retrieval_of_a_captioned_set_is_kept_and_shown(world, capsys):
    assert main(["retrieval", "--run", f"{world}/run", "--eval", f"{world}/captioned"]) == 0
    of = found_in(world, "retrieval")["captioned"]
    assert (of["images"], of["captions"]) == (16, 24)
    assert of["text_to_image_1_chance"] == 1 / 16
    recalls = [of[f"image_to_text_{k}"] for k in (1, 5, 10)]
    assert recalls == sorted(recalls)
    assert of["image_to_text_10"] > of["image_to_text_10_chance"]
    assert capsys.readouterr().out.count("R@") == 6


def test_training_anew_drops_every_result(world, tmp_path):
    args = ["train", "--data", f"{world}/build", "--run", f"{tmp_path}", "--batch", "32"]
    assert main([*args, "--epochs", "1"]) == 0
    made = ("zeroshot.json", "retrieval.json", "probe.json", "fewshot.json", "robustness.json")
    for name in (*made, "robustness.svg"):
        (tmp_path / name).write_text("{}")
    assert main([*args, "--epochs", "2", "--anew"]) == 0
    assert not {path.name for path in tmp_path.iterdir()} & {*made, "robustness.svg"}
