"""Captions to token ids: CLIP's lower-cased byte-pair encoding, trained on the build itself.

May import tokenizers and numpy. The ids are laid out as OpenAI's: 256 bytes, 256 bytes that end
a word, the merges in the order in which they were learned, start, end. So the end token has the
highest id and 0 is the padding. Source: CLIP, section 2.4, and its code's text cleaning.
"""

import html
import json
from collections.abc import Iterable
from pathlib import Path

import ftfy
import numpy as np
import tokenizers
from tokenizers import Regex, models, pre_tokenizers, trainers

from queries.parts import digest, written_whole

WORD_END = "</w>"
MARKS = ("<|startoftext|>", "<|endoftext|>")
PIECES = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
N_BYTES = 256


def clean(caption: str) -> str:
    """The caption as CLIP reads it: mojibake mended, HTML unescaped twice, one space, lower case.

    >>> clean("  A &amp;amp; B\\n c ")
    'a & b c'
    """
    return " ".join(html.unescape(html.unescape(ftfy.fix_text(caption))).split()).lower()


class Tokenizer:
    """Byte-pair encoding with CLIP's ids; `record` says what it was trained on."""

    def __init__(self, merges: list[tuple[str, str]], record: dict):
        self.merges, self.record = merges, record
        pieces = [*_byte_pieces(), *("".join(merge) for merge in merges), *MARKS]
        self.start, self.end = len(pieces) - 2, len(pieces) - 1
        vocabulary = {piece: i for i, piece in enumerate(pieces)}
        self._bpe = _tokenizer(models.BPE(vocabulary, merges, end_of_word_suffix=WORD_END))

    def __len__(self) -> int:
        return self.end + 1

    def encode(self, captions: list[str], context: int) -> np.ndarray:
        """Captions -> int64 (B, T): start, ids, end, zeros; T is the longest's, <= context.

        A caption that is too long is cut before its end token. What a caption says cannot make
        a start or an end token: those ids are written here alone.
        """
        encoded = self._bpe.encode_batch([clean(caption) for caption in captions])
        ids = [[self.start, *e.ids[: context - 2], self.end] for e in encoded]
        tokens = np.zeros((len(ids), max(map(len, ids))), np.int64)
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


def load(path: Path) -> Tokenizer:
    """The tokenizer that `Tokenizer.save` wrote."""
    record = json.loads(path.read_text())
    merges = [tuple(merge.split(" ")) for merge in record.pop("merges")]
    return Tokenizer(merges, record)


def train(captions: Iterable[str], vocabulary: int, record: dict) -> Tokenizer:
    """Learn merges from the captions until `vocabulary` ids are in use, or none is left twice.

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
    bpe.train_from_iterator(map(clean, captions), trainer)
    # two merges may spell one piece, so the library can learn more merges than ids
    merges = json.loads(bpe.to_str())["model"]["merges"][: vocabulary - 2 * N_BYTES - len(MARKS)]
    return Tokenizer([(first, second) for first, second in merges], record)


def _tokenizer(model: models.BPE) -> tokenizers.Tokenizer:
    bpe = tokenizers.Tokenizer(model)
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True),
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
