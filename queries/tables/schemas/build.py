"""The tables of a build itself: its stages, files, settings and audits, and a takedown's."""

import pyarrow as pa

from queries.tables.table import PAIR_ID, column, float64, int32, int64, string, table


def _of_list(name: str, kind: pa.DataType, about: str) -> pa.Field:
    """A column of what each query list has of its own."""
    return column(name, kind, f"{about}; null where several lists have each", null=True)


table(
    "stage",
    "one row per part of a stage",
    column("stage", string, "name of the stage"),
    column("part", string, "name of the part"),
    column("rows_in", int64, "rows read"),
    column("rows_kept", int64, "rows kept"),
    column("rows_dropped", int64, "rows dropped, each with a reason"),
)
file = table(
    "file",
    "one row per published file",
    column("path", string, "relative to the build's folder"),
    column("bytes", int64, "size"),
    column("sha256", string, "of the file, hex"),
    column("rows", int64, "rows of a Parquet file", null=True),
    column("members", int64, "samples of a tar", null=True),
)
table("file_now", "as file, listed anew when a check runs", *file.schema)
table("manifest_file", "as file, from the manifest", *file.schema)
table(
    "build",
    "one row: what the build was made with",
    column("version", string, "digest of settings and inputs"),
    column("seed", int64, "of every hash that orders rows"),
    column("cap", int64, "most matches kept for one query"),
    column("max_rounds", int32, "most rounds of fetching"),
    column("round_factor", float64, "enlargement of a round's request"),
    column("language", string, "of the query list; null where several have one", null=True),
    column("n_queries", int64, "queries asked for, of all lists"),
    _of_list("word_min", int64, "least occurrences of a word"),
    _of_list("word_per_million", float64, "least occurrences of a word in a million words"),
    _of_list("bigram_min", int64, "least occurrences of a bigram"),
    _of_list("bigram_per_million", float64, "least occurrences of a bigram in a million words"),
    _of_list("pmi_min", float64, "least PMI of a bigram, bits"),
    _of_list("views_min", int64, "least views of a title"),
    _of_list("mobile_share_max", float64, "greatest share of mobile views of a title"),
    _of_list("quota_word", int64, "most words in the list"),
    _of_list("quota_bigram", int64, "most bigrams in the list"),
    _of_list("quota_title", int64, "most titles in the list"),
    column("min_side", int32, "least side of an original picture, pixels"),
    column("min_area", int64, "least area of an original picture, pixels"),
    column("max_aspect", float64, "greatest ratio of the original's sides"),
    column("min_spread", float64, "least spread of a stored picture"),
    column("boilerplate_max", int64, "most pictures of a host with one caption; 0: no limit"),
    column("near_bits", int32, "bits of pHash that near duplicates may differ in; -1: none are"),
)

table(
    "setting",
    "one row per setting of the build's manifest",
    column("name", string, "keys joined by dots, places in a list from 0"),
    column("value", string, "as JSON"),
)
table(
    "member_now",
    "one row per sample of a tar, listed anew when a check runs",
    column("shard", string, "the tar without its ending, relative to the build's folder"),
    column("key", string, "name of the sample in the tar"),
    column("image_offset", int64, "where its picture begins in the tar, bytes", null=True),
    column("image_bytes", int64, "of its picture; null where it has none", null=True),
    column("caption_bytes", int64, "of its .txt; null where it has none", null=True),
    column("row_bytes", int64, "of its .json; null where it has none", null=True),
)
table(
    "person_term",
    "one row per word for people and group that it names",
    column("term_id", int64, "0.. in the order of language and term"),
    column("language", string, "of the list, and of the captions that are matched with it"),
    column("axis", string, "such as gender"),
    column("term_group", string, "such as women"),
    column("term", string, "one or more normalised words"),
)
table(
    "person_match",
    "one row per sample and word for people that its caption contains",
    PAIR_ID,
    column("term_id", int64, "as person_term has it"),
)

table(
    "clue",
    "one row per text or hash that shows a pair that was taken down wherever it is left",
    PAIR_ID,
    column("kind", string, "url, caption, picture or thumbnail"),
    column("value", string, "the text; of a picture its sha256, of a thumbnail that of its base64"),
)

table(
    "drop_reason",
    "one row per reason for which a row is dropped: the closed list",
    column("reason", string, "as the tables have it"),
    column("meaning", string, "in words"),
    column("setting", string, "that decides it, keys joined by dots; null: none", null=True),
)
table(
    "domain",
    "one row per host of samples, listed when a question asks for it",
    column("host", string, "as the samples' URLs spell it, with its port"),
    column("domain", string, "what somebody registers, by the public suffix list; or an address"),
    column("suffix", string, "what stands above the domain; null for an address", null=True),
)
