"""The settings of a build: one TOML, checked whole before work starts.

A wrong file ends in SettingsError with one line for each fault that names the key, the value and
what was expected. `package:NAME/PATH` in a path is a file inside an installed package, found
without importing it; other relative paths start at the TOML's folder.
"""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pipeline.settings.card import CardSettings
from pipeline.settings.consent import ConsentSettings
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.files import nearest
from pipeline.settings.images import ImageSettings
from pipeline.settings.keys import hint
from pipeline.settings.privacy import PrivacySettings
from pipeline.settings.scorers import Scorers
from pipeline.settings.sources import Source
from pipeline.settings.text import TextSettings
from pipeline.settings.values import (
    Address,
    ByLanguage,
    Contact,
    Count,
    DownloadOrFile,
    DownloadsOrFiles,
    ExistingPath,
    FirstExisting,
    PerMillion,
    Positive,
    Section,
    Share,
    Workers,
    spelt_as,
)
from queries.tables.errors import UserError
from queries.tables.faults import UNKNOWN, faults, line
from queries.tables.table import OTHER
from queries.tables.toml_files import TomlError, read_toml

SAMPLE = Path(__file__).parents[1] / "builds" / "sample.toml"


class SettingsError(UserError):
    """What is wrong with the settings, in lines that a user can act on."""


# Of 500,000 queries, as MetaCLIP's rebuild of CLIP's list has them (Xu et al. 2023, table 1).
SHARES = {"word": 251_465, "bigram": 100_646, "title": 61_235}


class QuerySettings(Section):
    """The query list: CLIP section 2.2 and its footnote.

    Of two floors on occurrences the larger holds: 0.02 and 0.1 in a million words are 98 and 490 in
    the English Wikipedia, and `word_min` and `bigram_min` hold in small collections of articles.
    """

    n: Positive = 500_000
    articles: Annotated[DownloadsOrFiles, Field(min_length=1)]
    views: DownloadsOrFiles = ()
    wiki: str = "en"
    page_table: DownloadOrFile | None = None
    redirect_table: DownloadOrFile | None = None
    mobile_share_max: Share = 1.0
    wordnet: FirstExisting = ""
    wordnet_language: str = Field("", validate_default=True)  # of its lexicons; "": that of wiki
    wordnet_lemmas: Literal["first", "all"] = "first"
    count_bases: bool = True  # "dog's" counts for "dog", where the wiki's language writes so
    word_min: Positive = 5
    word_per_million: PerMillion = 0.02
    word_quota: Count | None = None
    bigram_min: Positive = 5
    bigram_per_million: PerMillion = 0.1
    pmi_min: float = 8.0  # bits: no bigram of a word that is more than 1 of 256 words has as many
    bigram_quota: Count | None = None
    views_min: Count = 70
    title_quota: Count | None = None

    @field_validator("wordnet_language")
    @classmethod
    def _of_the_wiki(cls, language: str, info: ValidationInfo) -> str:
        return language or info.data.get("wiki", "")

    def quota(self, source: str) -> int:
        """The most of the list that a source brings before WordNet: as set, or its share of `n`.

        >>> QuerySettings.model_construct(n=20_000, word_quota=None).quota("word")
        10058
        """
        quota: int | None = getattr(self, f"{source}_quota")
        return self.n * SHARES[source] // 500_000 if quota is None else quota


Label = Annotated[
    str, spelt_as(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{1,8})*|other", 'a code such as "de", "zh-Hant"')
]


class LanguageSettings(QuerySettings):
    """A language of a worldwide build: its query list, and which captions are matched with it."""

    code: Label
    merge: tuple[Label, ...] = ()  # other labels of the language model that count as it
    cap: Positive | None = None  # None: the reference's tail has the same share
    most_pairs: Positive | None = None  # to choose from: the first in the order; None: all
    text: TextSettings | None = None  # None: as the build's

    @model_validator(mode="before")
    @classmethod
    def _wiki_is_the_code(cls, given: Any) -> Any:
        if isinstance(given, dict) and isinstance(given.get("code"), str):
            return {"wiki": given["code"], **given}
        return given


def _each_label_once(languages: tuple[LanguageSettings, ...]) -> tuple[LanguageSettings, ...]:
    counted_as: dict[str, str] = {}
    for language in languages:
        for label in (language.code, *language.merge):
            if label in counted_as:
                raise ValueError(
                    f"each code and each label once; {label!r} counts as {counted_as[label]} "
                    f"and as {language.code}"
                )
            counted_as[label] = language.code
    if OTHER in counted_as.values():
        raise ValueError(f"codes of languages; {OTHER!r} is what captions of no language are")
    return languages


Languages = Annotated[tuple[LanguageSettings, ...], AfterValidator(_each_label_once)]


class DownloadSettings(Section):
    """How files are asked for; nothing here changes a row."""

    contact: Contact = ""
    base: Address = "https://dumps.wikimedia.org"
    connections: Annotated[int, Field(ge=1, le=2)] = 2
    retries: Annotated[int, Field(ge=0, le=20)] = 5  # in a row that bring next to nothing
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0  # of silence
    backoff_s: Annotated[float, Field(ge=0, le=600)] = 2.0  # before the first retry, then doubled
    max_wait_s: Annotated[float, Field(ge=0, le=86_400)] = 900.0
    max_bytes: Positive = 1 << 38  # of one file


NOT_PICTURES = (
    *("htm", "html", "xhtml", "css", "js", "json", "xml", "txt", "csv", "svg", "svgz"),
    *("pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx", "odt", "epub", "swf", "apk", "exe"),
    *("zip", "gz", "rar", "7z", "tar", "mp3", "ogg", "wav", "mp4", "webm", "ogv", "mov", "avi"),
)


Ending = Annotated[str, spelt_as(r"[a-z0-9]+", 'endings without their dot, such as "pdf"')]


class FilterSettings(Section):
    """What an address and a caption must be: docs/filters.md says how to turn each rule off."""

    allow_private_hosts: bool = False
    drop_bad_hosts: bool = True
    not_pictures: tuple[Ending, ...] = NOT_PICTURES
    languages: tuple[str, ...] = ("en",)
    language_model: ExistingPath | None = None
    language_min_score: ByLanguage[Share] = 0.0  # one for all, or a table by language
    language_odds: ByLanguage[Annotated[float, Field(ge=1)]] = 3.0
    other_languages: Literal["drop", "all"] = "drop"  # beside [[languages]]; "all": match with all
    min_words: Count = 1
    max_words: Count = 256
    min_characters: Count = 2
    max_characters: Count = 2_000
    min_letter_share: Share = 0.4
    drop_file_names: bool = True
    file_name_words: Annotated[int, Field(ge=0, le=100)] = 3  # from these on it describes; 0: never
    drop_urls: bool = True
    placeholders: tuple[str, ...] = ("[all]",)  # lists by language, and phrases of your own
    max_repeated_share: Share = 0.5
    drop_mojibake: bool = True
    blocked_words: tuple[ExistingPath, ...] = ()
    boilerplate_max: Count = 100

    @model_validator(mode="after")
    def _languages_have_a_model(self) -> "FilterSettings":
        if "languages" in self.model_fields_set and self.languages and not self.language_model:
            raise ValueError("a language_model beside languages, or no caption's would be known")
        return self


class SelectionSettings(Section):
    """The cap and the rounds: docs/design.md, selection."""

    cap: Positive = 20_000  # beside [[languages]]: of the reference
    reference: str = ""  # code of [[languages]]; "": en, or the first
    max_rounds: Annotated[int, Field(ge=1, le=1_000)] = 12
    round_factor: Annotated[float, Field(ge=1, le=10)] = 1.0
    near_bits: Annotated[int, Field(ge=-1, le=6)] = -1  # bits of pHash; -1: all stay


def _each_name_once(sources: tuple[Source, ...]) -> tuple[Source, ...]:
    names = Counter(source.name for source in sources)
    twice = next((name for name, n in names.items() if n > 1), None)
    if twice is not None:
        raise ValueError(
            f"each name once, since rows and counts are told apart by it; {twice!r} is there "
            f"{names[twice]} times: rename one, or put both paths in one source"
        )
    return sources


Sources = Annotated[tuple[Source, ...], AfterValidator(_each_name_once)]
Memory = Annotated[str, spelt_as(r"\d+(MB|GB)", 'a whole number of MB or GB, such as "4GB"')]
Master = Annotated[
    str,
    spelt_as(
        r"local(\[(\d+|\*)\])?|spark://.+|yarn|k8s://.+",
        '"local", "local[2]", "yarn", or an address that begins with spark:// or k8s://',
    ),
]
SparkKey = Annotated[str, spelt_as(r"spark\..*", 'a key of Spark, such as "spark.ui.enabled"')]


class SparkSettings(Section):
    """A session of `--engine spark`: docs/spark.md."""

    master: Master = "local[2]"
    memory: Memory = "4GB"  # of the driver, and of each executor
    partitions: Annotated[int, Field(ge=1, le=1_000_000)] = 64  # of a shuffle, at most
    fetchers: Annotated[int, Field(ge=1, le=1024)] = (
        1  # image parts fetched at once; they share the limits per host
    )
    derive_in_driver: Memory = "64MB"  # a statement over so little is run by DuckDB in the driver
    python: str = ""  # on the machines of the cluster; "": the path of this one
    conf: dict[SparkKey, str] = Field(default={})


class EngineSettings(Section):
    """How much of the machine a build may use; nothing here changes a row."""

    workers: Workers = 0  # 0: one a core
    memory: Memory = "4GB"
    scratch: str = ""  # folder of this machine for what is on its way to an --out at an address
    spark: SparkSettings = SparkSettings()


class Settings(Section):
    """One build."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    exclusions: tuple[ExistingPath, ...] = ()
    languages: Languages = ()
    queries: Annotated[QuerySettings | None, Field(validate_default=True)] = None
    text: TextSettings = TextSettings()
    sources: Sources = ()  # none: for the query list alone
    consent: ConsentSettings = ConsentSettings()
    privacy: PrivacySettings = PrivacySettings()
    filters: FilterSettings = FilterSettings()
    selection: SelectionSettings = SelectionSettings()
    images: ImageSettings = ImageSettings()
    scorers: Scorers = ()
    fetch: FetchSettings = FetchSettings()
    downloads: DownloadSettings = DownloadSettings()
    engine: EngineSettings = EngineSettings()
    card: CardSettings = CardSettings()
    samples_per_shard: Positive = 10_000
    prune: bool = False  # once published, bytes live in shards alone: image parts give them up

    @field_validator("queries")
    @classmethod
    def _queries_or_languages(
        cls, queries: QuerySettings | None, info: ValidationInfo
    ) -> QuerySettings | None:
        languages = info.data.get("languages")
        if queries is None and languages == ():
            raise PydanticCustomError("missing", "missing")
        if queries is not None and languages:
            raise ValueError("[queries] for one list, or [[languages]] with inputs each")
        return queries

    @field_validator("filters")
    @classmethod
    def _listed_are_wanted(cls, filters: FilterSettings, info: ValidationInfo) -> FilterSettings:
        if info.data.get("languages") and "languages" in filters.model_fields_set:
            raise ValueError("no languages beside [[languages]], whose codes are the wanted ones")
        return filters

    @field_validator("selection")
    @classmethod
    def _reference_has_a_list(
        cls, selection: SelectionSettings, info: ValidationInfo
    ) -> SelectionSettings:
        codes = [language.code for language in info.data.get("languages", ())]
        if selection.reference and selection.reference not in codes:
            listed = ", ".join(codes) or "which are missing"
            raise ValueError(f"{selection.reference!r}, the reference, in [[languages]]: {listed}")
        return selection

    @field_validator("fetch")
    @classmethod
    def _a_source_states_hashes(cls, fetch: FetchSettings, info: ValidationInfo) -> FetchSettings:
        sources = info.data.get("sources", ())
        if fetch.check_hash and sources and not any(source.states_hashes for source in sources):
            raise ValueError(
                "no check_hash, since no source has a hash to compare with: name its column in "
                '[[sources]], as in columns = { …, hash = "md5" }, or leave check_hash out'
            )
        return fetch

    @property
    def reference(self) -> str:
        """The language whose tail's share is that of every tail."""
        default = "en" if "en" in self.lists else next(iter(self.lists))
        return self.selection.reference or default

    @property
    def lists(self) -> dict[str, QuerySettings]:
        """What each query list is made of, by its language: that of the wiki where there is one."""
        if self.queries:
            return {self.queries.wiki: self.queries}
        return {language.code: language for language in self.languages}

    @property
    def texts(self) -> dict[str, TextSettings]:
        """How the texts of each list, and the captions that are matched with it, are cut."""
        own = {language.code: language.text for language in self.languages}
        return {code: own.get(code) or self.text for code in self.lists}

    @property
    def list_of_label(self) -> dict[str, str]:
        """Whose list a caption is matched with, by its label; empty in a build of one list."""
        return {
            label: language.code
            for language in self.languages
            for label in (language.code, *language.merge)
        }

    @property
    def row_filters(self) -> FilterSettings:
        """The filters: in a worldwide build the wanted languages are those that have a list."""
        if not self.languages:
            return self.filters
        return self.filters.model_copy(update={"languages": tuple(self.list_of_label)})


def load(path: Path) -> Settings:
    """Read and check one TOML. Raises SettingsError."""
    try:
        raw = read_toml(path)
    except OSError as error:
        there = nearest(path) if isinstance(error, FileNotFoundError) else ""
        raise SettingsError(
            f"settings: {path}: expected a TOML file ({error.strerror}){there}"
        ) from None
    except TomlError as error:
        raise SettingsError(f"settings: {path}: expected TOML: {error}") from None
    try:
        return Settings.model_validate(_tuples(raw), context={"folder": path.parent.resolve()})
    except ValidationError as error:
        lines = [
            line(fault) + (hint(Settings, fault["loc"]) if fault["type"] in UNKNOWN else "")
            for fault in faults(error)
        ]
        raise SettingsError("\n".join(f"settings: {path}: {fault}" for fault in lines)) from None


def _tuples(value: Any) -> Any:
    """TOML's lists as tuples, so that frozen settings can be hashed."""
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
