"""From the export, page views and WordNet to the query lists: the first Luigi tasks.

Each language's list has stages of its own, so one more language makes none of the others anew.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline.query_list.ngrams import count_ngrams, score_bigrams
from pipeline.query_list.phrases import bigram_phrases, synset_phrases, title_phrases, word_phrases
from pipeline.query_list.wordnet import read_synsets
from pipeline.settings.values import is_download
from pipeline.settings.whole import QuerySettings
from pipeline.tasks.input_files import input_files, refuse_empty
from pipeline.tasks.stage import ListStage, Parts, Stage, files, inputs_of
from pipeline.web.download import download
from pipeline.web.wikimedia import expand
from pipeline.wikipedia import pieces, read_pages
from pipeline.wikipedia.pageviews import named_views, read_views
from pipeline.wikipedia.sql_tables import read_page_table, read_redirect_table
from queries.engine import MapFunction, MapInput
from queries.tables.parts import Part, digest, read_rows, write_json, write_part
from queries.tables.schemas import TABLES

INPUT_FILES = ("article_file", "view_file", "synset_file")  # of all lists the table input_file


class DownloadInputs(ListStage):
    """The files that the settings name by address: dumps, page views and WordNet.

    They are kept on this machine, where their readers need them, even if the workspace is a store.
    """

    @property
    def root(self) -> Path:
        return self.ws.local

    def addresses(self) -> list[str]:
        used = self.of_list
        tables = (used.page_table, used.redirect_table)
        texts = (*used.articles, *used.views, *tables, used.wordnet)
        return [text for text in texts if text and is_download(text)]

    def settings_used(self) -> object:
        return self.addresses()

    def run(self) -> None:
        with self.at_work():
            listing = {address: self.download(address) for address in self.addresses()}
            write_json(self.output().path, listing)

    def files(self, address: str) -> list[Path]:
        """The files of an address, once this stage is complete."""
        return [self.root / path for path in self.listed[address]]

    def download(self, address: str) -> list[str]:
        """Download the files of an address to a folder of their own, so that no names clash."""
        folder = self.ws.local / "downloads" / digest(address)
        remotes = expand(address, self.used.downloads)
        with self.ws.engine.step("download", unit="bytes", rate=True) as step:
            paths = download(remotes, folder, self.used.downloads, step.update)
        return [self.relative(path) for path in paths]


class ReadStage(ListStage):
    """A stage that reads files of this machine, or downloaded ones."""

    def requires(self) -> list[Stage]:
        downloads = any(is_download(text) for text in self.texts())
        return [self.clone(DownloadInputs)] if downloads else []

    def texts(self) -> tuple[str, ...]:
        """The settings that name the files."""
        return ()

    def settings_used(self) -> object:
        return self.identities()

    def identities(self) -> list[str]:
        """What identifies the files before they are downloaded: an address, or a file's digest."""
        return [
            text if is_download(text) else self.ws.file_digest(Path(text)) for text in self.texts()
        ]

    def local(self, texts: tuple[str, ...]) -> list[str]:
        """The files that some of the settings name, on this machine."""
        downloads = self.clone(DownloadInputs)
        return [
            str(path)
            for text in texts
            for path in (downloads.files(text) if is_download(text) else [Path(text)])
        ]

    def counted(
        self, kind: str, read: list[tuple[str, Part]], n_column: str | None = None
    ) -> list[Part]:
        """The one part of what became of the rows of each file, as input_files takes them."""
        (name,) = (table for table in self.makes if table.endswith("_file"))
        rows = input_files(kind, read, n_column)
        return [write_part(self.path(name), TABLES[name], rows.to_batches())]


class ReadWikipedia(ReadStage):
    """Articles of the export as plain text, big files in pieces."""

    version = 3
    makes = ("article", "article_file")

    def texts(self) -> tuple[str, ...]:
        return self.of_list.articles

    def make(self) -> Parts:
        places = [piece for file in self.local(self.texts()) for piece in pieces(file)]
        inputs = [
            MapInput(
                digest(self.ws.file_digest(Path(path)), start, stop, self.version),
                pa.table({"path": [path], "start": [start], "stop": [stop]}),
            )
            for path, start, stop in places
        ]
        article = self.map("article", read_pages, inputs)
        read = list(zip((path for path, *_ in places), article, strict=True))
        refuse_empty(read)
        return {"article": article, "article_file": self.counted("articles", read)}


class CountNgrams(ListStage):
    """Words and bigrams of all articles, counted."""

    version = 3
    reads = ("article",)
    makes = ("ngram",)

    def requires(self) -> Stage:
        return self.clone(ReadWikipedia)

    def settings_used(self) -> object:
        return [self.bases_of(), self.tokeniser.identity]

    def bases_of(self) -> str:
        """The language whose words within words are counted, too."""
        used = self.of_list
        return used.wiki if used.count_bases else ""

    def make(self) -> Parts:
        function = partial(count_ngrams, bases_of=self.bases_of(), tokeniser=self.tokeniser)
        counts = self.map("ngram_part", function, self.inputs("article", self.settings_used()))
        return {"ngram": self.derive("ngram", ngram_part=files(counts))}


class CountViews(ReadStage):
    """Views of each title, file by file."""

    version = 2
    makes = ("title_view", "view_file")

    def texts(self) -> tuple[str, ...]:
        used = self.of_list
        return (*used.views, *(path for path in (used.page_table, used.redirect_table) if path))

    def settings_used(self) -> object:
        used = self.of_list
        return [used.wiki, used.mobile_share_max, len(used.views), self.identities()]

    def make(self) -> Parts:
        used = self.of_list
        paths = self.local(used.views)
        inputs = self.ws.file_inputs(paths, self.version, used.wiki)
        views = self.map("title_view_part", partial(read_views, wiki=used.wiki), inputs)
        title_view = self.derive(
            "title_view",
            title_view_part=files(views),
            page=self.wiki_table("page", read_page_table, used.page_table),
            redirect=self.wiki_table("redirect", read_redirect_table, used.redirect_table),
            build=self.build_row,
        )
        named = partial(named_views, wiki=used.wiki)
        title_view = self.map("title_view", named, inputs_of(title_view, self.digest))
        read = list(zip(paths, views, strict=True))
        return {"title_view": title_view, "view_file": self.counted("views", read, "n_lines")}

    def wiki_table(self, table: str, function: MapFunction, text: str | None) -> list[Path]:
        inputs = self.ws.file_inputs(self.local((text,)), self.version) if text else []
        return files(self.map(table, function, inputs))


class ReadWordNet(ReadStage):
    """Names of all synsets; none where the settings name no WordNet."""

    version = 3
    makes = ("synset_name", "synset_file")

    def texts(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.of_list.wordnet,)))

    def settings_used(self) -> object:
        return [self.of_list.wordnet_lemmas, self.of_list.wordnet_language, self.identities()]

    def make(self) -> Parts:
        lemmas, language = self.of_list.wordnet_lemmas, self.of_list.wordnet_language
        paths = self.local(self.texts())
        inputs = self.ws.file_inputs(paths, self.version, lemmas, language)
        read_names = partial(read_synsets, lemmas=lemmas, language=language)
        names = self.map("synset_name", read_names, inputs)
        read = list(zip(paths, names, strict=True))
        return {"synset_name": names, "synset_file": self.counted("wordnet", read)}


class DeriveQueries(ListStage):
    """The query list of a language: words, bigrams by PMI, popular titles, WordNet names."""

    version = 4
    reads = ("ngram", "title_view", "synset_name")
    makes = ("entry", "border", "corpus", "list_source")

    def requires(self) -> list[Stage]:
        return [self.clone(CountNgrams), self.clone(CountViews), self.clone(ReadWordNet)]

    def settings_used(self) -> object:
        inputs = {
            "articles",
            "views",
            "page_table",
            "redirect_table",
            "wordnet",
            "wordnet_language",
        }
        # A list of [[languages]] is as the same list of [queries].
        kept = set(QuerySettings.model_fields) - inputs
        return [self.code, self.of_list.model_dump(include=kept), self.tokeniser.keys]

    def make(self) -> Parts:
        ngram, build = self.paths("ngram"), self.build_row
        corpus = self.derive("corpus", ngram=ngram, build=build)
        bigram = self.derive("bigram", ngram=ngram, corpus=files(corpus))
        scored = self.map("scored_bigram", score_bigrams, inputs_of(bigram))
        phrase = self.all_phrases(files(corpus), scored)
        entry = self.derive("entry", phrase=files(phrase), build=build)
        return {
            "entry": entry,
            "border": self.derive("border", entry=files(entry), build=build),
            "corpus": corpus,
            "list_source": self.derive(
                "list_source", entry=files(entry), corpus=files(corpus), build=build
            ),
        }

    def all_phrases(self, corpus: list[Path], scored: list[Part]) -> list[Part]:
        """What each source offers at its floors."""
        used = self.of_list
        (floors,) = read_rows(corpus).to_pylist()
        words = partial(word_phrases, word_floor=floors["word_floor"])
        bigrams = partial(bigram_phrases, pmi_min=used.pmi_min)
        titles = partial(title_phrases, views_min=used.views_min)
        return [
            *self.phrases(words, self.parts("ngram")),
            *self.phrases(bigrams, scored),
            *self.phrases(titles, self.parts("title_view")),
            *self.phrases(synset_phrases, self.parts("synset_name")),
        ]

    def phrases(
        self, function: Callable[..., Iterator[pa.RecordBatch]], parts: list[Part]
    ) -> list[Part]:
        with_keys = partial(function, tokeniser=self.tokeniser)
        return self.map("phrase", with_keys, inputs_of(parts, self.digest))


class ListQueries(Stage):
    """The query lists of all languages as one table."""

    reads = ("entry",)
    makes = ("query",)

    def requires(self) -> list[Stage]:
        return [self.clone(DeriveQueries, language=code) for code in self.used.lists]

    def make(self) -> Parts:
        rows = [
            {"language": code, "place": place, "n_queries": of.n}
            for place, (code, of) in enumerate(self.used.lists.items())
        ]
        query_list = pa.Table.from_pylist(rows, TABLES["query_list"].schema)
        entry = self.paths("entry")
        return {"query": self.derive("query", entry=entry, query_list=query_list)}


def all_input_files(stage: Stage) -> pa.Table:
    """The table `input_file` of all query lists that a stage needs."""
    schema = TABLES["input_file"].schema
    tables = [schema.empty_table()]
    for maker, path in _listings(stage):
        rows = read_rows(path)
        rows = rows.append_column("language", pa.repeat(maker.code, rows.num_rows))
        tables.append(rows.select(schema.names).cast(schema))
    return pa.concat_tables(tables)


def _listings(stage: Stage) -> Iterator[tuple[ListStage, Path]]:
    for name in INPUT_FILES:
        for maker in stage.makers(name):
            assert isinstance(maker, ListStage)
            yield from ((maker, path) for path in maker.made(name))
