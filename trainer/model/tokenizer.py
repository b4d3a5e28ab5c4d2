"""Captions to token ids: CLIP's lower-cased byte-pair encoding, read or trained on the build.

The ids are laid out as OpenAI's: 256 bytes, 256 bytes that end a word, the merges in the order in
which they were learned, start, end. So the end token has the highest id and 0 is the padding.
Source: CLIP, section 2.4, and its code's text cleaning.
"""

import gzip
import hashlib
import html
import json
import re
import zlib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import regex
import tokenizers
from tokenizers import models, pre_tokenizers, trainers

from queries.tables.parts import digest, written_whole
from trainer.settings import TrainerError

WORD_END = "</w>"
MARKS = ("<|startoftext|>", "<|endoftext|>")
PIECES = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)
ASCII_PIECES = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^\sa-z0-9]+")
N_BYTES = 256
HEADING = "#version: 0.2"  # of a merges file
SHORT = 1_000  # characters, which `findall` cuts in half the time that `finditer` takes
MOST_CHARACTERS = 1 << 16  # of a caption that are read: 77 tokens unless nearly all are spaces
LONGEST_WORD = 64  # letters of a word that merges are learned from: each merge reads all of a word
MERGES_BYTES = 1 << 25  # OpenAI's file has 3 MB; beyond this it is none


def clean(caption: str) -> str:
    """The caption as CLIP reads it: mojibake mended, HTML unescaped twice, one space, lower case.

    >>> clean("  A &amp;amp; B\\n c ")
    'a & b c'
    """
    text = ftfy.fix_text(caption[:MOST_CHARACTERS])
    return " ".join(html.unescape(html.unescape(text)).split()).lower()


def split(caption: str, most: int | None = None) -> str:
    """The cleaned caption, one space between the pieces that no merge crosses: the first `most`.

    The `regex` package finds them, as in OpenAI's and open_clip's code, so the pieces are equal:
    the expressions of `tokenizers` know the letters of an older Unicode. Plain ASCII takes an
    eleventh of the time.

    >>> split("It's 42 &amp; more!")
    "it 's 4 2 & more !"
    """
    if caption.isascii() and caption.isprintable() and "&" not in caption:  # nothing to clean
        return " ".join(_first(ASCII_PIECES, caption[:MOST_CHARACTERS].lower(), most))
    return " ".join(_first(PIECES, clean(caption), most))


def _first(pieces: Any, text: str, most: int | None) -> list[str]:
    """The first pieces of a text; the rest of a long one is not looked at."""
    if most is None or len(text) <= SHORT:
        return pieces.findall(text)[:most]
    return [piece[0] for piece in islice(pieces.finditer(text), most)]


class Tokenizer:
    """Byte-pair encoding with CLIP's ids; `record` says what it was trained on.

    pieces: the text of each id.
    """

    def __init__(self, merges: list[tuple[str, str]], record: dict):
        self.merges, self.record = merges, record
        self.pieces = [*_byte_pieces(), *("".join(merge) for merge in merges), *MARKS]
        self.start, self.end = len(self.pieces) - 2, len(self.pieces) - 1
        vocabulary = {piece: i for i, piece in enumerate(self.pieces)}
        self._bpe = _tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix=WORD_END))

    def __len__(self) -> int:
        return self.end + 1

    def encode(self, captions: list[str], context: int) -> np.ndarray:
        """Captions -> int64 (B, T): start, ids, end, zeros; T is the longest's, <= context.

        A caption that is too long is cut before its end token. What a caption says cannot make
        a start or an end token: those ids are written here alone.
        """
        most = max(0, context - 2)  # pieces: each has an id at least
        encoded = self._bpe.encode_batch([split(caption, most) for caption in captions])
        ids = [[self.start, *e.ids[: context - 2], self.end] for e in encoded]
        tokens = np.zeros((len(ids), max(map(len, ids), default=2)), np.int64)
        for row, own in zip(tokens, ids, strict=True):
            row[: len(own)] = own
        return tokens

    def digest(self) -> str:
        """16 hex digits that name the vocabulary."""
        return digest(self.merges)

    def save(self, path: Path) -> None:
        """Write the merges, one line each, and the record, as JSON."""
        merges = [" ".join(merge) for merge in self.merges]
        with written_whole(path) as beside:
            beside.write_text(json.dumps(self.record | {"merges": merges}, indent=0) + "\n")

    def save_merges(self, path: Path) -> None:
        """Write the merges in CLIP's form, for `read_merges`, open_clip's and OpenAI's reader.

        No line ends after the last merge: their readers would take it for an empty merge and
        number the start and end tokens one higher.
        """
        text = "\n".join([HEADING, *(" ".join(merge) for merge in self.merges)])
        with written_whole(path) as beside:
            beside.write_bytes(gzip.compress(text.encode(), mtime=0))


def load(path: Path) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote."""
    record = json.loads(path.read_text())
    merges = [tuple(merge.split(" ")) for merge in record.pop("merges")]
    return Tokenizer(merges, record)


def read_merges(path: Path, vocabulary: int) -> Tokenizer:
    """The tokenizer of a merges file in CLIP's form: a heading, then a merge a line; or gzipped.

    Its first merges, as many as `vocabulary` ids leave room for: OpenAI's file holds five times
    as many as CLIP uses. Ids equal open_clip's. TrainerError if the file is another's.
    """
    data = _unpacked(path)
    try:
        heading, *lines = data.decode().split("\n")
    except UnicodeDecodeError as error:
        raise TrainerError(f"{path}: expected UTF-8 ({error})") from None
    if "#version" not in heading:
        raise TrainerError(
            f"{path}: begins with {heading[:40]!r}, expected a heading with #version"
        )
    used = lines[: max(0, vocabulary - 2 * N_BYTES - len(MARKS))]
    pieces = set(_byte_pieces())
    merges = []
    for number, line in enumerate(used, start=2):
        if not line and number == len(lines) + 1:
            break  # the end of the last line
        first, second, *more = [*line.split(" "), ""]
        if first not in pieces or second not in pieces or more != [""]:
            raise TrainerError(
                f"{path}, line {number}: {line[:40]!r}, expected two pieces made by lines before"
            )
        pieces.add(first + second)
        merges.append((first, second))
    sha256 = hashlib.sha256(data).hexdigest()
    record = {"merges_file": path.name, "merges_sha256": sha256, "size_asked": vocabulary}
    return Tokenizer(merges, record)


def _unpacked(path: Path) -> bytes:
    """The file, gunzipped if it is gzip; read no further than MERGES_BYTES."""
    try:
        with path.open("rb") as file:
            is_gzip = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            data = file.read(MERGES_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise TrainerError(f"{path}: expected a merges file ({error})") from None
    if len(data) > MERGES_BYTES:
        raise TrainerError(f"{path}: expected a merges file of at most {MERGES_BYTES:,} bytes")
    return data


def train(captions: Iterable[str], vocabulary: int, record: dict) -> Tokenizer:
    """Learn merges from the captions until `vocabulary` ids are used or no pair occurs twice.

    The single-byte pieces are declared first and in order: without that the library numbers
    the word-ending ones in the order of a randomly seeded hash map, and ties between pairs
    fall differently from run to run.
    """
    bpe = _tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(MARKS),
        min_frequency=2,
        special_tokens=_byte_pieces(),
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    bpe.train_from_iterator(map(_learned_from, captions), trainer)
    # two merges may spell one piece, so the library can learn more merges than ids
    merges = json.loads(bpe.to_str())["model"]["merges"][: vocabulary - 2 * N_BYTES - len(MARKS)]
    return Tokenizer([(first, second) for first, second in merges], record)


def _learned_from(caption: str) -> str:
    """
    >>> len(_learned_from("a" * 1_000 + " dog"))
    68
    """
    return " ".join(word[:LONGEST_WORD] for word in split(caption).split(" "))


def _tokenizer(model: models.BPE) -> tokenizers.Tokenizer:
    bpe = tokenizers.Tokenizer(model)
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(" ", behavior="removed"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    return bpe


def _byte_pieces() -> list[str]:
    """The 512 single-byte pieces in OpenAI's order: printable bytes, then the rest."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = N_BYTES - len(printable)
    singles = [chr(code) for code in printable] + [chr(N_BYTES + i) for i in range(rest)]
    return singles + [single + WORD_END for single in singles]
