"""The two verbs of a build on Spark: the same functions, the same SQL files, equal parts.

The only module that imports pyspark; nothing imports it unless a build asks for it. `map` runs one
part as one task, which writes it whole as everywhere; `derive` lets Spark write the rows to a fresh
folder, which its commit protocol makes whole, and copies them in their order to the one part. So
all machines must see the workspace under the same path, or at the same address. A statement over
little is DuckDB's, in the driver: Spark takes half a second for it, however few its rows are.
"""

import os
import re
import shutil
import signal
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from sys import executable
from tempfile import TemporaryDirectory, gettempdir

import pyarrow as pa
from py4j.protocol import Py4JError
from pyspark import Broadcast, SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from queries.engine import BATCH_ROWS, Advance, Batches, Engine, Fetch, Rows
from queries.engine.duck import DuckEngine
from queries.tables import store
from queries.tables.errors import UserError
from queries.tables.parts import read_batches, read_part
from queries.tables.schemas import TABLES

Job = Callable[[], object]
LOOK_S = 1.0  # between two looks at which parts are there
GLOB = re.compile(r"[][{}*?,\\:%#]")  # Hadoop reads these in a path as more than themselves
FAULT = re.compile("\N{START OF HEADING}(.*?)\N{END OF TEXT}", re.DOTALL)
# What Spark and py4j say of a process that is gone, after as many tries as the cluster allows.
GONE = ("ExecutorLost", "exited unexpectedly", "shut down", "cancelled because SparkContext")


@dataclass
class SparkEngine(Engine):
    """Spark for SQL, Spark's Python processes for functions."""

    folder: Path = field(kw_only=True)  # for rows on their way, seen by every machine
    log: Path = field(kw_only=True)  # where Spark's own words go
    master: str = "local[2]"
    memory: str = "4GB"  # of the driver, and of each executor
    partitions: int = 64  # of a shuffle; Spark joins small ones
    derive_in_driver: str = "64MB"  # inputs of a statement that is not worth a job of Spark
    python: str = ""  # on the machines of the cluster; '': the path of this one
    conf: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if GLOB.search(str(self.folder).partition("://")[2] or str(self.folder)):
            raise UserError(f"{self.folder}: expected a path without []{{}}*?,\\:%# for Spark")
        home = os.environ.get("JAVA_HOME")
        if not shutil.which("java", path=f"{home}/bin" if home else None):
            raise UserError(f"--engine spark: no java in {home or 'PATH'}: expected Java 17 or 21")

    def fetch(self, jobs: Mapping[Path, Fetch], advance: Advance) -> None:
        tasks = {path: partial(job, _unheard) for path, job in jobs.items()}
        for path in self._made(tasks, self.fetchers):
            part = read_part(path)
            advance({"": part.rows_kept, "lost": part.rows_dropped}, 0)

    def _made(self, jobs: Mapping[Path, Job], at_once: int) -> Iterator[Path]:
        if not jobs:
            return
        context = self.session.sparkContext
        shipped = context.broadcast(list(jobs.items()))
        # A task costs a tenth of a second. Of a cluster, all cores may not have come yet.
        few = 2 * context.defaultParallelism if str(context.master).startswith("local") else at_once
        numbers = self.session.range(0, len(jobs), 1, min(at_once, len(jobs), few))
        tasks = numbers.mapInArrow(lambda batches: _work(shipped, batches), numbers.schema)
        with ThreadPoolExecutor(1) as thread, _one_line():
            running = thread.submit(tasks.write.format("noop").mode("append").save)
            try:
                yield from _as_they_come(list(jobs), running)
            except BaseException:
                context.cancelAllJobs()
                raise
            shipped.destroy()

    @contextmanager
    def _selected(self, sql: str, inputs: Mapping[str, Rows]) -> Iterator[Iterator[pa.RecordBatch]]:
        if sum(map(_n_bytes, inputs.values())) <= _parsed(self.derive_in_driver):
            with self._driver.connect(inputs) as connection:
                yield connection.sql(sql).to_arrow_reader(BATCH_ROWS)
            return
        for name, rows in inputs.items():
            self._frame(name, rows).createOrReplaceTempView(name)
        with self._fresh() as fresh:
            with _one_line():
                self.session.sql(sql).write.parquet(_in_hadoop(fresh / "rows"))
            yield _in_order(fresh / "rows")

    @contextmanager
    def _fresh(self) -> Iterator[Path]:
        """A folder that all machines see, removed at the end."""
        if not store.is_store(self.folder):
            with TemporaryDirectory(dir=self.folder, prefix="derive-") as fresh:
                yield Path(fresh)
            return
        at_address = self.folder / f"derive-{uuid.uuid4().hex}"
        try:
            yield at_address
        finally:
            store.clear(at_address)

    def _frame(self, name: str, rows: Rows) -> DataFrame:
        if isinstance(rows, pa.Table) or not rows:
            table = rows if isinstance(rows, pa.Table) else TABLES[name].empty()
            return self.session.createDataFrame(table)
        schema = from_arrow_schema(TABLES[name].schema)
        return self.session.read.schema(schema).parquet(*map(_in_hadoop, rows))

    @cached_property
    def _driver(self) -> DuckEngine:
        scratch = None if store.is_store(self.folder) else self.folder
        return DuckEngine(workers=1, memory="1GB", scratch=scratch)

    @cached_property
    def session(self) -> SparkSession:
        """Started when it is needed; what spark-submit was told counts before the settings."""
        os.environ["PYSPARK_PYTHON"] = self.python or os.environ.get("PYSPARK_PYTHON") or executable
        submitted = "PYSPARK_GATEWAY_PORT" in os.environ
        try:
            with _own_signals(), _words_to(None if submitted else self.log):
                if submitted:
                    SparkContext._ensure_initialized()  # its settings are where conf begins
                conf = SparkConf()
                for key, value in {**self._defaults(), **self.conf}.items():
                    conf.setIfMissing(key, value)
                return SparkSession.builder.config(conf=conf).getOrCreate()
        except (PySparkException, Py4JError, ConnectionError) as error:
            message = " ".join(str(error).splitlines()[:2])
            raise UserError(f"no session of Spark: {message}; {self.log} says more") from None

    def _defaults(self) -> dict[str, str]:
        memory = self.memory.removesuffix("B").lower()  # 4GB is 4g
        scratch = gettempdir() if store.is_store(self.folder) else str(self.folder)
        settings = {
            "spark.app.name": "buildwit",
            "spark.master": self.master,
            "spark.driver.memory": memory,
            "spark.executor.memory": memory,
            "spark.sql.shuffle.partitions": str(self.partitions),
            "spark.sql.warehouse.dir": f"file://{scratch}",
            "spark.speculation": "false",  # a second try at a fetch would ask hosts twice
            "spark.ui.enabled": "false",
        }
        if self.master.startswith("local"):
            loopback = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
            settings |= {**loopback, "spark.local.dir": scratch}
            # One process with few cores: what matters is how much it gets done, not its pauses.
            settings["spark.driver.extraJavaOptions"] = "-XX:+UseParallelGC"
        return settings

    def close(self) -> None:
        if "session" in vars(self):
            self.session.stop()
            del self.session


def _parsed(memory: str) -> int:
    """
    >>> _parsed("64MB")
    64000000
    """
    return int(memory[:-2]) * (10**9 if memory.endswith("GB") else 10**6)


def _n_bytes(rows: Rows) -> int:
    """Of a table in memory, or of files: a store is asked for a listing of each folder."""
    if isinstance(rows, pa.Table):
        return rows.nbytes
    if rows and store.is_store(rows[0]):
        fs = store.with_listings(rows)
        return sum(fs.info(store.key_of(path))["size"] for path in rows)
    return sum(path.stat().st_size for path in rows)


def _in_hadoop(path: Path) -> str:
    """What Spark calls a file: S3 is s3a there, by a library that Spark does not bring.

    >>> _in_hadoop(Path("/shared/wit"))
    'file:///shared/wit'
    """
    if not store.is_store(path):
        return f"file://{path}"
    return re.sub("^s3://", "s3a://", str(path))


def _work(shipped: "Broadcast[list[tuple[Path, Job]]]", numbers: Batches) -> Batches:
    """In a process of Spark's: make the parts of these numbers, those that are not there."""
    for batch in numbers:
        for number in batch["id"].to_pylist():
            path, job = shipped.value[number]
            if path.exists():  # made by an earlier try at this task
                continue
            try:
                job()
            except (UserError, OSError) as error:
                if not path.exists():
                    raise RuntimeError(f"\N{START OF HEADING}{error}\N{END OF TEXT}") from None
        yield batch


def _unheard(reasons: dict[str, int], waiting: int) -> None:
    """How a fetch on another machine goes is in its log."""


def _as_they_come(paths: Sequence[Path], running: "Future[None]") -> Iterator[Path]:
    """Each path when it is there; at the end, the fault of what was to make them."""
    left = dict.fromkeys(paths)
    ended = False
    while not ended:
        ended = bool(wait([running], LOOK_S).done)
        for path in sorted(store.there(list(left))):
            del left[path]
            yield path
    running.result()
    for path in left:
        raise UserError(f"{path}: made, but not to be seen here; expected a folder that all share")


def _in_order(folder: Path) -> Iterator[pa.RecordBatch]:
    """The rows that Spark wrote, in the order of its partitions: part-00000-…, part-00001-…"""
    for path in sorted(folder.glob("part-*"), key=lambda path: int(path.name.split("-")[1])):
        yield from read_batches(path, BATCH_ROWS)


@contextmanager
def _one_line() -> Iterator[None]:
    """Spark's errors as what they come from: a part's fault, or a process that is gone."""
    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        message = str(error)
        if fault := FAULT.search(message):
            raise UserError(fault[1]) from None
        if isinstance(error, ConnectionError) or any(word in message for word in GONE):
            raise BrokenExecutor(message) from None
        raise


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the signal handler of Ctrl-C: a Spark session replaces it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _words_to(log: Path | None) -> Iterator[None]:
    """Let a program that is started inside write to this file what it would write to the screen."""
    if log is None:
        yield
        return
    screen = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen)
