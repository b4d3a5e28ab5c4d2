"""Audits by reader: the group of each, a sentence that a stranger understands, and a verdict.

A verdict is said only where the rows themselves decide it; what a good number is, the reader knows.
"""

from collections.abc import Callable, Mapping, Sequence

Row = Mapping[str, object]

WHAT, BALANCE, RIGHTS = "What is in it", "Balance", "Rights"
PRIVACY, FETCHING, EVALUATION = "Privacy", "Fetching", "Evaluation"
GROUPS: dict[str, dict[str, str]] = {
    WHAT: {
        "funnel": "Rows that each stage reads and keeps: pages of a wiki in `read`, then pairs.",
        "pairs_by_source": "Rows of each source: all, with a query, asked for, and in the dataset.",
        "settings_cost": "Each rule that lost rows, what it means, and which setting changes it.",
        "first_samples": "The pairs that come first, to look at: caption, licence and queries.",
        "image_sizes": "How large the pictures were, from which side on, and what is stored.",
        "image_aspects": "How many pictures are upright, square or wide.",
        "caption_words": "How many captions have how many words.",
        "caption_characters": "How many captions have how many characters.",
        "total_words": "All words of all captions, beside the size that OpenAI's CLIP names.",
        "languages": "In which languages the captions are.",
        "languages_by_query_source": "Whether words, titles or names bring in other languages.",
        "languages_drops": "Rows dropped of each language, and why; most drop before one is kept.",
        "duplicates": "How many samples repeat another one, exactly or nearly.",
        "duplicates_across_hosts": "Pictures and captions that are the same on several sites.",
        "near_in_meaning": "How many samples are nearly alike as the trained model sees them.",
        "near_skipped": "Where the search for near duplicates was cut short, and by how much.",
        "same_bytes": "One picture at many addresses: often a sign that says 'no picture here'.",
        "years": "Which years the pictures' addresses name: is the dataset old or new?",
        "domains": "Which sites the pictures come from, by the domain that somebody owns.",
        "domain_suffixes": "Which endings the sites have, such as .com, .de or .co.uk.",
        "hosts": "Which servers the pictures come from, and how much the largest have together.",
        "inputs": "What was read of Wikipedia's files for the query list, and what was not.",
        "two_builds": "Which pairs came and went since another build, and why.",
        "two_builds_settings": "Which settings are other than in another build.",
    },
    BALANCE: {
        "balance": "Whether a few queries have most pairs; gini: 0 all the same, 1 one has all.",
        "heads": "How many queries have more pairs than the cap, and what they hold.",
        "pairs_per_query": "For each query: how many pairs match it, and how many were kept.",
        "selected_and_occurring": "Frequent words occur in captions kept for others: how often.",
        "independent_draw": "How many pairs a draw for each query by itself would select instead.",
        "why_this_many_pairs": "The reckoning from matches to pairs, line by line.",
        "matches_per_caption": "How many captions contain one query, two, three and so on.",
        "matches_per_query": "How many queries have few matches, and how many have many.",
        "queries_without_match": "Queries that no caption contains: a picture of each is missing.",
        "query_list": "What the list of queries is made of, and which of it looks like junk.",
        "query_sources": "Which queries come from words, word pairs, titles or WordNet.",
        "languages_caps": "Each list, its cap and pairs; tail: queries that lose none to the cap.",
        "person_terms": "How many captions name women, men, children and other groups.",
        "person_terms_queries": "Which queries brought in the captions that name each group.",
        "two_builds_queries": "Which queries have more or fewer pairs than in another build.",
    },
    RIGHTS: {
        "licences": "Under which licences the pictures are, as the sources say.",
        "licences_by_host": "The licences of each site, and which sites state none at all.",
        "consent": "What owners say of training with their works, and whether it was followed.",
        "consent_by_host": "Which sites say no to training, and how many samples are theirs.",
        "exclusions_without_pair": "Lines of your blocklists that match nothing: misspelt?",
    },
    PRIVACY: {
        "personal": "How many captions hold e-mail addresses, telephone numbers and the like.",
        "personal_examples": "What such findings look like, with every letter and digit hidden.",
    },
    FETCHING: {
        "fetch_by_reason": "What came of the pictures asked for: kept, or the reason why not.",
        "fetch_by_host": "From which sites pictures come, and from which they do not.",
        "rounds": "Lost pictures are replaced in rounds; near duplicates are taken out later.",
        "round_losses": "Why each round lost pictures, near duplicates among them.",
        "score_distribution": "What models say of the pictures; nothing where no scorer is set.",
    },
    EVALUATION: {
        "comparison": "Of `trainer compare`: which arm a model learns most from, and by how much.",
        "evaluations": "How well the trained model does on each test, beside guessing.",
        "evaluated_classes": "Which classes of each test the model takes for others.",
        "clip_scores": "How well captions fit their pictures, by the trained model itself.",
        "eval_overlap": "How many test pictures are in the training data, and what it changes.",
        "eval_overlap_pairs": "Which samples are near a test picture.",
        "eval_overlap_queries": "Which queries brought such samples in.",
    },
}
READERS = {  # whose questions each group answers
    "dpo": (PRIVACY, RIGHTS),  # a data protection officer
    "curator": (WHAT, BALANCE, RIGHTS, FETCHING),
    "researcher": (WHAT, BALANCE, EVALUATION),
}


def group_of(name: str) -> str:
    """
    >>> group_of("licences"), group_of("of my own")
    ('Rights', '')
    """
    return next((group for group, audits in GROUPS.items() if name in audits), "")


def sentence(name: str) -> str:
    return GROUPS.get(group_of(name), {}).get(name, "")


def ordered(reader: str | None) -> list[str]:
    """The names of the audits for a reader, or of all, group by group."""
    groups = READERS[reader] if reader else tuple(GROUPS)
    return [name for group in groups for name in GROUPS[group]]


def verdict(name: str, rows: Sequence[Row]) -> str:
    """What the rows decide by themselves, in a sentence; "" where nothing is so plain.

    >>> verdict("exclusions_without_pair", [])
    'Good: every line matches something, or there is none.'
    """
    return VERDICTS[name](rows) if name in VERDICTS else ""


def _total(rows: Sequence[Row], column: str) -> int:
    return sum(int(str(row[column] or 0)) for row in rows)


def _duplicates(rows: Sequence[Row]) -> str:
    same = [row for row in rows if str(row["about"]).startswith("left: the same bytes")]
    n = _total(same, "pairs_too_many")
    return "Good: no picture is there twice." if not n else f"Look: {n:,} pictures are there again."


def _exclusions(rows: Sequence[Row]) -> str:
    if not rows:
        return "Good: every line matches something, or there is none."
    return f"Look: {len(rows):,} lines take nothing out."


def _licences(rows: Sequence[Row]) -> str:
    n = _total([row for row in rows if row["license"] == "none stated"], "samples")
    if not rows:
        return ""
    return f"Look: {n:,} samples state no licence." if n else "Good: every sample states a licence."


def _personal(rows: Sequence[Row]) -> str:
    n = _total([row for row in rows if row["policy"] == "count"], "samples")
    if n:
        return f"Look: {n:,} findings are in samples as they were; [privacy] masks or drops them."
    if rows:
        return "Good: what the rules found is not in the samples; they do not find everything."
    return (
        "Nothing was found, by rules that do not find everything; older builds were not searched."
    )


def _consent(rows: Sequence[Row]) -> str:
    """A no that the settings obey and a sample that stayed contradict each other."""
    no = [row for row in rows if row["answer"] == "no" and row["policy"] == "obey"]
    n = _total(no, "samples")
    if not rows:
        return ""
    return (
        f"Wrong: {n:,} samples stay against a no that the settings obey."
        if n
        else "Good: no sample stays against a no that the settings obey."
    )


def _near_skipped(rows: Sequence[Row]) -> str:
    return "" if rows else "Good: the whole search was made, or none was asked for."


VERDICTS: dict[str, Callable[[Sequence[Row]], str]] = {
    "duplicates": _duplicates,
    "exclusions_without_pair": _exclusions,
    "licences": _licences,
    "personal": _personal,
    "consent": _consent,
    "near_skipped": _near_skipped,
}
