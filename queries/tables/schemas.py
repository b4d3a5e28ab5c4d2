"""Every table of a build, declared once: name, grain, columns, types and units.

Each stage checks its rows against these schemas at its border, and a table that a build lacks is an
empty view of the schema declared here.
"""

from dataclasses import dataclass

import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """A table's name, its grain ("one row per …") and its Arrow schema."""

    name: str
    grain: str
    schema: pa.Schema

    def empty(self) -> pa.Table:
        return self.schema.empty_table()

    def check(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch, its columns in declared order; raise ValueError if one is off."""
        if set(batch.schema.names) != set(self.schema.names):
            raise ValueError(
                f"table {self.name}: got columns {sorted(batch.schema.names)}, "
                f"expected {sorted(self.schema.names)}"
            )
        batch = batch.select(self.schema.names)
        for field, got, column in zip(self.schema, batch.schema, batch.columns, strict=True):
            if got.type != field.type:
                raise ValueError(
                    f"table {self.name}, column {field.name}: got {got.type}, expected {field.type}"
                )
            if not field.nullable and column.null_count:
                raise ValueError(
                    f"table {self.name}, column {field.name}: {column.null_count} nulls, expected 0"
                )
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.schema)


def column(name: str, kind: pa.DataType, about: str, *, null: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable=null, metadata={"about": about})


def table(name: str, grain: str, *columns: pa.Field) -> Table:
    return Table(name, grain, pa.schema(columns))


int32, int64, float64, string = pa.int32(), pa.int64(), pa.float64(), pa.string()
boolean = pa.bool_()

REASON = column("reason", string, "why the row was dropped; null where it is kept", null=True)
PAIR_ID = column("pair_id", int64, "63 bits of blake2b(normalised URL, NUL, caption)")
PRIORITY = column("priority", int64, "63 bits of blake2b(seed, pair_id): the order of selection")
LANGUAGE = column("language", string, "ISO 639 code by fastText", null=True)
IMAGE_PART = column("image_part", string, "folder of the image part that holds the bytes")
QUERY_ID = column("query_id", int64, "0.. in the order of the query list")

PAIR_COLUMNS = (
    PAIR_ID,
    PRIORITY,
    column("url", string, "address of the image, as given"),
    column("caption", string, "as given"),
    column("source", string, "name of the source in the settings"),
    column("license", string, "as the source states it; never guessed", null=True),
    column("page_url", string, "page that shows the image", null=True),
)

# --- the query list -------------------------------------------------------------------------
article = table(
    "article",
    "one row per page of the export",
    column("page_id", int64, "the wiki's page id", null=True),
    column("title", string, "as displayed", null=True),
    column("text", string, "plain text; null where the page is dropped", null=True),
    REASON,
)
ngram = table(
    "ngram",
    "one row per distinct unigram or bigram of a part, or of all parts",
    column("first", string, "the word, or the bigram's first word"),
    column("second", string, "the bigram's second word; null for a unigram", null=True),
    column("n", int64, "occurrences"),
)
ngram_part = Table("ngram_part", "one row per n-gram of a part, or more", ngram.schema)
bigram = table(
    "bigram",
    "one row per bigram whose words are both in the word list",
    column("first", string, "first word"),
    column("second", string, "second word"),
    column("n", int64, "occurrences"),
    column("first_n", int64, "occurrences of the first word"),
    column("second_n", int64, "occurrences of the second word"),
    column("total_n", int64, "occurrences of all words"),
)
scored_bigram = table(
    "scored_bigram",
    "one row per bigram",
    column("first", string, "first word"),
    column("second", string, "second word"),
    column("n", int64, "occurrences"),
    column("pmi", float64, "log2(n * total_n / (first_n * second_n)), bits"),
)
title_view = table(
    "title_view",
    "one row per title",
    column("title", string, "article title, as displayed"),
    column("views", int64, "page views of all access types"),
    column("mobile_views", int64, "of these, from mobile sites and apps"),
)
title_view_part = table(
    "title_view_part",
    "one row per title and page id of a part, or more",
    column("page_id", int64, "the wiki's page id; null where the file has none", null=True),
    *title_view.schema,
)
PAGE_COLUMNS = (
    column("namespace", int32, "0 for articles"),
    column("title", string, "as displayed, without the namespace"),
)
page = table("page", "one row per page of the wiki", article.schema.field("page_id"), *PAGE_COLUMNS)
redirect = table(
    "redirect",
    "one row per page that points to another: what it points to",
    article.schema.field("page_id"),
    *PAGE_COLUMNS,
)
synset_name = table(
    "synset_name",
    "one row per WordNet synset",
    column("name", string, "first lemma, underscores as spaces"),
    column("synset", string, "part of speech and offset, such as n00001740"),
)
phrase = table(
    "phrase",
    "one row per phrase that a source offers as a query",
    column("text", string, "normalised: the key of a query; empty where no word is in it"),
    column("display", string, "as the source writes it"),
    column("source", string, "word, bigram, title or wordnet"),
    column("n", int64, "occurrences, or page views of a title; null for wordnet", null=True),
    column("pmi", float64, "of a bigram, bits", null=True),
)
ENTRY_COLUMNS = (
    column("text", string, "normalised words, joined by one space"),
    column("display", string, "as the best-ranked source writes it"),
    column("entered_by", string, "the source that brought it: word, bigram, title or wordnet"),
    column("sources", int32, "bit mask: 1 word, 2 bigram, 4 title, 8 wordnet"),
    column("word_n", int64, "occurrences as a word", null=True),
    column("bigram_pmi", float64, "bits", null=True),
    column("title_views", int64, "page views", null=True),
    column("rank", int64, "1.. in the order in which the list is filled"),
)
entry = table("entry", "one row per key that may be a query", *ENTRY_COLUMNS)
query = table("query", "one row per query", QUERY_ID, *ENTRY_COLUMNS)
border = table(
    "border",
    "one row per source, side and place: where the query list ends",
    column("entered_by", string, "word, bigram, title or wordnet"),
    column("side", string, "first in, last in, or first out"),
    column("place", int32, "1.. from the border, at most 20"),
    column("text", string, "the query, or the phrase left out"),
    column("score", float64, "occurrences, PMI in bits, or views", null=True),
)

# --- candidates, pairs, matches -------------------------------------------------------------
candidate = table(
    "candidate",
    "one row per row of a source",
    *PAIR_COLUMNS,
    column("row", int64, "0.. within the part"),
    column("url_key", string, "normalised URL"),
    REASON,
    column("extra", string, "what else the source says of it, a JSON object", null=True),
)
filtered = table(
    "filtered",
    "one row per candidate",
    *(field for field in candidate.schema if field.name != "extra"),
    LANGUAGE,
)
extra = table(
    "extra",
    "one row per candidate of a pair of which its source says more",
    PAIR_ID,
    column("source", string, "name of the source in the settings"),
    column("extra", string, "a JSON object: other columns, author, the query searched for"),
)
exclusion = table(
    "exclusion",
    "one row per line of an exclusions file",
    column("kind", string, "url, host, pair_id, sha256 or phash"),
    column("value", string, "normalised URL, host, decimal pair_id or hex"),
    column("phash", int64, "of a phash: as samples have it; else null", null=True),
    column("radius", int32, "of a phash: bits of 64 that may differ; else null", null=True),
    column("why", string, "as the file says", null=True),
    column("since", string, "date, as the file says", null=True),
)
host = table(
    "host",
    "one row per host of the pool",
    column("host", string, "as a URL's key writes it, with its port where it names one"),
)
excluded_host = table(
    "excluded_host",
    "one row per host of the pool that an exclusion names, itself or by a domain above it",
    *host.schema,
    column("value", string, "the exclusion's host: the nearest of several"),
)
pooled = table(
    "pooled",
    "one row per candidate that passed the filters of its own row",
    *PAIR_COLUMNS,
    LANGUAGE,
    REASON,
)
pair = table(
    "pair",
    "one row per pair_id: a candidate that passed every filter and contains a query",
    *PAIR_COLUMNS,
    LANGUAGE,
)
drop = table(
    "drop",
    "one row per dropped candidate",
    PAIR_ID,
    column("stage", string, "collect, filter, pool or match"),
    column("reason", string, "from the closed list of reasons"),
    column("source", string, "name of the source in the settings"),
    column("url", string, "address of the image, as given"),
    column("caption", string, "as given"),
)
match = table("match", "one row per pair_id, query_id", PAIR_ID, QUERY_ID, PRIORITY)
pair_match = Table("pair_match", match.grain, match.schema)

# --- fetching and selection -----------------------------------------------------------------
ROUND = column("round", int32, "0.. in order")
now = table("now", "one row: the round under way", ROUND)
ask = table(
    "ask",
    "one row per pair to fetch",
    PAIR_ID,
    column("url", string, "address of the image"),
    column("attempt", int32, "1.. per pair"),
)
request = table("request", "one row per pair that a round asks for", ROUND, *ask.schema)
unsettled = table("unsettled", "one row per query that a round finds unsettled", ROUND, QUERY_ID)
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
fetched = table(
    "fetched",
    "one row per pair_id, attempt, with the place of its bytes",
    PAIR_ID,
    column("attempt", int32, "1.. per pair"),
    REASON,
    *IMAGE_COLUMNS,
    IMAGE_PART,
)
attempt = table(
    "attempt",
    "one row per pair_id, attempt: one try at a pair",
    PAIR_ID,
    column("attempt", int32, "1.. per pair"),
    REASON,
    *IMAGE_COLUMNS,
)
excluded_hash = table(
    "excluded_hash",
    "one row per hash of fetched pictures that an exclusion names",
    column("phash", int64, "64-bit DCT hash"),
)
SCORER = column("scorer", string, "name of the scorer in the settings")
SCORE = column("score", float64, "by the scorer's model; null where that is no number", null=True)
scored = table("scored", "one row per picture, scorer", PAIR_ID, IMAGE_PART, SCORER, SCORE)
score = table(
    "score", "one row per pair_id, scorer: of the attempt that counts", PAIR_ID, SCORER, SCORE
)
scorer = table(
    "scorer",
    "one row per scorer of the settings",
    SCORER,
    column("kind", string, "opennsfw or onnx"),
    column("model", string, "sha256 of the model's file, hex"),
    column("min_score", float64, "least score of a kept picture; null: no limit", null=True),
    column("max_score", float64, "greatest score of a kept picture; null: no limit", null=True),
)
verdict = table(
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
near = table(
    "near",
    "one row per hash of a survivor and another that is near it",
    column("phash", int64, "64-bit DCT hash"),
    column("other", int64, "another, at most near_bits bits away"),
)
suppressed = table("suppressed", "one row per survivor near an earlier kept pair", PAIR_ID)
outcome = table(
    "outcome",
    "one row per requested pair",
    PAIR_ID,
    column("attempt", int32, "the attempt that counts"),
    REASON,
)
head = table(
    "head",
    "one row per query with more matches than the cap",
    QUERY_ID,
    column("most", int64, "places that a round may look at"),
    column("stood", int64, "of these, places already found with a shorter reach"),
    column("reach", float64, "the greatest priority that is looked at; 2^63 and more: all"),
)
short_head = Table("short_head", "one row per head whose reach was too short", head.schema)
standing = table(
    "standing",
    "one row per match of a head and a pair that is not lost, as far as a round may look",
    QUERY_ID,
    PAIR_ID,
    column("unknown", int32, "1 where the pair has no outcome yet"),
    column("place", int64, "1.. within the query"),
)
open_match = table(
    "open_match",
    "one row per match of a query that is no head and a pair without an outcome",
    QUERY_ID,
    PAIR_ID,
)
kept_match = table(
    "kept_match",
    "one row per pair_id, query_id in which the pair took a place",
    PAIR_ID,
    QUERY_ID,
)
round_ = table(
    "round",
    "one row per round of fetching",
    ROUND,
    column("n_unsettled", int64, "queries unsettled before the round"),
    column("n_asked", int64, "pairs asked for"),
    column("n_survived", int64, "of these, pairs that passed fetch and image rules"),
)
round_loss = table(
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
picked = table("picked", "one row per kept pair", *SAMPLE_COLUMNS, IMAGE_PART)
sample = table(
    "sample",
    "one row per kept pair: the rows beside a shard's tar",
    column("key", string, "pair_id as 16 hex digits: the sample's name in the tar"),
    *SAMPLE_COLUMNS,
    column("n_words", int32, "words of the caption"),
    column("offset", int64, "where the picture's bytes begin in the shard's tar, bytes"),
    column("bytes", int64, "of the picture in the tar: read so many from offset on"),
)
person_term = table(
    "person_term",
    "one row per word for people and group that it names",
    column("term_id", int64, "0.. in the order of the terms"),
    column("axis", string, "such as gender"),
    column("term_group", string, "such as women"),
    column("term", string, "one or more normalised words"),
)
person_match = table(
    "person_match",
    "one row per sample and word for people that its caption contains",
    PAIR_ID,
    column("term_id", int64, "as person_term has it"),
)

# --- the build itself -----------------------------------------------------------------------
stage = table(
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
file_now = Table("file_now", "as file, listed anew when a check runs", file.schema)
build = table(
    "build",
    "one row: what the build was made with",
    column("version", string, "digest of settings and inputs"),
    column("seed", int64, "of every hash that orders rows"),
    column("cap", int64, "most matches kept for one query"),
    column("max_rounds", int32, "most rounds of fetching"),
    column("round_factor", float64, "enlargement of a round's request"),
    column("n_queries", int64, "queries asked for"),
    column("word_min", int64, "least occurrences of a word"),
    column("bigram_min", int64, "least occurrences of a bigram"),
    column("pmi_min", float64, "least PMI of a bigram, bits"),
    column("views_min", int64, "least views of a title"),
    column("mobile_share_max", float64, "greatest share of mobile views of a title"),
    column("quota_word", int64, "most words in the list"),
    column("quota_bigram", int64, "most bigrams in the list"),
    column("quota_title", int64, "most titles in the list"),
    column("n_offered", int64, "phrases that may be a query", null=True),
    column("word_n_reached", int64, "occurrences of the last word in the list", null=True),
    column("bigram_pmi_reached", float64, "PMI of the last bigram in the list, bits", null=True),
    column("title_views_reached", int64, "views of the last title in the list", null=True),
    column("min_side", int32, "least side of an original picture, pixels"),
    column("min_area", int64, "least area of an original picture, pixels"),
    column("max_aspect", float64, "greatest ratio of the original's sides"),
    column("min_spread", float64, "least spread of a stored picture"),
    column("boilerplate_max", int64, "most pictures of a host with one caption; 0: no limit"),
    column("near_bits", int32, "bits of pHash that near duplicates may differ in; -1: none are"),
)

# --- results of a trainer's run, in its own folder ---------------------------------------------
overlap = table(
    "overlap",
    "one row per picture of an evaluation set",
    column("eval_set", string, "name of the evaluation set's folder"),
    column("image", string, "the picture's name in its set"),
    column("class_name", string, "its class"),
    column("correct", boolean, "the run's model is right, zero-shot; null: not asked", null=True),
    column("overlap", boolean, "a training picture is near it, and it shows something"),
    column("uniform", boolean, "it shows nothing, as a black frame"),
    column("nearest_distance", int32, "bits of 64 between it and the nearest training picture"),
    column("nearest_pair_id", int64, "the nearest training pair; the lowest id of equals"),
    column("score", float64, "of the learned detector and the most alike; null: pHash", null=True),
    column("score_pair_id", int64, "the most alike training pair; null: pHash", null=True),
)
neighbour = table(
    "neighbour",
    "one row per picture of an evaluation set and training pair near it",
    column("eval_set", string, "name of the evaluation set's folder"),
    column("image", string, "the picture's name in its set"),
    column("pair_id", int64, "the training pair"),
    column("distance", int32, "bits of 64 between their perceptual hashes; null: far", null=True),
    column("score", float64, "of the learned detector; null: it did not find it", null=True),
    column("agreement", float64, "of their pixels, laid on each other; null: as score", null=True),
)
evaluation = table(
    "evaluation",
    "one row per task, evaluation set and figure",
    column("task", string, "zeroshot, retrieval, probe, fewshot or robustness"),
    column("eval_set", string, "name of the evaluation set's folder, or of a pair of them"),
    column("name", string, "of the figure, such as top1"),
    column("value", float64, "a rate, 0..1"),
    column("low", float64, "where its 95% interval begins"),
    column("high", float64, "where its 95% interval ends"),
    column("chance", float64, "what guessing would give"),
    column("n", int64, "answers that it is the rate of"),
)
clip_score = table(
    "clip_score",
    "one row per kept pair: how well the run's model finds caption and picture to agree",
    PAIR_ID,
    column("clip_score", pa.float32(), "cosine, -1..1; null: unreadable picture", null=True),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        article,
        ngram,
        ngram_part,
        bigram,
        scored_bigram,
        title_view,
        title_view_part,
        page,
        redirect,
        synset_name,
        phrase,
        entry,
        query,
        border,
        candidate,
        filtered,
        extra,
        exclusion,
        host,
        excluded_host,
        pooled,
        pair,
        drop,
        match,
        pair_match,
        now,
        ask,
        request,
        unsettled,
        fetched,
        attempt,
        excluded_hash,
        scored,
        score,
        scorer,
        verdict,
        near,
        suppressed,
        head,
        short_head,
        standing,
        open_match,
        kept_match,
        outcome,
        round_,
        round_loss,
        picked,
        sample,
        person_term,
        person_match,
        stage,
        file,
        file_now,
        build,
        overlap,
        neighbour,
        evaluation,
        clip_score,
    )
}

PUBLISHED = (
    "query",
    "border",
    "exclusion",
    "pair",
    "extra",
    "match",
    "kept_match",
    "attempt",
    "score",
    "scorer",
    "outcome",
    "drop",
    "round",
    "round_loss",
    "unsettled",
    "person_term",
    "person_match",
    "stage",
    "file",
    "build",
)

OF_A_RUN = ("overlap", "neighbour", "evaluation", "clip_score")
