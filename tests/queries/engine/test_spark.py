"""The engine on Spark beside DuckDB: equal parts, equal rows in equal order, and faults told."""

import random
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.settings.whole import SparkSettings
from queries.engine import DERIVE, MapInput
from queries.engine.duck import DuckEngine
from queries.tables.errors import InputError, UserError
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.queries.engine.spark_cluster import JAVA, spark_home
from tests.tables import build_row, rows

pytestmark = pytest.mark.slow
DERIVED = sorted(path.stem for path in (DERIVE).glob("*.sql"))
IN_NO_ORDER = {"standing", "open_match"}  # as their headers say
KEYS = {
    "attempt": ("pair_id", "attempt"),
    "corpus": (),
    "entry": ("rank",),
    "crowd": ("bits", "phash"),
    "fetched": ("pair_id", "attempt"),
    "filtered": ("source", "row"),
    "head": ("query_id",),
    "language_cap": ("language",),
    "language_quota": ("language",),
    "ngram": ("first", "second"),
    "now": (),
    "outcome": ("pair_id",),
    "page": ("page_id",),
    "pair": ("pair_id",),
    "policy": ("signal",),
    "pooled": ("pair_id",),
    "query": ("query_id",),
    "query_cap": ("query_id",),
    "query_list": ("language",),
    "redirect": ("page_id",),
    "request": ("pair_id",),
    "scored": ("pair_id", "image_part", "scorer"),
    "scorer": ("scorer",),
    "suppressed": ("pair_id",),
    "verdict": ("pair_id",),
}
WORDS = {
    "source": ["word", "bigram", "title", "wordnet"],
    "entered_by": ["word", "bigram", "title", "wordnet"],
    "kind": ["url", "host", "pair_id", "sha256", "phash", "md5", "sha1", "pdq"],
    "url_key": ["http://a.org/1", "http://a.org/2", "http://b.org:80/1", "no address"],
    "policy": ["obey", "record"],
    "fate": ["compared", "split", "skipped"],
    "host": ["a.org", "b.org:80", "c.org"],
    "language": ["en", "de", "zh"],
    "query_language": ["en", "de", "zh", "other"],
}
TEXTS = [
    "",
    "a",
    "B",
    "b",
    "é",
    "straße",
    "İstanbul",
    "狗",
    "🐕",
    "a b",
    "zz",
    "http://a.org/1",
    "7",
]


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    spark_home()
    from queries.engine.spark import SparkEngine

    folder = tmp_path_factory.mktemp("spark")
    conf = {"spark.driver.extraJavaOptions": JAVA}
    engine = SparkEngine(
        folder=folder,
        log=folder / "log",
        memory="1GB",
        partitions=3,
        derive_in_driver="0MB",
        conf=conf,
        quiet=True,
    )
    yield engine
    engine.close()


@pytest.fixture
def duck():
    return DuckEngine(workers=1, quiet=True)


# --- derive ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", DERIVED)
def test_each_sql_file_gives_equal_rows_in_equal_order(spark, duck, tmp_path, name):
    for seed in range(2):
        chance = random.Random(f"{name} {seed}")
        texts = chance.sample(TEXTS, 3)  # few, so that they meet
        given = {one: drawn(one, texts, chance) for one in inputs_of(name)}
        found = []
        for engine in (duck, spark):
            out = tmp_path / f"{type(engine).__name__}{seed}.parquet"
            engine.derive(DERIVE / f"{name}.sql", given, out)
            rows_of = pq.read_table(out)
            found.append(in_order(rows_of) if name in IN_NO_ORDER else rows_of)
        assert found[0].to_pylist() == found[1].to_pylist()


def inputs_of(name: str) -> list[str]:
    text = (DERIVE / f"{name}.sql").read_text()
    (lines,) = re.findall(r"^-- inputs: ((?:.*,\n-- )*.*)", text, re.M)
    listed = lines.replace("\n-- ", " ").split(",")
    return [one.split()[0] for one in listed if one.split()[0] in TABLES]


def in_order(table: pa.Table) -> pa.Table:
    return table.sort_by([(one, "ascending") for one in table.schema.names])


def drawn(name: str, texts: list[str], chance: random.Random) -> pa.Table:
    """Rows with ties, nulls and other scripts; a key that the table's grain promises is kept."""
    if name == "build":
        return build_row(
            near_bits=chance.choice([-1, 2]),
            boilerplate_max=chance.choice([0, 1]),
            word_per_million=chance.choice([0.0, 30_000.0]),
        )
    key = KEYS.get(name)
    found: dict[object, dict] = {}
    for number in range(60):
        row: dict = {}
        for one in TABLES[name].schema:
            row[one.name] = value(one, row, texts, chance)
        found.setdefault(number if key is None else tuple(row[one] for one in key), row)
    return rows(name, *found.values())


def value(column: pa.Field, row: dict, texts: list[str], chance: random.Random) -> object:
    if column.nullable and chance.random() < 0.3:
        return None
    match column.name:
        case "reason":
            return chance.choice(["not_found", "timeout"])
        case "priority":  # decided by the pair, with ties
            return row["pair_id"] * 7919 % 13 << 59
        case "reach":
            return chance.choice([2.0**61, 2.0**62, 2.0**63])
        case "place" if "language" in row:  # each list has a place of its own
            return WORDS["language"].index(row["language"])
        case "most" | "most_alike":
            return 3
        case "most_split":
            return 9
    if pa.types.is_boolean(column.type):
        return chance.random() < 0.5
    if pa.types.is_string(column.type):
        return chance.choice(WORDS.get(column.name, texts))
    if pa.types.is_boolean(column.type):
        return chance.random() < 0.5
    if pa.types.is_floating(column.type):
        return chance.choice([0.0, 0.5, 2.25, 7.0])
    if column.name == "phash":
        return (1 << 40) * chance.randint(-3, 3) + chance.randint(0, 3)
    return chance.randint(0, 20)


def test_a_derived_part_is_equal_byte_for_byte(spark, duck, tmp_path):
    chance = random.Random(5)
    ids = [chance.getrandbits(63) for _ in range(200_000)]
    match = pa.table(
        {"pair_id": ids, "query_id": [one % 97 for one in ids], "priority": ids[::-1]},
        TABLES["match"].schema,
    )
    path = write_part(tmp_path / "match.parquet", TABLES["match"], match.to_batches()).path
    pair = rows("pair", *({"pair_id": one} for one in ids[::2]))
    given = {"match": [path, path], "pair": pair}
    made = [
        engine.derive(
            DERIVE / "pair_match.sql", given, tmp_path / f"{number}.parquet"
        ).path.read_bytes()
        for number, engine in enumerate((duck, spark))
    ]
    assert made[0] == made[1]


def test_a_statement_over_little_is_run_in_the_driver_without_a_session(duck, tmp_path):
    spark_home()
    from queries.engine.spark import SparkEngine

    pair = rows("pair", *({"pair_id": one} for one in range(9)))
    match = rows("match", *({"pair_id": one % 12, "query_id": one} for one in range(99)))
    path = write_part(tmp_path / "match.parquet", TABLES["match"], match.to_batches()).path
    small = SparkEngine(folder=tmp_path, log=tmp_path / "log", quiet=True)
    made = [
        engine.derive(DERIVE / "pair_match.sql", {"match": [path], "pair": pair}, tmp_path / name)
        for name, engine in {"duck.parquet": duck, "driver.parquet": small}.items()
    ]
    assert made[0].path.read_bytes() == made[1].path.read_bytes()
    assert "session" not in vars(small)


# --- map ------------------------------------------------------------------------------------------
def doubled(batches):
    for batch in batches:
        ids = pa.array([2 * one for one in batch["pair_id"].to_pylist()], pa.int64())
        yield pa.RecordBatch.from_arrays([ids], schema=TABLES["suppressed"].schema)


def wrong(batches):
    raise InputError(f"{next(batches).num_rows} rows are\ntoo many")
    yield


@pytest.fixture
def inputs(tmp_path):
    given = [rows("suppressed", *({"pair_id": 9 * n + m} for m in range(5))) for n in range(4)]
    parts = [
        write_part(tmp_path / f"in{n}.parquet", TABLES["suppressed"], one.to_batches()).path
        for n, one in enumerate(given[:2])
    ]
    return [MapInput(f"part{n}", one) for n, one in enumerate([*parts, *given[2:]])]


@pytest.mark.parametrize("in_turn", [False, True])
def test_map_makes_the_same_files(spark, duck, tmp_path, inputs, in_turn):
    made = [
        engine.map("double", doubled, inputs, TABLES["suppressed"], folder, in_turn=in_turn)
        for engine, folder in ((duck, tmp_path / "duck"), (spark, tmp_path / "spark"))
    ]
    files = [[part.path.read_bytes() for part in parts] for parts in made]
    assert files[0] == files[1]
    assert [part.rows_in for part in made[1]] == [5, 5, 5, 5]


def test_a_fault_in_a_process_of_spark_is_told_as_it_was(spark, tmp_path, inputs):
    with pytest.raises(UserError, match=r"^5 rows are\ntoo many$"):
        spark.map("wrong", wrong, inputs, TABLES["suppressed"], tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.parquet"))


# --- at the door ----------------------------------------------------------------------------------
def test_without_java_one_line_says_so(tmp_path, monkeypatch):
    spark_home()
    from queries.engine.spark import SparkEngine

    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match="expected Java 17 or 21"):
        SparkEngine(folder=tmp_path, log=tmp_path / "log")


def test_a_folder_that_spark_would_read_as_a_pattern_is_refused(tmp_path):
    spark_home()
    from queries.engine.spark import SparkEngine

    with pytest.raises(UserError, match="expected a path without"):
        SparkEngine(folder=Path("/data/{a,b}"), log=tmp_path / "log")


@pytest.mark.parametrize(
    "wrong",
    [
        {"master": "http://a.org"},
        {"conf": {"driver.memory": "4g"}},
        {"memory": "4 gigabytes"},
        {"fetchers": 0},
    ],
)
def test_settings_that_spark_could_not_follow_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SparkSettings(**wrong)
