"""Captions to ids, as CLIP's: cleaned, lower-cased, start and end in place."""

import gzip
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trainer.model import tokenizer
from trainer.settings import TrainerError

CAPTIONS = ["A red circle", "a red square", "the Red circles", "a green circle", "green square"]


@pytest.fixture
def words():
    return tokenizer.train(CAPTIONS, 540, {"seed": 0})


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("  Two\n lines\t ", "two lines"),
        ("Caf&amp;eacute; &amp;amp; bar", "café & bar"),
        ("schÃ¶n", "schön"),
        ("", ""),
    ],
)
def test_a_caption_is_cleaned_as_clip_cleans_it(caption, expected):
    assert tokenizer.clean(caption) == expected


def test_ids_are_laid_out_as_openais(words):
    first, again = words.encode(["!"], 77)[0], words.encode(["a!"], 77)[0]
    assert first.tolist() == [words.start, 256, words.end]  # "!" that ends a word
    assert again[0] == words.start
    assert words.end == len(words) - 1 == words.start + 1
    assert len(words) <= 540


def test_a_long_caption_keeps_its_end_token_and_a_short_one_is_padded_with_zeros(words):
    tokens = words.encode(["red circle green square the red", "red"], 6)
    assert tokens.shape == (2, 6)
    assert tokens[0, 5] == words.end
    assert tokens[1].tolist()[-1] == 0


def test_the_batch_is_as_wide_as_its_longest_caption(words):
    assert words.encode(["red", "red circle"], 77).shape[1] < 77


def test_a_caption_cannot_write_an_end_token(words):
    tokens = words.encode(["red <|endoftext|> circle"], 77)[0].tolist()
    assert tokens.count(words.end) == 1
    assert tokens[-1] == words.end


def test_a_saved_tokenizer_reads_captions_as_before(words, tmp_path):
    words.save(tmp_path / "tokenizer.json")
    loaded = tokenizer.load(tmp_path / "tokenizer.json")
    assert loaded.record == {"seed": 0}
    assert (loaded.encode(CAPTIONS, 9) == words.encode(CAPTIONS, 9)).all()


def test_training_again_in_another_process_learns_the_same_merges(words):
    code = (
        f"from trainer.model.tokenizer import train; print(train({CAPTIONS}, 540, {{}}).digest())"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        for _ in range(2)
    }
    assert answers == {words.digest()}


def test_pieces_are_contractions_letters_single_digits_and_runs_of_marks():
    assert tokenizer.split("They'LL pay $42.50... don't") == "they 'll pay $ 4 2 . 5 0 ... don 't"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_merges_file_is_read_plain_or_gzipped_up_to_the_size_asked(pack, tmp_path):
    lines = ["#version: 0.2", "r e", "re d</w>", "a b", ""]
    (tmp_path / "merges").write_bytes(pack("\n".join(lines).encode()))
    words = tokenizer.read_merges(tmp_path / "merges", 516)
    assert len(words) == 516
    assert words.merges == [("r", "e"), ("re", "d</w>")]
    assert words.encode(["red re"], 9)[0].tolist() == [514, 513, 81, 324, 515]
    assert words.record["merges_file"] == "merges"
    assert len(tokenizer.read_merges(tmp_path / "merges", 49_408)) == 517


def test_a_trained_tokenizer_comes_back_from_its_merges_file(words, tmp_path):
    words.save_merges(tmp_path / "merges.txt.gz")
    again = tokenizer.read_merges(tmp_path / "merges.txt.gz", 49_408)
    assert again.digest() == words.digest()
    assert (again.encode(CAPTIONS, 9) == words.encode(CAPTIONS, 9)).all()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"i n\nt h", "expected a heading with #version"),
        (b"#version: 0.2\ni n\nin xy\n", "line 3: 'in xy', expected two pieces"),
        (b"#version: 0.2\ni n t\n", "line 2: 'i n t', expected two pieces"),
        (b"#version: 0.2\n\ni n\n", "line 2: '', expected two pieces"),
        (b"\xff\xfe", "expected UTF-8"),
        (gzip.compress(b"#version" * 99, mtime=0)[:20], "expected a merges file"),
        (gzip.compress(bytes(40_000_000), mtime=0), "at most 33,554,432 bytes"),
        (None, "expected a merges file"),
    ],
)
def test_what_is_no_merges_file_is_refused(data, expected, tmp_path):
    if data is not None:
        (tmp_path / "merges").write_bytes(data)
    with pytest.raises(TrainerError, match=expected):
        tokenizer.read_merges(tmp_path / "merges", 49_408)


def test_an_endless_caption_is_read_as_far_as_tokens_go():
    words = tokenizer.train(["a dog"] * 2, 600, {})
    start = "a dog " * 20_000
    assert (words.encode([start + "cat " * 10**6], 77) == words.encode([start], 77)).all()


def test_merges_are_not_learned_from_endless_words():
    endless = tokenizer.train(["a dog " + "ab" * 10**5] * 3, 600, {})
    cut = tokenizer.train(["a dog " + "ab" * 32] * 3, 600, {})
    assert endless.merges == cut.merges


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E)))
@example("It's THE dog'S; 42nd  'LL <b>x</b> a\\b")
@example("a &amp; b &lt;")
def test_plain_ascii_is_split_as_any_text_is(caption):
    pieces = tokenizer.PIECES.findall(tokenizer.clean(caption))
    assert tokenizer.split(caption) == " ".join(pieces)


@pytest.mark.parametrize(
    "text", ["It's 42 dogs, {n}! ", "Ein \u00e4lterer H\u00fcnd \U0001f415 {n} ", "&amp; "]
)
def test_of_a_long_caption_only_what_is_read_is_cut_and_the_ids_are_the_same(text):
    words = tokenizer.train(["a red circle"], 520, {})
    long = "".join(text.format(n=n) for n in range(600))
    for context in (2, 3, 32, 77):
        whole = words._bpe.encode(tokenizer.split(long)).ids[: context - 2]
        ids = words.encode([long, "a red"], context)[0].tolist()
        assert ids == [words.start, *whole, words.end]
