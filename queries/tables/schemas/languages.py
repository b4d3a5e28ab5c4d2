"""The tables of a build of several languages: their lists, quotas and caps."""

from queries.tables.table import (
    LIST_LANGUAGE,
    PAIR_ID,
    QUERY_ID,
    column,
    float64,
    int32,
    int64,
    string,
    table,
)

table(
    "query_list",
    "one row per query list",
    LIST_LANGUAGE,
    column("place", int32, "0.. in the order of the settings"),
    column("n_queries", int64, "queries asked for"),
)
table(
    "language_quota",
    "one row per language with a quota",
    LIST_LANGUAGE,
    column("most_pairs", int64, "most pairs of the language to choose from"),
)
table("over_quota", "one row per pair beyond the quota of its language", PAIR_ID)
table(
    "match_count",
    "one row per language and number of matches that a query of it has",
    LIST_LANGUAGE,
    column("n_matches", int64, "matches of a query"),
    column("n_queries", int64, "queries with as many"),
)
table(
    "language_cap",
    "one row per language of a worldwide build: its cap, and the tail that it leaves whole",
    LIST_LANGUAGE,
    column("cap", int64, "most matches kept for one of its queries"),
    column("set_by", string, "reference, tail (of the reference's share) or fixed"),
    column("matches", int64, "of all its queries"),
    column("tail_matches", int64, "of these, of queries with no more matches than the cap"),
    column("tail_share", float64, "tail_matches of matches, 0..1; null without any", null=True),
    column("reference", string, "the language whose tail's share the caps by tail follow"),
)
table(
    "query_cap",
    "one row per query of a worldwide build",
    QUERY_ID,
    column("cap", int64, "most matches kept for the query"),
)
