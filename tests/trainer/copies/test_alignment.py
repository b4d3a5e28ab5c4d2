"""The second check: what it takes for copies, what it refuses, and how pictures are aligned."""

import cv2
import numpy as np
import pytest

from tests.trainer.copies.test_detector import textured
from trainer.copies.alignment import CHECKED, LEAST_AGREEMENT, likeness
from trainer.copies.poses import COARSE, ORIENTATIONS, in_pixels, oriented, poses
from trainer.copies.thumbnails import mirrored, thumbnail

HEIGHT, WIDTH = 192, 256  # of textured pictures


def framed(image: np.ndarray) -> np.ndarray:
    """White bands above and below, a fifth of the height each."""
    return cv2.copyMakeBorder(image, 38, 38, 0, 0, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def rotated(image: np.ndarray) -> np.ndarray:
    """By 17 degrees, the corners black."""
    turn = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), 17, 1)
    return cv2.warpAffine(image, turn, (WIDTH, HEIGHT))


def signed(image: np.ndarray) -> np.ndarray:
    """A yellow disc over an eighth of the picture."""
    return cv2.circle(image.copy(), (150, 90), 44, (255, 220, 40), -1)


COPIES = {
    "a crop": lambda image: image[12:-12, 16:-16],
    "a quarter": lambda image: image[60:156, 30:158],
    "mirrored": mirrored,
    "half the contrast": lambda image: (64 + image // 2).astype(np.uint8),
    "a third of the contrast": lambda image: (85 + image // 3).astype(np.uint8),
    "brighter": lambda image: np.clip(image * 1.4, 0, 255).astype(np.uint8),
    "a quarter turn": lambda image: np.ascontiguousarray(np.rot90(image)),
    "a quarter turn of the mirror image": lambda image: np.rot90(mirrored(image)).copy(),
    "a frame": framed,
    "rotated": rotated,
    "a sign over it": signed,
}


@pytest.mark.parametrize("kind", COPIES)
def test_copies_agree(kind):
    for seed in range(6):
        image = textured(seed)
        pictures = thumbnail(COPIES[kind](image), CHECKED), thumbnail(image, CHECKED)
        assert likeness(*pictures) >= LEAST_AGREEMENT
        assert likeness(*pictures[::-1]) >= LEAST_AGREEMENT


def test_other_pictures_their_negatives_and_flat_ones_do_not_agree():
    flat = np.full((CHECKED, CHECKED, 3), 200, np.uint8)
    for seed in range(8):
        original = thumbnail(textured(seed), CHECKED)
        assert likeness(thumbnail(textured(seed + 100), CHECKED), original) < LEAST_AGREEMENT
        assert likeness(255 - original, original) < LEAST_AGREEMENT
        assert likeness(flat, original) == 0


def edge(degrees: float, at: float, below: tuple[int, int, int]) -> np.ndarray:
    """Two plain colours with a straight edge between them, as in wallpapers of desktops."""
    y, x = np.mgrid[:CHECKED, :CHECKED] / CHECKED - 0.5
    slope = np.deg2rad(degrees)
    side = np.clip(CHECKED * (np.cos(slope) * y - np.sin(slope) * x - at), 0, 1)[..., None]
    return (np.array((110, 190, 180)) * (1 - side) + np.array(below) * side).astype(np.uint8)


@pytest.mark.parametrize(
    ("other", "below"),
    [
        ((-12, -0.1), (0, 95, 105)),  # .93 where slopes in one direction are enough
        ((-2, 0.1), (60, 140, 160)),
        ((-20, -0.2), (220, 235, 230)),
    ],
)
def test_an_edge_along_another_is_no_copy_but_an_edge_is_one_of_itself(other, below):
    picture = edge(-20, 0.3, (0, 95, 105))
    assert likeness(picture, edge(*other, below)) < LEAST_AGREEMENT
    assert likeness(picture, picture) > 0.99
    assert likeness(picture, cv2.convertScaleAbs(picture, alpha=0.8)) >= LEAST_AGREEMENT


def test_a_part_that_two_pictures_share_is_no_copy():
    """One floor, two things on it: the floor alone agrees, and covers half of either picture."""
    for seed in range(4):
        first, second = textured(seed), textured(seed + 50)
        second[:, : WIDTH // 2] = first[:, : WIDTH // 2]
        pair = thumbnail(first, CHECKED), thumbnail(second, CHECKED)
        assert likeness(*pair) < LEAST_AGREEMENT


@pytest.mark.parametrize("orientation", range(ORIENTATIONS))
def test_the_best_pose_is_the_window_that_was_cut_out(orientation):
    image = cv2.cvtColor(thumbnail(textured(3), 128), cv2.COLOR_RGB2GRAY)
    part = image[26:90, 32:96, None]  # half of each side
    shown = oriented(part, orientation)
    back = [each for each in range(ORIENTATIONS) if (oriented(shown, each) == part).all()]
    best = max(poses(shown[..., 0], image, upright=False), key=lambda pose: pose.correlation)
    assert [best.orientation] == back
    assert np.abs(best.warp - [[0.5, 0, 32 / 128], [0, 0.5, 26 / 128]]).max() < 2 / COARSE


def test_a_warp_in_pixels_takes_middles_to_middles():
    warp = np.array([[0.5, 0, 0.25], [0, 0.5, 0.25]])
    middle = (CHECKED - 1) / 2
    assert np.allclose(in_pixels(warp, CHECKED) @ [middle, middle, 1], middle)
    assert np.allclose(in_pixels(warp, CHECKED) @ [-0.5, -0.5, 1], CHECKED / 4 - 0.5)
