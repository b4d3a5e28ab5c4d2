"""The map: samples as points of a plane by their pictures' embeddings; a rectangle is a view.

The plane is PCA's, of the table `place`, which `trainer embed` writes. pair_ids are hashes, so the
first points in their order are drawn at random.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from pipeline.explore.explorer import Explorer
from pipeline.explore.view import View, view_of
from queries.tables.errors import InputError

POINTS = 20_000
SIDE = 1_000  # of the drawing, in units of SVG
MARGIN = 0.02  # of the drawing, around the points


def routes(explorer: Explorer) -> list[BaseRoute]:
    return [explorer.route("/map", lambda request: show(explorer, request))]


def show(explorer: Explorer, request: Request) -> Response:
    """The points, those of the view apart, and the rectangle that the view has, if any."""
    view = view_of(request.query_params)
    (borders,) = explorer.ask("place_borders")
    if not borders["n"]:
        raise InputError(
            "the map needs embeddings: python -m trainer embed --data BUILD --run RUN, and "
            "--run RUN for the explorer"
        )
    frame = frame_of(borders)
    points = explorer.ask("place_points", {"rows": POINTS})
    inside: list[dict[str, Any]] = []
    if narrowed := view.parameters():
        inside = explorer.ask("place_chosen", narrowed | {"rows": POINTS})
    area = [float(number) for number in view.area.split(",")] if view.area else []
    return explorer.page(
        "map.html",
        view=view,
        here="/map",
        n=borders["n"],
        n_points=len(points),
        frame=frame,
        side=SIDE,
        points=path_of(points, frame),
        inside=path_of(inside, frame),
        n_inside=explorer.ask("n_chosen", narrowed)[0]["n"] if narrowed else 0,
        rectangle=rectangle_of(area, frame) if area else None,
        area=area,
        without=View(**{**vars(view), "area": "", "page": "1"}),
    )


def frame_of(borders: dict[str, Any]) -> dict[str, float]:
    """What of the plane is drawn: where it begins, and its width and height, never 0."""
    width = max(borders["right"] - borders["left"], 1e-6)
    height = max(borders["top"] - borders["bottom"], 1e-6)
    return {
        "x": borders["left"] - MARGIN * width,
        "y": borders["bottom"] - MARGIN * height,
        "width": width * (1 + 2 * MARGIN),
        "height": height * (1 + 2 * MARGIN),
    }


def drawn(x: float, y: float, frame: dict[str, float]) -> tuple[int, int]:
    """The place of a point in the drawing; its y grows downward.

    >>> drawn(0.5, 1.0, {"x": 0, "y": 0, "width": 1, "height": 1})
    (500, 0)
    """
    right = (x - frame["x"]) / frame["width"]
    down = 1 - (y - frame["y"]) / frame["height"]
    return round(SIDE * right), round(SIDE * down)


def path_of(points: list[dict[str, Any]], frame: dict[str, float]) -> str:
    """The points as one path of SVG: a line of no length, with round ends, is a dot.

    >>> path_of([{"x": 0, "y": 0}], {"x": 0, "y": 0, "width": 1, "height": 1})
    'M0 1000h0'
    """
    places = dict.fromkeys(drawn(point["x"], point["y"], frame) for point in points)
    return "".join(f"M{x} {y}h0" for x, y in places)


def rectangle_of(area: list[float], frame: dict[str, float]) -> dict[str, int]:
    """The drawing's rectangle of an area (left, right, bottom, top), as far as it is drawn.

    >>> frame = {"x": 0, "y": 0, "width": 1, "height": 1}
    >>> rectangle_of([0.5, 1e308, -1e308, 0.5], frame)
    {'x': 500, 'y': 500, 'width': 500, 'height': 500}
    """
    x, y = frame["x"], frame["y"]
    left, right = (min(max(at, x), x + frame["width"]) for at in area[:2])
    bottom, top = (min(max(at, y), y + frame["height"]) for at in area[2:])
    (begin, up), (end, down) = drawn(left, top, frame), drawn(right, bottom, frame)
    return {"x": begin, "y": up, "width": max(end - begin, 1), "height": max(down - up, 1)}
