"""PDQ is the hash that the reference gives."""

import numpy as np
import pytest

from queries.pixels.pdq import FREQUENCIES, GRID, LUMA, pdq

SIDES = [(64, 64), (256, 341), (341, 256), (100, 77), (700, 500), (33, 29)]
# Of `drawn`, by pdqhash 0.2.8, which is the C++ of ThreatExchange.
BY_THE_REFERENCE = [
    "d6a6ed5856a6ad5856a6fd51aaaa552aaa5654b4ab66d4c8fb1eace943c05406",
    "f6aee978d6aea95856aea958aaaa554aaad655a4aa66d488fb36ace953005416",
    "f6aee958d6a6a95856aea951aaaa554aaad655b4aa66d488ff36ace953005416",
    "d6d6a978d6a6a95956a6ad58aaaa556aaa5655b4ab6654c8fb3eace903805416",
    "f6b6e978d6a6a95856aea950aaaa554aaad655b4aa66d488ff36ace953005416",
    "6ad7dd985a66d5d46aa75559aaa7d52a2b52d4b44b6686c87d1eba7901c07406",
]


def drawn(height: int, width: int) -> np.ndarray:
    """A picture of waves (H, W, 3), the same on every machine but for a last digit."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y / height, x / width
    waves = [
        np.sin(9 * x + 5 * y * y + n) + np.sin(13 * y - 7 * x * y) + np.sin(31 * x * y + 2 * n)
        for n in range(3)
    ]
    return np.stack([wave * 40 + 128 for wave in waves], axis=-1).astype(np.uint8)


def noise(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth noise (H, W, 3) of the frequencies that the hash looks at, as a photograph has."""
    coarse = np.random.default_rng(seed).integers(0, 256, (26, 34, 3)).astype(np.float64)
    y, x = np.linspace(0, 24.99, height), np.linspace(0, 32.99, width)
    top, left = y.astype(int), x.astype(int)
    down, right = (y - top)[:, None, None], (x - left)[None, :, None]
    upper = coarse[top][:, left] * (1 - right) + coarse[top][:, left + 1] * right
    lower = coarse[top + 1][:, left] * (1 - right) + coarse[top + 1][:, left + 1] * right
    return np.ascontiguousarray(upper * (1 - down) + lower * down, np.uint8)


def n_apart(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


@pytest.mark.parametrize(("sides", "expected"), [*zip(SIDES, BY_THE_REFERENCE, strict=True)])
def test_the_hash_is_that_of_the_reference(sides, expected):
    assert n_apart(pdq(drawn(*sides)), expected) <= 2


def box(values: list[float]) -> list[float]:
    """The reference's box filter of a row or a column, each mean by itself."""
    n = len(values)
    window = (n + 2 * GRID - 1) // (2 * GRID)
    ahead = (window + 2) // 2
    around = [values[max(0, at - window + ahead) : at + ahead] for at in range(n)]
    return [sum(some) / len(some) for some in around]


def plain(image: np.ndarray) -> str:
    """PDQ step by step, as the paper tells it."""
    luma = (image @ LUMA[0]).tolist()
    for _ in range(2):
        luma = [box(row) for row in luma]
        luma = [list(row) for row in zip(*(box(list(column)) for column in zip(*luma)))]  # noqa: B905
    height, width = len(luma), len(luma[0])
    points = [
        [luma[int((i + 0.5) * height / GRID)][int((j + 0.5) * width / GRID)] for j in range(GRID)]
        for i in range(GRID)
    ]
    wave = [
        [np.cos(np.pi / 2 / GRID * k * (2 * n + 1)) for n in range(GRID)]
        for k in range(1, FREQUENCIES + 1)
    ]
    block = (np.array(wave) @ np.array(points) @ np.array(wave).T).ravel()
    median = sorted(block)[len(block) // 2 - 1]
    number = sum(1 << place for place, value in enumerate(block) if value > median)
    return f"{number:064x}"


@pytest.mark.parametrize("sides", [(5, 9), (63, 200), (128, 129), (257, 90)])
def test_the_matrices_give_what_the_steps_give(sides):
    image = noise(*sides, seed=1)
    assert n_apart(pdq(image), plain(image)) <= 2


@pytest.mark.parametrize("seed", range(20))
def test_the_hash_is_that_of_the_package(seed):
    pdqhash = pytest.importorskip("pdqhash", reason="pdqhash is not installed")
    sides = np.random.default_rng(seed).integers(32, 600, 2).tolist()
    image = noise(*sides, seed=seed)
    bits, _quality = pdqhash.compute(image)  # which reads memory row by row, however it is
    assert n_apart(pdq(image), np.packbits(bits.astype(np.uint8)).tobytes().hex()) <= 2


def test_a_copy_is_near_and_another_picture_is_far():
    image = noise(300, 400, seed=5)
    darker = (image * 0.8).astype(np.uint8)
    assert n_apart(pdq(image), pdq(darker)) <= 8
    assert n_apart(pdq(image), pdq(image[::2, ::2])) <= 31
    assert n_apart(pdq(image), pdq(noise(300, 400, seed=6))) > 80


def test_a_picture_of_a_few_pixels_has_no_hash():
    assert pdq(noise(4, 300, seed=0)) is None
    assert pdq(noise(5, 5, seed=0)) is not None
