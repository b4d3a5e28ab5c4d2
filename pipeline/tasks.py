"""The build as a handful of Luigi tasks: what each needs, what it makes, in which order.

The only module that composes the stages; pipeline.stage says what every task is.
"""

import json
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import luigi
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import sources
from pipeline.download import download
from pipeline.dumps import expand
from pipeline.exclusions import excluded_hosts, read_exclusions
from pipeline.fetch import FETCHED, fetch_part
from pipeline.fetch_log import FetchStatus
from pipeline.fields import is_address
from pipeline.filters import filter_pairs
from pipeline.image_parts import prune, read_images
from pipeline.match import match_pairs
from pipeline.ngrams import count_ngrams, score_bigrams
from pipeline.pageviews import read_views
from pipeline.person_terms import match_terms
from pipeline.phrases import bigram_phrases, synset_phrases, title_phrases, word_phrases
from pipeline.publish import count_rows, publish, stage_row, stage_rows
from pipeline.report import REPORT, announce, write_report
from pipeline.retry import lost_pairs, reasons
from pipeline.scorer_settings import Scorer
from pipeline.scorers import score_pictures
from pipeline.selection import image_parts, request, select
from pipeline.shards import cut, pack, shard_bits, shard_digest
from pipeline.source_settings import Source
from pipeline.stage import Made, Parts, Stage, files, inputs_of
from pipeline.taken_down import LOG, without
from pipeline.wiki_tables import read_page_table, read_redirect_table
from pipeline.wikipedia import pieces, read_pages
from pipeline.wordnet import read_synsets
from queries.build import MANIFEST
from queries.engine import MapFunction, MapInput, Rows
from queries.parts import Part, digest, read_part, read_rows, write_json
from queries.person_terms import person_terms, terms_digest
from queries.schemas import PUBLISHED, TABLES


class DownloadInputs(Stage):
    """The files that the settings name by address: dumps, page views and WordNet.

    Their readers want files of this machine, so they are here also where the workspace is a store.
    """

    @property
    def root(self) -> Path:
        return self.ws.local

    def addresses(self) -> list[str]:
        used = self.used.queries
        tables = (used.page_table, used.redirect_table)
        named = (*used.articles, *used.views, *tables, used.wordnet)
        return [text for text in named if text and is_address(text)]

    def settings_used(self) -> object:
        return self.addresses()

    def make(self) -> Parts:
        return {}

    def run(self) -> None:
        with self.at_work():
            listing = {text: self.downloaded(text) for text in self.addresses()}
            write_json(self.output().path, listing)

    def downloaded(self, address: str) -> list[str]:
        """The address's files in a folder of its own, so that no two names clash."""
        folder = self.ws.local / "downloads" / digest(address)
        remotes = expand(address, self.used.downloads)
        with self.ws.engine.step("download", unit="bytes", rate=True) as step:
            paths = download(remotes, folder, self.used.downloads, step.update)
        return [self.relative(path) for path in paths]


class ReadStage(Stage):
    """A stage whose inputs are files of this machine, or downloaded ones."""

    def requires(self) -> list[Stage]:
        given = any(is_address(text) for text in self.texts())
        return [self.clone(DownloadInputs)] if given else []

    def texts(self) -> tuple[str, ...]:
        """The settings that name the inputs."""
        return ()

    def settings_used(self) -> object:
        return self.identities()

    def identities(self) -> list[str]:
        """What names the inputs before they are there: an address, or a file's digest."""
        return [one if is_address(one) else self.ws.file_digest(Path(one)) for one in self.texts()]

    def local(self, texts: tuple[str, ...]) -> list[str]:
        """Some of the inputs, as files of this machine."""
        return [
            str(path)
            for text in texts
            for path in (self.paths(text) if is_address(text) else [Path(text)])
        ]


class ReadWikipedia(ReadStage):
    """Articles of the export as plain text, big files in pieces."""

    def texts(self) -> tuple[str, ...]:
        return self.used.queries.articles

    def make(self) -> Parts:
        inputs = [
            MapInput(
                digest(self.ws.file_digest(Path(path)), start, stop, self.version),
                pa.table({"path": [path], "start": [start], "stop": [stop]}),
            )
            for file in self.local(self.texts())
            for path, start, stop in pieces(file)
        ]
        return {"article": self.map("article", read_pages, inputs)}


class CountNgrams(Stage):
    """Words and bigrams of all articles, counted."""

    def requires(self) -> Stage:
        return self.clone(ReadWikipedia)

    def make(self) -> Parts:
        counts = self.map("ngram_part", count_ngrams, self.inputs("article"))
        return {"ngram": self.derive("ngram", ngram_part=files(counts))}


class CountViews(ReadStage):
    """Views of each title, file by file."""

    def texts(self) -> tuple[str, ...]:
        used = self.used.queries
        return (*used.views, *(path for path in (used.page_table, used.redirect_table) if path))

    def settings_used(self) -> object:
        used = self.used.queries
        return [used.wiki, used.mobile_share_max, len(used.views), self.identities()]

    def make(self) -> Parts:
        used = self.used.queries
        inputs = self.ws.file_inputs(self.local(used.views), self.version, used.wiki)
        views = self.map("title_view_part", partial(read_views, wiki=used.wiki), inputs)
        known = {
            "page": self.wiki_table("page", read_page_table, used.page_table),
            "redirect": self.wiki_table("redirect", read_redirect_table, used.redirect_table),
        }
        title_view = self.derive(
            "title_view", title_view_part=files(views), build=self.build_row, **known
        )
        return {"title_view": title_view}

    def wiki_table(self, name: str, function: MapFunction, text: str | None) -> list[Path]:
        inputs = self.ws.file_inputs(self.local((text,)), self.version) if text else []
        return files(self.map(name, function, inputs))


class ReadWordNet(ReadStage):
    """Names of all synsets; none where the settings name no WordNet."""

    def texts(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.used.queries.wordnet,)))

    def settings_used(self) -> object:
        return [self.used.queries.wordnet_lemmas, self.identities()]

    def make(self) -> Parts:
        lemmas = self.used.queries.wordnet_lemmas
        inputs = self.ws.file_inputs(self.local(self.texts()), self.version, lemmas)
        function = partial(read_synsets, lemmas=lemmas)
        return {"synset_name": self.map("synset_name", function, inputs)}


class DeriveQueries(Stage):
    """The query list: words, bigrams by PMI, popular titles, WordNet names."""

    version = 2

    def requires(self) -> list[Stage]:
        return [self.clone(CountNgrams), self.clone(CountViews), self.clone(ReadWordNet)]

    def settings_used(self) -> object:
        read_before = {"articles", "views", "page_table", "redirect_table", "wordnet"}
        return self.used.queries.model_dump(exclude=read_before)

    def make(self) -> Parts:
        bigram = self.derive("bigram", ngram=self.paths("ngram"), build=self.build_row)
        scored = self.map("scored_bigram", score_bigrams, inputs_of(bigram))
        used = self.used.queries
        phrase = [
            *self.phrases(partial(word_phrases, word_min=used.word_min), self.parts("ngram")),
            *self.phrases(bigram_phrases, scored),
            *self.phrases(
                partial(title_phrases, views_min=used.views_min), self.parts("title_view")
            ),
            *self.phrases(synset_phrases, self.parts("synset_name")),
        ]
        entry = self.derive("entry", phrase=files(phrase), build=self.build_row)
        known = {"entry": files(entry), "build": self.build_row}
        return {
            "entry": entry,
            "query": self.derive("query", **known),
            "border": self.derive("border", **known),
        }

    def phrases(self, function: MapFunction, parts: list[Part]) -> list[Part]:
        return self.map("phrase", function, inputs_of(parts, self.digest))


class CollectPairs(Stage):
    """Candidates from every source."""

    def requires(self) -> list[Stage]:
        searching = any(source.searches for source in self.used.sources)
        return [self.clone(DeriveQueries)] if searching else []

    def source_inputs(self, source: Source) -> list[MapInput]:
        given = sources.Given(self.ws.file_digest, journals=self.ws.local / "work" / "search")
        if source.searches:
            given = replace(given, queries=read_rows(self.paths("query")))
        return [
            MapInput(digest(part.identity, self.used.seed, self.version), part.rows)
            for part in sources.parts(source, given)
        ]

    def settings_used(self) -> object:
        """A searching source's parts are not known before the queries are: those are required."""
        return [
            source.model_dump(mode="json")
            if source.searches
            else [one.digest for one in self.source_inputs(source)]
            for source in self.used.sources
        ]

    def make(self) -> Parts:
        candidate: list[Part] = []
        for source in self.used.sources:
            function = self.collect(source)
            inputs = self.source_inputs(source)
            candidate += self.map("candidate", function, inputs, in_turn=source.searches)
        return {"candidate": candidate}

    def collect(self, source: Source) -> MapFunction:
        """A takedown changes no part's name: it has taken its rows out of those that are there."""
        function = partial(sources.collect, source=source, seed=self.used.seed)
        taken_down = (self.ws.folder / LOG).exists()
        return without(self.ws.folder, function) if taken_down else function


class FilterPairs(Stage):
    """Row rules, part by part, then the rules over the pool."""

    version = 2

    def requires(self) -> Stage:
        return self.clone(CollectPairs)

    def settings_used(self) -> object:
        lists = [one.digest for one in self.exclusion_lists()]
        return [self.row_rules(), self.used.filters.boilerplate_max, lists]

    def exclusion_lists(self) -> list[MapInput]:
        """A list is named by its content, and by its ending, which says how it is read."""
        return [
            one
            for path in self.used.exclusions
            for one in self.ws.file_inputs([path], Path(path).suffix, self.version)
        ]

    def row_rules(self) -> object:
        """The settings that the rules of a row alone use, each file by its digest."""
        used = self.used.filters
        model = self.ws.file_digest(Path(used.language_model)) if used.language_model else None
        blocked = [self.ws.file_digest(Path(path)) for path in used.blocked_words]
        of_files = {"language_model", "blocked_words", "boilerplate_max"}
        return [used.model_dump(exclude=of_files), model, blocked]

    def make(self) -> Parts:
        exclusion = self.map("exclusion", read_exclusions, self.exclusion_lists())
        function = partial(filter_pairs, settings=self.used.filters)
        filtered = self.map("filtered", function, self.inputs("candidate", self.row_rules()))
        host = self.derive("host", filtered=files(filtered))
        named = partial(excluded_hosts, exclusions=tuple(files(exclusion)))
        names = [part.name for part in exclusion]
        excluded_host = self.map("excluded_host", named, inputs_of(host, self.version, names))
        pooled = self.derive(
            "pooled",
            filtered=files(filtered),
            exclusion=files(exclusion),
            excluded_host=files(excluded_host),
            build=self.build_row,
        )
        return {"filtered": filtered, "exclusion": exclusion, "pooled": pooled}


class MatchPairs(Stage):
    """Which queries each caption contains; with them, the pairs to choose from."""

    version = 2

    def requires(self) -> list[Stage]:
        return [self.clone(DeriveQueries), self.clone(FilterPairs)]

    def make(self) -> Parts:
        (query,) = self.paths("query")
        function = partial(match_pairs, query_file=query)
        match = self.map("match", function, self.inputs("filtered", query.stem))
        known = {"pooled": self.paths("pooled"), "match": files(match)}
        pair = self.derive("pair", **known)
        rows = {"candidate": self.paths("candidate"), "filtered": self.paths("filtered")}
        drop = self.derive("drop", **known, **rows)
        pair_match = self.derive("pair_match", match=files(match), pair=files(pair))
        extra = self.derive("extra", candidate=rows["candidate"], pair=files(pair))
        return {"pair": pair, "extra": extra, "drop": drop, "pair_match": pair_match}


class JudgeStage(Stage):
    """A stage that judges fetched pictures."""

    def judges(self, image_parts: list[str]) -> dict[str, Rows]:
        """What pictures are judged by beside their measures: exclusions, and scores with limits.

        Pictures that have no score yet get it here, part by part: no picture is fetched for it.
        """
        found: dict[str, Rows] = {"exclusion": self.paths("exclusion")}
        if self.used.scorers:
            found |= {"scored": self.scored(image_parts), "scorer": self.ws.scorer_rows()}
        return found

    def scored(self, image_parts: list[str]) -> list[Path]:
        """The scores of all pictures of these image parts, by every scorer."""
        return [path for one in self.used.scorers for path in self.scored_by(one, image_parts)]

    def scored_by(self, scorer: Scorer, image_parts: list[str]) -> list[Path]:
        named = [1, self.ws.image_digest, self.ws.scorer_identity(scorer)]
        inputs = [
            MapInput(digest(name, named), pa.table({"folder": [str(self.ws.images / name)]}))
            for name in image_parts
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
                for name, rows in image_parts(missing, self.used.fetch.rows_per_part)
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
            write_json(noted, self.ws.image_parts())
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
            known = self.ws.image_parts()
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


class PackShards(Stage):
    """Kept pairs as tars with the Parquet of their rows."""

    def requires(self) -> Stage:
        return self.clone(CapPairs)

    def settings_used(self) -> object:
        return [self.used.samples_per_shard, terms_digest()]

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
        named = self.map("person_match", match_terms, inputs_of(sample, terms_digest()))
        return {"sample": sample, "person_match": named}


class BuildWIT(Stage):
    """The whole: every stage, published as one immutable build in a folder of its own."""

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
        announce(self.folder, "there already, nothing to do")
        return True

    def run(self) -> None:
        with self.at_work():
            tables = {name: self.paths(name) for name in PUBLISHED if self.paths(name)}
            tables |= {
                "match": self.paths("pair_match"),
                "unsettled": self.paths("left_unsettled"),
                "person_term": person_terms(),
                "stage": self.stages(),
                "build": self.ws.build_row(self.digest, **self.reached()),
            }
            if self.used.scorers:
                tables["scorer"] = self.ws.scorer_rows()
            about = {"settings": self.ws.described()}
            shards = self.paths("sample")
            with self.ws.engine.step("tables and shards"):
                publish(self.ws.folder, self.digest, tables, shards, about)
            if self.used.prune:
                prune(self.ws.images, self.folder, read_rows(self.paths("picked")))
            with self.ws.engine.step("report"):
                write_report(self.folder)
            announce(self.folder, "made")

    def reached(self) -> dict[str, object]:
        """What the query list came down to: how much was on offer, and the last of each source."""
        query = read_rows(self.paths("query"))
        least: dict[str, object] = {"n_offered": self.parts("entry")[0].rows_kept}
        for source, column in (
            ("word", "word_n"),
            ("bigram", "bigram_pmi"),
            ("title", "title_views"),
        ):
            of = query.filter(pc.equal(query["entered_by"], source))
            least[f"{column}_reached"] = pc.min(of[column]).as_py()
        return least

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
