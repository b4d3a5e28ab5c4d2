"""Which columns of a table hold what: as the settings say, or ready for a public data set.

Of a ready layout only the url and the captions must be there, in any case of letters: copies of
one data set differ in the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pipeline.settings.sources import TablesSource

Row = dict[str, Any] | None  # values by column as the layout spells it; None: it does not parse


@dataclass(frozen=True)
class Nested:
    """Where a JSON file that is one value keeps its rows, and the pictures that they point to."""

    rows: str = ""  # the key of the list of rows; "": the file is the list
    inner: str = ""  # the key of a list in each of them, if the rows are its items
    file_names: str = "*"  # which files of a folder hold rows
    images: str = ""  # the key of the list of pictures
    images_file: str = ""  # the name of the file beside it that is the list of pictures
    joined_by: tuple[str, str] = ("", "")  # the picture's id in a row, and in the picture
    licenses: str = ""  # the key of the list of licences, which a picture names by id


@dataclass(frozen=True)
class Layout:
    """How to read the rows of a source's files."""

    url: str
    captions: tuple[str, ...]  # a pair for each that is not empty
    license: str | None = None
    page_url: str | None = None
    extra: tuple[str, ...] | Literal["all"] = ()
    header: tuple[str, ...] = ()  # of a file whose first line is a row; (): it names the columns
    quotes: bool = True  # whether " may enclose a field
    encoded: tuple[str, ...] = ()  # columns in URL encoding
    pictures: tuple[str, str] | None = None  # the column, and its value, that mark a picture
    nested: Nested | None = None
    kind: str | None = None  # of a file whose name has no ending
    asked: tuple[str, ...] = ()  # columns that must be there besides the url and the captions
    ready: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that are read as text."""
        marker = self.pictures[0] if self.pictures else None
        named = (self.url, *self.captions, self.license, self.page_url, marker)
        return tuple(dict.fromkeys(one for one in named if one))

    def places(self, there: Sequence[str]) -> dict[str, int]:
        """Where a file keeps each column that is wanted of it, by the names of its columns.

        >>> READY["datacomp"].places(["uid", "URL", "TEXT"])
        {'url': 1, 'text': 2, 'uid': 0}
        """
        found = {name: place for name in self.texts if (place := self._place(name, there)) >= 0}
        others: Sequence[str] = there if self.extra == "all" else self.extra
        taken = set(found.values())
        for name in others:
            if (place := self._place(name, there)) >= 0 and place not in taken:
                found.setdefault(name, place)
        return found

    def _place(self, name: str, there: Sequence[str]) -> int:
        """-1 where it is not there; in another case of letters only if no name is the same."""
        if name in there:
            return there.index(name)
        folded = [one.casefold() for one in there] if self.ready else []
        return folded.index(name.casefold()) if name.casefold() in folded else -1

    def fault(self, there: Sequence[str]) -> str | None:
        """What is wrong with a file that has these columns, or None."""
        found = self.places(there)
        for name in (self.url, *self.captions, *self.asked):
            if name not in found:
                return f"no column {name!r}; it has: {_listed(there)}"
            if there.count(name) > 1:
                return f"{there.count(name)} columns {name!r}; it has: {_listed(there)}"
        return None


def _names(columns: str) -> tuple[str, ...]:
    return tuple(columns.split())


READY = {
    # The Parquet files of LAION-400M and LAION-2B-en, LAION-5B's English part.
    "laion": Layout(
        "URL",
        ("TEXT",),
        license="LICENSE",
        extra=_names("SAMPLE_ID WIDTH HEIGHT NSFW similarity punsafe pwatermark"),
    ),
    # The Parquet files of CommonPool and DataComp-1B.
    "datacomp": Layout(
        "url",
        ("text",),
        extra=_names(
            "uid original_width original_height clip_b32_similarity_score "
            "clip_l14_similarity_score sha256"
        ),
    ),
    # Train_GCC-training.tsv and Validation_GCC-1.1.0-Validation.tsv of Conceptual Captions.
    "cc3m": Layout("url", ("caption",), header=("caption", "url"), quotes=False),
    # cc12m.tsv of Conceptual 12M.
    "cc12m": Layout("url", ("caption",), header=("url", "caption"), quotes=False),
    # annotations/SUBREDDIT_YEAR.json of RedCaps.
    "redcaps": Layout(
        "url",
        ("caption",),
        extra=_names("image_id subreddit author score created_utc permalink"),
        nested=Nested(rows="annotations", file_names="*.json*"),
    ),
    # wit_v1.train.all-NNNNN-of-00010.tsv.gz of Google's Wikipedia-based Image Text.
    "wit": Layout(
        "image_url",
        _names(
            "caption_reference_description caption_attribution_description "
            "caption_alt_text_description"
        ),
        page_url="page_url",
        extra=_names(
            "language page_title section_title mime_type original_width original_height "
            "is_main_image"
        ),
    ),
    # yfcc100m_dataset.bz2 of YFCC100M.
    "yfcc": Layout(
        "download_url",
        ("title", "description"),
        license="license_name",
        page_url="page_url",
        extra=_names(
            "photo_id user_nsid user_nickname date_taken user_tags longitude latitude license_url"
        ),
        header=_names(
            "line photo_id hash user_nsid user_nickname date_taken date_uploaded device title "
            "description user_tags machine_tags longitude latitude accuracy page_url download_url "
            "license_name license_url server farm secret secret_original extension marker"
        ),
        quotes=False,
        encoded=("title", "description", "user_tags", "user_nickname"),
        pictures=("marker", "0"),
        kind="tsv",
    ),
    # captions_train2017.json and captions_val2017.json of COCO.
    "coco": Layout(
        "coco_url",
        ("caption",),
        license="license",
        extra=_names("id image_id file_name width height flickr_url"),
        nested=Nested(
            rows="annotations",
            file_names="captions_*.json*",
            images="images",
            joined_by=("image_id", "id"),
            licenses="licenses",
        ),
    ),
    # region_descriptions.json of Visual Genome, beside its image_data.json.
    "visual_genome": Layout(
        "url",
        ("phrase",),
        extra=_names("region_id image_id x y width height coco_id flickr_id"),
        nested=Nested(
            inner="regions",
            file_names="region_descriptions*.json*",
            images_file="image_data.json",
            joined_by=("image_id", "image_id"),
        ),
    ),
}


def layout_of(source: TablesSource) -> Layout:
    """The layout that a source's settings describe."""
    columns = source.columns
    asked = source.extra if isinstance(source.extra, tuple) else ()
    if isinstance(columns, str):
        ready = READY[columns]
        extra = ready.extra if source.extra is None else source.extra
        return replace(ready, extra=extra, asked=asked, header=source.header or ready.header)
    captions = (columns.caption,) if isinstance(columns.caption, str) else columns.caption
    return Layout(
        columns.url,
        captions,
        columns.license,
        columns.page_url,
        source.extra or (),
        source.header,
        source.quotes,
        asked=(*(one for one in (columns.license, columns.page_url) if one), *asked),
        ready=False,
    )


def _listed(names: Sequence[str]) -> str:
    """Names for one line of a message, however many and of whatever characters."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:50]]
    more = [f"and {len(names) - 50} more"] if len(names) > 50 else []
    return ", ".join([name if len(name) <= 60 else f"{name[:60]}…" for name in shown] + more)
