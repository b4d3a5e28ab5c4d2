"""The lists of person terms, as a table: `person_terms.csv` beside this file.

Words for people, by axis and group, each list in one language: what the audits person_terms count.
A term counts in captions of its language alone: "Kind" is German for a child. Lists of such words
are never whole and never neutral; whoever audits may change the file.
"""

from collections.abc import Collection
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


def coverage(languages: Collection[str], n_samples: dict[str | None, int]) -> str:
    """What a title says of the lists in these languages, from the samples by language.

    >>> coverage({"en", "de"}, {"en": 5, "de": 3, "cs": 2})
    'lists in de, en; 20% of the captions are in other languages: cs'
    >>> coverage({"en"}, {"ja": 7})
    'no list fits: lists in en; 100% of the captions are in other languages: ja'
    """
    listed = f"lists in {', '.join(sorted(languages)) or 'no language'}"
    note = others(languages, n_samples)
    fits = any(n for language, n in n_samples.items() if (language or UNKNOWN) in languages)
    return f"{'' if fits or not note else 'no list fits: '}{listed}{note and f'; {note}'}"


def others(languages: Collection[str], n_samples: dict[str | None, int]) -> str:
    """The share of the captions that are in other languages, and which; '' for none.

    >>> others({"en"}, {"en": 996, "ja": 3, "th": 1})
    'under 1% of the captions are in other languages: ja, th'
    """
    n_others = {
        str(language): n
        for language, n in n_samples.items()
        if n and (language or UNKNOWN) not in languages
    }
    if not n_others:
        return ""
    most = sorted(n_others, key=lambda language: (-n_others[language], language))
    named = ", ".join(most[:5]) + (", …" if len(most) > 5 else "")
    share = 100 * sum(n_others.values()) / sum(n_samples.values())
    shown = f"{share:.0f}%" if share >= 1 else "under 1%"
    return f"{shown} of the captions are in other languages: {named}"
