"""Who may import whom, and what every SQL file says of itself: docs/design.md."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
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
COMPOSERS = {
    "pipeline/tasks/queries.py",
    "pipeline/tasks/pairs.py",
    "pipeline/tasks/pictures.py",
    "pipeline/tasks/build_wit.py",
    "pipeline/tasks/stage.py",
    "pipeline/__init__.py",
    "pipeline/__main__.py",
    "pipeline/takedown/command.py",
}
GROUND = {
    "pipeline.settings.values",
    "pipeline.settings.fetch",
    "pipeline.web.reading",
    "pipeline.web.retry_after",
    "pipeline.settings.scorers",
    "pipeline.settings.whole",
    "pipeline.settings.sources",
    "pipeline.workspace.takedown_log",
    "pipeline.text",
}
OWN_PARTS = {
    "pipeline/workspace/folder.py": {"pipeline.workspace.lease"},
    "pipeline/wikipedia/__init__.py": {
        "pipeline.wikipedia.markup",
        "pipeline.wikipedia.plain_files",
        "pipeline.wikipedia.export",
    },
    "pipeline/wikipedia/export.py": {
        "pipeline.wikipedia.markup",
        "pipeline.wikipedia.streams",
        "pipeline.wikipedia.plain_files",
    },
    "pipeline/web/download.py": {"pipeline.web.client"},
    "pipeline/sources/search.py": {"pipeline.web.client"},
    "pipeline/sources/openverse.py": {"pipeline.web.client"},
    "pipeline/web/wikimedia.py": {"pipeline.web.client", "pipeline.web.download"},
    "pipeline/match/__init__.py": {
        "pipeline.text.arrays",
        "pipeline.match.kernel",
        "pipeline.match.tables",
    },
    "pipeline/match/tables.py": {"pipeline.text.arrays"},
    "pipeline/match/kernel.py": {"pipeline.match.tables"},
    "pipeline/match/person_terms.py": {"pipeline.match"},
    "pipeline/filters/rows.py": {
        "pipeline.filters.captions",
        "pipeline.filters.language",
        "pipeline.filters.hosts",
    },
    "pipeline/filters/captions.py": {
        "pipeline.match",
        "pipeline.match.tables",
        "pipeline.text.arrays",
        "pipeline.filters.hosts",
    },
    "pipeline/filters/hosts.py": {"pipeline.web.url"},
    "pipeline/filters/exclusions.py": {"pipeline.filters.hosts", "pipeline.sources.candidate"},
    "pipeline/fetch/part.py": {"pipeline.fetch.log", "pipeline.images.parts"},
    "pipeline/images/scorers.py": {"pipeline.images.judge", "pipeline.images.parts"},
    "pipeline/images/judge.py": {"queries.pixels.header"},
    "pipeline/fetch/hosts.py": {"pipeline.settings.fetch", "pipeline.web.robots"},
    "pipeline/fetch/wire.py": {"pipeline.web.url", "pipeline.web.robots"},
    "pipeline/sources/crawl/files.py": {"pipeline.web.client"},
    "pipeline/fetch/guard.py": {
        "pipeline.fetch.hosts",
        "pipeline.settings.fetch",
        "pipeline.web.url",
        "pipeline.fetch.wire",
        "pipeline.web.robots",
    },
    "pipeline/fetch/shard.py": {
        "pipeline.fetch.hosts",
        "pipeline.images.judge",
        "pipeline.fetch.guard",
        "pipeline.web.url",
    },
    "pipeline/report/gallery.py": {"queries.pixels.header"},
    "pipeline/report/page.py": {
        "pipeline.report.charts",
        "pipeline.report.gallery",
        "pipeline.report.run",
    },
    "pipeline/takedown/find.py": {
        "pipeline.filters.exclusions",
        "pipeline.images.parts",
        "pipeline.report.gallery",
        "pipeline.takedown.files",
    },
    "pipeline/takedown/work.py": {
        "pipeline.filters.exclusions",
        "pipeline.images.parts",
        "pipeline.takedown.files",
    },
    "pipeline/takedown/versions.py": {
        "pipeline.publish.card",
        "pipeline.images.parts",
        "pipeline.publish.version",
        "pipeline.report.page",
        "pipeline.takedown.files",
    },
    "pipeline/takedown/verify.py": {"pipeline.takedown.files", "pipeline.takedown.find"},
    "pipeline/fetch/worker.py": {
        "pipeline.fetch.hosts",
        "pipeline.fetch.guard",
        "pipeline.settings.fetch",
        "pipeline.fetch.shard",
    },
}


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


def test_no_import_goes_in_a_circle():
    """Late imports count, too; only a package's own name, which stands for its tasks, does not."""
    files = {name(path).removesuffix(".py").replace("/", "."): path for path in MODULES}
    graph = {one: imports(path) & files.keys() - {one} for one, path in files.items()}
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


def test_nothing_of_spark_is_imported_without_being_asked_for():
    code = "import sys, pipeline.tasks.build_wit; print({'pyspark', 'py4j'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_stage_modules_never_import_each_other(path):
    if path.relative_to(ROOT).parts[0] != "pipeline" or name(path) in COMPOSERS:
        return
    allowed = GROUND | OWN_PARTS.get(name(path), set())
    if path.parent.name == "sources":
        allowed |= {f"pipeline.sources.{one.stem}" for one in path.parent.glob("*.py")}
    modules = {"pipeline." + one.stem for one in (ROOT / "pipeline").glob("*.py")}
    modules |= {"pipeline.sources." + one.stem for one in (ROOT / "pipeline/sources").glob("*.py")}
    named = imports(path) & modules
    assert named <= allowed


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
