"""`python -m pipeline init TABLE` writes settings that BuildWIT takes, and says what it saw."""

import bz2
import json
import os
import subprocess
import threading
import tomllib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import sources
from pipeline.__main__ import main
from pipeline.settings.whole import load
from pipeline.sources.candidate import SourceError
from pipeline.sources.tables.proposal import propose
from queries.tables.manifest import find
from tests import ROOT
from tests.pipeline.sources.table_source import CAT, DOG, Store, reasons, written
from tests.small_build import LUIGI

OWN = {"url": "link", "caption": "title"}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def init(*arguments: str) -> dict:
    """The source in the TOML that the command writes, which a build would take."""
    assert main(["init", *arguments]) == 0
    (path,) = Path().glob("*.toml")
    settings = load(path)
    sources.check(settings.sources)
    (source,) = tomllib.loads(path.read_text("utf-8"))["sources"]
    return source


LINES = f"link,title\n{CAT},a red cat in the sun\n{DOG},a dog asleep\n"


def test_a_table_is_looked_at_and_what_was_seen_is_said(here, capsys):
    text = f"Bild-URL;Überschrift;Lizenz;Seite\n{CAT};Käse, rot und süß;CC0;http://x.org/page\n" * 3
    written(here / "Meine Rezepte.csv", text.encode("cp1252"))
    assert init("Meine Rezepte.csv", "--contact", "me@example.org") == {
        "kind": "tables",
        "name": "Meine_Rezepte",
        "paths": ["Meine Rezepte.csv"],
        "columns": {
            "url": "Bild-URL",
            "caption": "Überschrift",
            "license": "Lizenz",
            "page_url": "Seite",
        },
        "encoding": "windows-1252",
        "delimiter": ";",
    }
    assert capsys.readouterr().out.splitlines() == [
        "Meine Rezepte.csv: 5 rows looked at",
        "  columns    Bild-URL, Überschrift, Lizenz, Seite",
        '  encoding   "windows-1252"',
        '  delimiter  ";"',
        f"  url        Bild-URL: {CAT}",
        "  caption    Überschrift: Käse, rot und süß",
        "  license    Lizenz: CC0",
        "  page_url   Seite: http://x.org/page",
        "  language   not told by the captions: the queries are English",
        "",
        "wrote Meine_Rezepte.toml; start the build:",
        "  luigi --module pipeline BuildWIT --settings Meine_Rezepte.toml --out Meine_Rezepte",
    ]


def test_a_file_that_exists_is_not_overwritten_without_being_told(here, capsys):
    written(here / "a.csv", LINES)
    init("a.csv")
    written(here / "a.toml", "# mine\n")
    assert main(["init", "a.csv"]) == 2
    assert "a.toml exists: expected --overwrite" in capsys.readouterr().err
    assert (here / "a.toml").read_text() == "# mine\n"
    assert init("a.csv", "--overwrite")["columns"] == OWN
    (here / "inner").mkdir()
    assert main(["init", "a.csv", "--settings", "inner/b.toml"]) == 0
    assert load(here / "inner" / "b.toml").sources[0].paths == (str(here / "inner" / "../a.csv"),)


@pytest.mark.parametrize(
    ("name", "text", "settings"),
    [
        ("a.csv", LINES.replace(",", "\t"), {"delimiter": "\t", "columns": OWN}),
        ("a.txt", LINES.replace(",", "|"), {"delimiter": "|", "columns": OWN}),
        ("a.csv", LINES.encode("utf-16"), {"encoding": "utf-16", "columns": OWN}),
        ("a.csv", LINES.encode("utf-8-sig"), {"encoding": "utf-8", "columns": OWN}),
        (
            "a.csv",
            LINES.replace("a dog asleep", '"a \\"dog\\", big"'),
            {"escapes": True, "columns": OWN},
        ),
        (
            "a.csv",
            f"link,title\na red house,{CAT}\n",
            {"columns": {"url": "title", "caption": "link"}},
        ),
        (
            "a.csv",
            f"7,{CAT},a red cat in the sun\n8,{DOG},a dog\n",
            {"header": ["column_1", "url", "caption"]},
        ),
        ("a.tsv", f'a "red cat\t{CAT}\na dog\t{DOG}\n', {"columns": "cc3m"}),
        ("a.tsv", f"a cat\t{CAT}\tcat\t/m/1\t0.9\n", {"columns": "cc3m"}),
        ("a.tsv", f"{CAT}\ta cat\n", {"columns": "cc12m"}),
        (
            "a.jsonl",
            json.dumps({"image": {"url": CAT}, "texts": ["a cat"]}),
            {"columns": {"url": "image.url", "caption": "texts"}},
        ),
        (
            "a.json",
            json.dumps([{"id": 1, "src": CAT, "alt": "a red cat"}]),
            {"columns": {"url": "src", "caption": "alt"}},
        ),
        (
            "a.json",
            json.dumps({"info": 1, "rows": [{"src": CAT, "alt": "a cat"}]}),
            {"columns": {"url": "src", "caption": "alt"}},
        ),
        (
            "a.json",
            json.dumps({"u": [CAT, DOG], "t": ["a red cat", "a dog"]}),
            {"columns": {"url": "u", "caption": "t"}},
        ),
        (
            "a.json",
            json.dumps({"image_urls": [CAT], "user_ids": ["7"], "captions": ["a cat"]}),
            {"columns": "sbu"},
        ),
        (
            "a.json",
            json.dumps(
                {
                    "images": [{"id": 1, "coco_url": CAT}],
                    "annotations": [{"image_id": 1, "caption": "c"}],
                }
            ),
            {"columns": "coco"},
        ),
        (
            "a.json",
            json.dumps(
                {
                    "annotations": [
                        {
                            "image_id": "b",
                            "subreddit": "cats",
                            "author": "zoe",
                            "url": CAT,
                            "caption": "my cat",
                            "raw_caption": "My CAT",
                            "score": 3,
                            "created_utc": 1,
                            "permalink": "/r/cats",
                        }
                    ]
                }
            ),
            {"columns": {"url": "url", "caption": "caption"}},
        ),
    ],
)
def test_each_form_of_a_table_gives_its_settings(here, name, text, settings):
    written(here / name, text)
    source = init(name)
    assert source.items() >= settings.items()


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ("laion", "SAMPLE_ID URL TEXT HEIGHT WIDTH LICENSE NSFW similarity"),
        ("laion", "URL TEXT"),
        ("laion_coco", "URL TEXT top_caption all_captions WIDTH HEIGHT"),
        (
            "datacomp",
            "uid url text original_width original_height clip_b32_similarity_score sha256",
        ),
        (
            "coyo",
            "id url text width height image_phash watermark_score clip_similarity_vitb32 "
            "clip_similarity_vitl14 nsfw_score_gantman",
        ),
        ({"url": "url", "caption": "text"}, "id url text"),
    ],
)
def test_a_data_set_is_known_by_its_columns(here, columns, names):
    values = {"url": CAT, "text": "a red cat", "all_captions": ["a red cat"]}
    row = {name: values.get(name.lower(), "0") for name in names.split()}
    pq.write_table(pa.Table.from_pylist([row]), here / "a.parquet")
    assert init("a.parquet")["columns"] == columns


def test_a_folder_is_looked_at_in_its_first_table(here):
    from pipeline.sources.tables.ready import READY

    (here / "yfcc").mkdir()
    values = {"title": "a+cat", "download_url": CAT, "page_url": CAT, "marker": "0"}
    line = "\t".join(values.get(name, "") for name in READY["yfcc"].headers[1])
    written(here / "yfcc" / "yfcc100m_dataset-0.bz2", bz2.compress(f"{line}\n".encode() * 2))
    source = init("yfcc")
    assert (source["columns"], source["paths"]) == ("yfcc", ["yfcc"])


@pytest.mark.parametrize(
    "beside", [{"_SUCCESS": ""}, {"LICENSE": "Be kind.\n", "README": ""}, {"a.json": "{}"}]
)
def test_the_table_of_a_folder_is_looked_at_and_not_what_is_beside_it(here, capsys, beside):
    (here / "boats").mkdir()
    for name, text in beside.items():
        written(here / "boats" / name, text)
    written(here / "boats" / "part-0.csv", LINES)
    assert init("boats")["columns"] == OWN
    assert capsys.readouterr().out.startswith("boats/part-0.csv: 2 rows looked at")


def test_a_folder_of_json_alone_is_read_by_init_and_by_a_build(here):
    (here / "cats").mkdir()
    rows = [{"link": CAT, "title": "a red cat"}, {"link": DOG, "title": "a dog asleep"}]
    written(here / "cats" / "a.json", "\n".join(map(json.dumps, rows)))
    written(here / "cats" / "b.json", json.dumps(rows[:1]))
    assert init("cats")["columns"] == OWN
    assert reasons(here / "cats", columns=OWN) == [None] * 3
    written(here / "cats" / "c.csv", LINES)
    assert reasons(here / "cats", columns=OWN) == [None] * 2  # beside a table JSON is about it


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("no.csv", None, "no.csv: expected a table, or a folder of tables, that exists"),
        ("a.csv", "id,text\n1,a cat\n", "expected a column of http addresses and one of texts"),
        ("a.csv", "", "a.csv: cannot be read: the file is empty"),
        ("a.json", '{"vision": {"width": 7}}', "it has: vision.width"),
        ("a.parquet", "no parquet", "a.parquet: cannot be read"),
        ("a.csv.gz", "no gzip", "a.csv.gz: cannot be read"),
        ("a.csv", f"id,link\n1,{CAT}\n", "one of texts; it has: id, link"),
    ],
)
def test_what_no_build_could_read_is_refused_in_one_line(here, capsys, name, text, message):
    if text is not None:
        written(here / name, text)
    assert main(["init", name]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert not list(here.glob("*.toml"))


@pytest.mark.slow
def test_the_settings_make_a_build_at_once(here):
    pytest.importorskip("gensim", reason="the first articles are gensim's test data")
    handler = partial(SimpleHTTPRequestHandler, directory=here)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        lines = ["Adresse;Text"]
        for number in range(12):
            picture = np.random.default_rng(number).integers(0, 255, (96, 96, 3), np.uint8)
            cv2.imwrite(str(here / f"{number}.jpg"), picture)
            address = f"http://127.0.0.1:{server.server_port}/{number}.jpg"
            lines.append(f"{address};the history of the city, café {number}")
        written(here / "mine.csv", "\n".join(lines).encode("cp1252"))
        init("mine.csv")
        command = [LUIGI, "--module", "pipeline", "BuildWIT", "--settings", "mine.toml"]
        done = subprocess.run(
            [*map(str, command), "--out", "mine", "--local-scheduler"],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            timeout=300,
        )
        server.shutdown()
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    samples = pq.read_table(sorted(find("mine").glob("shards/*.parquet")))
    assert "the history of the city, café 3" in samples["caption"].to_pylist()


# --- the language of the captions -----------------------------------------------------------------
SENTENCES = {
    "de": ["ein Hund auf der Wiese", "das Haus mit dem roten Dach", "die Kinder und der Ball"],
    "fr": ["une maison rouge dans les bois", "le chat et les souris", "des fleurs sur la table"],
    "es": ["los perros en el parque", "una casa con la puerta roja", "las flores y el sol"],
    "pt": ["uma casa com a porta da cor do sol", "um gato em cima do muro", "flores para a mesa"],
    "nl": ["een huis met het rode dak", "de kat op het bed", "een boot voor het strand van Texel"],
    "pl": ["dom z czerwonym dachem", "kot na stole i pies", "dzieci w parku nad rzeką"],
    "tr": ["kırmızı bir ev ve bahçe", "bir kedi ile köpek", "çocuklar için bir oyun"],
    "ru": ["красный дом", "кот на столе"],
    "uk": ["червоний дім і кіт", "її сад"],
    "ja": ["赤い家の写真", "猫と犬"],
    "zh": ["红色的房子", "北京的秋天"],
    "ko": ["빨간 집 사진"],
    "ar": ["بيت أحمر في المدينة"],
    "fa": ["گربه و خانه‌ای در چمن"],
    "el": ["κόκκινο σπίτι"],
    "he": ["בית אדום"],
    "th": ["บ้านสีแดง"],
    "hi": ["लाल घर"],
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_table_in_another_language_gets_queries_of_its_wikipedia(here, capsys, language):
    texts = SENTENCES[language] * 3
    lines = (f"http://x.org/{n}.jpg,{text}\n" for n, text in enumerate(texts))
    written(here / "a.csv", "".join(["url,caption\n", *lines]))
    init("a.csv")
    queries = tomllib.loads((here / "a.toml").read_text("utf-8"))["queries"]
    assert queries["wiki"] == language
    assert queries["articles"] == [f"wikimedia:{language}wiki/20261101/multistream"]
    assert f"  language   {language}, as the captions look" in capsys.readouterr().out


@pytest.mark.parametrize(
    "texts",
    [["the dog and the cat", "a house with the red roof", "of a boat"], ["IMG 1", "Ferrari"]],
)
def test_english_and_what_cannot_be_told_get_english_queries(here, texts):
    lines = (f"http://x.org/{n}.jpg,{text}\n" for n, text in enumerate(texts * 3))
    written(here / "a.csv", "".join(["url,caption\n", *lines]))
    init("a.csv")
    assert "wiki" not in tomllib.loads((here / "a.toml").read_text("utf-8"))["queries"]


def test_a_table_at_an_address_of_the_web_is_looked_at(here):
    (here / "in").mkdir()
    written(here / "in" / "a.csv", LINES)
    written(here / "in" / "page", "<html>none</html>")
    with Store(here / "in") as store:
        threading.Thread(target=store.serve_forever, daemon=True).start()
        assert init(store.address("a.csv"))["paths"] == [store.address("a.csv")]
        assert main(["init", store.address("page")]) == 2
        assert main(["init", store.address("none.csv")]) == 2
        store.shutdown()


@pytest.mark.parametrize(
    ("speakers", "column"),
    [  # the form of LLaVA's instructions, and that of chats
        (("from", "value"), "conversations.value"),
        (("role", "content"), "conversations.content"),
    ],
)
def test_who_speaks_is_no_caption(here, speakers, column):
    """Whatever the other texts are: here one word, and the speaker is one of two."""
    who, said = speakers
    rows = [
        {
            "image": f"http://x.org/{n}.jpg",
            "conversations": [{who: "a human person", said: f"w{n}"}, {who: "gpt", said: "yes"}],
        }
        for n in range(12)
    ]
    written(here / "a.json", json.dumps(rows))
    assert propose("a.json").columns["caption"] == column
    for row in rows:
        del row["conversations"][0][said]
    written(here / "a.json", json.dumps(rows))
    with pytest.raises(SourceError, match="one of texts; it has: image, conversations"):
        propose("a.json")
