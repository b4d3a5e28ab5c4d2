"""From kept pairs to shards, and the whole as one published build: the last Luigi tasks."""

from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.images.parts import prune, read_images
from pipeline.match.person_terms import match_terms
from pipeline.publish.shards import cut, pack, shard_bits, shard_digest
from pipeline.publish.told import keep_told
from pipeline.publish.version import count_rows, publish, stage_row, stage_rows
from pipeline.report.page import REPORT, announce, write_report
from pipeline.tasks.pictures import CapPairs
from pipeline.tasks.queries import INPUT_FILES, all_input_files
from pipeline.tasks.stage import Made, Parts, Stage, inputs_of
from queries.engine import MapInput
from queries.person_terms import person_terms, terms_digest
from queries.tables.manifest import MANIFEST
from queries.tables.parts import read_rows
from queries.tables.schemas import PUBLISHED, TABLES


class PackShards(Stage):
    """Kept pairs as tars with the Parquet of their rows."""

    version = 4
    reads = ("picked",)
    makes = ("sample", "person_match")

    def requires(self) -> Stage:
        return self.clone(CapPairs)

    def settings_used(self) -> object:
        return [self.used.samples_per_shard, self.terms_named()]

    def terms_named(self) -> object:
        """What decides which terms for people a caption contains."""
        return [terms_digest(), self.tokeniser.identity]

    def make(self) -> Parts:
        picked = read_rows(self.paths("picked"))
        bits = self.ws.shard_bits()
        if bits is None:
            bits = shard_bits(picked.num_rows, self.used.samples_per_shard)
        inputs = [
            MapInput(shard_digest(rows, self.ws.image_digest), rows)
            for _, rows in cut(picked, bits)
        ]
        function = partial(
            pack,
            folder=self.ws.work / "sample",
            images=self.ws.images,
            read_images=read_images,
            image_digest=self.ws.image_digest,
        )
        sample = self.map("sample", function, inputs)
        person_match = self.map(
            "person_match",
            partial(match_terms, tokeniser=self.tokeniser),
            inputs_of(sample, self.terms_named()),
        )
        return {"sample": sample, "person_match": person_match}


class BuildWIT(Stage):
    """The whole: every stage, published as one immutable build in a folder of its own."""

    published = (  # tables that go into the build as they are
        *("query", "border", "corpus", "list_source", "language_cap", "query_cap"),
        *("exclusion", "named", "excluded_picture", "pair", "extra"),
        *("kept_match", "near_skipped", "attempt", "score", "outcome", "drop", "round"),
        "consent",
        "personal",
        "round_loss",
        "person_match",
    )
    counted = ("article", "candidate", "filtered", "pooled", "picked", "sample")
    reads = (*published, "pair_match", "left_unsettled", *counted, *INPUT_FILES)
    makes = PUBLISHED

    def requires(self) -> Stage:
        return self.clone(PackShards)

    @property
    def folder(self) -> Path:
        return self.ws.folder / self.digest

    def output(self) -> Made:
        return Made(self.folder / MANIFEST)

    def complete(self) -> bool:
        # The report comes last: a build that was killed before it is finished when run again.
        if not (super().complete() and (self.folder / REPORT).exists()):
            return False
        self.note_stages()
        keep_told(self.folder, self.used.card)
        announce(self.folder, "there already, nothing to do")
        return True

    def run(self) -> None:
        with self.at_work():
            tables = {name: paths for name in self.published if (paths := self.paths(name))}
            tables |= {
                "input_file": all_input_files(self),
                "match": self.paths("pair_match"),
                "unsettled": self.paths("left_unsettled"),
                "person_term": person_terms(),
                "stage": self.stages(),
                "build": self.ws.build_row(self.digest),
            }
            if self.used.scorers:
                tables["scorer"] = self.ws.scorer_rows()
            unspaced = self.unspaced(article="text", filtered="caption")
            about = {"settings": self.described(self.ws), "unspaced": unspaced}
            shards = self.paths("sample")
            self.note_stages()
            with self.ws.engine.step("tables and shards"):
                publish(self.ws.folder, self.digest, tables, shards, about)
            if self.used.prune:
                prune(self.ws.images, self.folder, read_rows(self.paths("picked")))
            with self.ws.engine.step("report"):
                write_report(self.folder)
            keep_told(self.folder, self.used.card)
            announce(self.folder, "made")

    def stages(self) -> pa.Table:
        """The table `stage`: what each part of each stage read, kept and dropped."""
        pair, outcome = self.parts("pair")[0], self.parts("outcome")[0]
        pooled, picked = self.parts("pooled")[0], self.parts("picked")[0]
        packed = sum(part.rows_kept for part in self.parts("sample"))
        unmatched = count_rows(self.paths("drop"), "stage", "match")
        rows = [
            *stage_rows("read", self.parts("article")),
            *stage_rows("collect", self.parts("candidate")),
            *stage_rows("filter", self.parts("filtered")),
            *stage_rows("pool", [pooled]),
            stage_row("match", pooled.rows_kept, pair.rows_kept, unmatched),
            stage_row("select", pair.rows_kept, outcome.rows_in, pair.rows_kept - outcome.rows_in),
            *stage_rows("fetch", [outcome]),
            stage_row("pack", picked.rows_kept, packed, picked.rows_kept - packed),
        ]
        return pa.Table.from_pylist(rows, TABLES["stage"].schema)
