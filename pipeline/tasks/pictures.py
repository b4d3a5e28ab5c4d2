"""From the pairs to the pictures that are kept, round by round: the Luigi tasks that fetch."""

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import luigi
import pyarrow as pa

from pipeline import sources
from pipeline.fetch.log import FetchStatus
from pipeline.fetch.part import fetch_part
from pipeline.images.pdq import hash_pictures, listed_pdq, near_listed
from pipeline.images.scorers import score_pictures
from pipeline.rights.evidence import policies
from pipeline.selection.retry import lost_pairs, reasons
from pipeline.selection.rule import cut_request, request, select
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.scorers import Scorer
from pipeline.tasks.opening import listed_kinds
from pipeline.tasks.pairs import CapLanguages
from pipeline.tasks.stage import Parts, Stage, files, inputs_of
from queries.engine import MapInput, Rows
from queries.tables.contracts import FETCHED, HASHED, HEARD
from queries.tables.manifest import files_by_table
from queries.tables.parts import Part, digest, read_part, write_json
from queries.tables.schemas import TABLES

PDQ_VERSION = 1  # of the code that hashes pictures: raise it when it gives other hashes


class JudgeStage(Stage):
    """A stage that judges fetched pictures."""

    def judges(self, part_names: list[str]) -> dict[str, Rows]:
        """The tables that judge pictures beside their measures: exclusions, scores and limits.

        Pictures that have no score yet are scored here, part by part; none is fetched for it.
        """
        judges: dict[str, Rows] = {"exclusion": self.paths("exclusion")}
        judges |= {"heard": self.heard(part_names), "policy": policies(self.used.consent)}
        judges |= {"hashed": self.hashed(part_names), "pdq_near": self.pdq_near(part_names)}
        if self.used.scorers:
            judges |= {"scored": self.scored(part_names), "scorer": self.ws.scorer_rows()}
        return judges

    def heard(self, part_names: list[str]) -> list[Path]:
        """What was heard of training when these image parts were fetched."""
        return self.beside(part_names, HEARD)

    def hashed(self, part_names: list[str]) -> list[Path]:
        """The hashes of what was fetched that lists had asked for."""
        return self.beside(part_names, HASHED)

    def beside(self, part_names: list[str], name: str) -> list[Path]:
        """The files of this name in the image parts that have one."""
        paths = (self.ws.images / part / name for part in part_names)
        return [path for path in paths if path.exists()]

    def pdq_near(self, part_names: list[str]) -> list[Path]:
        """The stored pictures that a list names by PDQ; they are hashed where a list asks for it.

        A part is hashed once, and compared again with lists that have changed.
        """
        exclusions = self.paths("exclusion")
        listed = listed_pdq(exclusions)
        if not listed.num_rows:
            return []
        inputs = [
            MapInput(
                digest(name, [PDQ_VERSION, self.ws.image_digest]),
                pa.table({"folder": [str(self.ws.images / name)]}),
            )
            for name in part_names
        ]
        hashes = self.map("pdq", partial(hash_pictures, images=self.used.images), inputs)
        against = inputs_of(hashes, digest(listed.to_pydict()))
        return files(
            self.map("pdq_near", partial(near_listed, exclusions=tuple(exclusions)), against)
        )

    def scored(self, part_names: list[str]) -> list[Path]:
        """The scores of all pictures of these image parts, by every scorer."""
        scorers = self.used.scorers
        return [path for scorer in scorers for path in self.scored_by(scorer, part_names)]

    def scored_by(self, scorer: Scorer, part_names: list[str]) -> list[Path]:
        identity = [1, self.ws.image_digest, self.ws.scorer_identity(scorer)]
        inputs = [
            MapInput(digest(name, identity), pa.table({"folder": [str(self.ws.images / name)]}))
            for name in part_names
        ]
        function = partial(score_pictures, scorer=scorer, images=self.used.images)
        return files(self.map("scored", function, inputs))


class FetchStage(JudgeStage):
    """A stage that fetches pictures."""

    def fetch(self, ask: pa.Table, about: str, extra: list[Path]) -> None:
        """Fetch the rows of `ask` that no image part holds; an interrupted fetch so goes on.

        `extra` are the files of the table that says which pictures the sources hold already.
        """
        missing = self.ws.missing(ask)
        if not missing.num_rows:
            return
        held = sources.held(self.used.sources, extra, missing["pair_id"].to_pylist())
        with ExitStack() as stack:
            for source in self.used.sources:
                stack.enter_context(sources.serving(source))
            step = self.ws.engine.step(about, missing.num_rows, "images", rate=True)
            status = FetchStatus(stack.enter_context(step))
            manners = self.manners()
            context = (self.used.images, manners, self.ws.local / "fetch_log.jsonl")
            jobs = {
                self.ws.images / name / FETCHED: partial(
                    fetch_part,
                    rows,
                    self.ws.images / name,
                    *context,
                    consent=self.used.consent,
                    held={n: held[n] for n in rows["pair_id"].to_pylist() if n in held},
                )
                for name, rows in cut_request(missing, self.used.fetch.rows_per_part)
            }
            self.ws.engine.fetch(jobs, status)

    def manners(self) -> FetchSettings:
        """How to ask, for one of those who fetch at once; with the hashes that lists ask for."""
        settings = self.used.fetch.shared_by(self.ws.engine.fetchers)
        asked = {*settings.hashes, *listed_kinds(self.ws)} & {"md5", "sha1"}
        return settings.model_copy(update={"hashes": tuple(sorted(asked))})


class FetchAgain(FetchStage):
    """Another attempt at what the newest build lost for the reasons that --retry names."""

    def settings_used(self) -> object:
        return [reasons(self.retry), self.ws.newest.name]

    def run(self) -> None:
        with self.at_work():
            extra = files_by_table(self.ws.newest).get("extra", [])
            self.fetch(lost_pairs(self.ws.newest, reasons(self.retry)), "fetch again", extra)
            self.write_listing({})


class FetchRound(FetchStage):
    """Ask for what every unsettled query still needs; a settled round asks for nothing."""

    number = luigi.IntParameter(description="which round: 0 is the first")
    version = 4
    reads = (
        *("pair", "extra", "pair_match", "query_cap", "exclusion"),
        *("request", "unsettled", "fetched"),
    )
    makes = ("request", "unsettled", "fetched")

    def requires(self) -> list[Stage]:
        if self.number:
            return [self.clone(FetchRound, number=self.number - 1)]
        return [self.clone(CapLanguages), *([self.clone(FetchAgain)] if self.retry else [])]

    def settings_used(self) -> object:
        selection = self.used.selection.model_dump(exclude={"max_rounds"})
        rules = self.used.images.model_dump()
        limits = self.ws.scorer_rows().to_pylist()
        identities = [self.ws.scorer_identity(scorer) for scorer in self.used.scorers]
        scoring = [limits, identities] if identities else []
        consent = self.used.consent.model_dump()
        return [self.number, self.used.seed, selection, rules, consent, *scoring]

    @property
    def name(self) -> str:
        return f"{self.task_family} {self.number}"

    @property
    def folder(self) -> Path:
        return self.ws.work / "round" / self.digest

    def run(self) -> None:
        with self.at_work():
            part_names = self.parts_at_start()
            ask = self.request(part_names)
            self.fetch(ask, f"fetch round {self.number}", self.paths("extra"))
            self.write_listing(self.listing(part_names, ask))

    def parts_at_start(self) -> list[str]:
        """The image parts that were there when the round began.

        The first round writes their names down, so that it asks for the same when it is run again.
        """
        if self.number:
            return [path.parent.name for path in self.paths("fetched")]
        written = self.folder / "known.json"
        if not written.exists():
            write_json(written, self.ws.image_part_names())
        return list(json.loads(written.read_text()))

    def request(self, part_names: list[str]) -> pa.Table:
        """What this round asks for; nothing, at no cost, when the round before did not either."""
        if self.number and len(self.paths("request")) < self.number:
            return TABLES["request"].empty()
        pair, pair_match = self.paths("pair"), self.paths("pair_match")
        fetched = self.ws.fetched(part_names)
        inputs = (self.ws.engine, self.build_row, pair, pair_match, fetched, self.folder)
        judges, caps = self.judges(part_names), self.paths("query_cap")
        selection = select(*inputs, judges=judges, query_cap=caps, for_request=True)
        return request(self.ws.engine, self.build_row, pair, selection, self.number, self.folder)

    def listing(self, part_names: list[str], ask: pa.Table) -> dict[str, list[str]]:
        """The tables of all rounds so far, and every image part that is there after this round."""
        tables = {
            table: self.paths(table) if self.number else [] for table in ("request", "unsettled")
        }
        if ask.num_rows:
            part_names = self.ws.image_part_names()
            for table, paths in tables.items():
                paths.append(self.folder / f"{table}.parquet")
        tables["fetched"] = self.ws.fetched(part_names)
        return {table: [self.relative(path) for path in paths] for table, paths in tables.items()}


class CapPairs(JudgeStage):
    """The cap over all pictures that were fetched by the last round."""

    version = 5
    reads = (
        *("pair", "pair_match", "query_cap", "exclusion", "request", "unsettled", "fetched"),
        "page_heard",
    )
    makes = (
        *("kept_match", "left_unsettled", "outcome", "picked", "score", "attempt", "consent"),
        *("round", "round_loss", "near_skipped", "excluded_picture"),
    )

    def requires(self) -> Stage:
        return self.clone(FetchRound, number=self.used.selection.max_rounds - 1)

    def make(self) -> Parts:
        engine, folder = self.ws.engine, self.ws.work / "cap" / self.digest
        pair, fetched = self.paths("pair"), self.paths("fetched")
        part_names = [path.parent.name for path in fetched]
        inputs = (engine, self.build_row, pair, self.paths("pair_match"), fetched, folder)
        judges, caps = self.judges(part_names), self.paths("query_cap")
        selection = select(*inputs, judges=judges, query_cap=caps)
        last = self.used.selection.max_rounds
        request(engine, self.build_row, pair, selection, last, folder)  # writes what is unsettled
        verdict, suppressed = [selection.verdict], [selection.suppressed]
        outcome = self.derive(
            "outcome", verdict=verdict, suppressed=suppressed, kept_match=[selection.kept_match]
        )
        requests = self.paths("request")
        return {
            "outcome": outcome,
            "picked": self.derive(
                "picked", outcome=files(outcome), pair=pair, fetched=fetched, verdict=verdict
            ),
            "score": self.scores(part_names, verdict),
            "kept_match": [read_part(selection.kept_match)],
            "near_skipped": [read_part(selection.near_skipped)],
            "excluded_picture": [read_part(selection.excluded_picture)],
            "left_unsettled": [read_part(folder / "unsettled.parquet")],
            "attempt": self.derive("attempt", fetched=fetched, pair=pair),
            "consent": self.derive(
                "consent",
                heard=self.heard(part_names),
                page_heard=self.paths("page_heard"),
                pair=pair,
                policy=policies(self.used.consent),
            ),
            "round_loss": self.derive(
                "round_loss", request=requests, verdict=verdict, suppressed=suppressed
            ),
            "round": self.derive(
                "round", request=requests, unsettled=self.paths("unsettled"), verdict=verdict
            ),
        }

    def scores(self, part_names: list[str], verdict: list[Path]) -> list[Part]:
        """The scores that are published; no part where the settings have no scorer."""
        scored = self.scored(part_names)
        return self.derive("score", scored=scored, verdict=verdict) if scored else []
