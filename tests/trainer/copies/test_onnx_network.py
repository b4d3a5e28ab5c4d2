"""Any ONNX network as the detector: its input, its settings, and what is refused in one line."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from tests.trainer.copies.test_detector import textured  # noqa: E402
from tests.trainer_fixtures import png, write_build, write_tar  # noqa: E402
from trainer.__main__ import main  # noqa: E402
from trainer.copies.detector import load  # noqa: E402
from trainer.copies.onnx_network import MEAN, STD  # noqa: E402
from trainer.copies.thumbnails import mirrored, thumbnail  # noqa: E402
from trainer.settings import TrainerError  # noqa: E402

FLOAT, UINT8 = onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8
SIDE = 32


def network(shape=("n", 3, SIDE, SIDE), kind=FLOAT, nodes=None, weights=(), inputs=1) -> bytes:
    """A network whose embedding is the means of 4 x 4 pixels, or what other nodes make of `x`."""
    make = onnx.helper.make_node
    if nodes is None:
        last = "x"
        nodes = []
        if kind == UINT8:
            nodes += [make("Cast", [last], ["f"], to=FLOAT)]
            last = "f"
        if shape[-1] == 3:
            nodes += [make("Transpose", [last], ["t"], perm=[0, 3, 1, 2])]
            last = "t"
        nodes += [
            make("AveragePool", [last], ["p"], kernel_shape=[4, 4], strides=[4, 4]),
            make("Flatten", ["p"], ["y"]),
        ]
    value = onnx.helper.make_tensor_value_info
    taken = [value("x", kind, shape), *(value(f"x{n}", kind, shape) for n in range(1, inputs))]
    graph = onnx.helper.make_graph(nodes, "g", taken, [value("y", FLOAT, None)], list(weights))
    opset = [onnx.helper.make_opsetid("", 17)]
    return onnx.helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


def plain(pictures: np.ndarray, mean, std) -> np.ndarray:
    """The embeddings (N, D) of length 1 of pictures (N, SIDE, SIDE, 3), slowly."""
    values = (pictures / 255 - np.array(mean)) / np.array(std)
    blocks = values.reshape(len(values), SIDE // 4, 4, SIDE // 4, 4, 3).mean(axis=(2, 4))
    rows = blocks.transpose(0, 3, 1, 2).reshape(len(values), -1)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def looks(n: int) -> np.ndarray:
    return np.stack([thumbnail(textured(seed), SIDE) for seed in range(n)])


@pytest.mark.parametrize("shape", [("n", 3, SIDE, SIDE), (5, 3, SIDE, SIDE), (1, 3, "h", "w")])
def test_an_embedding_is_the_networks_of_the_normalised_picture(tmp_path, shape):
    (tmp_path / "n.onnx").write_bytes(network(shape))
    settings = tmp_path / "n.toml"
    settings.write_text(
        f'[detector]\nonnx = "n.onnx"\nside = {SIDE}\nmean = [0.5, 0.4, 0.3]\nstd = [0.2, 0.3, 1]\n'
    )
    detector = load(settings)
    seen = looks(7)
    assert np.allclose(detector.embed(seen), plain(seen, (0.5, 0.4, 0.3), (0.2, 0.3, 1)), atol=1e-5)
    assert np.allclose(detector.embed_both(seen)[7:], detector.embed(mirrored(seen)))
    straight, turned = detector.embed_views(seen)
    assert np.array_equal(straight, detector.embed(seen))
    assert np.allclose(turned, detector.embed(mirrored(seen)))
    assert detector.embed([]).shape == (0, 192)


def test_without_settings_the_side_is_the_networks_and_colours_are_imagenets(tmp_path):
    path = tmp_path / "n.onnx"
    path.write_bytes(network())
    detector, seen = load(path), looks(3)
    assert detector.side == SIDE
    assert detector.name.startswith("onnx-")
    assert np.allclose(detector.embed(seen), plain(seen, MEAN, STD), atol=1e-5)


def test_a_network_of_bytes_with_channels_last_normalises_by_itself(tmp_path):
    path = tmp_path / "n.ONNX"
    path.write_bytes(network(("n", SIDE, SIDE, 3), UINT8))
    seen = looks(3)
    expected = plain(seen, (0, 0, 0), (1, 1, 1))
    assert np.allclose(load(path).embed(seen), expected, atol=1e-5)


def test_other_settings_are_another_detector(tmp_path):
    (tmp_path / "n.onnx").write_bytes(network())
    names = set()
    for line in ("", "std = [1.0, 1.0, 1.0]\n"):
        (tmp_path / "n.toml").write_text(f'[detector]\nonnx = "n.onnx"\n{line}')
        names.add(load(tmp_path / "n.toml").name)
    assert len(names) == 2


def outside() -> bytes:
    """A network whose weights are said to be in another file of this machine."""
    weights = onnx.TensorProto(name="w", data_type=FLOAT, dims=[1])
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../../../../etc/hostname")
    return network(nodes=[onnx.helper.make_node("Add", ["x", "w"], ["y"])], weights=[weights])


def of_one_node(kind: str, **attributes) -> bytes:
    return network(nodes=[onnx.helper.make_node(kind, ["x"], ["y"], **attributes)])


HOSTILE = {
    "empty": (b"", "expected an ONNX network"),
    "text": (b"<html>404</html>", "expected an ONNX network"),
    "cut off": (network()[:100], "expected an ONNX network"),
    "weights outside": (outside(), "expected an ONNX network"),
    "an unknown operator": (of_one_node("Telephone"), "expected an ONNX network"),
    "two inputs": (network(inputs=2), "expected one"),
    "one channel": (network(("n", 1, SIDE, SIDE)), "3 channels"),
    "not square": (network(("n", 3, SIDE, 2 * SIDE)), "a square"),
    "of no batch": (
        network((3, SIDE, SIDE), nodes=[onnx.helper.make_node("Flatten", ["x"], ["y"])]),
        "expected one",
    ),
    "of text": (network(kind=onnx.TensorProto.STRING), "float or uint8|an ONNX network"),
    "nothing but zeros": (
        network(
            nodes=[
                onnx.helper.make_node("Sub", ["x", "x"], ["z"]),
                onnx.helper.make_node("Flatten", ["z"], ["y"]),
            ]
        ),
        "zero or no finite",
    ),
    "too wide": (
        network(
            nodes=[
                onnx.helper.make_node("Concat", ["x", "x", "x"], ["z"], axis=1),
                onnx.helper.make_node("Flatten", ["z"], ["y"]),
            ]
        ),
        "at most 8,192",
    ),
    "of all pictures one": (of_one_node("Flatten", axis=0), r"expected \(2, D\)"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_network_of_pictures_is_refused_in_one_line(tmp_path, name):
    content, expected = HOSTILE[name]
    path = tmp_path / "n.onnx"
    path.write_bytes(content)
    with pytest.raises(TrainerError, match=expected) as refused:
        load(path)
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('onnx = "n.onnx"', r"expected \[detector\] alone"),
        ("[detector]\nside = 32", "onnx"),
        ('[detector]\nonnx = "n.onnx"\nsize = 3', "size"),
        ('[detector]\nonnx = "n.onnx"\nmean = [0.5]', "mean"),
        ('[detector]\nonnx = "n.onnx"\nmean = [123.7, 116.3, 103.5]', "mean"),
        ('[detector]\nonnx = "n.onnx"\nside = 64', "side = 32 or none"),
        ('[detector]\nonnx = "other.onnx"', "expected an ONNX network"),
        ("[detector", "expected a table"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(tmp_path, text, expected):
    (tmp_path / "n.onnx").write_bytes(network())
    path = tmp_path / "n.toml"
    path.write_text(text)
    with pytest.raises(TrainerError, match=expected) as refused:
        load(path)
    assert str(tmp_path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.fixture
def searched(tmp_path):
    """A build of pictures and slightly other copies, a set of the pictures, and a network."""
    pictures = [textured(seed) for seed in range(12)]
    write_build(tmp_path / "build", [*(image[3:-2, 4:-4] for image in pictures), *pictures[:2]])
    files = {}
    for n, image in enumerate(pictures):
        files |= {f"{n:03d}.png": png(image), f"{n:03d}.cls": b"%d" % (n % 2)}
    write_tar(tmp_path / "set" / "test" / "0.tar", files)
    (tmp_path / "set" / "classnames.txt").write_text("one\nother\n")
    (tmp_path / "n.onnx").write_bytes(network(("n", 3, "side", "side")))
    (tmp_path / "n.toml").write_text('[detector]\nonnx = "n.onnx"\nside = 160\n')
    return tmp_path


def test_overlap_and_duplicates_search_by_an_onnx_network(searched, capsys):
    detector = ["--detector", f"{searched}/n.toml", "--threshold", "0.5"]
    data = ["--data", f"{searched}/build"]
    assert main(["overlap", *data, "--eval", f"{searched}/set", *detector]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "detector onnx-" in out
    assert "14 training pairs are near" in out
    assert main(["duplicates", *data, *detector]) == 0
    assert "onnx-" in capsys.readouterr().out


def test_a_network_without_thresholds_asks_for_one(searched, capsys):
    args = ["duplicates", "--data", f"{searched}/build", "--detector", f"{searched}/n.toml"]
    assert main(args) == 2
    assert "knows no threshold" in capsys.readouterr().err
    with (searched / "n.toml").open("a") as file:
        file.write('thresholds = {"1e-6" = 0.9}\n')
    assert main(args) == 0


def pairs_near(searched, score: float) -> set[tuple[str, int]]:
    """(picture, pair_id) of all that `overlap` names in its table."""
    from trainer.evaluation.sets import read_eval_set
    from trainer.overlap.search import Search, search
    from trainer.overlap.set_pictures import SetPictures

    method = Search(load(searched / "n.toml"), threshold=score)
    seen = SetPictures(read_eval_set(searched / "set"), embedded=method.embeddings())
    list(seen.noted(seen.eval_set.pictures()))
    (found,) = search(searched / "build", [seen], method)
    assert not len(found.by_detector.row)
    return set(zip(found.by_hash.row.tolist(), found.by_hash.pair_id.tolist(), strict=True))


def test_pictures_near_by_hash_are_found_where_no_score_is_and_only_if_their_pixels_agree(
    searched, monkeypatch
):
    copies = {(row, row) for row in range(12)} | {(0, 12), (1, 13)}
    monkeypatch.setattr("trainer.overlap.search.CANDIDATE_BITS", 2)
    equal = pairs_near(searched, 1.0)
    monkeypatch.setattr("trainer.overlap.search.CANDIDATE_BITS", 64)
    assert {(0, 12), (1, 13)} <= equal < copies
    assert pairs_near(searched, 1.0) == copies


def test_candidates_beyond_the_nearest_are_counted_and_not_compared(searched, monkeypatch):
    from trainer.evaluation.sets import read_eval_set
    from trainer.overlap.search import Search, search
    from trainer.overlap.set_pictures import SetPictures

    monkeypatch.setattr("trainer.overlap.search.MOST_CANDIDATES", 1)
    monkeypatch.setattr("trainer.overlap.search.CANDIDATE_BITS", 2)
    method = Search(load(searched / "n.toml"), threshold=0.0)
    seen = SetPictures(read_eval_set(searched / "set"), embedded=method.embeddings())
    list(seen.noted(seen.eval_set.pictures()))
    (found,) = search(searched / "build", [seen], method)
    assert found.n_candidates - found.n_unchecked <= 12
    assert found.n_unchecked > 12
    assert set(found.by_detector.row.tolist()) == set(range(12))
