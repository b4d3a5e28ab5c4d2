"""From the sources to the pairs that contain a query, as Luigi tasks."""

from dataclasses import astuple, replace
from functools import cached_property, partial
from pathlib import Path

import pyarrow as pa

from pipeline import sources
from pipeline.filters.named import excluded_hosts
from pipeline.filters.privacy.evidence import personal_rows
from pipeline.filters.privacy.find import LIBRARIES
from pipeline.filters.rows import filter_pairs
from pipeline.match.lists import match_pairs
from pipeline.rights.evidence import heard_on_pages
from pipeline.selection.caps import Caps, language_caps
from pipeline.settings.sources import Source
from pipeline.tasks.opening import exclusion_lists, read_lists
from pipeline.tasks.queries import ListQueries
from pipeline.tasks.stage import Parts, Stage, files, inputs_of
from pipeline.workspace.takedown_log import LOG, blanking_taken_down
from queries.engine import MapFunction, MapInput
from queries.tables.parts import Part, digest, read_rows, write_part
from queries.tables.schemas import TABLES


class ReadIndexes(Stage):
    """The records of crawls that an index names, as far as a source's condition wants them."""

    makes = ("crawl_record",)

    def index_inputs(self, source: Source) -> list[MapInput]:
        planning = sources.Planning(self.ws.file_digest)
        return [
            MapInput(digest(part.identity, self.version), part.rows)
            for part in sources.indexes(source, planning)
        ]

    @cached_property
    def inputs_of_source(self) -> dict[Source, list[MapInput]]:
        return {source: self.index_inputs(source) for source in self.indexed}

    @property
    def indexed(self) -> list[Source]:
        return [source for source in self.used.sources if source.is_indexed]

    def settings_used(self) -> object:
        return [[index.digest for index in inputs] for inputs in self.inputs_of_source.values()]

    def make(self) -> Parts:
        made: list[Part] = []
        for source in self.indexed:
            function = partial(sources.list_records, source=source)
            made += self.map("crawl_record", function, self.inputs_of_source[source])
        return {"crawl_record": made}


class CollectPairs(Stage):
    """Candidates from every source; one that is searched needs the queries first."""

    version = 3
    reads = ("query", "crawl_record")
    makes = ("candidate",)

    def requires(self) -> list[Stage]:
        needed: list[Stage] = []
        if any(source.searches for source in self.used.sources):
            needed.append(self.clone(ListQueries))
        if any(source.is_indexed for source in self.used.sources):
            needed.append(self.clone(ReadIndexes))
        return needed

    def source_inputs(self, source: Source) -> list[MapInput]:
        planning = sources.Planning(self.ws.file_digest, journals=self.ws.local / "work" / "search")
        if source.searches:
            planning = replace(planning, queries=read_rows(self.paths("query")))
        if source.is_indexed:
            planning = replace(planning, records=self.records(source))
        return [
            MapInput(digest(part.identity, self.used.seed, self.version), part.rows)
            for part in sources.parts(source, planning)
        ]

    def records(self, source: Source) -> list[Path]:
        """The files that list a source's records: a file for each part of its index."""
        (reader,) = (stage for stage in self.needed if isinstance(stage, ReadIndexes))
        files = {path.stem: path for path in self.paths("crawl_record")}
        return [files[index.digest] for index in reader.inputs_of_source[source]]

    def settings_used(self) -> object:
        """Parts that queries or an index decide are not known before: those stages are required."""
        return [self.decided_by(source) for source in self.used.sources]

    def decided_by(self, source: Source) -> object:
        if source.searches:
            return source.model_dump(mode="json")
        if source.is_indexed:
            return [source.name, source.model_dump(include={"base"})]
        return [part.digest for part in self.source_inputs(source)]

    def make(self) -> Parts:
        candidate: list[Part] = []
        for source in self.used.sources:
            function = self.collect(source)
            inputs = self.source_inputs(source)
            candidate += self.map("candidate", function, inputs, in_turn=source.in_turn)
        return {"candidate": candidate}

    def collect(self, source: Source) -> MapFunction:
        """The map function. A takedown changes no part's name: it has changed the parts itself."""
        function = partial(sources.collect, source=source, seed=self.used.seed)
        taken_down = (self.ws.folder / LOG).exists()
        return blanking_taken_down(function, self.ws.folder) if taken_down else function


class FilterPairs(Stage):
    """Row rules, part by part, then the rules over the pool."""

    version = 4
    reads = ("candidate",)
    makes = ("filtered", "exclusion", "named", "pooled", "page_heard", "personal")

    def requires(self) -> Stage:
        return self.clone(CollectPairs)

    def settings_used(self) -> object:
        lists = [exclusions.digest for exclusions in exclusion_lists(self.ws)]
        return [self.row_rules(), self.used.filters.boilerplate_max, lists]

    def row_rules(self) -> object:
        """The settings of the rules that see one row at a time, each file by its digest."""
        used = self.used.row_filters
        model = self.ws.file_digest(Path(used.language_model)) if used.language_model else None
        blocked = [self.ws.file_digest(Path(path)) for path in used.blocked_words]
        others = {"language_model", "blocked_words", "boilerplate_max"}
        # Words are looked for in captions as queries are.
        tokeniser = self.tokeniser.identity if blocked else None
        consent, lists = self.used.consent.model_dump(), self.used.list_of_label
        privacy = [self.used.privacy.model_dump(), LIBRARIES]
        return [used.model_dump(exclude=others), model, blocked, lists, consent, privacy, tokeniser]

    def make(self) -> Parts:
        exclusion = read_lists(self.ws)
        function = partial(
            filter_pairs,
            settings=self.used.row_filters,
            list_of_label=self.used.list_of_label,
            consent=self.used.consent,
            tokeniser=self.tokeniser,
            privacy=self.used.privacy,
        )
        filtered = self.map("filtered", function, self.inputs("candidate", self.row_rules()))
        host = self.derive("host", filtered=files(filtered))
        find_hosts = partial(excluded_hosts, exclusions=tuple(files(exclusion)))
        names = [part.name for part in exclusion]
        excluded_host = self.map("excluded_host", find_hosts, inputs_of(host, self.version, names))
        # What was dropped for a no, or for what is personal, is evidence of it as well.
        all_rows = inputs_of(filtered, self.version, with_dropped=True)
        known = {
            "filtered": files(filtered),
            "exclusion": files(exclusion),
            "excluded_host": files(excluded_host),
        }
        return {
            "filtered": filtered,
            "exclusion": exclusion,
            "named": self.derive("named", **known),
            "pooled": self.derive("pooled", **known, build=self.build_row),
            "page_heard": self.map("page_heard", heard_on_pages, all_rows),
            "personal": self.map("personal", personal_rows, all_rows),
        }


class MatchPairs(Stage):
    """Which queries each caption contains; with them, the pairs to choose from."""

    version = 4
    reads = ("query", "candidate", "filtered", "pooled")
    makes = ("pair", "extra", "drop", "pair_match")

    def requires(self) -> list[Stage]:
        return [self.clone(ListQueries), self.clone(FilterPairs)]

    def quotas(self) -> list[dict[str, object]]:
        return [
            {"language": language.code, "most_pairs": language.most_pairs}
            for language in self.used.languages
            if language.most_pairs
        ]

    def settings_used(self) -> object:
        return [self.identities(), self.quotas()]

    def identities(self) -> list[object]:
        """What decides which words of captions the queries of each list are."""
        return [[code, of.identity] for code, of in self.tokenisers]

    def make(self) -> Parts:
        (query,) = self.paths("query")
        function = partial(match_pairs, query_file=query, tokenisers=self.tokenisers)
        inputs = self.inputs("filtered", query.stem, self.identities())
        match = self.map("match", function, inputs)
        candidate, pooled = self.paths("candidate"), self.paths("pooled")
        matched: dict[str, list[Path]] = {"pooled": pooled, "match": files(match)}
        matched["over_quota"] = self.over_quota(**matched)
        pair = self.derive("pair", **matched)
        return {
            "pair": pair,
            "extra": self.derive("extra", candidate=candidate, pair=files(pair)),
            "drop": self.derive(
                "drop",
                candidate=candidate,
                filtered=self.paths("filtered"),
                pair=files(pair),
                **matched,
            ),
            "pair_match": self.derive("pair_match", match=files(match), pair=files(pair)),
        }

    def over_quota(self, **matched: list[Path]) -> list[Path]:
        """The pairs that a quota leaves out; no part where no language has a quota."""
        if not self.quotas():
            return []
        schema = TABLES["language_quota"].schema
        quota = pa.Table.from_pylist(self.quotas(), schema)
        return files(self.derive("over_quota", language_quota=quota, **matched))


class CapLanguages(Stage):
    """The cap of each language of a worldwide build, by its tail; of one list the cap is as set."""

    reads = ("query", "pair_match")
    makes = ("language_cap", "query_cap")

    def requires(self) -> Stage:
        return self.clone(MatchPairs)

    def caps(self) -> Caps:
        used = self.used
        fixed = {language.code: language.cap for language in used.languages if language.cap}
        return Caps(tuple(used.lists), used.reference, used.selection.cap, fixed)

    def settings_used(self) -> object:
        return astuple(self.caps()) if self.used.languages else None

    def make(self) -> Parts:
        if not self.used.languages:
            return {"language_cap": [], "query_cap": []}
        query = self.paths("query")
        counted = self.derive("match_count", query=query, pair_match=self.paths("pair_match"))
        caps = language_caps(read_rows(files(counted)), self.caps())
        table, path = TABLES["language_cap"], self.path("language_cap")
        return {
            "language_cap": [write_part(path, table, caps.to_batches())],
            "query_cap": self.derive("query_cap", query=query, language_cap=caps),
        }
