"""Mining speed, in events a CPU second, beside its peers: `python -m tests.bench.mining`; ends with one JSON line.

The peers live in an environment of their own under .floyo/bench/mining, made on demand; they are never dependencies.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl

from services.events.mining import graph, sequences
from services.events.mining.activity import Activities
from services.events.mining.counters import Counters
from services.events.mining.options import Options
from services.events.mining.sessions import collapse, order
from services.events.mining.tokens import plain

HOME = Path(".floyo/bench/mining")
PACKAGES = ("pm4py", "prefixspan", "seq2pat")
GAPPED_CASES = 2000
BATCH = 10_000
PEER_SECONDS = 90
Rows = list[tuple[str, str]]


def read(folder: Path) -> Rows:
    """(case, action) of the largest event log in xes/, or a made one of its shape."""
    logs = sorted((folder / "xes").glob("*.xes*"), key=lambda path: path.stat().st_size)
    return _xes(logs[-1]) if logs else _made()


def _xes(path: Path) -> Rows:
    rows: Rows = []
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for _, element in ElementTree.iterparse(file):
            if element.tag.rsplit("}")[-1] == "trace":
                case = _name(element)
                rows += [(case, _name(event)) for event in element if event.tag.rsplit("}")[-1] == "event"]
                element.clear()
    return rows


def _name(element: ElementTree.Element) -> str:
    return next(str(child.get("value")) for child in element if child.get("key") == "concept:name")


def _made() -> Rows:
    random = np.random.default_rng(1)
    return [(f"case{case}", f"act{action}") for case in range(13_000) for action in random.zipf(1.5, 20) % 36]


def peer(name: str, rows: Rows) -> float | None:
    """Events a second of a peer on the rows, or None where it cannot be had."""
    python = HOME / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(HOME)], check=False)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PACKAGES], check=False)
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        csv.writer(file).writerows(rows)
        file.flush()
        script = Path(__file__).with_name("mining_peers.py")
        try:
            done = subprocess.run(
                [str(python), str(script), name, file.name],
                capture_output=True,
                text=True,
                timeout=PEER_SECONDS,
                check=True,
            )
        except subprocess.TimeoutExpired:
            print(f"  {name}: not done after {PEER_SECONDS} s, so its ratio is not known")
            return None
        except (subprocess.SubprocessError, OSError) as problem:
            print(f"  {name}: not measured ({type(problem).__name__}) {str(getattr(problem, 'stderr', ''))[-300:]}")
            return None
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return float(answer["events"] / answer["seconds"])


def rate(run: Callable[[], object], events: int, times: int = 3) -> float:
    """Events a CPU second of the fastest of some runs: others may be at work on the machine."""
    shortest = float("inf")
    for _ in range(times):
        begin = time.process_time()
        run()
        shortest = min(shortest, time.process_time() - begin)
    return events / shortest


def streamed(cases: pl.Series, actions: pl.Series) -> dict[tuple[str, str], int]:
    """The graph in batches."""
    stream = graph.Stream()
    for begin in range(0, len(cases), BATCH):
        stream.add(cases[begin : begin + BATCH], actions[begin : begin + BATCH])
    return stream.edges()


def persisted(cases: pl.Series, actions: pl.Series, path: str) -> int:
    """The same, with the counters, the last action of each case and the cursor committed to disk after each batch."""
    stream = graph.Stream()
    file = sqlite3.connect(path, isolation_level=None)
    file.execute("PRAGMA journal_mode = WAL")
    file.execute("PRAGMA synchronous = FULL")
    file.executescript(
        "CREATE TABLE name (kind TEXT, number INTEGER, name TEXT, PRIMARY KEY (kind, number));"
        "CREATE TABLE last (number INTEGER PRIMARY KEY, action INTEGER);"
        "CREATE TABLE pair (first INTEGER, second INTEGER, count INTEGER, PRIMARY KEY (first, second));"
        "CREATE TABLE place (only_one INTEGER PRIMARY KEY, at INTEGER)"
    )
    known = [0, 0]
    for begin in range(0, len(cases), BATCH):
        owners, pairs = stream.add(cases[begin : begin + BATCH], actions[begin : begin + BATCH])
        size = stream.counts.shape[0]
        counts = stream.counts.reshape(-1)[pairs]
        file.execute("BEGIN")
        for place, (kind, numbers) in enumerate((("case", stream.cases), ("action", stream.actions))):
            fresh = numbers.names()[known[place] :]
            named = [(kind, known[place] + number, name) for number, name in enumerate(fresh)]
            file.executemany("INSERT INTO name VALUES (?, ?, ?)", named)
            known[place] += len(fresh)
        tails = zip(owners.tolist(), stream.last[owners].tolist(), strict=True)
        file.executemany("INSERT OR REPLACE INTO last VALUES (?, ?)", tails)
        sums = zip((pairs // size).tolist(), (pairs % size).tolist(), counts.tolist(), strict=True)
        file.executemany("INSERT OR REPLACE INTO pair VALUES (?, ?, ?)", sums)
        file.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", (begin + BATCH,))
        file.execute("COMMIT")
    (total,) = file.execute("SELECT sum(count) FROM pair").fetchone()
    file.close()
    return int(total)


def kept(cases: pl.Series, actions: pl.Series) -> int:
    """`persisted` in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return persisted(cases, actions, f"{folder}/state.sqlite")


def gapped(rows: Rows) -> list[sequences.Found]:
    """Significant sequences of two and three steps with gaps, one window, from strings."""
    cases, actions = zip(*rows, strict=True)
    size = len(rows)
    places = np.arange(size)
    log = Activities(cases, ["log"] * size, actions, [None] * size, places.astype(np.float64), places)
    coding = plain(log)
    options = Options(windows=(1e9,), session_gap=1e12, max_length=3, min_days=1, min_support=len(set(cases)) // 100)
    return sequences.find(collapse(log, coding.codes, len(coding.tokens), order(log, options), options), options)


def counted() -> float:
    """Events a second of the pair counters, in batches, on made activity of 200 people."""
    random = np.random.default_rng(1)
    size = 300_000
    actors, tokens = random.integers(0, 200, size), random.zipf(1.5, size) % 100
    times = np.sort(random.uniform(0, 30 * 86400, size))

    def run() -> None:
        counters = Counters(watermark=0.0)
        for begin in range(0, size, BATCH):
            part = slice(begin, begin + BATCH)
            counters.add(actors[part], tokens[part], times[part])
        counters.pairs()

    return rate(run, size, times=1)


def main() -> int:
    """Runs everything side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    rows = read(parser.parse_args().data)
    cases, actions = (pl.Series(column) for column in zip(*rows, strict=True))
    few = {case: None for case, _ in rows}
    chosen = set(list(few)[:GAPPED_CASES])
    some = [row for row in rows if row[0] in chosen]
    ours = {
        "batch": rate(lambda: graph.directly_follows(cases, actions), len(rows), times=7),
        "stream": rate(lambda: streamed(cases, actions), len(rows)),
        "persistent": rate(lambda: kept(cases, actions), len(rows)),
        "gapped": rate(lambda: gapped(some), len(some), times=7),
        "counters": counted(),
    }
    pairs = [("batch", "pm4py_batch", 5.0), ("stream", "pm4py_stream", 30.0), ("persistent", "pm4py_stream", 10.0)]
    pairs += [("gapped", "prefixspan", 5.0), ("gapped", "seq2pat", 5.0)]
    targets: list[dict[str, Any]] = []
    peers: dict[str, float | None] = {}
    for path, name, least in pairs:
        if name not in peers:
            peers[name] = peer(name, some if path == "gapped" else rows)
        figure = peers[name]
        value = None if figure is None else round(ours[path] / figure, 2)
        print(f"{path}: {ours[path]:,.0f} events/s; {name}: {figure and round(figure)} → {value}", flush=True)
        targets.append({"name": f"{path} ÷ {name}", "value": value, "target": least, "ok": (value or 0) >= least})
    ok = all(target["ok"] for target in targets)
    print(
        json.dumps({"bench": "mining", "ok": ok, "targets": targets, "events": len(rows), "ours": ours, "peers": peers})
    )
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
