"""What a build's TOML says of each source of candidate pairs, a section a kind.

May import pipeline.fields.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from pipeline.fields import ExistingPath, Section, Share


class Columns(Section):
    """Which columns of a table hold what; only the first two are needed."""

    url: str = "url"
    caption: str = "caption"
    license: str | None = None
    page_url: str | None = None


class SourceSection(Section):
    """What every kind has: a name, which its rows carry."""

    searches: ClassVar[bool] = False  # whether it needs the query list

    name: str


class TablesSource(SourceSection):
    """Url-caption tables: Parquet, CSV, TSV or JSONL files."""

    kind: Literal["tables"]
    paths: Annotated[tuple[ExistingPath, ...], Field(min_length=1)]
    columns: Columns = Columns()


class CommonCrawlSource(SourceSection):
    """Crawled pages: WARC files, gzip or plain."""

    kind: Literal["commoncrawl"]
    paths: Annotated[tuple[ExistingPath, ...], Field(min_length=1)]


class SampleSource(SourceSection):
    """OpenMoji's pictures with their names in many languages, served on this machine."""

    kind: Literal["sample"]
    port: Annotated[int, Field(ge=1024, le=65535)] = 8377
    held_out: Share = 0.08  # of the pictures, kept for the evaluation set


class MediaWikiSource(SourceSection):
    """Wikimedia Commons, or any MediaWiki, searched query after query."""

    searches: ClassVar[bool] = True

    kind: Literal["mediawiki"]


class OpenverseSource(SourceSection):
    """Openverse's catalogue of openly licensed pictures, searched query after query."""

    searches: ClassVar[bool] = True

    kind: Literal["openverse"]


AnySource = TablesSource | CommonCrawlSource | SampleSource | MediaWikiSource | OpenverseSource
Source = Annotated[AnySource, Field(discriminator="kind")]
