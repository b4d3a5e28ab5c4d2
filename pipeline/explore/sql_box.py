"""The page of SQL: a question of one's own over the build's tables, behind every limit there is."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer, Places
from pipeline.explore.view import View, view_of
from queries.locked import written_out
from queries.questions import sql as sql_of
from queries.select import MOST_ROWS, SECONDS, ask
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES

AT_ONCE, MOST_WAITING = 2, 8  # processes that ask, and questions that wait for one
EXAMPLES = {
    "Why candidates were dropped": """
SELECT stage, reason, COUNT(*) AS n
FROM "drop"
GROUP BY stage, reason
ORDER BY n DESC
""",
    "What became of the pairs asked for": """
SELECT COALESCE(reason, 'kept') AS became, COUNT(*) AS n
FROM outcome
GROUP BY became
ORDER BY n DESC
""",
    "Hosts of most samples": """
SELECT SPLIT_PART(url, '/', 3) AS host, COUNT(*) AS n
FROM sample
GROUP BY host
ORDER BY n DESC
LIMIT 20
""",
    "Queries with most matches": """
SELECT query.text, COUNT(*) AS n
FROM "match"
INNER JOIN query ON "match".query_id = query.query_id
GROUP BY query.text
ORDER BY n DESC
LIMIT 20
""",
    "Longest captions": """
SELECT pair_id, n_words, caption
FROM sample
ORDER BY n_words DESC
LIMIT 20
""",
}


def routes(explorer: Explorer) -> list[BaseRoute]:
    places = Places(AT_ONCE, MOST_WAITING)
    return [explorer.route("/sql", lambda request: box(explorer, request), places=places)]


def box(explorer: Explorer, request: Request) -> Response:
    """The box; with `sql` in the address also the answer, or what is wrong with it."""
    sql = request.query_params.get("sql", "")
    view = view_of(request.query_params)
    answer, fault = None, ""
    if sql.strip():
        try:
            answer = ask(sql, explorer.build, explorer.run)
        except InputError as error:
            fault = str(error)
    elif view != View():
        sql = written_out(sql_of("explore", "chosen"), view.parameters())
    return explorer.page(
        "sql.html",
        400 if fault else 200,
        here="/sql",
        sql=sql,
        answer=answer,
        fault=fault,
        examples={title: text.strip() for title, text in EXAMPLES.items()},
        tables=[TABLES[name] for name in explorer.tables.tables if name in TABLES],
        seconds=SECONDS,
        most_rows=MOST_ROWS,
    )
