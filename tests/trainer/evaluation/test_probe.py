"""Linear probes, few-shot and robustness, on drawn shapes and on scikit-learn's digits."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.trainer_fixtures import found_in, make_eval_set, picture, png, write_tar
from trainer.__main__ import main
from trainer.evaluation import probe
from trainer.evaluation.features import Features, embeddings, features
from trainer.evaluation.fewshot import draw_shots, equal_shots
from trainer.evaluation.plots import draw_robustness
from trainer.evaluation.probe import SplitFeatures
from trainer.evaluation.robustness import Line, Model, fit_line, read_reference
from trainer.evaluation.sets import read_eval_set
from trainer.evaluation.zeroshot import best_classes
from trainer.model import checkpoint
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError


@pytest.fixture(scope="module")
def world(world_of_shapes):
    return world_of_shapes


# --- features and probes ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "width"), [("tiny-rn", 256), ("tiny-vit", 128)])
def test_a_probe_reads_what_stands_before_the_projection(name, width):
    from trainer.model import build

    torch.manual_seed(0)
    model = build(name).eval()
    images = torch.randint(0, 256, (3, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        read = model.image_features(images)
        assert read.shape == (3, width)
        assert torch.equal(model.project(read), model.encode_image(images))


def test_features_projected_are_the_embeddings(world):
    found = checkpoint.load(RunFolder(world / "run"))
    eval_set = read_eval_set(world / "dark")
    seen = features(found, eval_set, eval_set.pictures())
    assert len(seen.names) == len(seen.labels) == len(seen.values) == 30
    lengths = embeddings(found, seen.values).norm(dim=1)
    assert torch.allclose(lengths, torch.ones(30))


def test_the_search_tries_fifteen_of_97_and_never_misses_a_single_peak():
    for peak in range(97):
        tried = []

        def accuracy(step, peak=peak, tried=tried):
            tried.append(step)
            return -abs(step - peak)

        assert probe.search(accuracy) == peak
        assert len(tried) == len(set(tried)) <= 7 + 2 * 4


def test_of_equal_accuracies_the_strongest_l2_is_taken():
    assert probe.search(lambda step: float(step >= 40)) == 40
    assert probe.search(lambda step: 1.0) == 0


def splits_of(values, labels, n_train: int) -> tuple[Features, Features, Features]:
    """Features of train, validation (a fifth of train) and test."""
    names = [str(i) for i in range(len(labels))]
    whole = Features(names, labels, values.astype(np.float32), [()] * len(labels))
    train, test = whole.rows(np.arange(n_train)), whole.rows(np.arange(n_train, len(labels)))
    held = probe.held_out(train.labels, probe.HELD_OUT)
    return train.rows(~held), train.rows(held), test


def direct(values, labels, n_train: int) -> float:
    """scikit-learn alone: standardised features, C by three-fold cross-validation; accuracy."""
    made = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    grid = {"logisticregression__C": np.logspace(-3, 2, 6)}
    chosen = GridSearchCV(made, grid, cv=3).fit(values[:n_train], labels[:n_train])
    return chosen.score(values[n_train:], labels[n_train:])


@pytest.fixture(scope="module")
def digits():
    """scikit-learn's 1,797 digits of 8 x 8, 0..16, in the order of a seed."""
    pixels, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    return pixels[order], labels[order]


def test_on_pixels_of_digits_the_probe_is_within_half_a_point_of_scikit_learn(digits):
    """Of 1,200 to train, the mean of four orders: 597 test pictures alone are +-1.5 points."""
    pixels, labels = digits
    ours, theirs = [], []
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(labels))
        values, right = pixels[order], labels[order]
        train, validation, test = splits_of(values, right, 1_200)
        ours.append(probe.fit_best(train, validation).predict(test, 10).top1.mean())
        theirs.append(direct(values, right, 1_200))
    assert np.mean(ours) == pytest.approx(np.mean(theirs), abs=0.005)


def test_the_command_on_the_models_features_equals_scikit_learn_of_the_same_c(
    world, digits, tmp_path
):
    pixels, labels = digits
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "classnames.txt").write_text("".join(f"{i}\n" for i in range(10)))
    for split, rows in (("train", range(600)), ("test", range(600, len(labels)))):
        files = {}
        for i in rows:
            gray = np.kron(255 - pixels[i].reshape(8, 8) * 15, np.ones((8, 8))).astype(np.uint8)
            files[f"{i:04d}.png"] = png(np.repeat(gray[..., None], 3, axis=2))
            files[f"{i:04d}.cls"] = str(labels[i]).encode()
        write_tar(tmp_path / "digits" / split / "0.tar", files)
    assert main(["probe", "--run", f"{world}/run", "--eval", f"{tmp_path}/digits"]) == 0
    of = found_in(world, "probe")["digits"]
    assert (of["train_images"] + of["validation_images"], of["images"]) == (600, 1_197)
    found, eval_set = checkpoint.load(RunFolder(world / "run")), read_eval_set(tmp_path / "digits")
    train, test = (features(found, eval_set, eval_set.pictures(one)) for one in ("train", "test"))
    assert [*train.labels, *test.labels] == labels.tolist()
    unit = np.sqrt(train.values.var(axis=0).mean())
    known, asked = ((of_one.values - train.values.mean(axis=0)) / unit for of_one in (train, test))
    model = LogisticRegression(C=of["c"], max_iter=1_000).fit(known, train.labels)
    theirs = model.score(asked, test.labels)
    assert of["top1"] == pytest.approx(theirs, abs=0.005)


def test_a_probe_validates_on_val_where_the_set_has_one(world, tmp_path):
    for split, first, per_class in (("train", 0, 2), ("val", 50, 1), ("test", 90, 1)):
        make_eval_set(tmp_path, first, per_class, split)
    found = checkpoint.load(RunFolder(world / "run"))
    with_val = probe.read_splits(found, read_eval_set(tmp_path))
    assert (len(with_val.train), len(with_val.validation), len(with_val.test)) == (32, 16, 16)
    assert with_val.validation_of == "val"
    without = probe.read_splits(found, read_eval_set(world / "shapes"))
    assert (len(without.train), len(without.validation)) == (16 * 6, 16 * 2)
    assert without.validation_of == "train"
    assert not set(without.train.names) & set(without.validation.names)


def test_a_class_that_train_lacks_is_never_predicted_and_breaks_nothing():
    values = np.array([[0.0], [1.0], [0.0], [1.0]])
    fitted = probe.fit(values, np.array([0, 2, 0, 2]), 1.0)
    scores = fitted.scores(values, 4)
    assert np.isneginf(scores[:, [1, 3]]).all()
    assert best_classes(scores)[:, 0].tolist() == [0, 2, 0, 2]


def test_of_two_classes_the_log_probabilities_are_scikit_learns():
    values = np.random.default_rng(0).normal(size=(40, 3))
    labels = (values[:, 0] > 0).astype(int)
    fitted = probe.fit(values, labels, 1.0)
    expected = fitted.model.predict_log_proba(fitted.scale(values))
    assert fitted.scores(values, 2) == pytest.approx(expected)


def test_a_probe_is_the_same_whatever_its_features_measure():
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 60)
    values = draw.normal(size=(60, 5)) + labels[:, None]
    one, other = (probe.fit(of, labels, 0.1) for of in (values, 1e-4 * values + 7))
    assert other.converged
    assert other.scores(1e-4 * values + 7, 3) == pytest.approx(one.scores(values, 3), abs=1e-3)


def test_a_set_without_train_or_a_machine_without_scikit_learn_is_one_line(
    world, capsys, monkeypatch
):
    args = ["probe", "--run", f"{world}/run", "--eval", f"{world}/dark"]
    assert main(args) == 2
    assert "no split train" in capsys.readouterr().err
    monkeypatch.setattr("trainer.commands.evaluate.find_spec", lambda name: None)
    assert main(args) == 2
    assert "no package scikit-learn" in capsys.readouterr().err


# --- few-shot -----------------------------------------------------------------------------------


def test_few_shots_are_so_many_of_each_class_and_nested():
    labels = np.repeat([0, 1, 2], 20)
    values = np.arange(60.0)[:, None]
    train, validation, test = splits_of(values, labels, 60)
    split = SplitFeatures(train, validation, test, "train", {})
    few, more = (draw_shots(split, shots, seed=3)[0] for shots in (2, 8))
    assert np.bincount(few.labels).tolist() == [2, 2, 2]
    assert set(few.names) < set(more.names)
    assert set(few.names) != set(draw_shots(split, 2, seed=4)[0].names)
    checked = [draw_shots(split, shots, seed=3)[1] for shots in (1, 16)]
    assert [np.bincount(one.labels).tolist() for one in checked] == [[1, 1, 1], [4, 4, 4]]


def test_the_shots_that_equal_zero_shot_lie_on_the_line_between_two_points():
    points = [(1, 0.10), (2, 0.20), (4, 0.30), (8, 0.25), (100, 0.9)]
    for accuracy in (0.12, 0.2, 0.27, 0.3):
        shots = equal_shots(accuracy, points)["equal_shots"]
        counts, heights = zip(*points, strict=True)
        assert np.interp(np.log(shots), np.log(counts), heights) == pytest.approx(
            accuracy, abs=1e-5
        )
        assert shots <= 4  # the first time
    assert equal_shots(0.05, points)["equal_bound"] == "fewer"
    assert equal_shots(0.95, points)["equal_bound"] == "more"
    assert equal_shots(0.1, points) == {"equal_shots": 1, "equal_bound": ""}
    assert equal_shots(0.9, points)["equal_shots"] == pytest.approx(100)


def test_fewshot_leaves_out_what_the_smallest_class_has_not(world, capsys):
    assert main(["fewshot", "--run", f"{world}/run", "--eval", f"{world}/shapes"]) == 0
    of = found_in(world, "fewshot")["shapes"]
    assert of["smallest_class"] == 6  # of 8, two validate
    assert [point["shots"] for point in of["points"]] == [1, 2, 4, 8.0]  # the last: all
    assert all(p["least"] <= p["value"] <= p["most"] for p in of["points"])
    assert "a probe equals zero-shot at" in capsys.readouterr().out
    assert main(["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/shapes"]) == 0
    assert of["zeroshot"] == found_in(world, "zeroshot")["shapes"]["top1"]


# --- robustness ---------------------------------------------------------------------------------


def test_the_line_is_fitted_on_logit_axes():
    x = np.array([0.2, 0.5, 0.7, 0.9])
    true = Line(slope=0.8, intercept=-0.5)
    models = [Model(str(one), one, true.at(one)) for one in x]
    found = fit_line(models)
    assert (found.slope, found.intercept) == pytest.approx((0.8, -0.5))
    assert fit_line(models[:1]) is None
    assert 0 < fit_line([Model("", 0.0, 0.0), Model("", 1.0, 1.0)]).at(1.0) < 1


def test_robustness_compares_both_ways_on_the_shared_classes(world, capsys):
    pair = ["--pair", f"{world}/shapes", f"{world}/dark"]
    assert main(["robustness", "--run", f"{world}/run", *pair]) == 0
    of = found_in(world, "robustness")["shapes to dark"]
    assert of["classes"] == 6
    assert (of["probe_in_n"], of["probe_shifted_n"]) == (6 * 6, 6 * 5)
    assert of["relative"] == pytest.approx(of["probe_shifted"] - of["zero-shot_shifted"])
    assert len(of["reference"]) >= 2
    line = Line(**of["line"])
    known = [one["accuracy"] for one in of["reference"]]
    for way in ("probe", "zero-shot"):
        outside = not min(known) <= of[f"{way}_in"] <= max(known)
        assert of["beyond_reference"][way] == outside
        above = of[f"{way}_shifted"] - line.at(of[f"{way}_in"])
        assert of["effective"][way] == pytest.approx(above)
    assert "robustness.svg" in capsys.readouterr().out
    assert main(["zeroshot", "--run", f"{world}/run", "--eval", f"{world}/dark"]) == 0
    assert of["zero-shot_shifted"] == found_in(world, "zeroshot")["dark"]["top1"]


def test_given_reference_models_are_those_of_the_line(world, tmp_path):
    given = tmp_path / "reference.csv"
    given.write_text(
        "in_distribution,shifted,model,accuracy,shifted_accuracy\n"
        "shapes,dark,A,0.3,0.2\nshapes,dark,B,0.8,0.6\nother,dark,C,0.1,0.1\n"
    )
    args = ["--pair", f"{world}/shapes", f"{world}/dark", "--reference", f"{given}"]
    assert main(["robustness", "--run", f"{world}/run", *args]) == 0
    of = found_in(world, "robustness")["shapes to dark"]
    assert [one["name"] for one in of["reference"]] == ["A", "B"]
    assert Line(**of["line"]).at(0.8) == pytest.approx(0.6)
    drawn = (world / "run" / "robustness.svg").read_bytes()
    assert b"ideal: no loss" in drawn
    assert b"accuracy on dark" in drawn
    draw_robustness(world / "run" / "robustness.json", tmp_path / "again.svg")
    assert (tmp_path / "again.svg").read_bytes() == drawn


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("a,b,A,0.3", "line 2"),
        ("a,b,A,x,0.1", "line 2"),
        ("a,b,A,30,20", "expected accuracies of 0 to 1"),
    ],
)
def test_a_wrong_line_of_reference_models_is_named(tmp_path, rows, expected):
    (tmp_path / "r.csv").write_text(
        f"in_distribution,shifted,model,accuracy,shifted_accuracy\n{rows}\n"
    )
    with pytest.raises(TrainerError, match=expected):
        read_reference(tmp_path / "r.csv")


def test_sets_that_share_no_class_are_refused(world, tmp_path, capsys):
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        (tmp_path / "pets" / name / "1.png").write_bytes(png(picture("red circle", 0)))
    pair = ["--pair", f"{world}/shapes", f"{tmp_path}/pets"]
    assert main(["robustness", "--run", f"{world}/run", *pair]) == 2
    assert "expected at least 2" in capsys.readouterr().err
