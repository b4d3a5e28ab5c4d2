"""What every task of the build is: a stage, named by a digest of all that decides its rows.

A stage declares the tables that it reads and makes. Its output is a listing of the parts it made,
so what has not changed is never made again.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import ClassVar

import luigi
import pyarrow as pa
from luigi.rpc import RPCError

from pipeline.settings.text import TextSettings
from pipeline.settings.whole import SAMPLE, QuerySettings, Settings
from pipeline.tasks.opening import Options, check_pairs, open_workspace, opened_workspace
from pipeline.text.folding import default_rules
from pipeline.text.share import unspaced_share
from pipeline.text.tokeniser import Tokeniser
from pipeline.workspace.endings import ending_in_one_line, interruptible
from pipeline.workspace.folder import Workspace
from queries.engine import DERIVE, MapFunction, MapInput
from queries.tables.parts import Part, digest, read_parts, write_json
from queries.tables.schemas import TABLES

# What a bare `luigi --module pipeline BuildWIT` does where no configuration says otherwise: it runs
# without a luigid, a failed task is a failed command, and our progress stands for Luigi's log.
# Luigi's own lock refuses a command that is spelt alike in another folder, and its folder in /tmp
# refuses all users but the first: a workspace has a lock of its own.
LUIGI = {
    "core": {
        "local_scheduler": "true",
        "log_level": "WARNING",
        "autoload_range": "false",
        "no_lock": "true",
    },
    "retcode": {
        "already_running": "10",
        "missing_data": "20",
        "not_run": "25",
        "task_failed": "30",
        "scheduling_error": "35",
        "unhandled_exception": "40",
    },
}
MAPPED = "mapped"  # in a listing: parts of tables that may be in none of those it names
Parts = dict[str, list[Part]]


def configure() -> None:
    """Tell Luigi what LUIGI says and no file of the user's does."""
    configuration = luigi.configuration.get_config()
    for section, options in LUIGI.items():
        for name, value in options.items():
            if not configuration.has_option(section, name):
                configuration.set(section, name, value)


class Made(luigi.Target):
    """A file of this machine or of a store: there when it is whole."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def exists(self) -> bool:
        return self.path.exists()


class Stage(luigi.Task):
    """One step of the build: `make` returns the parts of each table that it makes."""

    reads: ClassVar[tuple[str, ...]] = ()  # tables of the stages that it needs
    makes: ClassVar[tuple[str, ...]] = ()  # tables that its listing names
    asked: ClassVar[dict[Options, "Stage"]] = {}  # of this process: the task of the command line

    settings = luigi.Parameter(default=str(SAMPLE), description="the TOML that describes the build")
    out = luigi.Parameter(
        default="wit",
        description="the workspace: a folder or an address for the work and the builds",
    )
    engine = luigi.Parameter(
        default="duckdb",
        significant=False,
        description="the engine of the stages: duckdb or spark; both make the same build",
    )
    retry = luigi.Parameter(
        default="",
        description="fetch again the pairs that the newest build lost for these reasons: names "
        "with commas between, or 'passing' for all that may pass; makes a new version",
    )
    exclude = luigi.Parameter(
        default="",
        description="lists of exclusions beside those of the settings, with commas between: what "
        "they name is left out, and queries that this leaves short are filled up again",
    )
    version = 1  # of the stage's code: raise it when the same input gives other rows

    @property
    def options(self) -> Options:
        return Options(self.settings, self.out, self.engine, self.retry, self.exclude)

    @property
    def ws(self) -> Workspace:
        return opened_workspace(self.options)

    @property
    def used(self) -> Settings:
        return self.ws.settings

    @property
    def tokeniser(self) -> Tokeniser:
        """What cuts this build's texts into words; its `identity` names what depends on it."""
        return tokeniser_of(self.used.text, self.used.lists)

    @property
    def tokenisers(self) -> tuple[tuple[str, Tokeniser], ...]:
        """The tokeniser of each query list, by its language: what one asks for, folds no other."""
        texts = self.used.texts
        return tuple((code, tokeniser_of(text, (code,))) for code, text in texts.items())

    def described(self, ws: Workspace) -> object:
        """The settings as a build publishes them: with the segmenter that was used, its version
        and the rules of folding, where they may leave the choice to the build."""
        shown = {**ws.described(), "text": _shown(self.tokeniser)}
        if self.used.languages:
            shown["texts"] = {code: _shown(of) for code, of in self.tokenisers}
        return shown

    def unspaced(self, **texts: str) -> dict[str, float]:
        """Without a segmenter: the share of each table's text, table=column, that wants one."""
        if self.tokeniser.segmenter != "none":
            return {}
        return {table: unspaced_share(self.paths(table), column) for table, column in texts.items()}

    def settings_used(self) -> object:
        """The settings that change this stage's rows."""
        return None

    @cached_property
    def needed(self) -> list["Stage"]:
        """The stages that this one requires, in order."""
        return list(luigi.task.flatten(self.requires()))

    @cached_property
    def digest(self) -> str:
        needed = [task.digest for task in self.needed]
        return digest(self.task_family, self.version, self.settings_used(), needed)

    def complete(self) -> bool:
        """Whether the stage's listing is there.

        Luigi asks this of the task of its command line before anything else: here a build begins.
        """
        ws = open_workspace(self.options, self.check)
        self.asked.setdefault(self.options, self)
        # Luigi would log a fault met here with its traceback, and go on to say what it cannot run.
        with ending_in_one_line(ws.folder):
            return super().complete()

    def check(self, settings: Settings) -> None:
        """Raise UserError where the settings lack what this stage, if it is asked for, needs."""
        check_pairs(settings)

    def make(self) -> Parts:
        raise AssertionError(f"{self.task_family} makes nothing")

    @property
    def root(self) -> Path:
        """Where the files are that the listing names."""
        return self.ws.folder

    def output(self) -> Made:
        return Made(self.root / "work" / self.task_family / f"{self.digest}.json")

    def run(self) -> None:
        with self.at_work():
            tables = self.make()
            if set(tables) != set(self.makes):
                raise LookupError(f"{self.name} made {sorted(tables)}: expected {self.makes}")
            listing = {
                table: [self.relative(part.path) for part in parts]
                for table, parts in tables.items()
            }
            self.write_listing(listing)

    def write_listing(self, listing: dict[str, list[str]]) -> None:
        """Write the output: the tables, and what else was mapped for them.

        A later build goes on from what was mapped, so clean keeps it for versions that are kept.
        """
        also = {MAPPED: sorted(self.mapped)} if self.mapped else {}
        write_json(self.output().path, listing | also)

    def note_stages(self) -> None:
        """Note beside the listings which of them a version comes from, if it is not noted."""
        note = self.ws.work / self.task_family / f"{self.digest}.json"
        if not note.exists():
            before = [stage for stage in self.order if stage is not self]
            inside = [stage for stage in before if stage.root == self.ws.folder]
            stages = [stage.relative(stage.output().path) for stage in inside]
            write_json(note, {"stages": stages})

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Show the stage on the terminal and to luigid; a signal within ends the program."""
        tell = None
        if self.set_progress_percentage and self.set_status_message:  # a worker of Luigi's runs it
            tell = partial(report, self.set_progress_percentage, self.set_status_message)
        progress = self.ws.engine.progress
        with interruptible(self.ws.folder), progress.of_stage(self.place(), tell):
            yield

    @cached_property
    def order(self) -> list["Stage"]:
        """All stages that this one needs and itself, each after those that it needs."""
        return list(in_order(self))

    @property
    def name(self) -> str:
        return self.task_family

    def place(self) -> str:
        """Which stage this is of how many that were asked for, such as '7/24 FilterPairs'."""
        stages = self.asked.get(self.options, self).order
        return f"{stages.index(self) + 1:>2}/{len(stages)} {self.name}"

    def relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def path(self, table: str) -> Path:
        """Where this stage puts its one part of a derived table."""
        return self.ws.work / table / f"{self.digest}.parquet"

    @cached_property
    def listed(self) -> dict[str, list[str]]:
        """The files of each table that this stage, which is complete, has made."""
        return dict(json.loads(self.output().path.read_text()))

    def paths(self, table: str) -> list[Path]:
        """The files of a table that needed stages made, in a fixed order; the nearest count.

        Raises LookupError for a table that is not in `reads`, or that no needed stage `makes`.
        """
        if table not in self.reads:
            raise LookupError(f"{self.name} asks for {table!r}: its `reads` are {self.reads}")
        makers = self.makers(table)
        if not makers:
            makes = sorted({made for stage in in_order(self) for made in stage.makes})
            raise LookupError(f"{self.name} reads {table!r}: the stages it needs make {makes}")
        # A listing of an older release may lack a table that was not made under its settings.
        return [path for maker in makers for path in maker.made(table)]

    def made(self, table: str) -> list[Path]:
        """The files of a table that this stage, which is complete, has made."""
        return [self.root / path for path in self.listed.get(table, [])]

    def makers(self, table: str) -> list["Stage"]:
        """The nearest needed stages that make a table: several where each language has its own."""
        nearest = [stage for stage in self.needed if table in stage.makes]
        further = (maker for stage in self.needed for maker in stage.makers(table))
        return nearest or list(dict.fromkeys(further))

    def parts(self, table: str) -> list[Part]:
        return read_parts(self.paths(table))

    def map(
        self, table: str, function: MapFunction, inputs: list[MapInput], *, in_turn: bool = False
    ) -> list[Part]:
        folder = self.ws.work / table
        parts = self.ws.engine.map(table, function, inputs, TABLES[table], folder, in_turn=in_turn)
        self.mapped.update(self.relative(part.path) for part in parts)
        return parts

    @cached_property
    def mapped(self) -> set[str]:
        """The parts that this stage has mapped, in this process."""
        return set()

    def derive(self, table: str, **inputs: list[Path] | pa.Table) -> list[Part]:
        return [self.ws.engine.derive(DERIVE / f"{table}.sql", inputs, self.path(table))]

    def inputs(self, table: str, *used: object) -> list[MapInput]:
        """Map inputs: the parts of a needed table, named by what else decides the rows."""
        return inputs_of(self.parts(table), self.task_family, self.version, *used)

    @property
    def build_row(self) -> pa.Table:
        """The thresholds as SQL sees them; the version is not known before the end."""
        return self.ws.build_row(version="")


class ListStage(Stage):
    """A stage of one language's query list."""

    language = luigi.Parameter(default="", description="code of the list; of the first by default")

    @property
    def code(self) -> str:
        return self.language or next(iter(self.used.lists))

    @property
    def of_list(self) -> QuerySettings:
        """What the list is made of."""
        return self.used.lists[self.code]

    @property
    def tokeniser(self) -> Tokeniser:
        return dict(self.tokenisers)[self.code]

    @property
    def build_row(self) -> pa.Table:
        return self.ws.build_row(version="", code=self.code)

    @property
    def name(self) -> str:
        return self.task_family + (f" {self.code}" if len(self.used.lists) > 1 else "")


def tokeniser_of(used: TextSettings, languages: Iterable[str]) -> Tokeniser:
    """What the settings `[text]` mean for texts in these languages."""
    fold = default_rules(languages) if used.fold is None else used.fold
    return Tokeniser.of(used.segmenter, used.boundaries, fold)


def _shown(tokeniser: Tokeniser) -> dict[str, object]:
    shown = asdict(tokeniser)
    shown["fold"] = shown.pop("rules")
    return shown


def in_order(task: Stage) -> dict[Stage, None]:
    """All stages that the task needs and itself, each after those that it needs."""
    stages: dict[Stage, None] = {}
    for needed in task.needed:
        stages |= in_order(needed)
    return stages | {task: None}


def report(
    set_percentage: Callable[[int], object],
    set_message: Callable[[str], object],
    percent: int | None,
    words: str,
) -> None:
    """Tell luigid how far a task is; go on where luigid cannot be reached."""
    with suppress(RPCError):
        if percent is not None:
            set_percentage(percent)
        set_message(words)


def files(parts: list[Part]) -> list[Path]:
    return [part.path for part in parts]


def inputs_of(parts: list[Part], *used: object, with_dropped: bool = False) -> list[MapInput]:
    """Parts as map inputs, named by their own names and what else decides the rows."""
    used = (*used, "with dropped") if with_dropped else used
    return [MapInput(digest(part.name, *used), part.path, with_dropped) for part in parts]
