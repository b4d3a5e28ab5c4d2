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
    "duckdb": {"queries/duck.py"},
    "pyspark": {"queries/spark.py"},
    "py4j": {"queries/spark.py"},
    "luigi": {"pipeline/picture_tasks.py", "pipeline/stage.py"},
    "img2dataset": {"pipeline/fetch_worker.py"},
    "numba": {"pipeline/match_numba.py"},
}
COMPOSERS = {
    "pipeline/query_tasks.py",
    "pipeline/pair_tasks.py",
    "pipeline/picture_tasks.py",
    "pipeline/tasks.py",
    "pipeline/stage.py",
    "pipeline/__init__.py",
    "pipeline/__main__.py",
    "pipeline/takedown.py",
}
GROUND = {
    "pipeline.fields",
    "pipeline.guard_settings",
    "pipeline.reading",
    "pipeline.retry_after",
    "pipeline.scorer_settings",
    "pipeline.settings",
    "pipeline.source_settings",
    "pipeline.taken_down",
    "pipeline.text",
}
OWN_PARTS = {
    "pipeline/workspace.py": {"pipeline.lease"},
    "pipeline/wikipedia.py": {"pipeline.wikitext", "pipeline.wiki_text", "pipeline.wiki_xml"},
    "pipeline/wiki_xml.py": {"pipeline.wikitext", "pipeline.wiki_streams", "pipeline.wiki_text"},
    "pipeline/download.py": {"pipeline.client"},
    "pipeline/sources/search.py": {"pipeline.client"},
    "pipeline/sources/openverse.py": {"pipeline.client"},
    "pipeline/dumps.py": {"pipeline.client", "pipeline.download"},
    "pipeline/match.py": {"pipeline.text_arrow", "pipeline.match_numba", "pipeline.match_tables"},
    "pipeline/match_tables.py": {"pipeline.text_arrow"},
    "pipeline/match_numba.py": {"pipeline.match_tables"},
    "pipeline/person_terms.py": {"pipeline.match"},
    "pipeline/filters.py": {"pipeline.captions", "pipeline.language", "pipeline.urls"},
    "pipeline/captions.py": {
        "pipeline.match",
        "pipeline.match_tables",
        "pipeline.text_arrow",
        "pipeline.urls",
    },
    "pipeline/urls.py": {"pipeline.guard_url"},
    "pipeline/exclusions.py": {"pipeline.urls", "pipeline.sources.rows"},
    "pipeline/fetch.py": {"pipeline.fetch_log", "pipeline.image_parts"},
    "pipeline/scorers.py": {"pipeline.guard_image", "pipeline.image_parts"},
    "pipeline/guard_image.py": {"pipeline.image_header"},
    "pipeline/guard_hosts.py": {"pipeline.guard_settings", "pipeline.robots"},
    "pipeline/guard_wire.py": {"pipeline.guard_url", "pipeline.robots"},
    "pipeline/sources/crawl_files.py": {"pipeline.client"},
    "pipeline/guard_net.py": {
        "pipeline.guard_hosts",
        "pipeline.guard_settings",
        "pipeline.guard_url",
        "pipeline.guard_wire",
        "pipeline.robots",
    },
    "pipeline/guard_shard.py": {
        "pipeline.guard_hosts",
        "pipeline.guard_image",
        "pipeline.guard_net",
        "pipeline.guard_url",
    },
    "pipeline/report_gallery.py": {"pipeline.image_header"},
    "pipeline/report.py": {
        "pipeline.report_charts",
        "pipeline.report_gallery",
        "pipeline.report_run",
    },
    "pipeline/takedown_find.py": {
        "pipeline.exclusions",
        "pipeline.image_parts",
        "pipeline.report_gallery",
        "pipeline.takedown_files",
    },
    "pipeline/takedown_work.py": {
        "pipeline.exclusions",
        "pipeline.image_parts",
        "pipeline.takedown_files",
    },
    "pipeline/takedown_versions.py": {
        "pipeline.card",
        "pipeline.image_parts",
        "pipeline.publish",
        "pipeline.report",
        "pipeline.takedown_files",
    },
    "pipeline/takedown_verify.py": {"pipeline.takedown_files", "pipeline.takedown_find"},
    "pipeline/fetch_worker.py": {
        "pipeline.guard_hosts",
        "pipeline.guard_net",
        "pipeline.guard_settings",
        "pipeline.guard_shard",
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
    code = "import sys, pipeline.tasks; print({'pyspark', 'py4j'} & set(sys.modules))"
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
