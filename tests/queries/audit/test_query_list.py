"""The audit of the query list: what it lacks stands first, then shares of what nobody looks for."""

from queries.questions import sql
from tests.queries.asking import ask
from tests.tables import rows

DISPLAYS = {
    "word": ["the", "x", "1999", "20th", "dog's", "१२", "s", "mp3"],
    "bigram": ["the dog", "don't panic", "may 1999", "theatre dog"],
    "title": ["Schindler’s List", "7 Up", "Dog s"],
}


def figures(**given) -> dict[tuple[str, str | None], tuple]:
    answer = ask("audit", "query_list", **given)
    return {(row["about"], row["item"]): (row["n"], row["percent"]) for row in answer}


def query():
    offers = [(source, text) for source, texts in DISPLAYS.items() for text in texts]
    return rows(
        "query",
        *[
            {
                "query_id": place,
                "text": display.lower().replace("'", " ").replace("’", " "),
                "display": display,
                "entered_by": source,
                "sources": 1,
                "word_n": 100 if display == "the" else None,
            }
            for place, (source, display) in enumerate(offers)
        ],
    )


def test_shares_of_what_nobody_looks_for_are_told_by_source():
    shares = figures(query=query())
    assert shares["junk", "word"] == (2, 25.0)  # x, s
    assert shares["number-like", "word"] == (3, 37.5)  # 1999, 20th, १२; a letter begins mp3
    assert shares["numbers alone", "word"] == (2, 25.0)
    assert shares["possessive", "word"] == (1, 12.5)
    assert shares["grammar", "bigram"] == (1, 25.0)  # "theatre dog" only begins like "the"
    assert shares["number-like", "bigram"] == (1, 25.0)
    assert shares["possessive", "bigram"] == (0, 0.0)
    assert shares["possessive", "title"] == (1, 33.33)
    assert shares["number-like", "title"] == (1, 33.33)


def test_what_the_list_lacks_stands_first():
    ends = rows(
        "list_source",
        {"source": "word", "quota": 9, "least": 5, "offered": 9, "entered": 8, "reached": 6.0},
        {"source": "bigram", "quota": 8, "least": 4, "offered": 6, "entered": 6, "missing": 2},
        {"source": "list", "quota": 90, "offered": 60, "entered": 60, "missing": 30},
    )
    given = {"query": query(), "list_source": ends, "corpus": rows("corpus", {"n_words": 1234})}
    answer = ask("audit", "query_list", **given)
    assert [tuple(row.values()) for row in answer[:3]] == [
        ("SHORT of its quota", "bigram", 2.0, 25.0),
        ("SHORT of its quota", "list", 30.0, 33.33),
        ("asked for", None, 100.0, None),
    ]
    of = figures(**given)
    assert of["on offer", None] == (60, None)
    assert of["on offer by", "bigram"] == (6, None)
    assert of["words of all articles", None] == (1234, None)
    assert of["least occurrences of a bigram", "floor"] == (4, None)
    assert of["least occurrences of a word", "reached"] == (6, None)


def test_a_list_of_an_older_release_is_audited_by_the_columns_that_it_has():
    """Builds of 0.1.0 lack two tables, and columns of `build`."""
    older = {"word_per_million", "bigram_per_million"}
    assert not [name for name in older if name in sql("audit", "query_list")]
    assert figures(query=query())["in the list", None] == (15, None)
