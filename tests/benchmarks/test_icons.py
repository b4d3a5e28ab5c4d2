"""benchmarks.icons: what is asked about, what needs no model, and that the trainer learns it.

The icons are shapes drawn here, twice with other chance: two makers.
"""

import numpy as np

from benchmarks import icons
from benchmarks.emoji_data import small
from benchmarks.icons_data import Icons, known
from tests.trainer_fixtures import CLASSES, picture
from trainer.data.reading import read_samples


def maker(pack: str, first: int, names: list[str]) -> Icons:
    drawn = [small(picture(name, first + at)) for at, name in enumerate(names)]
    return Icons(np.array([pack] * len(names)), np.array(names), np.stack(drawn))


TRAINED = maker("trained", 0, CLASSES[:12] * 4)
ASKED = maker("asked", 500, CLASSES[4:])


def test_only_names_that_were_trained_on_are_asked_about():
    assert known(ASKED, TRAINED).names.tolist() == CLASSES[4:12]


def test_the_nearest_by_pixels_is_right_of_copies_and_wrong_of_other_names():
    assert icons.nearest(TRAINED, TRAINED) == 1.0
    other = Icons(TRAINED.packs, np.roll(TRAINED.names, 1), TRAINED.pictures)
    assert icons.nearest(other, TRAINED) == 0.0


def test_a_webdataset_of_the_drawings_is_read_with_its_names(tmp_path):
    icons.write_tar(TRAINED, tmp_path / "icons.tar")
    samples = read_samples(str(tmp_path / "icons.tar"), 64)
    assert samples.captions(np.arange(48)) == TRAINED.names.tolist()
    assert (samples.picture(3) == TRAINED.pictures[3]).all()


def learned_twice(learner: str, monkeypatch) -> list[dict]:
    """What is answered by a learner that learns, and then by what was kept of it."""
    asked = [known(ASKED, TRAINED)]
    monkeypatch.setattr(icons, "VAL", 0.25)
    first = icons.kept(learner, 0, TRAINED, asked, quick=True)
    monkeypatch.delitem(icons.LEARNERS, learner)  # kept: nobody learns again
    return [first, icons.kept(learner, 0, TRAINED, asked, quick=True)]


def test_ours_learns_once_and_answers_for_each_pack(tmp_path, monkeypatch):
    monkeypatch.setattr(icons, "cache", lambda: tmp_path)
    first, again = learned_twice(icons.OURS, monkeypatch)
    assert 0 <= first["asked"] <= 1
    assert again == first


def test_open_clip_learns_the_same_batches_once(open_clip, tmp_path, monkeypatch):
    monkeypatch.setattr(icons, "cache", lambda: tmp_path)
    first, again = learned_twice(icons.PEER, monkeypatch)
    assert 0 <= first["asked"] <= 1
    assert again == first


def test_twice_the_batch_is_as_many_steps_of_twice_the_epochs():
    plain, double = (
        icons.settings(0, 10_000, quick=False, double=two).recipe for two in (False, True)
    )
    assert (double.batch, double.epochs) == (2 * plain.batch, 2 * plain.epochs)
