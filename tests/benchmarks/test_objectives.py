"""The papers' objectives in miniature: losses against plain loops, and a whole small comparison."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.emoji_data import VENDORS, Emoji
from benchmarks.objectives import answers, course, report
from benchmarks.objectives.learners import (
    AFTER,
    AUGMENTED,
    BAG,
    CBOW,
    CLIP_,
    COURSES,
    LANGUAGE,
    NGRAMS,
    SIMCLR,
    SLIP,
    Contrasting,
    model_config,
    read_texts,
)
from benchmarks.objectives.material import QUICK, Scale, batch, material
from benchmarks.objectives.ngrams import WEIGHT, Dictionary, VisualNgrams
from benchmarks.objectives.predictors import FLOOR, BagOfWords, CaptionModel, Vocabulary
from trainer.training.slip import views

TINY = replace(
    QUICK, width=8, batch=16, images=128, vendor_classes=10, concept_classes=8, seeds=(0,)
)
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "black": (0, 0, 0)}
SHAPES = ("dot", "bar", "ring", "cross", "corner", "square", "stripe", "wedge", "arch", "flag")
HELD_OUT = 8
CAPTIONS = ["red dog", "a red dog runs", "a blue cat", "dog"]


def drawn(colour, shape, vendor):
    """A shape that is a hash of its name, as a vendor draws it: in its own tint."""
    cells = np.random.default_rng(list(shape.encode())).random((8, 8)) < 0.4
    picture = np.full((64, 64, 3), 255 - 8 * vendor, np.uint8)
    picture[np.kron(cells, np.ones((8, 8))).astype(bool)] = colour
    return picture


@pytest.fixture(scope="module")
def emoji():
    names = [(colour, shape) for colour in COLOURS for shape in SHAPES]
    pictures = {
        vendor: np.stack([drawn(COLOURS[colour], shape, at) for colour, shape in names])
        for at, vendor in enumerate(VENDORS)
    }
    held_out = np.arange(len(names)) % 5 == 2
    return Emoji(
        [f"{at:x}" for at in range(len(names))],
        [f"{colour} {shape}" for colour, shape in names],
        [[colour, "sign", shape] for colour, shape in names],
        pictures,
        held_out,
    )


@pytest.fixture(scope="module")
def small(emoji):
    return material(emoji, TINY)


@pytest.fixture(scope="module")
def texts(small):
    return read_texts(small)


@pytest.fixture
def images():
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8))


def frozen(model):
    """As at a test: pictures of a batch do not depend on each other."""
    torch.manual_seed(1)
    return model.eval()


def log_softmax(scores):
    total = math.log(sum(math.exp(one) for one in scores))
    return [one - total for one in scores]


# --- the language model


def plain_surprise(model, image, text):
    """-log p of each token of one text, with no padding, no batch and no token ahead."""
    ids = [int(one) for one in model.encode([text])[0] if one >= 0]
    found = []
    for at, wanted in enumerate(ids):
        x = model.prefix(model.tower(image[None]))[:, None]
        if at:
            x = torch.cat([x, model.token_embedding(torch.tensor([ids[:at]]))], dim=1)
        x = model.ln_final(model.transformer(x + model.positional_embedding[: at + 1]))[0, -1]
        found.append(-log_softmax((model.token_embedding.weight @ x).tolist())[wanted])
    return found


def test_the_language_models_loss_equals_a_loop_over_tokens(images, texts):
    model = frozen(CaptionModel(model_config(TINY), texts.tokenizer))
    each = [plain_surprise(model, *pair) for pair in zip(images, CAPTIONS, strict=True)]
    every = [one for of_text in each for one in of_text]
    assert len({len(one) for one in each}) > 1  # some are padded
    assert model.loss(images, CAPTIONS).item() == pytest.approx(np.mean(every), abs=1e-5)


def test_a_name_scores_its_likelihood_whatever_stands_beside_it(images, texts):
    model = frozen(CaptionModel(model_config(TINY), texts.tokenizer))
    scores = model.scores(images, CAPTIONS)
    plain = [[-sum(plain_surprise(model, image, name)) for name in CAPTIONS] for image in images]
    assert scores.tolist() == [pytest.approx(row, abs=1e-4) for row in plain]


# --- the bag of words


def test_the_bag_of_words_loss_equals_a_loop_over_words(images):
    model = frozen(BagOfWords(model_config(TINY), Vocabulary(CAPTIONS)))
    found = []
    for image, caption in zip(images, CAPTIONS, strict=True):
        likely = log_softmax(model.to_words(model.tower(image[None]))[0].tolist())
        found += [-likely[word] for word in model.vocabulary.encode(caption)]
    assert model.loss(images, CAPTIONS).item() == pytest.approx(np.mean(found), abs=1e-5)


def test_a_bag_scores_the_sum_of_its_words_and_an_unknown_word_is_floored(images):
    vocabulary = Vocabulary(CAPTIONS)
    model = frozen(BagOfWords(model_config(TINY), vocabulary))
    with torch.no_grad():
        model.to_words.bias[vocabulary.other] = -1000.0  # as no caption asks for it
    likely = model.to_words(model.tower(images)).softmax(dim=1)
    floored = ((1 - FLOOR) * likely + FLOOR / len(vocabulary)).log()
    red, cat = vocabulary.encode("red cat")
    scores = model.scores(images, ["red cat", "red zebra"])
    assert torch.allclose(scores[:, 0], floored[:, red] + floored[:, cat])
    floor = math.log(FLOOR / len(vocabulary))
    assert torch.allclose(scores[:, 1], floored[:, red] + floor, atol=1e-4)


# --- visual n-grams


@pytest.fixture(scope="module")
def ngrams():
    return Dictionary(Vocabulary(CAPTIONS), CAPTIONS * 12)


def plain_likely(scores, dictionary, history, word):
    """Jelinek-Mercer by its definition: from the longest history down to none."""
    if not history:
        unigrams = [scores[at] for gram, at in dictionary.number.items() if len(gram) == 1]
        share = math.exp(log_softmax(unigrams)[word])
        return (1 - FLOOR) * share + FLOOR / (dictionary.end + 1)
    shorter = plain_likely(scores, dictionary, history[1:], word)
    following = {
        gram[-1]: scores[at] for gram, at in dictionary.number.items() if gram[:-1] == history
    }
    if not following:
        return shorter
    shares = dict(zip(following, map(math.exp, log_softmax(following.values())), strict=True))
    return WEIGHT * shares.get(word, 0.0) + (1 - WEIGHT) * shorter


def plain_text(scores, dictionary, text):
    ids = (*dictionary.vocabulary.encode(text), dictionary.end)
    return [
        -math.log(plain_likely(scores, dictionary, ids[max(0, at - 2) : at], word))
        for at, word in enumerate(ids)
    ]


def test_the_ngram_loss_equals_the_recursion(images, ngrams):
    model = frozen(VisualNgrams(model_config(TINY), ngrams))
    scores = model.to_ngrams(model.tower(images)).tolist()
    asked = ["a red dog", "a red zebra runs", "blue", "a blue cat dog"]
    found = [
        one
        for pair in zip(scores, asked, strict=True)
        for one in plain_text(pair[0], ngrams, pair[1])
    ]
    assert model.loss(images, asked).item() == pytest.approx(np.mean(found), abs=1e-5)
    names = ["red dog", "a zebra", "cat"]
    plain = [[-sum(plain_text(row, ngrams, name)) for name in names] for row in scores]
    assert model.scores(images, names).tolist() == [pytest.approx(row, abs=1e-4) for row in plain]


@pytest.mark.parametrize("history", ["", "red", "a red", "zebra", "cat a", "blue cat"])
def test_the_smoothed_probabilities_of_all_words_sum_to_one(history, images, ngrams):
    model = frozen(VisualNgrams(model_config(TINY), ngrams))
    scores = model.to_ngrams(model.tower(images))[:1] * 50  # far from uniform
    before = tuple(ngrams.vocabulary.encode(history))
    words = range(ngrams.end + 1)
    grams = torch.full((len(words), 1, 3), -1)
    groups = torch.full((len(words), 1, 3), -1)
    for word in words:
        for n in range(len(before) + 1):
            known = before[len(before) - n :]
            grams[word, 0, n] = ngrams.number.get((*known, word), -1)
            groups[word, 0, n] = ngrams.group.get(known, -1)
    rows = torch.zeros(len(words), dtype=torch.long)
    assert model.log_likely(scores, rows, grams, groups).exp().sum().item() == pytest.approx(1.0)


def test_a_rare_ngram_has_no_weight_of_its_own():
    vocabulary = Vocabulary(CAPTIONS)
    red, dog = vocabulary.encode("red dog")
    assert (red, dog) not in Dictionary(vocabulary, CAPTIONS).number
    assert (red, dog) in Dictionary(vocabulary, CAPTIONS * 5).number


# --- what they learn from


def test_a_batch_is_of_seed_and_step_and_shows_no_concept_twice(small):
    one, same, other = (batch(small, 16, 0, step) for step in (3, 3, 4))
    assert one.captions == same.captions
    assert np.array_equal(one.images, same.images)
    assert one.captions != other.captions
    names = [caption.split(",")[0] for caption in one.captions]
    assert len(set(names)) == 16


def test_no_concept_held_out_is_trained_on_or_in_a_vocabulary(emoji, small, texts):
    held = {emoji.names[at] for at in np.flatnonzero(emoji.held_out)}
    assert set(small.unseen_concepts.names) == held
    assert not held & set(small.names)
    assert set(small.unseen_vendor.names) <= set(small.names)
    word = {index: one for one, index in texts.vocabulary.number.items()}
    bigrams = {gram for gram in texts.dictionary.number if len(gram) == 2}
    assert bigrams
    assert not held & {" ".join(word.get(at, "") for at in gram) for gram in bigrams}


PHASES = {phase.name: at for at, one in enumerate(COURSES) for phase in one}


@pytest.fixture
def learner_of(texts):
    def make(name):
        learner = None
        for phase in COURSES[PHASES[name]]:
            torch.manual_seed(0)
            learner = phase.make(model_config(TINY), texts, learner)
            if phase.name == name:
                break
        return learner

    return make


@pytest.mark.parametrize("name", PHASES)
def test_every_objective_learns(name, small, learner_of):
    learner = learner_of(name)
    losses = [learner.step(batch(small, 16, 0, step), 2e-3) for step in range(16)]
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_all_image_towers_are_of_one_size(learner_of):
    def size(learner):
        tower = getattr(learner.model, "tower", learner.model)
        return sum(p.numel() for p in tower.visual.parameters())

    assert len({size(learner_of(name)) for name in PHASES}) == 1


def test_clip_with_simclrs_augmentations_sees_the_first_view_alone(small, learner_of, monkeypatch):
    learner, seen = learner_of(AUGMENTED), []
    step = type(learner.stepper).step

    def noted(stepper, inputs, lr):
        seen.append(inputs)
        return step(stepper, inputs, lr)

    monkeypatch.setattr(type(learner.stepper), "step", noted)
    one = batch(small, 16, 0, 0)
    learner.step(one, 1e-3)
    assert np.array_equal(seen[0].images, views(one.images, one.draws[0]))
    assert seen[0].views == ()
    slip = learner_of(SLIP)
    slip.step(one, 1e-3)
    assert np.array_equal(seen[1].images, one.images)
    assert [view.shape for view in seen[1].views] == [one.images.shape] * 2


def test_clip_after_simclr_begins_with_its_image_tower(small, texts):
    simclr, clip = COURSES[PHASES[AFTER]]
    before = simclr.make(model_config(TINY), texts, None)
    for step in range(2):
        before.step(batch(small, 16, 0, step), 1e-2)
    after = clip.make(model_config(TINY), texts, before)
    assert isinstance(after, Contrasting)
    weights = before.model.visual.state_dict()
    for name, value in after.model.visual.state_dict().items():
        assert torch.equal(value, weights[name])


# --- what they are asked


def test_the_nearest_picture_equals_a_loop():
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(6, 5))
    asked = torch.from_numpy(centres + 0.7 * rng.normal(size=(6, 5)))
    bank = torch.from_numpy(centres + 0.7 * rng.normal(size=(3, 6, 5)))
    hits = 0
    for at, one in enumerate(asked):
        cosines = {
            (vendor, label): float(one @ bank[vendor, label] / bank[vendor, label].norm())
            for vendor in range(3)
            for label in range(6)
        }
        hits += max(cosines, key=cosines.get)[1] == at
    assert 0 < hits < 6
    assert answers.nearest(asked, bank) == pytest.approx(hits / 6)


def test_simclr_is_asked_for_no_names(small, learner_of):
    with answers.evaluating(learner_of(SIMCLR).model):
        assert learner_of(SIMCLR).scores(small.unseen_vendor.asked, ["red dot"]) == {}


@pytest.mark.parametrize("name", [LANGUAGE, BAG, NGRAMS])
def test_per_word_divides_the_likelihood_by_what_is_predicted(name, small, learner_of):
    learner = learner_of(name)
    with answers.evaluating(learner.model):
        found = learner.scores(small.unseen_vendor.asked, small.unseen_vendor.names)
    whole, each = found["zero-shot"], found["zero-shot per word"]
    n = 2 if name == BAG else 3  # the others predict the end, too: "red dot" is two words
    if name != LANGUAGE:
        assert torch.allclose(whole / n, each)
    else:
        assert torch.allclose(whole, each * learner.model.lengths(small.unseen_vendor.names))


# --- the whole comparison


def test_a_course_that_is_kept_is_not_run_again(small, texts, tmp_path):
    scale = replace(TINY, images=32, batch=16)
    asked = COURSES[PHASES[BAG]], 0, small, texts, scale, tmp_path
    found = course.kept(*asked)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace('"images": 32', '"images": 33'))
    assert course.kept(*asked)[BAG][-1]["images"] == 33 != found[BAG][-1]["images"]
    again = course.kept(asked[0], 1, *asked[2:])
    assert again[BAG][-1]["images"] == 32


def test_the_comparison_tells_every_objective_and_draws_it(small, texts, tmp_path, capsys):
    scale = replace(TINY, images=128)
    curves = {}
    for one in COURSES:
        for name, curve in course.run(one, 0, small, texts, scale).items():
            curves[name] = [curve]
    assert set(curves) == {LANGUAGE, BAG, NGRAMS, CBOW, CLIP_, AUGMENTED, SIMCLR, AFTER, SLIP}
    assert [point["images"] for point in curves[CLIP_][0]] == [16, 32, 64, 128]
    assert [point["images"] for point in curves[AFTER][0]] == [144, 160, 192, 256]
    baselines = {test.title: (test.chance, answers.pixels(test)) for test in small.tests}
    report.draw(curves, baselines, tmp_path / "plot.svg")
    plot = (tmp_path / "plot.svg").read_text()
    assert all(name.split(",")[0] in plot for name in curves)
    report.tell(curves, baselines, scale)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(told["accuracy"]) == set(curves)
    mean, low, high, *seeds = told["accuracy"][CLIP_]["unseen vendor, zero-shot"]
    assert low <= mean <= high
    assert seeds == [mean]
    assert "unseen vendor, zero-shot" not in told["accuracy"][SIMCLR]
    assert len(told["rows"]) == len(report.CLAIMS)


def curve(*rates):
    return [
        {"images": 100 * 2**at, report.BY_NAMES[0]: rate, "cpu_s": 1.0}
        for at, rate in enumerate(rates)
    ]


def test_fewer_images_is_read_off_where_a_curve_reaches_the_language_models_end():
    curves = {
        LANGUAGE: [curve(0.0, 0.1, 0.2)],
        BAG: [curve(0.1, 0.2, 0.3)],  # as good at half of the images
        CBOW: [curve(0.3, 0.4, 0.5)],  # better at the first point
        CLIP_: [curve(0.0, 0.1, 0.1)],  # never as good
        NGRAMS: [curve(0.0, 0.1, 0.2)],
    }
    assert report.fewer_images(curves) == {
        BAG: "2.0",
        CBOW: "more than 4.0",
        CLIP_: "less than 1.0",
        NGRAMS: "1.0",
    }


def test_the_checkpoints_of_the_full_run_are_whole_steps_and_end_at_the_last():
    assert Scale().checkpoints == [37, 75, 150, 300]
