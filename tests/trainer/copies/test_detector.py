"""The learned detector: its copies, its file, what it finds, and what the second check refuses."""

import csv
import math
import re

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from queries.pixels.fingerprint import phash
from tests.trainer_fixtures import (
    CLASSES,
    make_build,
    make_eval_set,
    png,
    write_build,
    write_tar,
)
from trainer.__main__ import main
from trainer.copies.alignment import LEAST_AGREEMENT
from trainer.copies.detector import load
from trainer.copies.poses import ORIENTATIONS, oriented
from trainer.copies.synthetic import SIDE, STORED, copy
from trainer.copies.thumbnails import mirrored, thumbnail
from trainer.copies.training import (
    Budget,
    batches,
    chosen_rows,
    crowded,
    neighbours_by_colour,
)
from trainer.overlap.search import SetPictures
from trainer.settings import TrainerError

STEPS = 12


def textured(seed: int) -> np.ndarray:
    """A picture (192, 256, 3) of blots and lines, unlike those of other seeds."""
    draw = np.random.default_rng(seed)
    image = np.full((192, 256, 3), draw.integers(60, 200, 3), np.uint8)
    for _ in range(40):
        one, other = (tuple(map(int, draw.integers(0, 256, 2))) for _ in range(2))
        colour = tuple(map(int, draw.integers(0, 256, 3)))
        cv2.line(image, one, other, colour, int(draw.integers(1, 9)))
        cv2.circle(image, other, int(draw.integers(3, 20)), colour, -1)
    return image


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build, an evaluation set half of which is in it, and a detector trained on the build."""
    root = tmp_path_factory.mktemp("detector")
    make_build(root / "build", per_class=8, corrupt=2)
    make_eval_set(root / "copied", first=6, per_class=4)
    command = ["detector", "--data", f"{root}/build", "--steps", f"{STEPS}"]
    assert main([*command, "--to", f"{root}/detector.safetensors"]) == 0
    return root


@pytest.mark.parametrize("number", [{"seed": 10**25}, {"seed": -1}, {"steps": 10**25}])
def test_a_number_that_no_training_can_have_is_refused(number):
    ((name, value),) = number.items()
    with pytest.raises(TrainerError, match=f"{name} {value}: expected 0 to"):
        Budget(**number)


def test_a_copy_is_decided_by_its_pictures_and_seed_alone():
    image, other = (thumbnail(textured(seed), STORED) for seed in (0, 1))
    seeds = range(200)
    copies = [copy(image, other, np.random.default_rng(seed), 1.0) for seed in seeds]
    for seed, first in zip(seeds, copies, strict=True):
        assert np.array_equal(first, copy(image, other, np.random.default_rng(seed), 1.0))
    assert len({one.tobytes() for one in copies}) == len(copies)
    assert {one.shape for one in copies} == {(SIDE, SIDE, 3)}
    assert np.array_equal(image, thumbnail(textured(0), STORED))


def test_a_batch_has_each_picture_once_and_half_of_it_in_groups_of_like_colours():
    chance = np.random.default_rng(0)
    pictures = np.stack([thumbnail(textured(int(one)), STORED) for one in range(40)])
    pictures = np.repeat(pictures, 20, axis=0)
    pictures = np.clip(pictures + chance.integers(0, 4, (800, 1, 1, 1)), 0, 255).astype(np.uint8)
    alike = neighbours_by_colour(pictures)
    rows = chosen_rows(alike, 256, chance)
    assert len(set(rows.tolist())) == len(rows) == 256
    kinds = np.bincount(rows[:100] // 20, minlength=40)
    assert (kinds >= 6).sum() >= 10
    assert next(batches(pictures[:7], seed=1)).shape == (14, SIDE, SIDE, 3)


def test_equal_seeds_and_steps_give_equal_detectors(world, tmp_path, capsys):
    again = tmp_path / "again.safetensors"
    command = ["detector", "--data", f"{world}/build", "--steps", f"{STEPS}", "--to", f"{again}"]
    assert main(command) == 0
    first, second = load(world / "detector.safetensors"), load(again)
    seen = np.stack([thumbnail(textured(i)) for i in range(3)])
    assert np.array_equal(first.embed(seen), second.embed(seen))
    assert first.about["steps"] == STEPS
    assert first.about["corrupt"] == 2
    assert first.name in capsys.readouterr().out or first.digest != second.digest


def test_a_score_is_the_similarity_less_what_both_share_with_the_background(world):
    found = load(world / "detector.safetensors").beside(
        np.stack([thumbnail(textured(i)) for i in range(30)])
    )
    seen = found.embed(np.stack([thumbnail(textured(i)) for i in range(40, 44)]))
    scores = found.sought(seen) @ found.compared(seen).T
    for i in range(4):
        for j in range(4):
            common = [
                np.sort(found.background @ one)[::-1][1:11].mean() for one in (seen[i], seen[j])
            ]
            assert np.isclose(scores[i, j], seen[i] @ seen[j] - 0.25 * sum(common), atol=1e-5)


def test_a_picture_is_sought_as_it_was_before_it_was_turned_or_mirrored(world):
    detector = load(world / "detector.safetensors")
    original = thumbnail(textured(1))
    for orientation in range(ORIENTATIONS):
        views = detector.embed_views([oriented(original, orientation)])
        assert views.shape == (ORIENTATIONS + 2, 1, detector.network.width)
        assert np.isclose((views[:, 0] @ detector.embed([original])[0]).max(), 1, atol=1e-4)


def test_a_picture_with_a_wide_border_is_sought_by_its_middle_alone(world):
    detector = load(world / "detector.safetensors")
    original = thumbnail(textured(1))
    side, edge = detector.side, detector.side // 8
    bordered = np.full_like(original, 255)
    bordered[edge:-edge, edge:-edge] = cv2.resize(
        original, (side - 2 * edge,) * 2, interpolation=cv2.INTER_AREA
    )
    *_, straight, turned = detector.embed_views([bordered])[:, 0]
    inner = cv2.resize(bordered[edge:-edge, edge:-edge], (side, side))
    assert straight @ detector.embed([inner])[0] > 0.99
    assert turned @ detector.embed([mirrored(inner)])[0] > 0.99


def test_training_that_is_ended_by_time_says_so_and_keeps_its_schedule(world, tmp_path, capsys):
    args = ["detector", "--data", f"{world}/build", "--steps", "500", "--seconds", "0.001"]
    assert main([*args, "--to", f"{tmp_path}/d.safetensors"]) == 0
    assert "ended it after 0 of 500 steps" in capsys.readouterr().out
    assert load(tmp_path / "d.safetensors").about["steps_planned"] == 500


def test_embeddings_that_crowd_cost_more_than_spread_ones():
    spread = torch.eye(4)
    near = torch.nn.functional.normalize(spread + 2, dim=1)
    assert crowded(near, near) > crowded(spread, spread) + 1
    rows = near.tolist()
    by_hand = [
        -math.log(min(math.dist(row, other) for other in rows if other != row)) for row in rows
    ]
    assert np.isclose(crowded(near, near), np.mean(by_hand), atol=1e-4)


def test_what_is_no_detector_is_refused_in_one_line(world, tmp_path, capsys):
    wrong = tmp_path / "wrong.safetensors"
    wrong.write_bytes(b"\x08\0\0\0\0\0\0\0{}      ")
    for path in (wrong, tmp_path / "none", tmp_path):
        with pytest.raises(TrainerError, match="expected a detector that"):
            load(path)
    args = ["--data", f"{world}/build", "--eval", f"{world}/copied", "--detector", f"{wrong}"]
    assert main(["overlap", *args]) == 2
    assert "expected a detector" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--rate", "0"], "rate 0.0: expected more than 0"),
        (["--threshold", "65"], "threshold 65.0: expected 0..64"),
    ],
)
def test_a_wrong_number_ends_in_one_line(world, capsys, flags, said):
    args = ["overlap", "--data", f"{world}/build", "--eval", f"{world}/copied", *flags]
    assert main(args) == 2
    assert said in capsys.readouterr().err


def test_planted_copies_are_found_with_stated_recall_and_precision(world, tmp_path):
    """Crops and mirror images of half the set are in the build: recall and precision 1 here."""
    shown = {i: textured(i) for i in range(60)}
    planted = {i: image[8:-8, 10:-10] for i, image in shown.items() if i < 20}
    planted |= {i: mirrored(shown[i]) for i in range(20, 30)}
    write_build(tmp_path / "build", [*planted.values(), *(textured(i) for i in range(200, 300))])
    files = {}
    for i, image in shown.items():
        files |= {f"{i:03d}.png": png(image), f"{i:03d}.cls": b"%d" % (i % 2)}
    write_tar(tmp_path / "set" / "test" / "0.tar", files)
    (tmp_path / "set" / "classnames.txt").write_text("one\nother\n")
    detector = tmp_path / "d.safetensors"
    data = ["--data", f"{tmp_path}/build"]
    assert main(["detector", *data, "--steps", "40", "--to", f"{detector}"]) == 0
    excluded = tmp_path / "excluded.csv"
    args = [*data, "--eval", f"{tmp_path}/set", "--detector", f"{detector}", "--rate", "0.01"]
    assert main(["overlap", *args, "--write-exclusions", f"{excluded}"]) == 0
    with excluded.open() as file:
        named = {int(row["value"]) for row in csv.DictReader(file) if row["kind"] == "pair_id"}
    assert named == set(range(30))


def test_uniform_pictures_are_flagged_and_never_count_as_overlap(tmp_path, capsys):
    black = np.zeros((64, 64, 3), np.uint8)
    write_build(tmp_path / "build", [black, black, textured(1)])
    files = {f"{i}.png": png(image) for i, image in enumerate((black, textured(1), textured(2)))}
    files |= {f"{i}.cls": b"%d" % (i % 2) for i in range(3)}
    write_tar(tmp_path / "set" / "test" / "0.tar", files)
    (tmp_path / "set" / "classnames.txt").write_text("one\nother\n")
    excluded = tmp_path / "excluded.csv"
    args = ["--data", f"{tmp_path}/build", "--eval", f"{tmp_path}/set", "--threshold", "0"]
    assert main(["overlap", *args, "--write-exclusions", f"{excluded}"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "1 pictures show nothing, 1 of them near something: not counted" in told
    hashes = {row.split(",")[1] for row in excluded.read_text().splitlines()[1:]}
    assert "2" in hashes
    assert not {"0", "1", f"{phash(black) % 2**64:016x}"} & hashes


def test_a_list_is_added_to_and_a_list_of_another_kind_is_refused(world, tmp_path, capsys):
    path = tmp_path / "excluded.csv"
    header = "kind,value,radius,reason,date\n"
    path.write_text(header + "host,example.org,,asked,2026-11-01\n")
    args = ["overlap", "--data", f"{world}/build", "--eval", f"{world}/copied", "--threshold", "2"]
    assert main([*args, "--write-exclusions", f"{path}"]) == 0
    lines = path.read_text().splitlines()
    assert "host,example.org,,asked,2026-11-01" in lines
    wanted = r"phash,[0-9a-f]{16},2,near a picture of the evaluation set copied,"
    assert sum(re.fullmatch(wanted, line) is not None for line in lines) >= 32
    assert main([*args, "--write-exclusions", f"{path}"]) == 0
    assert path.read_text().splitlines() == lines
    path.write_text("url\nhttp://a\n")
    assert main([*args, "--write-exclusions", f"{path}"]) == 2
    assert "expected a list with the columns kind,value" in capsys.readouterr().err


def test_the_page_shows_neighbours_and_escapes_what_strangers_wrote(world, tmp_path):
    from trainer.evaluation.sets import read_eval_set
    from trainer.overlap.page import write_pages
    from trainer.overlap.search import Search, search

    seen = SetPictures(read_eval_set(world / "copied"))
    list(seen.noted(seen.eval_set.pictures()))
    seen.names[0] = "<script>alert(1)</script>"
    (found,) = search(world / "build", [seen], Search(threshold=2))
    write_pages(tmp_path / "page.html", world / "build", found, "a <b>choice</b>")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "a &lt;b&gt;choice" in page
    assert page.count("data:image/jpeg;base64,") >= 2 * 30
    assert "default-src 'none'" in page


def test_duplicates_are_counted_by_both_detectors(world, capsys):
    args = ["duplicates", "--data", f"{world}/build", "--run", f"{world}/within"]
    detector = f"{world}/detector.safetensors"
    assert main([*args, "--detector", detector, "--threshold", "0.7"]) == 0
    out = capsys.readouterr().out
    assert out.count("phash") == 4
    assert "learned-" in out
    assert (world / "within" / "duplicates.json").is_file()


def test_the_tables_say_what_each_detector_found(world):
    run = world / "run"
    train = ["train", "--data", f"{world}/build", "--run", f"{run}", "--epochs", "1"]
    assert main([*train, "--batch", "64"]) == 0
    args = ["overlap", "--data", f"{world}/build", "--run", f"{run}", "--eval", f"{world}/copied"]
    assert main([*args, "--detector", f"{world}/detector.safetensors"]) == 0
    overlap = pq.read_table(run / "tables" / "overlap" / "copied.parquet").to_pylist()
    near = pq.read_table(run / "tables" / "neighbour" / "copied.parquet").to_pylist()
    assert len(overlap) == 4 * len(CLASSES)
    assert {row["image"] for row in near} == {row["image"] for row in overlap if row["overlap"]}
    assert all(row["score"] is not None for row in overlap)
    assert all(row["distance"] is not None or row["agreement"] >= LEAST_AGREEMENT for row in near)
    assert (run / "overlap.svg").read_text().startswith("<?xml")
