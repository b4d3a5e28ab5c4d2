"""From the pairs to the pictures that are kept, round by round, as Luigi tasks."""

import json
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import luigi
import pyarrow as pa

from pipeline import sources
from pipeline.fetch.log import FetchStatus
from pipeline.fetch.part import fetch_part
from pipeline.images.scorers import score_pictures
from pipeline.selection.retry import lost_pairs, reasons
from pipeline.selection.rule import cut_request, request, select
from pipeline.settings.scorers import Scorer
from pipeline.tasks.pairs import MatchPairs
from pipeline.tasks.stage import Parts, Stage, files
from queries.engine import MapInput, Rows
from queries.tables.contracts import FETCHED
from queries.tables.parts import digest, read_part, write_json
from queries.tables.schemas import TABLES


class JudgeStage(Stage):
    """A stage that judges fetched pictures."""

    def judges(self, part_names: list[str]) -> dict[str, Rows]:
        """What pictures are judged by beside their measures: exclusions, and scores with limits.

        Pictures that have no score yet get it here, part by part: no picture is fetched for it.
        """
        found: dict[str, Rows] = {"exclusion": self.paths("exclusion")}
        if self.used.scorers:
            found |= {"scored": self.scored(part_names), "scorer": self.ws.scorer_rows()}
        return found

    def scored(self, part_names: list[str]) -> list[Path]:
        """The scores of all pictures of these image parts, by every scorer."""
        return [path for one in self.used.scorers for path in self.scored_by(one, part_names)]

    def scored_by(self, scorer: Scorer, part_names: list[str]) -> list[Path]:
        named = [1, self.ws.image_digest, self.ws.scorer_identity(scorer)]
        inputs = [
            MapInput(digest(name, named), pa.table({"folder": [str(self.ws.images / name)]}))
            for name in part_names
        ]
        function = partial(score_pictures, scorer=scorer, images=self.used.images)
        return files(self.map("scored", function, inputs))


class FetchStage(JudgeStage):
    """A stage that fetches pictures."""

    def fetch(self, wanted: pa.Table, about: str) -> None:
        """Fetch what no image part holds yet: what was interrupted goes on where it was."""
        missing = self.ws.missing(wanted)
        if not missing.num_rows:
            return
        with ExitStack() as stack:
            for source in self.used.sources:
                stack.enter_context(sources.serving(source))
            step = self.ws.engine.step(about, missing.num_rows, "images", rate=True)
            told = FetchStatus(stack.enter_context(step))
            manners = self.used.fetch.shared_by(self.ws.engine.fetchers)
            given = (self.used.images, manners, self.ws.local / "fetch_log.jsonl")
            jobs = {
                self.ws.images / name / FETCHED: partial(
                    fetch_part, rows, self.ws.images / name, *given
                )
                for name, rows in cut_request(missing, self.used.fetch.rows_per_part)
            }
            self.ws.engine.fetch(jobs, told)


class FetchAgain(FetchStage):
    """Another attempt at what the newest build lost for the reasons that --retry names."""

    def settings_used(self) -> object:
        return [reasons(self.retry), self.ws.newest.name]

    def run(self) -> None:
        with self.at_work():
            self.fetch(lost_pairs(self.ws.newest, reasons(self.retry)), "fetch again")
            write_json(self.output().path, {})


class FetchRound(FetchStage):
    """Ask for what every unsettled query still needs; a settled round asks for nothing."""

    number = luigi.IntParameter(description="0.. in order")
    version = 2

    def requires(self) -> list[Stage]:
        if self.number:
            return [self.clone(FetchRound, number=self.number - 1)]
        return [self.clone(MatchPairs), *([self.clone(FetchAgain)] if self.retry else [])]

    def settings_used(self) -> object:
        chosen = self.used.selection.model_dump(exclude={"max_rounds"})
        rules = self.used.images.model_dump()
        scorers = self.ws.scorer_rows().to_pylist()
        named = [self.ws.scorer_identity(one) for one in self.used.scorers]
        return [self.number, self.used.seed, chosen, rules, *([scorers, named] if named else [])]

    @property
    def name(self) -> str:
        return f"{self.task_family} {self.number}"

    @property
    def folder(self) -> Path:
        return self.ws.work / "round" / self.digest

    def run(self) -> None:
        with self.at_work():
            known = self.known_parts()
            wanted = self.request(known)
            self.fetch(wanted, f"fetch round {self.number}")
            write_json(self.output().path, self.listing(known, wanted))

    def known_parts(self) -> list[str]:
        """Image parts known when the round began: noted first, so that a rerun asks the same."""
        if self.number:
            return [path.parent.name for path in self.paths("fetched")]
        noted = self.folder / "known.json"
        if not noted.exists():
            write_json(noted, self.ws.image_part_names())
        return list(json.loads(noted.read_text()))

    def request(self, known: list[str]) -> pa.Table:
        """What this round asks for; nothing, at no cost, when the round before did not either."""
        if len(self.paths("request")) < self.number:
            return TABLES["request"].empty()
        pair, pair_match = self.paths("pair"), self.paths("pair_match")
        fetched = self.ws.fetched(known)
        given = (self.ws.engine, self.build_row, pair, pair_match, fetched)
        chosen = select(*given, self.folder, judges=self.judges(known), for_request=True)
        return request(self.ws.engine, self.build_row, pair, chosen, self.number, self.folder)

    def listing(self, known: list[str], wanted: pa.Table) -> dict[str, list[str]]:
        """Tables of all rounds so far, and every image part known after this one."""
        tables = {
            name: [self.relative(path) for path in self.paths(name)] if self.number else []
            for name in ("request", "unsettled")
        }
        if wanted.num_rows:
            known = self.ws.image_part_names()
            for name, of in tables.items():
                of.append(self.relative(self.folder / f"{name}.parquet"))
        return {**tables, "fetched": [self.relative(path) for path in self.ws.fetched(known)]}


class CapPairs(JudgeStage):
    """The cap over all that is known after the last round."""

    version = 3

    def requires(self) -> Stage:
        return self.clone(FetchRound, number=self.used.selection.max_rounds - 1)

    def make(self) -> Parts:
        engine, folder = self.ws.engine, self.ws.work / "cap" / self.digest
        pair, fetched = self.paths("pair"), self.paths("fetched")
        given = (engine, self.build_row, pair, self.paths("pair_match"), fetched, folder)
        known_parts = [path.parent.name for path in fetched]
        judges = self.judges(known_parts)
        chosen = select(*given, judges=judges)
        number = self.used.selection.max_rounds
        request(engine, self.build_row, pair, chosen, number, folder)  # what is left unsettled
        known = {
            "verdict": [chosen.verdict],
            "suppressed": [chosen.suppressed],
            "kept_match": [chosen.kept_match],
        }
        outcome = self.derive("outcome", **known)
        picked = self.derive(
            "picked", outcome=files(outcome), pair=pair, fetched=fetched, verdict=[chosen.verdict]
        )
        return {
            "outcome": outcome,
            "picked": picked,
            **self.scores(known_parts, chosen.verdict),
            "kept_match": [read_part(chosen.kept_match)],
            "left_unsettled": [read_part(folder / "unsettled.parquet")],
            "attempt": self.derive("attempt", fetched=fetched, pair=pair),
            "round_loss": self.derive(
                "round_loss",
                request=self.paths("request"),
                verdict=[chosen.verdict],
                suppressed=[chosen.suppressed],
            ),
            "round": self.derive(
                "round",
                request=self.paths("request"),
                unsettled=self.paths("unsettled"),
                verdict=[chosen.verdict],
            ),
        }

    def scores(self, known_parts: list[str], verdict: Path) -> Parts:
        """The scores that are published; no table where the settings have no scorer."""
        scored = self.scored(known_parts)
        return {"score": self.derive("score", scored=scored, verdict=[verdict])} if scored else {}
