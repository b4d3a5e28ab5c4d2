"""Every table, declared once: name, grain, columns, types and units.

Each stage checks its rows against these schemas at its border, and a table that a build lacks is an
empty view of the schema declared here.
"""

from queries.tables.schemas import build, languages, pairs, pictures, query_list, results
from queries.tables.schemas.pictures import IMAGE_COLUMNS
from queries.tables.table import TABLES, Table

__all__ = ["IMAGE_COLUMNS", "OF_A_RUN", "PUBLISHED", "TABLES", "Table"]
DECLARING = (query_list, languages, pairs, pictures, build, results)  # modules that fill TABLES

PUBLISHED = (
    "input_file",
    "query",
    "border",
    "corpus",
    "list_source",
    "language_cap",
    "query_cap",
    "exclusion",
    "named",
    "excluded_picture",
    "pair",
    "extra",
    "match",
    "kept_match",
    "attempt",
    "consent",
    "personal",
    "score",
    "scorer",
    "outcome",
    "drop",
    "round",
    "round_loss",
    "near_skipped",
    "unsettled",
    "person_term",
    "person_match",
    "stage",
    "file",
    "build",
)

OF_A_RUN = (
    *("overlap", "neighbour", "evaluation", "class_result", "prediction", "clip_score"),
    *("cluster", "place"),
    *("comparison", "compared_run", "compared_class", "compared_answer"),
)
