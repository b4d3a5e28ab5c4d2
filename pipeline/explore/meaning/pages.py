"""Search by the model: pictures near to words, to another pair's picture, or to an upload."""

from threading import Lock, Thread
from typing import Any
from urllib.parse import urlencode

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pipeline.explore.explorer import Explorer
from pipeline.explore.meaning.model import EmbeddingModel
from pipeline.explore.meaning.nearest import Near, Nearest, is_made, make_index
from pipeline.explore.pictures import uploaded
from pipeline.explore.view import KEY, PAGE_ROWS, View, key_of, view_of
from queries.tables.embeddings import Embeddings, Kind, read_embeddings
from queries.tables.errors import InputError, UserError

MOST_PAGES = 10
MOST_TEXT = 1_000  # characters of a search
MOST_AMONG = 1_000_000  # pairs of a view that a search looks at alone


class Meaning:
    """What the pages of one explorer share: the index, which may still be made, and the model."""

    def __init__(self, explorer: Explorer):
        self.explorer = explorer
        self.embeddings: Embeddings | None = None
        self.model: EmbeddingModel | None = None
        self.fault = ""
        self._index: Nearest | None = None
        self._lock = Lock()
        run = explorer.run
        if run is None:
            return
        try:
            self.embeddings = read_embeddings(run)
        except UserError as error:
            self.fault = str(error)
        if self.embeddings is not None:
            self.model = EmbeddingModel(run)
            explorer.until_the_end.callback(self.model.close)
            if not is_made(self.embeddings):
                Thread(target=self._make, daemon=True).start()

    def _make(self) -> None:
        assert self.embeddings is not None
        try:
            make_index(self.embeddings)
        except (UserError, OSError, RuntimeError) as error:  # RuntimeError: FAISS's
            self.fault = str(error)

    def need(self) -> tuple[Nearest, EmbeddingModel]:
        """The index and the model. Raises InputError where there are none, or none yet."""
        if self.embeddings is None or self.model is None:
            raise InputError(
                self.fault
                or "search by meaning needs embeddings: python -m trainer embed --data BUILD --run "
                "RUN, and --run RUN for the explorer"
            )
        with self._lock:
            if self._index is None:
                if not is_made(self.embeddings):
                    raise InputError(
                        self.fault or "the index of the embeddings is being made, once: try later"
                    )
                self._index = Nearest(self.embeddings)
        return self._index, self.model


def routes(explorer: Explorer) -> list[BaseRoute]:
    meaning = Meaning(explorer)

    async def upload(request: Request) -> Response:
        try:
            body = await uploaded(explorer, request)
            return await run_in_threadpool(search_picture, meaning, body)
        except UserError as error:
            return explorer.page("meaning.html", 400, here="/meaning", view=View(), fault=error)

    return [
        explorer.route("/meaning", lambda request: search(meaning, request)),
        Route("/meaning", upload, methods=["POST"]),
    ]


def search_picture(meaning: Meaning, body: bytes) -> Response:
    """The samples nearest to a stranger's picture, which the model's process decodes."""
    index, model = meaning.need()
    near = index.search(model.of_picture(body), PAGE_ROWS)
    samples = samples_of(meaning.explorer, near)
    return meaning.explorer.page(
        "meaning.html", view=View(), here="/meaning", samples=samples, asked=True
    )


def search(meaning: Meaning, request: Request) -> Response:
    """The samples of a view that are nearest to what is sought, nearest first."""
    asked = request.query_params
    view = view_of(asked)
    text, like = asked.get("text", "").strip(), asked.get("like", "")
    if not (text or like):
        return meaning.explorer.page("meaning.html", view=view, here="/meaning")
    index, model = meaning.need()
    vector = sought(index, model, text, like)
    kind: Kind = "text" if text else "image"
    number = min(view.number, MOST_PAGES)
    near = index.search(vector, PAGE_ROWS * number + 1, among(meaning.explorer, view), kind)
    shown = near[PAGE_ROWS * (number - 1) : PAGE_ROWS * number]
    more = len(near) > PAGE_ROWS * number and number < MOST_PAGES
    own = {"text": text} if text else {"like": like}
    address = _address(view, own, number + 1) if more else ""
    part = asked.get("part") == "1"
    return meaning.explorer.page(
        "figures.html" if part else "meaning.html",
        view=view,
        here="/meaning",
        text=text,
        like=like,
        samples=samples_of(meaning.explorer, shown),
        next_page=address,
    )


def sought(index: Nearest, model: EmbeddingModel, text: str, like: str) -> np.ndarray:
    """The vector of what an address asks for. Raises InputError."""
    if text:
        if len(text) > MOST_TEXT:
            raise InputError(f"text: expected at most {MOST_TEXT:,} characters")
        return model.of_text(text)
    if not KEY.fullmatch(like):
        raise InputError(f"like {like[:40]!r}: expected a key of 16 hex digits")
    vector = index.vector(int(like, 16))
    if vector is None:
        raise InputError(f"like {like}: no picture of this key has an embedding")
    return vector


def among(explorer: Explorer, view: View) -> np.ndarray | None:
    """The pair_ids of a view that is narrowed; None: all. Raises InputError for too many."""
    values = view.parameters()
    if not values:
        return None
    rows = explorer.ask("chosen_ids", values | {"rows": MOST_AMONG + 1})
    if len(rows) > MOST_AMONG:
        raise InputError(
            f"the view has more than {MOST_AMONG:,} samples: expected one that is narrower, or all"
        )
    return np.array([row["pair_id"] for row in rows], np.int64)


def samples_of(explorer: Explorer, near: list[Near]) -> list[dict[str, Any]]:
    """What a page shows of these pairs, in their order, with the cosine as the score."""
    if not near:
        return []
    view = View(pairs=",".join(key_of(pair.pair_id) for pair in near))
    rows = explorer.ask("samples", view.parameters() | {"rows": len(near), "offset": 0})
    by_id = {row["pair_id"]: row for row in rows}
    return [by_id[pair.pair_id] | {"score": pair.cosine} for pair in near if pair.pair_id in by_id]


def _address(view: View, own: dict[str, str], page: int) -> str:
    rest = view.address("/meaning", page=str(page))
    return f"{rest}{'&' if '?' in rest else '?'}{urlencode(own)}"
