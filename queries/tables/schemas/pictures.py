"""The tables of rounds, fetched pictures, the cap, and what is kept: the samples."""

import pyarrow as pa

from queries.tables.schemas.pairs import PAIR_COLUMNS, SOURCE_HASH
from queries.tables.table import (
    IMAGE_PART,
    LANGUAGE,
    PAIR_ID,
    PRIORITY,
    QUERY_ID,
    REASON,
    boolean,
    column,
    float64,
    int32,
    int64,
    string,
    table,
)

ROUND = column("round", int32, "0.. in order")
table("now", "one row: the round under way", ROUND)
ask = table(
    "ask",
    "one row per pair to fetch",
    PAIR_ID,
    column("url", string, "address of the image"),
    column("attempt", int32, "1.. per pair"),
    SOURCE_HASH,
)
table("request", "one row per pair that a round asks for", ROUND, *ask.schema)
table("unsettled", "one row per query that a round finds unsettled", ROUND, QUERY_ID)
IMAGE_COLUMNS = (
    column("width", int32, "stored image, pixels", null=True),
    column("height", int32, "stored image, pixels", null=True),
    column("original_width", int32, "as served, pixels", null=True),
    column("original_height", int32, "as served, pixels", null=True),
    column("image_bytes", int64, "stored image, bytes", null=True),
    column("sha256", string, "of the bytes as served, hex", null=True),
    column("phash", int64, "64-bit DCT hash of the stored image", null=True),
    column("spread", float64, "standard deviation of the stored image's luma, 0..128", null=True),
)
table(
    "fetched",
    "one row per pair_id, attempt, with the place of its bytes",
    PAIR_ID,
    column("attempt", int32, "1.. per pair"),
    REASON,
    *IMAGE_COLUMNS,
    IMAGE_PART,
)
STATEMENT = (
    PAIR_ID,
    column("signal", string, "a key of the settings' [consent], or robots"),
    column("value", string, "as it was stated, such as noai or ai-train=no"),
    column("refuses", boolean, "whether it says no to training"),
    column("place", string, "page, robots.txt, tdmrep.json, header or picture"),
    column("url", string, "where it was read", null=True),
    column("seen", string, "when: the day of the fetch, or the moment of the crawl", null=True),
)
table(
    "heard",
    "one row per attempt and statement about training that was met on the way",
    *STATEMENT,
    column("attempt", int32, "1.. per pair"),
)
table(
    "hashed",
    "one row per picture that was fetched and hash of its bytes that a list asked for",
    PAIR_ID,
    column("attempt", int32, "1.. per pair"),
    column("kind", string, "md5 or sha1"),
    column("value", string, "of the bytes as served, hex"),
)
table("page_heard", "one row per candidate and statement of its page about training", *STATEMENT)
table(
    "policy",
    "one row per signal",
    column("signal", string, "a key of the settings' [consent], or robots"),
    column("policy", string, "obey or record"),
    column("reason", string, "why a picture is lost that it refuses"),
)
table(
    "consent",
    "one row per pair, statement about training and place that stated it",
    *STATEMENT,
    column("policy", string, "obey or record: what the build does about it"),
)
table(
    "attempt",
    "one row per pair_id, attempt: one try at a pair",
    PAIR_ID,
    column("attempt", int32, "1.. per pair"),
    REASON,
    *IMAGE_COLUMNS,
)
table(
    "excluded_hash",
    "one row per hash of fetched pictures that an exclusion names",
    column("phash", int64, "64-bit DCT hash"),
)
table(
    "pdq",
    "one row per stored picture",
    PAIR_ID,
    IMAGE_PART,
    column("pdq", string, "PDQ's 256 bits, hex; null for a side below 5 pixels", null=True),
)
LISTED = (
    column("value", string, "as exclusion has it"),
    column("distance", int32, "bits that differ"),
)
table(
    "pdq_near",
    "one row per stored picture and hash of a list within its radius",
    PAIR_ID,
    IMAGE_PART,
    *LISTED,
)
table(
    "excluded_picture",
    "one row per attempt and exclusion by md5, sha1 or pdq that names its picture",
    PAIR_ID,
    column("attempt", int32, "1.. per pair"),
    column("kind", string, "md5, sha1 or pdq"),
    *LISTED,
)
SCORER = column("scorer", string, "name of the scorer in the settings")
SCORE = column("score", float64, "by the scorer's model; null where that is no number", null=True)
table("scored", "one row per picture, scorer", PAIR_ID, IMAGE_PART, SCORER, SCORE)
table("score", "one row per pair_id, scorer: of the attempt that counts", PAIR_ID, SCORER, SCORE)
table(
    "scorer",
    "one row per scorer of the settings",
    SCORER,
    column("kind", string, "opennsfw, onnx or faces"),
    column("model", string, "sha256 of the model's file, hex"),
    column("min_score", float64, "least score of a kept picture; null: no limit", null=True),
    column("max_score", float64, "greatest score of a kept picture; null: no limit", null=True),
)
table(
    "verdict",
    "one row per pair with an attempt, judged by itself alone",
    PAIR_ID,
    PRIORITY,
    column("attempt", int32, "the attempt that counts"),
    REASON,
    column("sha256", string, "of the bytes as served, hex", null=True),
    column("phash", int64, "64-bit DCT hash of the stored image", null=True),
    IMAGE_PART,
)
table(
    "near",
    "one row per hash of a survivor and another that is near it",
    column("phash", int64, "64-bit DCT hash"),
    column("other", int64, "another, at most near_bits bits away"),
)
table(
    "band",
    "one row per level and band: bits in which hashes agree that are compared",
    column("level", int32, "0: two bytes; 1..: pieces, which are added to the bits of a crowd"),
    column("bits", int64, "the bits, as a mask"),
    column("most_alike", int64, "hashes that agree and are still compared two by two"),
    column("most_split", int64, "hashes that agree and are still split by the next level"),
)
crowd = table(
    "crowd",
    "one row per band and hash, of which too many agree in the band or agreed in a wider one",
    column("level", int32, "of the band"),
    column("bits", int64, "the bits in which the crowd agrees, as a mask"),
    column("phash", int64, "64-bit DCT hash"),
    column("fate", string, "compared, split by the next level, or skipped"),
)
table("finer_crowd", "as crowd, of the next level", *crowd.schema)
table(
    "near_skipped",
    "one row per group of hashes among which no near ones were looked for",
    column("n_bits", int32, "bits of 64 in which the whole group agrees"),
    column("n_hashes", int64, "distinct hashes of survivors"),
)
table("suppressed", "one row per survivor near an earlier kept pair", PAIR_ID)
table(
    "outcome",
    "one row per requested pair",
    PAIR_ID,
    column("attempt", int32, "the attempt that counts"),
    REASON,
)
head = table(
    "head",
    "one row per query with more matches than its cap",
    QUERY_ID,
    column("cap", int64, "most matches kept for the query"),
    column("most", int64, "places that a round may look at"),
    column("stood", int64, "of these, places already found with a shorter reach"),
    column("reach", float64, "the greatest priority that is looked at; 2^63 and more: all"),
)
table("short_head", "one row per head whose reach was too short", *head.schema)
table(
    "standing",
    "one row per match of a head and a pair that is not lost, as far as a round may look",
    QUERY_ID,
    PAIR_ID,
    column("cap", int64, "most matches kept for the query"),
    column("unknown", int32, "1 where the pair has no outcome yet"),
    column("place", int64, "1.. within the query"),
)
table(
    "open_match",
    "one row per match of a query that is no head and a pair without an outcome",
    QUERY_ID,
    PAIR_ID,
)
table(
    "kept_match",
    "one row per pair_id, query_id in which the pair took a place",
    PAIR_ID,
    QUERY_ID,
)
table(
    "round",
    "one row per round of fetching",
    ROUND,
    column("n_unsettled", int64, "queries unsettled before the round"),
    column("n_asked", int64, "pairs asked for"),
    column("n_survived", int64, "of these, pairs that passed fetch and image rules"),
)
table(
    "round_loss",
    "one row per round and reason",
    ROUND,
    column("reason", string, "why pairs that the round asked for were lost"),
    column("n", int64, "pairs"),
)
SAMPLE_COLUMNS = (
    *PAIR_COLUMNS,
    LANGUAGE,
    column("width", int32, "stored image, pixels"),
    column("height", int32, "stored image, pixels"),
    column("original_width", int32, "as served, pixels"),
    column("original_height", int32, "as served, pixels"),
    column("image_bytes", int64, "stored image, bytes"),
    column("sha256", string, "of the bytes as served, hex"),
    column("phash", int64, "64-bit DCT hash of the stored image"),
)
table("picked", "one row per kept pair", *SAMPLE_COLUMNS, IMAGE_PART)
table(
    "sample",
    "one row per kept pair: the rows beside a shard's tar",
    column("key", string, "pair_id as 16 hex digits: the sample's name in the tar"),
    *SAMPLE_COLUMNS,
    column("n_words", int32, "words of the caption"),
    column("offset", int64, "where the picture's bytes begin in the shard's tar, bytes"),
    column("bytes", int64, "of the picture in the tar: read so many from offset on"),
)
table(
    "image",
    "one row per picture of an image part",
    PAIR_ID,
    column("jpg", pa.binary(), "the stored picture: a JPEG, or as served where originals are kept"),
)
table(
    "moved",
    "one row per picture of an image part whose bytes a published shard holds",
    PAIR_ID,
    column("tar", string, "the shard, relative to the image part"),
    column("offset", int64, "where the picture's bytes begin in the shard"),
    column("size", int64, "bytes"),
)
