"""The tables of candidates, pairs and matches, and of what excludes them."""

from queries.tables.table import (
    LANGUAGE,
    PAIR_ID,
    PRIORITY,
    QUERY_ID,
    QUERY_LANGUAGE,
    REASON,
    column,
    int32,
    int64,
    string,
    table,
)

PAIR_COLUMNS = (
    PAIR_ID,
    PRIORITY,
    column("url", string, "address of the image, as given"),
    column("caption", string, "as given"),
    column("source", string, "name of the source in the settings"),
    column("license", string, "as the source states it; never guessed", null=True),
    column("license_id", string, "the licence's SPDX identifier, or one like it", null=True),
    column("page_url", string, "page that shows the image", null=True),
)

SOURCE_HASH = column(
    "source_hash",
    string,
    "of the picture's bytes, as the source states it: md5, sha1 or sha256, lower hex",
    null=True,
)

table(
    "crawl_record",
    "one row per row of a crawl's index that meets the source's condition, or fault of the index",
    column("url", string, "of the page, as the index has it", null=True),
    column("warc_filename", string, "path of the WARC file below the source's base", null=True),
    column("warc_record_offset", int64, "bytes of the file before the record", null=True),
    column("warc_record_length", int64, "bytes of the record in the file, packed", null=True),
    REASON,
    column("fault", string, "what is wrong with the row, in words", null=True),
)
candidate = table(
    "candidate",
    "one row per row of a source",
    *PAIR_COLUMNS,
    column("row", int64, "0.. within the part"),
    column("url_key", string, "normalised URL"),
    column("page_signals", string, "what the page says of training: signal=value …", null=True),
    column("page_date", string, "when the page that says so was crawled, ISO 8601", null=True),
    SOURCE_HASH,
    REASON,
    column("extra", string, "what else the source says of it, a JSON object", null=True),
)
table(
    "filtered",
    "one row per candidate",
    *(field for field in candidate.schema if field.name != "extra"),
    LANGUAGE,
    QUERY_LANGUAGE,
    column(
        "equivalence_key",
        string,
        "the key that all equivalent spellings of the URL share; null where it is url_key",
        null=True,
    ),
    column("personal", string, "what is personal in it: rows of `personal`, as JSON", null=True),
)
table(
    "personal",
    "one row per candidate that passed the other rules of its row, place and kind of personal data",
    PAIR_ID,
    column("place", string, "caption, or url: the picture's address"),
    column("kind", string, "a key of the settings' [privacy]"),
    column("n", int64, "how often it stands there"),
    column("shown", string, "the shape of the first: letters but the first as *, digits as #"),
    column("policy", string, "what the build does about it: count, mask or drop"),
)
table(
    "extra",
    "one row per candidate of a pair of which its source says more",
    PAIR_ID,
    column("source", string, "name of the source in the settings"),
    column("extra", string, "a JSON object: other columns, author, the query searched for"),
)
table(
    "exclusion",
    "one row per line of an exclusions file",
    column("kind", string, "url, host, pair_id, md5, sha1, sha256, phash or pdq"),
    column("value", string, "a URL's equivalence key, host, decimal pair_id or hex"),
    column("phash", int64, "of a phash: as samples have it; else null", null=True),
    column("radius", int32, "of a phash or pdq: bits that may differ; else null", null=True),
    column("why", string, "as the file says", null=True),
    column("since", string, "date, as the file says", null=True),
    column("list_file", string, "the file's name; null in builds of 0.1.0", null=True),
    column("line", int64, "of the file, or its row, 1..; null in builds of 0.1.0", null=True),
)
table(
    "named",
    "one row per kind and value of an exclusion that names a candidate of the pool",
    column("kind", string, "url, host or pair_id"),
    column("value", string, "as exclusion has it"),
    column("n", int64, "candidates"),
)
host = table(
    "host",
    "one row per host of the pool",
    column("host", string, "as a URL's key writes it, with its port where it names one"),
)
table(
    "excluded_host",
    "one row per host of the pool and exclusion that names it, itself or by a domain above it",
    *host.schema,
    column("value", string, "the exclusion's host"),
)
table(
    "pooled",
    "one row per candidate that passed the filters of its own row",
    *PAIR_COLUMNS,
    column("url_key", string, "normalised URL"),
    LANGUAGE,
    QUERY_LANGUAGE,
    SOURCE_HASH,
    REASON,
)
table(
    "pair",
    "one row per pair_id: a candidate that passed every filter and contains a query",
    *PAIR_COLUMNS,
    LANGUAGE,
    QUERY_LANGUAGE,
    SOURCE_HASH,
)
table(
    "drop",
    "one row per dropped candidate",
    PAIR_ID,
    column("stage", string, "collect, filter, pool or match"),
    column("reason", string, "from the closed list of reasons"),
    column("source", string, "name of the source in the settings"),
    column("url", string, "address of the image, as given"),
    column("caption", string, "as given"),
    QUERY_LANGUAGE,
)
match = table("match", "one row per pair_id, query_id", PAIR_ID, QUERY_ID, PRIORITY)
table("pair_match", match.grain, *match.schema)
