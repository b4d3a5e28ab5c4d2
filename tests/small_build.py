"""A small build of a few dozen pairs, run as its user would: the luigi command and a TOML."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from queries.tables.manifest import find
from tests import ROOT
from tests.processes import WAIT_S

LUIGI = Path(sys.executable).parent / "luigi"
COLOURS = ("red", "green", "blue", "yellow")
THINGS = ("house", "boat", "tree", "lamp house", "kite")

PAGE = """<page><title>{title}</title><ns>{ns}</ns><id>{number}</id>{redirect}
<revision><text>{text}</text></revision></page>"""
SETTINGS = """
seed = {seed}
samples_per_shard = {samples_per_shard}
[queries]
n = 40
articles = ["dump.xml"]
views = ["views.tsv"]
wordnet = ["dict"]
word_min = 3
bigram_min = 2
pmi_min = 0.0 # in so few words none has many bits
views_min = 10
[[sources]]
kind = "tables"
name = "mine"
paths = ["captions.tsv"]
[selection]
cap = {cap}
near_bits = {near_bits}
[filters]
allow_private_hosts = true
[images]
size = 64
[fetch]
deadline_s = {deadline_s}
retries = 0
allow_networks = ["127.0.0.0/8"]
per_host = 64
per_host_rate = 10_000.0
threads = 8
rows_per_part = {rows_per_part}
[engine]
workers = {workers}
"""


@dataclass
class Small:
    """The inputs in a folder of their own, and how to build from them."""

    folder: Path
    server_url: str

    def __post_init__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        article = "A red house. The blue boat, a green tree; a lamp house near the red house. " * 3
        pages = [
            PAGE.format(title="House", ns=0, number=1, redirect="", text=article),
            PAGE.format(title="Talk:House", ns=1, number=2, redirect="", text="talk"),
            PAGE.format(
                title="Home", ns=0, number=3, redirect='<redirect title="House" />', text=""
            ),
        ]
        dump = f"<mediawiki>{''.join(pages)}</mediawiki>"
        (self.folder / "dump.xml").write_text(dump)
        (self.folder / "views.tsv").write_text(
            "title\tviews\nYellow\t99\nKite (toy)\t50\nRare\t1\n"
        )
        words = self.folder / "dict"
        words.mkdir(exist_ok=True)
        for kind in ("noun", "verb", "adj", "adv"):
            lines = "00001740 03 n 01 kite 0 000 | a toy\n" if kind == "noun" else ""
            (words / f"data.{kind}").write_text("  1 a licence, as the real files have\n" + lines)
        self.write_captions(100)

    def write_captions(self, n: int) -> None:
        rows = [self.caption(one) for one in range(n)]
        text = "".join(f"{url}\t{caption}\n" for url, caption in rows)
        (self.folder / "captions.tsv").write_text("url\tcaption\n" + text)

    def caption(self, one: int) -> tuple[str, str]:
        what = f"{COLOURS[one % 4]} {THINGS[one % 5]} number {one}"
        kind = {7: "404", 17: "html", 27: "pixel", 37: "500"}.get(one % 50, "picture")
        if one % 10 == 9:
            what = ["IMG_0412.jpg", "", "ohne jeden Treffer"][one // 10 % 3]
        scheme_off = one % 33 == 32
        return ("ftp://x/a.png" if scheme_off else f"{self.server_url}/{kind}/{one}.png"), what

    def settings(
        self,
        cap: int = 4,
        near_bits: int = -1,
        workers: int = 2,
        seed: int = 0,
        rows_per_part: int = 20,
        samples_per_shard: int = 10,
        deadline_s: float = 30.0,
    ) -> Path:
        """Fewest processes: one worker, and all of a round in one image part."""
        path = self.folder / "build.toml"
        given = {"cap": cap, "near_bits": near_bits, "workers": workers, "seed": seed}
        given |= {"rows_per_part": rows_per_part, "samples_per_shard": samples_per_shard}
        given["deadline_s"] = deadline_s
        path.write_text(SETTINGS.format(**given))
        return path

    def luigi(
        self, out: Path, settings: Path, *more: str, task: str = "BuildWIT"
    ) -> subprocess.CompletedProcess:
        command = [LUIGI, "--module", "pipeline", task, "--settings", settings, "--out", out]
        return subprocess.run(
            [*map(str, command), *more],
            capture_output=True,
            text=True,
            timeout=WAIT_S,
            cwd=ROOT,
            env={**os.environ, "COLUMNS": "120"},
        )

    def build(self, out: Path, **settings: float) -> Path:
        done = self.luigi(out, self.settings(**settings))
        assert done.returncode == 0, done.stdout + done.stderr
        return find(out)


def published(build: Path) -> dict[str, str]:
    """Every published file with its hash."""
    files = json.loads((build / "manifest.json").read_text())["files"]
    return {row["path"]: row["sha256"] for row in files}


def table(build: Path, name: str) -> pa.Table:
    return pa.concat_tables(
        pq.read_table(path) for path in sorted((build / "tables" / name).glob("*.parquet"))
    )
