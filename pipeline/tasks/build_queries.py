"""The query list alone, published with its audit: a Luigi task that needs no source of pairs."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from pipeline.publish.version import publish, stage_rows
from pipeline.report.query_list import announce_list
from pipeline.settings.whole import Settings
from pipeline.tasks.queries import INPUT_FILES, ListQueries, all_input_files
from pipeline.tasks.stage import Made, Stage
from queries.tables.manifest import LISTS, MANIFEST
from queries.tables.schemas import TABLES


class BuildQueries(Stage):
    """The query lists alone, published like a build in OUT/queries; no other section is read."""

    published = ("query", "border", "corpus", "list_source")
    reads = (*published, "article", *INPUT_FILES)
    makes = (*published, "input_file", "stage", "file", "build")

    def check(self, settings: Settings) -> None:
        """Nothing but the lists is made: `[queries]` or `[[languages]]`, and `[text]`."""

    def requires(self) -> Stage:
        return self.clone(ListQueries)

    @property
    def folder(self) -> Path:
        return self.ws.folder / LISTS / self.digest

    def output(self) -> Made:
        return Made(self.folder / MANIFEST)

    def complete(self) -> bool:
        if not super().complete():
            return False
        self.note_stages()
        announce_list(self.folder, "there already, nothing to do")
        return True

    def run(self) -> None:
        # Other sections do not name the list, so they are not in it: they are as they come.
        used = self.used
        lists = Settings(queries=used.queries, languages=used.languages, text=used.text)
        alone = replace(self.ws, settings=lists)
        with self.at_work():
            read = stage_rows("read", self.parts("article"))
            tables = {
                **{name: self.paths(name) for name in self.published},
                "input_file": all_input_files(self),
                "stage": pa.Table.from_pylist(read, TABLES["stage"].schema),
                "build": alone.build_row(self.digest),
            }
            unspaced = self.unspaced(article="text")
            about = {"settings": self.described(alone), "unspaced": unspaced}
            self.note_stages()
            publish(self.folder.parent, self.digest, tables, [], about)
        announce_list(self.folder, "made")
