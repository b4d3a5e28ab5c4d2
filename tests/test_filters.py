"""Caption filters: every rule by the reason that it gives."""

import pytest

from pipeline.filters import caption_reason, filter_pairs, judge
from pipeline.settings import FilterSettings
from tests.tables import rows

SETTINGS = FilterSettings(min_words=2, max_words=5, max_characters=40)


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("a lighthouse at dusk", None),
        ("lighthouse", "caption_too_short"),
        ("one two three four five six", "caption_too_long"),
        ("a " + "very" * 12, "caption_too_long"),
        ("my IMG_0412.jpg", None),
        ("IMG 0412", "caption_is_file_name"),
        ("DSC01234 dog", None),
        ("20160716 113957", "caption_is_file_name"),
        ("12 345 6 7a", "caption_mostly_digits"),
        ("Photo of", "caption_placeholder"),
        ("фото маяка", None),
    ],
)
def test_each_rule_gives_its_reason(caption, reason):
    assert caption_reason(caption, SETTINGS) == reason


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("IMG_0412.jpg", "caption_is_file_name"),
        ("20160716_113957.jpg", "caption_is_file_name"),
        ("DSC01234", "caption_is_file_name"),
        ("https://example.org/a", "caption_is_url"),
        ("someone@example.org", "caption_is_url"),
        ("untitled", "caption_placeholder"),
        ("[image]", "caption_placeholder"),
        ("€ 12.99", "caption_mostly_digits"),
    ],
)
def test_one_word_that_describes_nothing_is_dropped(caption, reason):
    assert caption_reason(caption, FilterSettings()) == reason


def test_a_limit_of_zero_turns_a_rule_off():
    off = FilterSettings(
        min_words=0,
        max_words=0,
        min_characters=0,
        max_characters=0,
        min_letter_share=0,
        drop_file_names=False,
        drop_urls=False,
        placeholders=(),
    )
    for caption in ("", "IMG_0412.jpg", "www.example.org", "image", "1 2 3", "x " * 5_000):
        assert caption_reason(caption, off) is None


def test_languages_are_told_apart(language_model):
    settings = FilterSettings(language_model=language_model)
    assert judge("a photo of a dog sitting on a bench", settings) == (None, "en")
    assert judge("ein Hund sitzt auf der Bank", settings) == ("wrong_language", "de")
    assert judge("two\nlines of a caption", settings)[0] is None


def test_every_candidate_comes_out_once_with_its_reason():
    given = rows(
        "candidate", {"pair_id": 1, "caption": "a red kite"}, {"pair_id": 2, "caption": "IMG_1.jpg"}
    )
    (out,) = filter_pairs(iter(given.to_batches()), FilterSettings())
    assert out["pair_id"].to_pylist() == [1, 2]
    assert out["reason"].to_pylist() == [None, "caption_is_file_name"]
