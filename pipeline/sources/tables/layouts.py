"""The meaning of a table's columns, from the settings, or ready for a public data set.

A ready layout requires only the url and the captions, in upper or lower case: copies of a data set
differ in the other columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pipeline.settings.sources import TablesSource

Row = dict[str, Any] | None  # values by column, spelt as in the layout; None: it does not parse


@dataclass(frozen=True)
class Nested:
    """Where a JSON file that is one value has its rows, and the pictures that rows point to."""

    rows: str = ""  # the key of the list of rows; "": the file is the list
    inner: str = ""  # the key of a list in each of those, whose items are the rows
    file_names: str = "*"  # which files of a folder hold rows
    images: str = ""  # the key of the list of pictures
    images_file: str = ""  # the name of a file in the same folder that is the list of pictures
    joined_by: tuple[str, str] = ("", "")  # the picture's id in a row, and in the picture
    licenses: str = ""  # the key of the list of licences; a picture has a licence's id


@dataclass(frozen=True)
class Layout:
    """How to read the rows of a source's files."""

    url: str
    captions: tuple[str, ...]  # each that is not empty gives a pair
    license: str | None = None
    page_url: str | None = None
    extra: tuple[str, ...] | Literal["all"] = ()
    header: tuple[str, ...] = ()  # of a file whose first line is a row; (): it names the columns
    quotes: bool = True  # whether " may enclose a field
    encoded: tuple[str, ...] = ()  # columns in URL encoding
    html: bool = False  # whether captions hold entities and tags, which are not part of the text
    pictures: tuple[str, str] | None = None  # the column, and its value, that mark a picture
    nested: Nested | None = None
    kind: str | None = None  # of a file whose name has no ending
    asked: tuple[str, ...] = ()  # columns required besides the url and the captions
    ready: bool = True

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that are read as text."""
        marker = self.pictures[0] if self.pictures else None
        named = (self.url, *self.captions, self.license, self.page_url, marker)
        return tuple(dict.fromkeys(name for name in named if name))

    def places(self, columns: Sequence[str]) -> dict[str, int]:
        """The position of each wanted column, from the names of a file's columns.

        >>> READY["datacomp"].places(["uid", "URL", "TEXT"])
        {'url': 1, 'text': 2, 'uid': 0}
        """
        texts = ((name, self._place(name, columns)) for name in self.texts)
        places = {name: place for name, place in texts if place >= 0}
        others: Sequence[str] = columns if self.extra == "all" else self.extra
        taken = set(places.values())
        for name in others:
            if (place := self._place(name, columns)) >= 0 and place not in taken:
                places.setdefault(name, place)
        return places

    def _place(self, name: str, columns: Sequence[str]) -> int:
        """-1 where no column has the name; a name in another case counts only if none is equal."""
        if name in columns:
            return columns.index(name)
        folded = [column.casefold() for column in columns] if self.ready else []
        return folded.index(name.casefold()) if name.casefold() in folded else -1

    def fault(self, columns: Sequence[str]) -> str | None:
        """What is wrong with a file of these columns, or None."""
        places = self.places(columns)
        for name in (self.url, *self.captions, *self.asked):
            if name not in places:
                return f"no column {name!r}; it has: {_listed(columns)}"
            if columns.count(name) > 1:
                return f"{columns.count(name)} columns {name!r}; it has: {_listed(columns)}"
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
        html=True,
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
        html = ready.html if source.html is None else source.html
        header = source.header or ready.header
        return replace(ready, extra=extra, asked=asked, header=header, html=html)
    captions = (columns.caption,) if isinstance(columns.caption, str) else columns.caption
    return Layout(
        columns.url,
        captions,
        columns.license,
        columns.page_url,
        source.extra or (),
        source.header,
        source.quotes,
        html=bool(source.html),
        asked=(*(name for name in (columns.license, columns.page_url) if name), *asked),
        ready=False,
    )


def _listed(names: Sequence[str]) -> str:
    """The names in one short printable line for a message."""
    shown = [name if name.isprintable() else ascii(name) for name in names[:50]]
    more = [f"and {len(names) - 50} more"] if len(names) > 50 else []
    return ", ".join([name if len(name) <= 60 else f"{name[:60]}…" for name in shown] + more)
