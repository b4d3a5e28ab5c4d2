"""Ready layouts: how public data sets name their columns, as they are published.

A ready layout requires only the url and the captions, in upper or lower case: copies of a data set
differ in the other columns.
"""

from dataclasses import replace
from typing import Any

from pipeline.settings.sources import TablesSource
from pipeline.sources.tables.encodings import codec
from pipeline.sources.tables.layouts import Layout, Nested


def _names(columns: str) -> tuple[str, ...]:
    return tuple(columns.split())


# The columns of YFCC100M behind the photo's id, in files with and without its hash.
YFCC = _names(
    "user_nsid user_nickname date_taken date_uploaded device title description user_tags "
    "machine_tags longitude latitude accuracy page_url download_url license_name license_url "
    "server farm secret secret_original extension marker"
)

READY = {
    # The Parquet files of LAION-400M and LAION-2B-en, LAION-5B's English part.
    "laion": Layout(
        "URL",
        ("TEXT",),
        license="LICENSE",
        extra=_names("SAMPLE_ID WIDTH HEIGHT NSFW similarity punsafe pwatermark"),
        hash="md5",  # in some copies
        html=True,
        also=(("TEXT", "caption"),),  # Re-LAION
    ),
    # The Parquet files of relaion2B-en-research and its siblings, which are of 2024.
    "relaion": Layout(
        "url",
        ("caption",),
        license="license",
        extra=_names("key width height similarity punsafe pwatermark language"),
        hash="md5",
        html=True,
        also=(("caption", "text"),),
    ),
    # The Parquet files of LAION-COCO: the page's text, and what BLIP and CLIP wrote of the picture.
    "laion_coco": Layout(
        "URL",
        ("TEXT", "all_captions"),
        license="LICENSE",
        extra=_names("SAMPLE_ID WIDTH HEIGHT NSFW similarity top_caption punsafe pwatermark hash"),
        html=True,
    ),
    # The Parquet files of COYO-700M.
    "coyo": Layout(
        "url",
        ("text",),
        extra=_names(
            "id width height image_phash clip_similarity_vitb32 clip_similarity_vitl14 "
            "nsfw_score_opennsfw2 nsfw_score_gantman watermark_score aesthetic_score_laion_v2"
        ),
        html=True,
    ),
    # sbu-captions-all.json of the SBU Captioned Photo Dataset: a list for each column.
    "sbu": Layout("image_urls", ("captions",), extra=("user_ids",)),
    # The Parquet files of CommonPool and DataComp-1B.
    "datacomp": Layout(
        "url",
        ("text",),
        extra=_names(
            "uid original_width original_height clip_b32_similarity_score "
            "clip_l14_similarity_score sha256"
        ),
        hash="sha256",
    ),
    # Train_GCC-training.tsv and Validation_GCC-1.1.0-Validation.tsv of Conceptual Captions, and
    # Image_Labels_Subset_Train_GCC-Labels-training.tsv, which has three columns more.
    "cc3m": Layout(
        "url",
        ("caption",),
        extra=_names("labels label_ids label_scores"),
        headers=(_names("caption url"), _names("caption url labels label_ids label_scores")),
        quotes=False,
    ),
    # cc12m.tsv of Conceptual 12M.
    "cc12m": Layout("url", ("caption",), headers=(("url", "caption"),), quotes=False),
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
    # yfcc100m_dataset.bz2 of YFCC100M, and its parts yfcc100m_dataset-0.bz2 to -9.bz2.
    "yfcc": Layout(
        "download_url",
        ("title", "description"),
        license="license_name",
        page_url="page_url",
        extra=_names(
            "photo_id user_nsid user_nickname date_taken user_tags longitude latitude license_url"
        ),
        headers=(("line", "photo_id", "hash", *YFCC), ("photo_id", *YFCC)),
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
            ids_in_row=("image_id",),
            ids_in_picture=("id",),
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
            ids_in_row=("image_id", "image"),
            ids_in_picture=("image_id", "id"),
        ),
        # Version 1.0 calls them so, and the region's id just `id`.
        also=(("region_id", "id"), ("image_id", "image")),
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
        lines = _lines(source)
        lines |= {} if source.quotes is None else {"quotes": source.quotes}
        return replace(ready, extra=extra, asked=asked, html=html, **lines)
    captions = (columns.caption,) if isinstance(columns.caption, str) else columns.caption
    optional = (columns.license, columns.page_url, columns.hash)
    return Layout(
        columns.url,
        captions,
        columns.license,
        columns.page_url,
        columns.hash,
        extra=source.extra or (),
        html=bool(source.html),
        asked=(*(name for name in optional if name), *asked),
        ready=False,
        quotes=source.quotes is not False,
        **_lines(source),
    )


def _lines(source: TablesSource) -> dict[str, Any]:
    """What the settings say of how lines are written; what they do not say is left out."""
    lines = {
        "headers": (source.header,) if source.header else (),
        "delimiter": source.delimiter,
        "escapes": source.escapes,
        "encoding": codec(source.encoding) if source.encoding else "",
    }
    return {name: value for name, value in lines.items() if value}
