"""What is kept of an evaluation: each picture's prediction, each class, and no other set's."""

import io
import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from queries.tables.schemas import TABLES
from tests.trainer_fixtures import CLASSES, found_in, picture, png, write_tar
from trainer.__main__ import main
from trainer.evaluation.predictions import average_precisions


def rows_of(world, table: str, file: str) -> list[dict]:
    rows = pq.read_table(world / "run" / "tables" / table / f"{file}.parquet")
    assert rows.schema.equals(TABLES[table].schema)
    return rows.to_pylist()


@pytest.fixture
def world(world_of_shapes, tmp_path):
    """The world's run and sets, copied: what is evaluated here stays here."""
    shutil.copytree(world_of_shapes / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "tables", ignore_errors=True)
    (tmp_path / "run" / "zeroshot.json").unlink(missing_ok=True)
    for name in ("shapes", "dark", "captioned"):
        shutil.copytree(world_of_shapes / name, tmp_path / name)
    return tmp_path


def test_every_picture_and_every_class_has_a_row_that_gives_the_figures(world):
    (world / "dark" / "blue moon").mkdir()  # a class without a picture
    for command, name, n_classes in (("zeroshot", "dark", 7), ("probe", "shapes", 16)):
        assert main([command, "--run", f"{world}/run", "--eval", f"{world}/{name}"]) == 0
        of = found_in(world, command)[name]
        seen = rows_of(world, "prediction", f"{command}-{name}")
        assert len(seen) == of["images"]
        assert np.mean([row["correct"] for row in seen]) == pytest.approx(of["top1"])
        assert np.mean([row["rank"] is not None for row in seen]) == pytest.approx(of["top5"])
        assert all(row["correct"] == (row["predicted_name"] == row["class_name"]) for row in seen)
        classes = rows_of(world, "class_result", f"{command}-{name}")
        assert len(classes) == n_classes
        values = [row["value"] for row in classes if row["value"] is not None]
        assert np.mean(values) == pytest.approx(of["mean_per_class"])
        assert sum(row["n"] for row in classes) == of["images"]
    (moon,) = (row for row in rows_of(world, "class_result", "zeroshot-dark") if not row["n"])
    assert (moon["class_name"], moon["value"]) == ("blue moon", None)


def test_sets_of_one_name_are_told_apart_and_replace_nothing(world, capsys):
    for place in ("a", "b"):
        shutil.copytree(world / "dark", world / place / "dark")
    run = ["--run", f"{world}/run", "--eval"]
    assert main(["zeroshot", *run, f"{world}/a/dark", f"{world}/b/dark"]) == 0
    assert "b/dark: is b-dark here, as dark is" in capsys.readouterr().out
    assert main(["zeroshot", *run, f"{world}/dark"]) == 0
    results = found_in(world, "zeroshot")
    third = f"{world.name}-dark"
    assert {name: of["path"] for name, of in results.items()} == {
        "dark": f"{world}/a/dark",
        "b-dark": f"{world}/b/dark",
        third: f"{world}/dark",
    }
    before = (world / "run" / "zeroshot.json").read_text()
    assert main(["zeroshot", *run, f"{world}/dark", f"{world}/b/dark"]) == 0  # themselves again
    assert json.loads(before) == found_in(world, "zeroshot")
    tables = sorted(path.stem for path in (world / "run/tables/prediction").iterdir())
    assert tables == sorted(f"zeroshot-{name}" for name in results)


def test_a_split_that_was_asked_for_is_a_result_of_its_own(world, capsys):
    run = ["--run", f"{world}/run", "--eval", f"{world}/shapes"]
    assert main(["zeroshot", *run]) == 0
    assert main(["zeroshot", *run, "--split", "train"]) == 0
    assert set(found_in(world, "zeroshot")) == {"shapes", "shapes-train"}
    assert main(["probe", *run, "--split", "train"]) == 2
    assert "no split train, expected train/ beside test/" in capsys.readouterr().err


def test_whether_pictures_were_turned_is_kept(world):
    run = ["--run", f"{world}/run", "--eval", f"{world}/dark"]
    for flags, upright in (([], True), (["--as-stored"], False)):
        assert main(["zeroshot", *run, *flags]) == 0
        assert found_in(world, "zeroshot")["dark"]["upright"] is upright


def test_a_multi_label_set_has_its_tables_and_is_refused_where_one_class_is_needed(world, capsys):
    colours = sorted({name.split()[0] for name in CLASSES})
    words = [*colours, *sorted({name.split()[1] for name in CLASSES})]
    files = {}
    for i, name in enumerate(CLASSES):
        label = io.BytesIO()
        np.save(label, np.array([word in name.split() for word in words], np.float32))
        files |= {f"{i:02d}.png": png(picture(name, 7000)), f"{i:02d}.npy": label.getvalue()}
    write_tar(world / "both" / "test" / "0.tar", files)
    write_tar(world / "both" / "train" / "0.tar", files)
    (world / "both" / "classnames.txt").write_text("\n".join(words))
    (world / "both" / "dataset_type.txt").write_text("multilabel")
    run = ["--run", f"{world}/run", "--eval", f"{world}/both"]
    assert main(["zeroshot", *run]) == 0
    of = found_in(world, "zeroshot")["both"]
    assert 0 < of["mean_average_precision_interval_95"][0] < of["mean_average_precision"] <= 1
    assert of["mean_average_precision_chance"] == 0.25
    classes = rows_of(world, "class_result", "zeroshot-both")
    assert {row["name"] for row in classes} == {"average_precision"}
    mean = np.mean([row["value"] for row in classes])
    assert mean == pytest.approx(of["mean_average_precision"])
    assert {row["class_name"] for row in rows_of(world, "prediction", "zeroshot-both")} == {None}
    capsys.readouterr()
    assert main(["probe", *run]) == 2
    assert "several classes a picture, expected one for probe" in capsys.readouterr().err


def test_the_average_precision_equals_scikit_learns():
    from sklearn.metrics import average_precision_score

    draw = np.random.default_rng(0)
    scores, targets = draw.random((80, 6)), draw.random((80, 6)) < 0.3
    expected = [average_precision_score(targets[:, i], scores[:, i]) for i in range(6)]
    assert average_precisions(scores, targets) == pytest.approx(expected)
