"""What people lay over a picture: lines of letters, signs, and a part of another picture."""

import cv2
import numpy as np

FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_COMPLEX_SMALL,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
LETTERS = [*"abcdefghijklmnopqrstuvwxyz.ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789@%!? "]
MOST_LINES, MOST_SIGNS = 3, 3


def lay_over(image: np.ndarray, other: np.ndarray, chance: np.random.Generator) -> None:
    """Letters, signs, or the other picture, laid over the image (H, W, 3), RGB uint8, in place."""
    kind = chance.random()
    if kind < 0.45:
        _write(image, chance)
    elif kind < 0.8:
        for _ in range(chance.integers(1, MOST_SIGNS + 1)):
            _draw_sign(image, chance)
    else:
        _put(image, other, chance)


def _colour(chance: np.random.Generator) -> tuple[int, int, int]:
    """White, black or any colour."""
    kind = chance.random()
    if kind < 0.6:
        return (255, 255, 255) if kind < 0.35 else (0, 0, 0)
    red, green, blue = chance.integers(0, 256, 3).tolist()
    return red, green, blue


def _write(image: np.ndarray, chance: np.random.Generator) -> None:
    """Lines of letters, with an edge or without, on a band or on the picture."""
    side, font = len(image), FONTS[chance.integers(len(FONTS))]
    scale, colour, edge = chance.uniform(0.2, 0.75), _colour(chance), chance.random() < 0.4
    thick, step = 1 + int(chance.random() < 0.3), int(8 + 22 * scale)
    x, y = int(chance.uniform(-0.1, 0.5) * side), int(chance.uniform(0.05, 1) * side)
    if chance.random() < 0.3:
        cv2.rectangle(image, (0, y - step), (side, y + 4), _colour(chance), -1)
    for line in range(chance.integers(1, MOST_LINES + 1)):
        text = "".join(chance.choice(LETTERS, chance.integers(3, 22)))
        place = (x, y + line * step)
        if edge:
            dark = tuple(255 - value for value in colour)
            cv2.putText(image, text, place, font, scale, dark, thick + 2, cv2.LINE_AA)
        cv2.putText(image, text, place, font, scale, colour, thick, cv2.LINE_AA)


def _draw_sign(image: np.ndarray, chance: np.random.Generator) -> None:
    """A filled shape with smaller ones on it, as emoji and logos are."""
    side = len(image)
    radius = side * chance.uniform(0.08, 0.28)
    middle = chance.uniform(0.15, 0.85, 2) * side
    for part in range(chance.integers(1, 5)):
        size = radius if not part else radius * chance.uniform(0.1, 0.4)
        at = middle if not part else middle + chance.uniform(-0.6, 0.6, 2) * radius
        colour, kind = _colour(chance), chance.random()
        x, y = (int(value) for value in at)
        reach = max(1, int(size))
        if kind < 0.5:
            tall = max(1, int(reach * chance.uniform(0.6, 1)))
            angle = chance.uniform(0, 180)
            cv2.ellipse(image, (x, y), (reach, tall), angle, 0, 360, colour, -1, cv2.LINE_AA)
        elif kind < 0.7:
            cv2.rectangle(image, (x - reach, y - reach), (x + reach, y + reach), colour, -1)
        elif kind < 0.85:
            corners = (at + chance.uniform(-size, size, (chance.integers(3, 7), 2))).astype(int)
            cv2.fillPoly(image, [corners.astype(np.int32)], colour, cv2.LINE_AA)
        else:
            begin = chance.uniform(0, 360)
            cv2.ellipse(image, (x, y), (reach, reach), 0, begin, begin + 140, colour, 2)


def _put(image: np.ndarray, other: np.ndarray, chance: np.random.Generator) -> None:
    """The other picture, small, in a rectangle or an ellipse, seen through a little or not."""
    side = len(image)
    width, height = (chance.uniform(0.2, 0.55, 2) * side).astype(int).tolist()
    x, y = int(chance.random() * (side - width)), int(chance.random() * (side - height))
    small = cv2.resize(other, (width, height), interpolation=cv2.INTER_AREA)
    share = 1.0 if chance.random() < 0.7 else chance.uniform(0.3, 0.8)
    mask = np.full((height, width), share, np.float32)
    if chance.random() < 0.4:
        mask[:] = 0
        half = (width // 2, height // 2)
        cv2.ellipse(mask, half, half, 0, 0, 360, share, -1)
    part = image[y : y + height, x : x + width]
    part[:] = (part + (small - part.astype(np.float32)) * mask[..., None]).astype(np.uint8)
