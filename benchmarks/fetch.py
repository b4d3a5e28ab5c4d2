"""Pictures fetched and stored by the guarded fetch: beside img2dataset as it comes.

    python -m benchmarks.fetch [--quick]

Both ask a server on loopback (nginx, or a Python one where there is none) for the same JPEGs with
64 threads in one process, and store them with a shorter side of 256 pixels at quality 95, with
their sha256. Ours looks names up, heeds robots.txt and limits of time, size and host, judges
headers, measures pHash and spread, and believes its own files only after a check; CPU is that of
all its processes. An image's cost is (CPU of all - CPU of a run of one image) / images.

Then what hostile servers can do: the memory of the worker beyond one that has stored one picture,
and how long an attempt takes beyond its deadline.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import mean

import cv2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg

from benchmarks.harness import Row, cpu_seconds, show
from benchmarks.pictures import SIDES, png_bomb
from pipeline.fetch.guard import Guard
from pipeline.fetch.hosts import Hosts
from pipeline.fetch.part import WORKER, fetch_part
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.images import ImageSettings
from queries.tables.schemas import TABLES
from tests.guard_server import GuardServer
from tests.processes import command_of, free_port, wait_until_it_listens

PEER = "img2dataset 1.47"
IMAGES = ImageSettings()
LOOPBACK = {"allow_networks": ("127.0.0.0/8",), "per_host": 64, "per_host_rate": 10_000.0}
FETCH = FetchSettings(threads=64, **LOOPBACK)
DEADLINE_S = 2.0
SLOW = ("drip", "drip_head", "silent", "interims", "endless", "endless_chunks", "bomb")
NGINX = """
daemon off; worker_processes 1; error_log stderr crit; pid {folder}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; client_body_temp_path {folder}/t; proxy_temp_path {folder}/t;
  fastcgi_temp_path {folder}/t; uwsgi_temp_path {folder}/t; scgi_temp_path {folder}/t;
  server {{ listen 127.0.0.1:{port}; root {folder}/www; default_type image/jpeg; }}
}}
"""
STOCK = """
import json, sys
import img2dataset
img2dataset.download(**json.loads(sys.argv[1]))
"""  # given by -c: what its spawned processes would import again is nothing
BUDGETS = {
    "ratio": 0.70,
    "six_endless_bodies_mb": 250,
    "bomb_mb": 60,
    "idle_worker_mb": 260,
    "beyond_deadline_s": 1.0,
}


def draw(folder: Path, n: int) -> None:
    """JPEGs of about 116 KB on average: windows of a smooth picture with the noise of a camera."""
    chance = random.Random(0)
    grain = np.random.default_rng(0)
    coarse = grain.integers(0, 255, (48, 64, 3), dtype=np.uint8)
    wide = cv2.resize(coarse, (3200, 2134), interpolation=cv2.INTER_CUBIC).astype(np.int16)
    noise = grain.normal(0, 4, wide.shape).astype(np.int16)
    canvas = np.clip(wide + noise, 0, 255).astype(np.uint8)
    for number in range(n):
        width, height = SIDES[number % len(SIDES)]
        left, top = chance.randrange(3200 - width), chance.randrange(2134 - height)
        window = np.ascontiguousarray(canvas[top : top + height, left : left + width])
        jpeg = simplejpeg.encode_jpeg(window, 87, "RGB", "420")
        (folder / f"{number}.jpg").write_bytes(jpeg)


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[tuple[str, str]]:
    """Serve FOLDER/www: what serves, and where."""
    port = free_port()
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx:
        config = folder / "nginx.conf"
        config.write_text(NGINX.format(folder=folder, port=port))
        command = [nginx, "-e", "stderr", "-c", str(config)]
    else:
        command = [sys.executable, "-m", "benchmarks.fetch", "--serve", str(folder / "www")]
        command.append(str(port))
    os.chmod(folder, 0o755)  # nginx serves as a user without rights
    server = subprocess.Popen(command)
    try:
        wait_until_it_listens(port, server)
        yield ("nginx" if nginx else "Python's http.server"), f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def serve(folder: Path, port: int) -> None:
    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 512

    Server(("127.0.0.1", port), partial(Silent, directory=str(folder))).serve_forever()


def ask(urls: list[str]) -> pa.Table:
    rows = [{"pair_id": n, "url": url, "attempt": 1} for n, url in enumerate(urls)]
    return pa.Table.from_pylist(rows, TABLES["ask"].schema)


def ours(urls: list[str], out: Path, settings: FetchSettings = FETCH) -> None:
    fetch_part(ask(urls), out, IMAGES, settings, out.parent / "log.jsonl")


def stock(urls: list[str], out: Path) -> None:
    """img2dataset as it comes, in a process of its own, which starts a logger and a worker.

    None of them loads torch, which img2dataset does not need and webdataset takes if it is there.
    """
    listed, without = out.with_suffix(".asked.parquet"), out.parent / "without"
    pq.write_table(ask(urls), listed)
    without.mkdir(exist_ok=True)
    (without / "torch.py").write_text("raise ModuleNotFoundError")
    settings = {
        **{"url_list": str(listed), "input_format": "parquet", "output_folder": str(out)},
        **{"output_format": "parquet", "save_additional_columns": ["pair_id"]},
        **{"processes_count": 1, "thread_count": FETCH.threads, "extract_exif": False},
        **{"image_size": IMAGES.size, "resize_mode": "keep_ratio"},
        **{"resize_only_if_bigger": True, "encode_quality": IMAGES.quality},
    }
    environment = {"NO_ALBUMENTATIONS_UPDATE": "1", "PYTHONPATH": str(without)}
    subprocess.run(
        [sys.executable, "-c", STOCK, json.dumps(settings)],
        check=True,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def stored(path: Path) -> dict[int, bytes]:
    rows = pq.read_table(path, columns=["pair_id", "jpg"]).to_pylist()
    return {row["pair_id"]: row["jpg"] for row in rows}


def check_same(out: dict[str, Path], n: int) -> dict[str, int]:
    """Raise ValueError unless both stored n pictures of the same sides; their mean bytes."""
    ours, stock = stored(out["ours"] / "images.parquet"), stored(out["peer"] / "00000.parquet")
    sides = simplejpeg.decode_jpeg_header
    if not len(ours) == len(stock) == n or any(
        stock[one] is None or sides(jpeg)[:2] != sides(stock[one])[:2] for one, jpeg in ours.items()
    ):
        raise ValueError(f"ours stored {len(ours)} pictures of {n}, the peer {len(stock)} or other")
    return {
        "ours": round(mean(map(len, ours.values()))),
        "peer": round(mean(map(len, stock.values()))),
    }


def compare(urls: list[str], rounds: int, folder: Path) -> tuple[list[Row], dict[str, int]]:
    """CPU and wall time of both, taking turns; and the mean bytes of what they store."""
    sides: dict[str, Callable[[list[str], Path], None]] = {"ours": ours, "peer": stock}
    out = {side: folder / side for side in sides}
    cpu: dict[str, list[float]] = {side: [] for side in sides}
    start: dict[str, list[float]] = {side: [] for side in sides}
    rate: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, function in sides.items():
            shutil.rmtree(folder / "one", ignore_errors=True)
            shutil.rmtree(out[side], ignore_errors=True)
            before = cpu_seconds()
            function(urls[:1], folder / "one")
            between, began = cpu_seconds(), time.perf_counter()
            function(urls, out[side])
            rate[side].append(len(urls) / (time.perf_counter() - began))
            cpu[side].append(cpu_seconds() - between)
            start[side].append(between - before)
    n = len(urls)
    without = {}
    for side in sides:
        both = zip(cpu[side], start[side], strict=True)
        without[side] = [1000 * (whole - one) / (n - 1) for whole, one in both]
    whole = {side: [1000 * one / n for one in cpu[side]] for side in sides}
    of = (
        ("CPU of an image", "ms", without),
        (f"the same with the start, of {n:,}", "ms", whole),
        ("CPU of the start", "s", start),
        ("images of a second on the clock", "1/s", rate),
    )
    rows = [Row(what, unit, one["ours"], PEER, one["peer"]) for what, unit, one in of]
    return rows, check_same(out, n)


def worker_mb(urls: list[str], folder: Path, settings: FetchSettings) -> float:
    """The most memory of the process that fetches them, MB."""
    peaks: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not ended.wait(0.005):
            for process in me.children():
                if WORKER in command_of(process):
                    # The process may have ended; that of a zombie has no VmHWM.
                    with contextlib.suppress(OSError, IndexError):
                        status = Path(f"/proc/{process.pid}/status").read_text()
                        peaks.append(int(status.split("VmHWM:")[1].split()[0]))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        ours(urls, folder, settings)
    finally:
        ended.set()
        watcher.join()
        shutil.rmtree(folder, ignore_errors=True)
    return max(peaks) * 1024 / 1e6


def memory(url: str, folder: Path) -> dict[str, float]:
    """MB of a worker that stored one picture, and what others take beyond it."""
    once = FETCH.model_copy(update={"retries": 0})
    one = [f"{url}/0.jpg"]
    idle = worker_mb(one, folder / "idle", once)
    found = {"idle_worker_mb": idle}
    with GuardServer() as server:
        endless = [server.url(f"/endless/{n}") for n in range(6)]
        found["six_endless_bodies_mb"] = worker_mb(endless, folder / "endless", once) - idle
    found["bomb_mb"] = worker_mb([f"{url}/bomb.png"], folder / "bomb", once) - idle
    found["picture_of_50_megapixels_mb"] = worker_mb([f"{url}/big.jpg"], folder / "b", once) - idle
    return {name: round(value, 1) for name, value in found.items()}


def beyond_deadline_s() -> dict[str, float]:
    """How long an attempt at each kind of slow server takes beyond its deadline."""
    settings = FETCH.model_copy(update={"deadline_s": DEADLINE_S})
    found = {}
    with GuardServer() as server:
        for kind in SLOW:
            guard = Guard(settings, Hosts(settings))
            began = time.perf_counter()
            guard.attempt(server.url(f"/{kind}/1"))
            found[kind] = round(time.perf_counter() - began - DEADLINE_S, 2)
    return found


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.fetch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less data: ends within a minute")
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        serve(Path(asked.serve[0]), int(asked.serve[1]))
    else:
        measure(n=400 if asked.quick else 3_000, rounds=1 if asked.quick else 5)


def measure(n: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        www = folder / "www"
        www.mkdir()
        draw(www, n)
        mean_kb = mean(one.stat().st_size for one in www.iterdir()) / 1000
        (www / "bomb.png").write_bytes(png_bomb(30_000, 30_000))
        flat = np.full((6_250, 8_000, 3), 128, np.uint8)
        (www / "big.jpg").write_bytes(simplejpeg.encode_jpeg(flat, 85, "RGB", "420"))
        with serving(folder) as (server, url):
            urls = [f"{url}/{number}.jpg" for number in range(n)]
            rows, stored_bytes = compare(urls, rounds, folder)
            taken = memory(url, folder)
        show(
            f"{n:,} JPEGs of {mean_kb:.0f} KB on average, served by {server}",
            rows,
            mean_bytes_stored=stored_bytes,
            memory=taken,
            beyond_deadline_s=beyond_deadline_s(),
            budgets=BUDGETS,
        )


if __name__ == "__main__":
    main()
