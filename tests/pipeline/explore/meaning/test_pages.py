"""Search by meaning and the map, asked of a real server with a real model in a child process."""

import json
import re
import sys
import time

import numpy as np
import pyarrow as pa
import pytest

from pipeline.explore.meaning.model import EmbeddingModel
from queries.tables.embeddings import read_embeddings
from queries.tables.errors import InputError
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.pipeline.explore.made_build import explored_build, id_of, served
from tests.processes import WAIT_S
from tests.trainer_fixtures import make_build
from trainer.__main__ import main
from trainer.data.reading import read_samples
from trainer.embeddings.encoders import encoder_of_run
from trainer.run_folder import RunFolder

FIGURE = re.compile(r'href="/pair/([0-9a-f]{16})".*?score (-?\d\.\d{3})', re.DOTALL)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A build of 48 shapes, and a run of one epoch with its embeddings."""
    root = tmp_path_factory.mktemp("world")
    make_build(root / "build", 3)
    run = ["--data", f"{root}/build", "--run", f"{root}/run"]
    assert main(["train", *run, "--epochs", "1", "--batch", "32"]) == 0
    assert main(["embed", *run]) == 0
    return root


@pytest.fixture(scope="module")
def client(world):
    with served(world / "build", "--run", world / "run") as asking:
        until = time.monotonic() + WAIT_S
        while "is being made" in asking.get("/meaning", params={"text": "a"}).text:
            assert time.monotonic() < until
            time.sleep(0.05)
        yield asking


def figures(answer) -> list[tuple[int, float]]:
    """The pairs of a page, with their scores."""
    assert answer.status_code == 200, answer.text
    return [(int(key, 16), float(score)) for key, score in FIGURE.findall(answer.text)]


def wanted(world, vector: np.ndarray) -> list[int]:
    """The pairs of the build, nearest first."""
    embeddings = read_embeddings(world / "run")
    ids = embeddings.pair_ids()
    cosines = embeddings.rows("image", np.arange(len(ids))).astype(np.float32) @ vector
    return ids[np.lexsort((ids, -cosines))].tolist()


def test_words_find_the_pictures_that_the_model_finds_nearest(world, client):
    (vector,) = encoder_of_run(RunFolder(world / "run")).embed_texts(["a red circle"])
    near = figures(client.get("/meaning", params={"text": "a red circle"}))
    assert [pair_id for pair_id, _ in near] == wanted(world, vector)
    scores = [score for _, score in near]
    assert scores == sorted(scores, reverse=True)


def test_a_pair_is_nearest_to_itself(world, client):
    pair_id = int(read_embeddings(world / "run").pair_ids()[7])
    near = figures(client.get("/meaning", params={"like": f"{pair_id:016x}"}))
    assert near[0] == (pair_id, 1.0)
    assert len(near) == 48


def test_a_picture_that_is_sent_finds_its_own_sample(world, client):
    samples = read_samples(world / "build", 64)
    body = samples.bytes_of(9)
    near = figures(client.post("/meaning", files={"picture": ("a.jpg", body)}))
    scores = dict(near)
    assert scores[int(samples.pair_ids[9])] > near[0][1] - 0.01  # decoded larger than the build's
    assert [score for _, score in near] == sorted(scores.values(), reverse=True)
    refused = client.post("/meaning", files={"picture": ("a.jpg", b"no picture")})
    assert refused.status_code == 400
    assert "not_an_image" in refused.text
    assert client.post("/meaning", data={"picture": ""}).status_code == 400


def test_the_page_of_a_pair_leads_to_what_the_model_finds_alike(tmp_path):
    build, path = explored_build(tmp_path), tmp_path / "run/tables/place/0.parquet"
    places = [{"pair_id": id_of(n), "x": n, "y": -n} for n in (4, 6)]
    table = pa.Table.from_pylist(places, TABLES["place"].schema)
    write_part(path, TABLES["place"], table.to_batches())
    with served(build, "--run", tmp_path / "run") as asking:
        page = asking.get(f"/pair/{id_of(4):016x}").text
        assert f"/meaning?like={id_of(4):016x}" in page
        grid = asking.get("/", params={"area": "3,5,-9,9"}).text
        assert grid.count("<figure>") == 1


def test_only_the_samples_of_a_view_are_looked_at(client):
    near = figures(client.get("/meaning", params={"text": "a shape", "q": "circle"}))
    assert len(near) == 12
    assert figures(client.get("/meaning", params={"text": "a shape", "q": "nothing"})) == []


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"like": "zz"}, "expected a key of 16 hex digits"),
        ({"like": "0" * 16}, "no picture of this key has an embedding"),
        ({"text": "a" * 1_001}, "expected at most 1,000 characters"),
        ({"text": "a", "page": "x"}, "expected a number"),
    ],
)
def test_what_is_no_search_is_a_line(client, params, expected):
    answer = client.get("/meaning", params=params)
    assert answer.status_code == 400
    assert expected in answer.text


def test_a_rectangle_of_the_map_is_a_view(world, client):
    page = client.get("/map").text
    path = re.search(r'<path class="points" d="([^"]*)"', page)
    assert path
    assert 40 <= path[1].count("M") <= 48  # equal places are drawn once
    left, width = (float(re.search(rf'data-{n}="([^"]*)"', page)[1]) for n in ("x", "width"))
    area = f"{left},{left + width / 2},-9,9"
    inside = client.get("/map", params={"area": area}).text
    (n,) = re.findall(r"Show the (\d+) samples", inside)
    assert 0 < int(n) < 48
    grid = client.get("/", params={"area": area}).text
    assert grid.count("<figure>") == int(n)
    other = client.get("/", params={"area": f"{left + width / 2},99,-9,9"}).text
    assert other.count("<figure>") == 48 - int(n)


@pytest.mark.parametrize("area", ["1,2,3", "a,b,c,d", "nan,1,1,1", "inf,0,0,0"])
def test_what_is_no_rectangle_is_a_line(client, area):
    answer = client.get("/map", params={"area": area})
    assert answer.status_code == 400
    assert "area" in answer.text


def test_a_map_without_embeddings_names_the_command_that_makes_them(world):
    with served(world / "build") as asking:
        for path in ("/map", "/meaning?text=a"):
            answer = asking.get(path)
            assert answer.status_code == 400
            assert "python -m trainer embed" in answer.text


def model_of(code: str, seconds: float = 30.0) -> EmbeddingModel:
    """A model whose process runs this code."""
    model = EmbeddingModel(None, seconds)
    model.command = [sys.executable, "-c", code]
    return model


def test_a_model_that_cannot_start_says_why(tmp_path):
    model = model_of("import sys; sys.exit('no such run, expected one')")
    with pytest.raises(InputError, match="no such run, expected one"):
        model.of_text("a")
    model.close()


def test_a_model_that_gives_no_answer_is_ended_and_started_again(tmp_path):
    flag = tmp_path / "second"
    code = (
        "import pathlib, sys, time\n"
        f"flag = pathlib.Path({str(flag)!r})\n"
        "again = flag.exists()\n"
        "flag.touch()\n"
        "for line in sys.stdin:\n"
        "    time.sleep(0 if again else 600)\n"
        "    print('{\"embedding\": [1.0]}', flush=True)\n"
    )
    model = model_of(code, seconds=2.0)
    with pytest.raises(InputError, match="it took more than 2 s"):
        model.of_text("a")
    model.seconds = 30.0
    assert model.of_text("a").tolist() == [1.0]
    model.close()


def test_a_corrupt_picture_is_said_to_be_none():
    model = model_of(f"print({json.dumps({'error': 'not_an_image'})!r})")
    with pytest.raises(InputError, match="cannot embed this: not_an_image"):
        model.of_picture(b"x")
    model.close()
