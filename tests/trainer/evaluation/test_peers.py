"""CLIP_benchmark's own figures of the same model on the same sets: `make peers` installs it.

The sets are written by its own exporter, webdataset_builder, and read by its own reader.
"""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.peers import clip_benchmark
from tests.trainer_fixtures import CLASSES, found_in, picture
from trainer.__main__ import main
from trainer.data.pixels import centre
from trainer.evaluation.features import enough
from trainer.model import checkpoint
from trainer.run_folder import RunFolder

try:
    peer = clip_benchmark()
except ImportError as missing:
    pytest.skip(f"PyPI's clip-benchmark: {missing}", allow_module_level=True)
TEMPLATES = ["a {c}", "a picture of a {c}"]


class Exported(torch.utils.data.Dataset):
    """Pictures as PNG, and labels, as the exporter takes them."""

    def __init__(self, rows, classes=None):
        self.rows, self.classes = rows, classes
        self.templates = TEMPLATES if classes else None

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, i):
        pixels, label = self.rows[i]
        body = io.BytesIO()
        Image.fromarray(pixels).save(body, "PNG")
        return body.getvalue(), label


def export(root: Path, rows, classes=None, **kind) -> None:
    exporter = peer.webdataset_builder
    convert = exporter.convert_dataset if classes else (exporter.convert_retrieval_dataset)
    about = {"image_format": "png", "max_count": 30, "verbose": False}
    convert(Exported(rows, classes), "test", str(root), **about, **kind)


@pytest.fixture(scope="module")
def sets(world_of_shapes, tmp_path_factory):
    """A world with four sets: shapes; their colours, one of them rare; both at once; captions."""
    world = tmp_path_factory.mktemp("peers")
    answers = shutil.ignore_patterns("zeroshot*", "retrieval*")  # of other sets of these names
    shutil.copytree(world_of_shapes / "run", world / "run", ignore=answers)
    seen = [(picture(name, 5000 + i), name) for i in range(6) for name in CLASSES]
    shapes = [(pixels, CLASSES.index(name)) for pixels, name in seen]
    colours = sorted({name.split()[0] for name in CLASSES})
    by_colour = [(pixels, colours.index(name.split()[0])) for pixels, name in seen]
    rare = [row for i, row in enumerate(by_colour) if row[1] != 0 or i < 20]
    both = colours + sorted({name.split()[1] for name in CLASSES})
    vectors = [
        (pixels, torch.tensor([float(word in name.split()) for word in both]))
        for pixels, name in seen
    ]
    captions = [
        (pixels, [f"a {name}", f"the {name}"][: 1 + i % 2])
        for i, (pixels, name) in enumerate(seen[: len(CLASSES)])  # equal captions would be ties
    ]
    export(world / "shapes", shapes, CLASSES)
    export(world / "colours", rare, colours)
    export(world / "both", vectors, both, multilabel=True)
    export(world / "captioned", captions)
    return world


class Theirs(torch.nn.Module):
    """The run's model with the two methods that CLIP_benchmark calls."""

    def __init__(self, run: Path):
        super().__init__()
        self.checkpoint = checkpoint.load(RunFolder(run))
        self.context = self.checkpoint.state.model.text.context

    def transform(self, image: Image.Image) -> torch.Tensor:
        pixels = np.asarray(image.convert("RGB"))
        side = self.checkpoint.state.model.vision.pixels
        assert min(pixels.shape[:2]) <= enough(self.checkpoint)  # ours shrinks nothing before
        return torch.from_numpy(centre(pixels, side).copy()).permute(2, 0, 1)

    def encode_image(self, images: torch.Tensor) -> torch.Tensor:
        images = images.contiguous(memory_format=torch.channels_last)
        model = self.checkpoint.model
        return model.project(model.image_features(images))

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.checkpoint.model.encode_text(tokens)

    def tokenize(self, texts: list[str]) -> torch.Tensor:
        return torch.from_numpy(self.checkpoint.tokenizer.encode(texts, self.context))


def loader_of(model: Theirs, root: Path, task: str):
    dataset = peer.datasets.builder.build_dataset(
        "wds/a", root=str(root), transform=model.transform, task=task
    )
    if task == "zeroshot_classification":
        batches = dataset.batched(64)
    else:
        batches = dataset.batched(
            64,
            collation_fn=lambda rows: (
                torch.stack([image for image, _ in rows]),
                [texts for _, texts in rows],
            ),
        )
    loader = torch.utils.data.DataLoader(batches, batch_size=None, num_workers=0)
    return dataset, loader


def their_classification(run: Path, root: Path) -> dict:
    model = Theirs(run)
    dataset, loader = loader_of(model, root, "zeroshot_classification")
    loader.dataset.classes = dataset.classes
    about = (loader, model.tokenize, dataset.classes, dataset.templates, "cpu")
    return peer.metrics.zeroshot_classification.evaluate(model, *about, amp=False)


def accuracies(logits: torch.Tensor, target: torch.Tensor, topk=(1,)) -> list[float]:
    """Its own `accuracy`, which ends in a TypeError of NumPy 2.4 where it makes a float."""
    best = logits.topk(max(topk), dim=1).indices == target[:, None]
    return [best[:, :k].any(dim=1).double().mean().item() for k in topk]


@pytest.mark.parametrize("name", ["shapes", "colours"])
def test_zero_shot_has_clip_benchmarks_figures(sets, name, monkeypatch):
    monkeypatch.setattr(peer.metrics.zeroshot_classification, "accuracy", accuracies)
    theirs = their_classification(sets / "run", sets / name)
    assert main(["zeroshot", "--run", f"{sets}/run", "--eval", f"{sets}/{name}"]) == 0
    ours = found_in(sets, "zeroshot")[name]
    assert ours["top1"] == pytest.approx(theirs["acc1"], abs=1e-9)
    if len(CLASSES) >= 5 and name == "shapes":
        assert ours["top5"] == pytest.approx(theirs["acc5"], abs=1e-9)
    assert ours["mean_per_class"] == pytest.approx(theirs["mean_per_class_recall"], abs=1e-9)
    assert ours["top1"] > 2 * ours["chance"]  # two models at chance would agree as well


def test_a_multi_label_set_has_its_mean_average_precision(sets, capsys):
    theirs = their_classification(sets / "run", sets / "both")
    assert main(["zeroshot", "--run", f"{sets}/run", "--eval", f"{sets}/both"]) == 0
    ours = found_in(sets, "zeroshot")["both"]
    expected = theirs["mean_average_precision"]
    assert ours["mean_average_precision"] == pytest.approx(expected, abs=1e-6)
    assert ours["mean_average_precision"] > ours["mean_average_precision_chance"]
    assert "mAP" in capsys.readouterr().out


def test_retrieval_has_its_recalls(sets, tmp_path):
    model = Theirs(sets / "run")
    _, loader = loader_of(model, sets / "captioned", "zeroshot_retrieval")
    theirs = peer.metrics.zeroshot_retrieval.evaluate(
        model, loader, model.tokenize, "cpu", amp=False, recall_k_list=[1, 5, 10]
    )
    (tmp_path / "t.toml").write_text('[templates]\ndefault = ["{c}"]\n')  # it has no "a photo of"
    args = ["--run", f"{sets}/run", "--eval", f"{sets}/captioned"]
    assert main(["retrieval", *args, "--templates", f"{tmp_path}/t.toml"]) == 0
    ours = found_in(sets, "retrieval")["captioned"]
    for k in (1, 5, 10):
        image = theirs[f"image_retrieval_recall@{k}"]
        text = theirs[f"text_retrieval_recall@{k}"]
        assert ours[f"text_to_image_{k}"] == pytest.approx(image, abs=1e-6)
        assert ours[f"image_to_text_{k}"] == pytest.approx(text, abs=1e-6)
