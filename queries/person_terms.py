"""The list of person terms, as a table: `person_terms.csv` beside this file.

Words for people, by axis and group, in English: what the audits person_terms count. Lists of such
words are never whole and never neutral; whoever audits may change the file.
"""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from queries.tables.parts import digest
from queries.tables.schemas import TABLES

TERMS = Path(__file__).with_suffix(".csv")


def person_terms() -> pa.Table:
    """The table `person_term`, in order of term: a term of two groups has one id and two rows."""
    listed = csv.read_csv(TERMS)
    ids = {term: at for at, term in enumerate(sorted(set(listed["term"].to_pylist())))}
    column = pa.array([ids[term] for term in listed["term"].to_pylist()], pa.int64())
    table = listed.append_column("term_id", column)
    order = [("term_id", "ascending"), ("axis", "ascending"), ("term_group", "ascending")]
    declared = TABLES["person_term"]
    return table.select(declared.schema.names).sort_by(order).cast(declared.schema)


def terms_digest() -> str:
    """Names the list: what was matched with another is not matched with this one."""
    return digest(TERMS.read_text())
