"""The query list alone, published with its audit: a Luigi task that needs no source of pairs."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline.publish.version import publish, stage_rows
from pipeline.report.query_list import announce_list
from pipeline.settings.whole import Settings
from pipeline.tasks.queries import INPUT_FILES, DeriveQueries
from pipeline.tasks.stage import Made, Stage
from queries.tables.manifest import LISTS, MANIFEST
from queries.tables.schemas import TABLES


class BuildQueries(Stage):
    """The query list alone, published like a build in OUT/queries, from `[queries]` alone."""

    published = ("query", "border", "corpus", "list_source")
    reads = (*published, "article", *INPUT_FILES)
    makes = (*published, "input_file", "stage", "file", "build")

    def check(self, settings: Settings) -> None:
        """Nothing but the list is made, so nothing but `[queries]` and `[text]` is needed."""

    def requires(self) -> Stage:
        return self.clone(DeriveQueries)

    @property
    def folder(self) -> Path:
        return self.ws.folder / LISTS / self.digest

    def output(self) -> Made:
        return Made(self.folder / MANIFEST)

    def complete(self) -> bool:
        if not super().complete():
            return False
        announce_list(self.folder, "there already, nothing to do")
        return True

    def run(self) -> None:
        # Other sections do not name the list, so they are not in it: they are as they come.
        alone = replace(self.ws, settings=Settings(queries=self.used.queries, text=self.used.text))
        with self.at_work():
            read = stage_rows("read", self.parts("article"))
            tables = {
                **{name: self.paths(name) for name in self.published},
                "input_file": [path for name in INPUT_FILES for path in self.paths(name)],
                "stage": pa.Table.from_pylist(read, TABLES["stage"].schema),
                "build": alone.build_row(self.digest),
            }
            about = {"settings": self.described(alone)}
            publish(self.folder.parent, self.digest, tables, [], about)
        announce_list(self.folder, "made")
