"""The lists of person terms, as a table: `person_terms.csv` beside this file.

Words for people, by axis and group, each list in one language: what the audits person_terms count.
A term counts in captions of its language alone: "Kind" is German for a child. Lists of such words
are never whole and never neutral; whoever audits may change the file.
"""

from pathlib import Path

import pyarrow as pa
from pyarrow import csv

from queries.tables.parts import digest
from queries.tables.schemas import TABLES

TERMS = Path(__file__).with_suffix(".csv")
UNKNOWN = "en"  # the language of captions for which none was looked


def person_terms() -> pa.Table:
    """The table `person_term`, in order of term_id: a term of two groups has one id, two rows."""
    listed = csv.read_csv(TERMS)
    keys = list(zip(listed["language"].to_pylist(), listed["term"].to_pylist(), strict=True))
    ids = {key: at for at, key in enumerate(sorted(set(keys)))}
    table = listed.append_column("term_id", pa.array([ids[key] for key in keys], pa.int64()))
    order = [("term_id", "ascending"), ("axis", "ascending"), ("term_group", "ascending")]
    declared = TABLES["person_term"]
    return table.select(declared.schema.names).sort_by(order).cast(declared.schema)


def terms_digest() -> str:
    """Names the lists: what was matched with others is not matched with these."""
    return digest(TERMS.read_text())


def coverage(languages: set[str], n_samples: dict[str | None, int]) -> str:
    """What a title says of the lists in these languages, from the samples by language.

    >>> coverage({"en", "de"}, {"en": 5, "de": 3, "cs": 2})
    'lists in de, en; 20% of the captions are in other languages: cs'
    >>> coverage({"en"}, {"ja": 7})
    'no list fits: lists in en, captions in other languages: ja'
    """
    others = {
        str(language): n
        for language, n in n_samples.items()
        if n and (language or UNKNOWN) not in languages
    }
    n_others, n_all = sum(others.values()), sum(n_samples.values())
    listed = ", ".join(sorted(languages)) or "no language"
    if not n_others:
        return f"lists in {listed}"
    most = sorted(others, key=lambda language: (-others[language], language))
    named = ", ".join(most[:5]) + (", …" if len(most) > 5 else "")
    if n_others == n_all:
        return f"no list fits: lists in {listed}, captions in other languages: {named}"
    share = 100 * n_others / n_all
    shown = f"{share:.0f}%" if share >= 1 else "under 1%"
    return f"lists in {listed}; {shown} of the captions are in other languages: {named}"
