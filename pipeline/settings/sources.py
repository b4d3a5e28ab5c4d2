"""What a build's TOML says of each source of candidate pairs, a section a kind."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from pipeline.settings.values import (
    Address,
    Contact,
    Count,
    RemoteOrExisting,
    RemoteOrFiles,
    Section,
    Share,
    spelt_as,
)

ReadyColumns = Literal[
    "laion",
    "relaion",
    "laion_coco",
    "datacomp",
    "coyo",
    "cc3m",
    "cc12m",
    "redcaps",
    "sbu",
    "wit",
    "yfcc",
    "coco",
    "visual_genome",
]  # what each means: pipeline/sources/tables/ready.py
WITH_HASHES = ("laion", "relaion", "datacomp")  # those whose tables may have one of each picture


class Columns(Section):
    """Which columns of a table hold what; only the first two are needed.

    A name may be a path into objects: `image.url`.
    """

    url: str = "url"
    caption: str | Annotated[tuple[str, ...], Field(min_length=1)] = "caption"  # a pair for each
    license: str | None = None
    page_url: str | None = None
    hash: str | None = None  # md5, sha1 or sha256 of the picture's bytes, hex or base64


def _how_given(columns: Any) -> str:
    """The form of the columns that the user gave, so that faults name only that form."""
    return "ready" if isinstance(columns, str) else "table"


def _delimiter(text: str) -> str:
    if len(text) > 1 or text in {"\n", "\r", '"', "\\"}:
        raise ValueError('one character, such as ";" or "\\t", and no quote, backslash or line end')
    return text


class SourceSection(Section):
    """What every kind has: a name, which its rows carry."""

    searches: ClassVar[bool] = False  # whether it needs the query list
    is_indexed: ClassVar[bool] = False  # whether an index names its records, which is read first

    name: Annotated[str, spelt_as(r"(?s).*\S.*", "a name, which each row of the source carries")]

    @property
    def in_turn(self) -> bool:
        """Whether its parts are made one after another, as one server is asked for all of them."""
        return self.searches

    @property
    def states_hashes(self) -> bool:
        """Whether its rows may have a hash of the picture's bytes."""
        columns = getattr(self, "columns", None)
        return columns.hash is not None if isinstance(columns, Columns) else columns in WITH_HASHES


class TablesSource(SourceSection):
    """Url-caption tables: Parquet, CSV, TSV, JSONL or JSON files, here or at an address."""

    kind: Literal["tables"]
    paths: Annotated[tuple[RemoteOrExisting, ...], Field(min_length=1)]
    columns: Annotated[
        Annotated[Columns, Tag("table")] | Annotated[ReadyColumns, Tag("ready")],
        Discriminator(_how_given),
    ] = Columns()
    extra: tuple[str, ...] | Literal["all"] | None = None  # None: what the ready columns name
    header: tuple[str, ...] = ()  # of CSV and TSV files whose first line is a row already
    # How CSV and TSV files are written: the character between fields ("": by the file's ending),
    # whether " may enclose a field (None: as the ready columns say, else it may), whether a
    # backslash takes the next character as it is.
    delimiter: Annotated[str, AfterValidator(_delimiter)] = ""
    quotes: bool | None = None
    escapes: bool = False
    encoding: str = ""  # of any text: such as "windows-1252"; "": UTF-8, or as a byte mark says
    html: bool | None = None  # texts hold entities, captions tags; None: as the ready columns say


class CommonCrawlSource(SourceSection):
    """Crawled pages: WARC or WAT files here or at an address, or lists of such (.paths, .gz)."""

    kind: Literal["commoncrawl"]
    paths: Annotated[tuple[RemoteOrExisting, ...], Field(min_length=1)]
    base: Address = "https://data.commoncrawl.org/"  # in front of the paths that a list holds
    most_files: Count = 0  # of each list, from its head; 0: all
    contact: Contact = ""  # sent with every request


class DownloadedSource(SourceSection):
    """What img2dataset downloaded: its folder, in the format webdataset or files, or tars of it.

    The columns are those of each sample's `.json`; all others are kept as extra columns.
    """

    kind: Literal["img2dataset"]
    paths: Annotated[tuple[RemoteOrExisting, ...], Field(min_length=1)]
    columns: Columns = Columns()
    html: bool = False  # texts hold entities, captions tags


class CommonCrawlIndexSource(SourceSection):
    """Records of a crawl that its index names: the columnar index (Parquet) or CDXJ lines."""

    is_indexed: ClassVar[bool] = True

    kind: Literal["commoncrawl_index"]
    paths: Annotated[tuple[RemoteOrFiles, ...], Field(min_length=1)]  # of the index, or of lists
    # SQL of one condition on the index's columns: content_languages = 'fin'. "": every record.
    where: str = ""
    # In front of the index's warc_filename, and of the paths that a list holds: a web server, a
    # folder, or an address of a store, such as s3://commoncrawl/.
    base: RemoteOrExisting = "https://data.commoncrawl.org/"
    most_files: Count = 0  # of each list, from its head; 0: all
    contact: Contact = ""  # sent with every request

    @property
    def in_turn(self) -> bool:
        return self.base.startswith(("http:", "https:"))


class SampleSource(SourceSection):
    """OpenMoji's pictures with their names in many languages, served on this machine."""

    kind: Literal["sample"]
    port: Annotated[int, Field(ge=1024, le=65535)] = 8377
    held_out: Share = 0.08  # of the pictures, kept for the evaluation set


class SearchSource(SourceSection):
    """A server that is searched, query after query, by one request at a time."""

    searches: ClassVar[bool] = True

    contact: Contact = ""  # sent with every request
    most_queries: Count = 0  # from the head of the query list; 0: all
    queries_per_part: Annotated[int, Field(ge=1, le=10_000)] = 200
    results_per_query: Annotated[int, Field(ge=1, le=10_000)] = 50
    pause_s: Annotated[float, Field(ge=0, le=600)] = 0.5  # before each request


class MediaWikiSource(SearchSource):
    """Wikimedia Commons, or any MediaWiki, searched query after query."""

    kind: Literal["mediawiki"]
    api: Address = "https://commons.wikimedia.org/w/api.php"
    also: Annotated[str, Field(max_length=200)] = ""  # added to each search: filetype:bitmap
    language: Annotated[
        str, spelt_as(r"[a-z]+(-[a-z0-9]+)*", 'a code in small letters, such as "en", "zh-hans"')
    ] = "en"  # of descriptions
    # The widths that Wikimedia makes thumbnails in; others are refused there.
    width: Literal[20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840] = 330


class OpenverseSource(SearchSource):
    """Openverse's catalogue of openly licensed pictures, searched query after query.

    Its terms forbid to scrape the catalogue, to go around its limits by more machines, and to be
    a burden on others; without an account it answers 20 requests a minute and 200 a day, each
    with 20 results, 240 in all for a query. So it is off until `accept_terms = true`, for small
    lists of queries, and slow.
    """

    kind: Literal["openverse"]
    accept_terms: bool = False
    base: Address = "https://api.openverse.org"
    license: Annotated[
        str, spelt_as(r"[a-z0-9,-]*", 'licences with commas between, such as "cc0,by-sa"')
    ] = ""  # such as cc0,by; empty: all
    most_queries: Count = 100
    results_per_query: Annotated[int, Field(ge=1, le=240)] = 20
    pause_s: Annotated[float, Field(ge=0, le=600)] = 3.0


OfFiles = TablesSource | CommonCrawlSource | CommonCrawlIndexSource | DownloadedSource
AnySource = OfFiles | SampleSource | MediaWikiSource | OpenverseSource
Source = Annotated[AnySource, Field(discriminator="kind")]
