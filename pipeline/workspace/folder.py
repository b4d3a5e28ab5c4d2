"""The workspace of a build: where its parts, images and versions are, and what names them.

Work parts are named by digests of their inputs and of the settings that change their rows, so an
unchanged part is never made again.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.settings.scorers import Scorer
from pipeline.settings.whole import SHARES, QuerySettings, Settings
from pipeline.workspace.lease import Lease
from pipeline.workspace.removal import finish
from pipeline.workspace.takedown_log import LOG
from queries.engine import Engine, MapInput
from queries.engine.duck import DuckEngine
from queries.tables.contracts import FETCHED
from queries.tables.errors import UserError
from queries.tables.manifest import LATEST, LISTS, find
from queries.tables.parts import digest, read_rows, write_json
from queries.tables.schemas import TABLES
from queries.tables.store import caches, each, is_store

ENGINES = ("duckdb", "spark")
# A version or a file of the workspace that was being written; the folder may hold others' files.
OF_TAKEDOWN = r"takedowns\.csv|takedown\.pending\.parquet|fetch_log\.jsonl"
TORN = re.compile(
    rf"\.(?:[0-9a-f]{{16}}|latest\.json|report|publish|published\.json|{OF_TAKEDOWN})\.[a-z0-9_]+"
)

# Of a version; each shows captions.
TORN_PAGE = re.compile(
    r"\.(?:report\.html|README\.md|datasheet\.md|(?:croissant|card)\.json)\.[a-z0-9_]+"
)

LARGE_FILE = 1 << 20  # bytes


@dataclass(frozen=True)
class Workspace:
    """One `--out` folder and the settings that a build in it follows."""

    folder: Path
    settings: Settings
    engine_name: str = "duckdb"

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @cached_property
    def local(self) -> Path:
        """A folder of this machine for what no store can hold: locks, logs, what is on its way."""
        if not is_store(self.folder):
            return self.folder
        scratch = self.settings.engine.scratch
        return (Path(scratch) if scratch else caches()) / digest(str(self.folder))

    @cached_property
    def engine(self) -> Engine:
        """Raises UserError where the machine lacks what the engine needs."""
        used = self.settings.engine
        scratch = self.local / "work" / "scratch"
        scratch.mkdir(parents=True, exist_ok=True)
        if self.engine_name == "duckdb":
            return DuckEngine(used.workers, used.memory, scratch)
        try:
            from queries.engine.spark import SparkEngine  # an optional extra
        except ImportError:
            raise UserError("--engine spark: no pyspark: pip install '.[spark]'") from None
        log = self.local / "spark.log"
        shared = self.work / "scratch"
        return SparkEngine(**used.spark.model_dump(), folder=shared, log=log)

    def _clear_torn(self) -> None:
        """Remove what a process that was killed was writing: whole parts have no dot.

        A store shows nothing that is not whole.
        """
        shutil.rmtree(self.local / "work" / "scratch", ignore_errors=True)  # the engine's
        if is_store(self.folder):
            return
        hidden = (*self.folder.glob(".*"), *self.folder.glob(f"{LISTS}/.*"))
        ours = (path for path in hidden if TORN.fullmatch(path.name))
        pages = (path for path in self.folder.glob("*/.*") if TORN_PAGE.fullmatch(path.name))
        images = (*self.folder.glob("images/*/.*"), *self.folder.glob("images/*/[!.]*/.*"))
        for torn in (*images, *ours, *pages):
            shutil.rmtree(torn) if torn.is_dir() else torn.unlink()
        for torn in list(self.work.rglob(".*")):
            torn.unlink(missing_ok=True)

    def lock(self) -> int:
        """Keep other builds out of the workspace until this process ends. Raises UserError.

        Returns the open file that holds the lock; who closes it gives the workspace up earlier.
        """
        self.local.mkdir(parents=True, exist_ok=True)
        held = os.open(self.local / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(held)
            raise UserError(f"{self.folder}: another build is at work in this workspace") from None
        if is_store(self.folder):
            Lease(self.folder / "lock.json", self.local / "lease.json").take()
        self._clear_torn()
        finish(self.folder)
        if is_store(self.folder):
            on_its_way = self.local / "work" / "scratch"
            on_its_way.mkdir(parents=True)
            os.environ["TMPDIR"] = tempfile.tempdir = str(on_its_way)
        return held

    def with_takedowns(self) -> "Workspace":
        """The same, whose builds leave out what the workspace has taken down. Ask when locked."""
        log = str(self.folder / LOG)
        if not Path(log).exists() or log in self.settings.exclusions:
            return self
        every = (*self.settings.exclusions, log)
        return replace(self, settings=self.settings.model_copy(update={"exclusions": every}))

    @property
    def image_digest(self) -> str:
        """Names the image folder: only what changes bytes."""
        of = self.settings.images
        version = 4 if of.keep_originals else 3  # raise it when bytes or reasons change
        return digest("images", version, of.size, of.quality, of.keep_originals, of.max_pixels)

    @property
    def images(self) -> Path:
        return self.folder / "images" / self.image_digest

    def image_part_names(self) -> list[str]:
        """The image parts that are whole."""
        return sorted(path.parent.name for path in self.images.glob(f"[!.]*/{FETCHED}"))

    def fetched(self, part_names: Sequence[str]) -> list[Path]:
        """The attempts of image parts: files of the table `fetched`."""
        return [self.images / name / FETCHED for name in part_names]

    def missing(self, wanted: pa.Table) -> pa.Table:
        """The rows of `ask` that no image part holds the attempt of, in their order.

        Keys alone are joined: a join copies strings to one array, which ends at 2 GiB.
        """
        key = ["pair_id", "attempt"]
        empty = TABLES["fetched"].empty().select(key)
        paths = self.fetched(self.image_part_names())
        have = pa.concat_tables([empty, *each(partial(read_rows, columns=key), paths, self.images)])
        places = pa.array(np.arange(wanted.num_rows))
        keys = wanted.select(key).append_column("place", places)
        left = keys.join(have, key, join_type="left anti")["place"]
        return wanted.filter(pc.is_in(places, value_set=left.combine_chunks()))

    @cached_property
    def newest(self) -> Path:
        """The build that was the newest when it was first asked for."""
        return find(self.folder)

    def shard_bits(self) -> int | None:
        """How many bits name a shard in the newest build, which later versions keep."""
        if not (self.folder / LATEST).exists():
            return None
        shards = list((find(self.folder) / "shards").glob("*.tar"))
        return len(shards).bit_length() - 1

    def file_inputs(self, paths: Sequence[str], *used: object) -> list[MapInput]:
        """One map input a file: a row with its path, named by its content."""
        return [
            MapInput(digest(self.file_digest(Path(path)), *used), pa.table({"path": [path]}))
            for path in paths
        ]

    def file_digest(self, path: Path) -> str:
        """sha256 of a file, or of a folder's files, remembered by size and time of change."""
        cache = self.local / "work" / "inputs" / f"{digest(str(path.resolve()))}.json"
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else []
        names = [str(file.relative_to(path)) for file in files]
        states = [(state.st_size, state.st_mtime_ns) for state in map(os.stat, files or [path])]
        # Of a folder one digest is remembered, and of its large files: small ones may be millions.
        key = [digest(names, states)] if path.is_dir() else list(states[0])
        if cache.exists():
            remembered = json.loads(cache.read_text())
            if remembered["key"] == key:
                return str(remembered["sha256"])
        if path.is_dir():
            of_files = (
                self.file_digest(file) if size > LARGE_FILE else _sha256(file)
                for file, (size, _) in zip(files, states, strict=True)
            )
            sha256 = digest([*zip(names, of_files, strict=True)])
        else:
            sha256 = _sha256(path)
        write_json(cache, {"path": os.fspath(path), "key": key, "sha256": sha256})
        return sha256

    def scorer_identity(self, scorer: Scorer) -> list[object]:
        """Names all that decides a scorer's scores: not its limits, nor where its model is."""
        of = scorer.model_dump(mode="json", exclude={"model", "min_score", "max_score"})
        return [of, self.file_digest(Path(scorer.model))]

    def scorer_rows(self) -> pa.Table:
        """The table `scorer`."""
        rows = [
            {
                **scorer.model_dump(include={"kind", "min_score", "max_score"}),
                "scorer": scorer.name,
                "model": self.file_digest(Path(scorer.model)),
            }
            for scorer in self.settings.scorers
        ]
        return pa.Table.from_pylist(rows, TABLES["scorer"].schema)

    def described(self) -> dict[str, object]:
        """The settings that decide the build, each input by name and digest, not by its place."""
        kept = self.settings.model_dump(
            mode="json", exclude={"engine", "fetch", "downloads", "prune", "card"}
        )
        return {name: self._placeless(value) for name, value in kept.items()}

    def _placeless(self, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._placeless(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._placeless(item) for item in value]
        if isinstance(value, str) and os.path.isabs(value) and os.path.exists(value):
            return {"name": Path(value).name, "digest": self.file_digest(Path(value))}
        return value

    def build_row(self, version: str, code: str | None = None) -> pa.Table:
        """The one-row table `build`, which SQL reads its thresholds from.

        `code`: of the language whose list's thresholds it has; where there is one list, that one's.
        """
        s = self.settings
        lists = {code: s.lists[code]} if code else s.lists
        row = {"version": version, "seed": s.seed, "n_queries": sum(of.n for of in lists.values())}
        columns = set(TABLES["build"].schema.names)
        for section in (s.filters, s.selection, s.images):  # by their own names
            row |= section.model_dump(include=columns)
        if len(lists) == 1:
            ((row["language"], of),) = lists.items()
            # Not what [[languages]] adds, such as a cap: the build's stands in its own section.
            row |= of.model_dump(include=columns & QuerySettings.model_fields.keys())
            row |= {f"quota_{source}": of.quota(source) for source in SHARES}
        return pa.Table.from_pylist([row], TABLES["build"].schema)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
