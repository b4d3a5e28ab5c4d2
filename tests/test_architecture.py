"""Who may import whom, and what every SQL file says of itself: docs/design.md."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests import ROOT

ROOMS = ("queries", "pipeline", "trainer")
MODULES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
SQL = sorted((ROOT / "queries").rglob("*.sql"))

ONLY_IN = {
    "duckdb": {"queries/engine/duck.py"},
    "pyspark": {"queries/engine/spark.py"},
    "py4j": {"queries/engine/spark.py"},
    "luigi": {"pipeline/tasks/pictures.py", "pipeline/tasks/stage.py"},
    "img2dataset": {"pipeline/fetch/worker.py"},
    "numba": {"pipeline/match/kernel.py"},
}
# Which package may import which. The roots (`__init__`, `__main__`) and `tasks`, which compose the
# stages, may import every package of their room.
ARROWS = {
    "queries.engine": "processes tables",
    "pipeline.settings": "",
    "pipeline.text": "",
    "pipeline.selection": "",
    "pipeline.report": "",
    "pipeline.match": "text",
    "pipeline.web": "settings",
    "pipeline.workspace": "images settings",
    "pipeline.publish": "settings text",
    "pipeline.images": "settings",
    "pipeline.query_list": "text web",
    "pipeline.wikipedia": "web",
    "pipeline.rights": "settings web",
    "pipeline.sources": "rights settings web",
    "pipeline.filters": "match rights settings text web",
    "pipeline.fetch": "images rights settings web",
    "pipeline.explore": "text",
    "pipeline.takedown": "filters images publish report settings workspace",
    "trainer.model": "run_folder settings",
    "trainer.data": "model settings",
    "trainer.training": "data model run_folder settings",
    "trainer.evaluation": "data model run_folder settings",
    "trainer.copies": "data model settings training",
    "trainer.embeddings": "data model run_folder settings",
    "trainer.overlap": "copies data evaluation model run_folder settings",
    "trainer.compare": "data evaluation model run_folder settings training",
    "trainer.commands": (
        "compare copies data embeddings evaluation model overlap run_folder settings training"
    ),
}
COMPOSERS = {"pipeline", "pipeline.__main__", "pipeline.tasks", "trainer.__main__"}
# Folders without tests of their own, and where the tests of what calls them stand.
TESTED_ELSEWHERE = {
    "queries/explore": "pipeline/explore",
    "queries/report": "pipeline/report",
    "queries/tables/schemas": "queries/tables",
    "trainer/commands": "trainer/training/test_run.py",
}
MOST_MODULES = 16  # of a folder
MOST_PACKAGES = {"pipeline": 18, "trainer": 10}
MOST_FLOORS = {"pipeline": 7, "trainer": 8}


def imports(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    """A file's name in an import."""
    return name(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_no_import_goes_in_a_circle():
    """Late imports count, too; what a file takes of a package's own face does not."""
    files = {dotted(path): path for path in MODULES}
    graph = {}
    for one, path in files.items():
        faces = {one, one.rpartition(".")[0], one.split(".")[0]}
        graph[one] = imports(path) & files.keys() - faces
    assert len(list(TopologicalSorter(graph).static_order())) == len(files)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_rooms_keep_apart(path):
    forbidden = {
        "queries": {"pipeline", "trainer"},
        "pipeline": {"trainer"},
        "trainer": {"pipeline"},
    }[path.relative_to(ROOT).parts[0]]
    assert not {one.split(".")[0] for one in imports(path)} & forbidden


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_each_engine_is_imported_in_one_place(path):
    for package, places in ONLY_IN.items():
        if name(path) not in places:
            assert package not in {one.split(".")[0] for one in imports(path)}


LIGHT = """
import sys, pipeline, pipeline.fetch.worker, pipeline.fetch.shard
print({"luigi", "duckdb", "torch", "wandb"} & set(sys.modules))
from pipeline import BuildWIT
print(BuildWIT.__name__, "luigi" in sys.modules)
"""


def test_tasks_are_loaded_only_when_somebody_asks_for_them():
    command = [sys.executable, "-c", LIGHT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines() == ["set()", "BuildWIT True"]


def test_nothing_of_spark_is_imported_without_being_asked_for():
    code = "import sys, pipeline.tasks.build_wit; print({'pyspark', 'py4j'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def package(module: str) -> str:
    """
    >>> package("pipeline.sources.crawl.warc"), package("trainer.settings"), package("pipeline")
    ('pipeline.sources', 'trainer.settings', 'pipeline')
    """
    return ".".join(module.split(".")[:2])


def arrows(path: Path) -> set[str]:
    """The other packages of its own room that a file imports."""
    room, own = path.relative_to(ROOT).parts[0], package(dotted(path))
    within = {one for one in imports(path) if one.split(".")[0] == room}
    modules = {dotted(other) for other in MODULES}
    return {package(one) for one in within if one in modules} - {own, room}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_packages_import_only_what_stands_below_them(path):
    own = package(dotted(path))
    if own in COMPOSERS or (own.split(".")[0] == "queries" and own not in ARROWS):
        return
    room = own.split(".")[0]
    allowed = {f"{room}.{one}" for one in ARROWS.get(own, "").split()}
    assert arrows(path) <= allowed


def test_each_arrow_is_used():
    """Or the table would allow what nobody needs."""
    used: dict[str, set[str]] = {}
    for path in MODULES:
        own = package(dotted(path))
        used.setdefault(own, set()).update(arrows(path))
    for own, allowed in ARROWS.items():
        room = own.split(".")[0]
        assert used[own] == {f"{room}.{one}" for one in allowed.split()}, own


@pytest.mark.parametrize("room", MOST_FLOORS)
def test_a_room_has_few_packages_on_few_floors(room):
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        if path.relative_to(ROOT).parts[0] == room:
            graph.setdefault(package(dotted(path)), set()).update(arrows(path))
    order = list(TopologicalSorter(graph).static_order())  # raises on a circle
    floor: dict[str, int] = {}
    for one in order:
        floor[one] = 1 + max((floor[below] for below in graph.get(one, ())), default=0)
    assert max(floor.values()) <= MOST_FLOORS[room]
    folders = [one for one in order if (ROOT / one.replace(".", "/")).is_dir()]
    assert len(folders) - 1 <= MOST_PACKAGES[room]  # less the room itself


def test_a_folder_is_read_in_one_look():
    folders = {path.parent for path in MODULES}
    crowded = {folder for folder in folders if len(list(folder.glob("*.py"))) > MOST_MODULES}
    assert not crowded


def folders(root: Path) -> set[str]:
    """The folders of the rooms below the root that have code, such as pipeline/sources/crawl."""
    paths = [path for room in ROOMS for path in (root / room).rglob("*")]
    code = [path for path in paths if path.suffix in (".py", ".sql")]
    return {path.parent.relative_to(root).as_posix() for path in code}


def test_tests_stand_in_folders_as_the_code_does():
    assert folders(ROOT) - folders(ROOT / "tests") == set(TESTED_ELSEWHERE)
    assert not folders(ROOT / "tests") - folders(ROOT)
    for where in TESTED_ELSEWHERE.values():
        assert (ROOT / "tests" / where).exists()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_what_is_private_stays_in_its_package(path):
    own = dotted(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ROOMS:
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            assert not private or node.module.startswith(own)


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_every_module_says_what_it_is_for(path):
    if path.read_text().strip():
        assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SQL, ids=name)
def test_sql_has_a_header_and_one_portable_statement(path):
    title, *_ = lines = path.read_text().splitlines()
    assert title.startswith("-- ")
    assert any(line.startswith("-- grain: ") for line in lines)
    assert any(line.startswith("-- inputs: ") for line in lines)
    code = "\n".join(line for line in lines if not line.startswith("--")).upper()
    assert ";" not in code
    for word in ("QUALIFY", "LOWER(", "UPPER(", "REGEXP", "LOG(", "HASH("):
        assert word not in code
