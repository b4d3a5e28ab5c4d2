"""How fast captions are matched: in Latin script as before, in scripts without spaces by the word.

Captions in Latin script, those of LAION whose letters all have a case, run through
`benchmarks.match` here and in an unpacked copy of the commit before scripts without spaces were
cut: in turns, each kernel, CPU seconds of one thread; beside that the memory of the matcher.
Captions in Chinese, Japanese and Thai are a clause of the
declaration with a name in it; queries are the names and all words of the declaration, so that no
caption is without a match. The peer cuts the same captions by icu4py's word breaker, and does
nothing with the words.
"""

import random
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import regex

from benchmarks import match
from benchmarks.harness import Row, cache, rates, take_turns
from benchmarks.languages.planting import SEED, ask, names, sentences
from pipeline.match import Matcher
from pipeline.text.tokeniser import Tokeniser

BEFORE = "d0d8575ee2ddada404384bfa526444feb99c83df"
TIMED = ("zh-Hans", "ja", "th")
UNCASED = regex.compile(r"\p{Lo}")
CLAUSE = regex.compile(r"[^\p{P}\p{Z}]{4,40}")


def speed_rows(n: int, rounds: int) -> list[Row]:
    rows = [row for language in TIMED for row in spaceless_rows(language, n, rounds)]
    checkout = before()
    if checkout is None:
        return rows
    with tempfile.TemporaryDirectory() as folder:
        match.draw(Path(folder), 5 * n, [text for text in match.templates() if latin(text)])
        return rows + match.rows_beside(checkout, Path(folder), 5 * n, rounds)


def latin(text: str) -> bool:
    """Whether all letters of a text have a case, as those of Latin script have."""
    return not UNCASED.search(text)


def before() -> Path | None:
    """The commit before, unpacked on first use; None where no git has it."""
    folder = cache() / f"before-{BEFORE[:7]}"
    if not folder.exists():
        command = ["git", "-C", str(match.ROOT), "archive", BEFORE]
        done = subprocess.run(command, capture_output=True)
        if done.returncode:
            return None
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as beside:
            with tarfile.open(fileobj=BytesIO(done.stdout)) as tar:
                tar.extractall(Path(beside) / "whole", filter="data")
            (Path(beside) / "whole").rename(folder)
    return folder


def spaceless_rows(language: str, n: int, rounds: int) -> list[Row]:
    captions, queries = drawn(language, n)
    contest: dict[str, Callable[[], Any]] = {"bare": partial(bare, captions)}
    for kernel in match.OURS:
        tokeniser = Tokeniser.of("icu")
        matcher = Matcher(pa.array(queries), kernel=kernel, tokeniser=tokeniser)
        contest[kernel] = partial(matcher.match, pa.array(captions))
    take_turns(contest, rounds=1)  # tables are made on first use
    speeds = {name: rates(n, seconds) for name, seconds in take_turns(contest, rounds).items()}
    peer = "ICU alone"
    return [
        Row(f"{language}: matched, {one}", "captions/s", speeds[one], peer, speeds["bare"])
        for one in match.OURS
    ]


def bare(captions: list[str]) -> None:
    """Cut the captions as icu4py's users do, and nothing else."""
    from icu4py.breakers import WordBreaker

    for caption in captions:
        list(WordBreaker(caption, "en").segments())


def drawn(language: str, n: int) -> tuple[list[str], list[str]]:
    """n captions, and the queries."""
    chance, texts = random.Random(SEED), sentences(language)
    clauses = [clause for text in texts for clause in CLAUSE.findall(text)]
    known, cuts = names(language), ask(language, texts)["cuts"]
    captions = []
    for _ in range(n):
        halves = [chance.choice(clauses), chance.choice(known)]
        chance.shuffle(halves)
        captions.append("".join(halves))
    normalise = Tokeniser.of("icu").normalise
    queries = {normalise(one) for one in [*known, *(word for cut in cuts for word in cut)]}
    return captions, sorted(queries - {""})
