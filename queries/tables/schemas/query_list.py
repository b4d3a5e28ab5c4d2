"""The tables of the query list: from articles, views and WordNet to the queries."""

from queries.tables.table import (
    LIST_LANGUAGE,
    QUERY_ID,
    REASON,
    column,
    float64,
    int32,
    int64,
    string,
    table,
)

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
table("ngram_part", "one row per n-gram of a part, or more", *ngram.schema)
table(
    "corpus",
    "one row per language: all its articles together",
    LIST_LANGUAGE,
    column("n_words", int64, "occurrences of all words"),
    column("word_floor", int64, "least occurrences of a word that may be a query"),
    column("bigram_floor", int64, "least occurrences of a bigram that may be a query"),
    column("pmi_min", float64, "least PMI of a bigram that may be a query, bits", null=True),
)
table(
    "bigram",
    "one row per bigram whose words are both in the word list",
    column("first", string, "first word"),
    column("second", string, "second word"),
    column("n", int64, "occurrences"),
    column("first_n", int64, "occurrences of the first word"),
    column("second_n", int64, "occurrences of the second word"),
    column("total_n", int64, "occurrences of all words"),
)
table(
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
table(
    "title_view_part",
    "one row per title and page id of a part, or more; and one per reason of a file",
    column("page_id", int64, "the wiki's page id; null where the file has none", null=True),
    column("title", string, "as displayed; null for lines that are dropped", null=True),
    *(field for field in title_view.schema if field.name != "title"),
    column("n_lines", int64, "lines of the file"),
    REASON,
)
PAGE_COLUMNS = (
    column("namespace", int32, "0 for articles"),
    column("title", string, "as displayed, without the namespace"),
)
table("page", "one row per page of the wiki", article.schema.field("page_id"), *PAGE_COLUMNS)
table(
    "redirect",
    "one row per page that points to another: what it points to",
    article.schema.field("page_id"),
    *PAGE_COLUMNS,
    column("interwiki", string, "prefix of the wiki it points to; null for this one", null=True),
)
table(
    "synset_name",
    "one row per name of a WordNet synset that is used: one for each synset, or all",
    column("name", string, "lemma, underscores as spaces; null where there is none", null=True),
    column("synset", string, "part of speech and offset, such as n00001740"),
    REASON,
)
FILE_COLUMNS = (
    column("input", string, "articles, views or wordnet"),
    column("number", int64, "0.. in the order of the input's files"),
    column("file", string, "its name, without its place"),
    REASON,
    column("n", int64, "pages, lines or names; of a damage one"),
)
table(
    "input_file",
    "one row per input file of a query list and reason: what became of its rows",
    LIST_LANGUAGE,
    *FILE_COLUMNS,
)
table("article_file", "one row per file of articles and reason", *FILE_COLUMNS)
table("view_file", "one row per file of page views and reason", *FILE_COLUMNS)
table("synset_file", "one row per file of WordNet and reason", *FILE_COLUMNS)
table(
    "phrase",
    "one row per phrase that a source offers as a query",
    column("text", string, "normalised: the key of a query; empty where no word is in it"),
    column("display", string, "as the source writes it"),
    column("source", string, "word, bigram, title or wordnet"),
    column("n", int64, "occurrences, or page views of a title; null for wordnet", null=True),
    column("pmi", float64, "of a bigram, bits", null=True),
)
ENTRY_COLUMNS = (
    LIST_LANGUAGE,
    column("text", string, "normalised words, joined by one space"),
    column("display", string, "as the best-ranked source writes it"),
    column("entered_by", string, "the source that brought it: word, bigram, title or wordnet"),
    column("sources", int32, "bit mask: 1 word, 2 bigram, 4 title, 8 wordnet"),
    column("word_n", int64, "occurrences as a word", null=True),
    column("bigram_pmi", float64, "bits", null=True),
    column("title_views", int64, "page views", null=True),
    column("rank", int64, "1.. in the order in which the language's list is filled"),
)
table("entry", "one row per language and key that may be a query", *ENTRY_COLUMNS)
table("query", "one row per query", QUERY_ID, *ENTRY_COLUMNS)
table(
    "list_source",
    "one row per language and source of its query list, and one for the whole list",
    LIST_LANGUAGE,
    column("source", string, "word, bigram, title, wordnet, or list"),
    column("quota", int64, "its part of the list; of the list, queries asked for", null=True),
    column("least", int64, "least occurrences or views; null for wordnet and list", null=True),
    column("offered", int64, "phrases at its floors that no earlier source has brought"),
    column("entered", int64, "queries that it brought"),
    column("reached", float64, "occurrences, bits or views of its last query", null=True),
    column("missing", int64, "by how much what it offers is less than its quota"),
)
table(
    "border",
    "one row per language, source, side and place: where the query list ends",
    LIST_LANGUAGE,
    column("entered_by", string, "word, bigram, title or wordnet"),
    column("side", string, "first in, last in, or first out"),
    column("place", int32, "1.. from the border, at most 20"),
    column("text", string, "the query, or the phrase left out"),
    column("score", float64, "occurrences, PMI in bits, or views", null=True),
)
