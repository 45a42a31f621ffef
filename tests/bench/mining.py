"""Mining speed, in events a CPU second, beside its peers: `python -m tests.bench.mining`; ends with one JSON line.

The peers live in an environment of their own under .floyo/bench/mining, made on demand; they are never dependencies.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np
import polars as pl

from services.events.mining import graph, growth, pairs, sequences
from services.events.mining.activity import Activities
from services.events.mining.counters import Counters
from services.events.mining.options import Options
from services.events.mining.sessions import Sessions, collapse, order
from services.events.mining.tokens import plain
from tests.bench.mining_store import Store
from tests.events.mining import oracle

HOME = Path(".floyo/bench/mining")
PACKAGES = ("pm4py", "prefixspan", "seq2pat")
LEAST_EVENTS = 20_000
GAPPED_CASES = 2000
LOOPED_CASES = 60
LONGEST, GAP = 3, 3
BATCH = 10_000
PEER_SECONDS = 90
Rows = list[tuple[str, str]]
T = TypeVar("T", float, float | None)


def read(folder: Path) -> Rows:
    """(case, action) of the largest event log in the folder that can be read, or a made one of BPI 2012's size."""
    logs = sorted(folder.rglob("*.xes*"), key=lambda path: path.stat().st_size, reverse=True)
    for path in logs:
        try:
            rows = _xes(path)
        except (ElementTree.ParseError, OSError, EOFError) as problem:
            print(f"  {path.name} cannot be read: {problem}")
            continue
        if len(rows) >= LEAST_EVENTS:
            print(f"  {path.name}: {len(rows)} events")
            return rows
    print("  no event log of some size is there; a made one of the size of BPI 2012 stands for it")
    return _made()


def _xes(path: Path) -> Rows:
    rows: Rows = []
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for _, element in ElementTree.iterparse(file):
            if element.tag.rsplit("}")[-1] == "trace":
                case = _name(element) or f"case {len(rows)}"
                names = [_name(event) for event in element if event.tag.rsplit("}")[-1] == "event"]
                rows += [(case, name) for name in names if name]
                element.clear()
    return rows


def _name(element: ElementTree.Element) -> str | None:
    return next((child.get("value") for child in element if child.get("key") == "concept:name"), None)


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


def persisted(cases: pl.Series, actions: pl.Series, path: str) -> None:
    """The same, with the counters, the last action of each case and the cursor committed to disk after each batch."""
    stream, store = graph.Stream(), Store(path)
    for begin in range(0, len(cases), BATCH):
        changed = stream.add(cases[begin : begin + BATCH], actions[begin : begin + BATCH])
        store.save(stream, *changed, begin + BATCH)
    store.close()


def kept(cases: pl.Series, actions: pl.Series) -> None:
    """`persisted` in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        persisted(cases, actions, f"{folder}/state.sqlite")


def gapped(cases: pl.Series, actions: pl.Series) -> dict[tuple[int, ...], int]:
    """Frequent sequences of two and three steps with gaps, as the peers find, from strings."""
    return growth.frequent(seen(cases, actions), LONGEST, least(cases))


def least(cases: pl.Series) -> int:
    """A hundredth of the cases."""
    return max(2, cases.n_unique() // 100)


def seen(cases: pl.Series, actions: pl.Series) -> pairs.View:
    """Cases as sessions, one place after another."""
    owners, numbers = graph.Numbers().of(cases), graph.Numbers().of(actions)
    by_case = np.argsort(owners, kind="stable")
    owners, numbers = owners[by_case], numbers[by_case]
    kept = np.append(True, (np.diff(owners) != 0) | (np.diff(numbers) != 0))
    owners, numbers = owners[kept], numbers[kept]
    places = np.arange(len(owners))
    times = places.astype(np.float64)
    items = Sessions(
        tokens=numbers, sessions=owners, blocks=owners, actors=owners, starts=times, ends=times, first_rows=places,
        lengths=np.ones_like(places), days=places, names=[], alphabet=int(numbers.max()) + 1,
    )  # fmt: skip
    return pairs.view(items, np.inf, GAP)


def as_loops(rows: Rows) -> bool:
    """Whether the frequent sequences of some cases are those that plain loops find."""
    cases, actions = (pl.Series(column) for column in zip(*rows, strict=True))
    looked = seen(cases, actions)
    tokens, owners = looked.sessions.tokens.tolist(), looked.sessions.sessions.tolist()
    items = [
        (str(owner), str(token), float(place), float(place), owner, 0)
        for place, (token, owner) in enumerate(zip(tokens, owners, strict=True))
    ]
    judged = oracle.frequent(items, np.inf, Options(max_length=LONGEST, max_gap=GAP), 2)
    found = growth.frequent(looked, LONGEST, 2)
    return judged == {tuple(map(str, steps)): count for steps, count in found.items()}


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


def significant(rows: Rows) -> int:
    """What the miner adds: the same, each judged against chance, from strings; how many there are."""
    cases, actions = zip(*rows, strict=True)
    size = len(rows)
    places = np.arange(size)
    log = Activities(cases, ["log"] * size, actions, [None] * size, places.astype(np.float64), places)
    coding = plain(log)
    options = Options(
        windows=(1e9,), session_gap=1e12, max_length=LONGEST, min_days=1, min_support=len(set(cases)) // 100
    )
    sessions = collapse(log, coding.codes, len(coding.tokens), order(log, options), options)
    return len(sequences.find(sessions, options))


def memory() -> dict[str, float]:
    """Peaks in MiB of a process that mines a log of a million events, early and at the end."""
    command = [sys.executable, "-m", "tests.bench.mining_memory"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def target(name: str, value: float | None, bound: float, *, most: bool = False) -> dict[str, Any]:
    """One figure against its bound, said as it is known."""
    ok = value is not None and (value <= bound if most else value >= bound)
    shown = "not known" if value is None else f"{value:,.2f}"
    print(f"{'ok  ' if ok else 'FAIL'} {name}: {shown} ({'≤' if most else '≥'} {bound})", flush=True)
    return {"name": name, "value": None if value is None else round(value, 2), "target": bound, "ok": ok}


def said(name: str, figure: T) -> T:
    """The figure, told as soon as it is known."""
    if figure is not None:
        print(f"  {name}: {figure:,.0f} events a CPU second", flush=True)
    return figure


def first_cases(rows: Rows, count: int) -> Rows:
    """The rows of the first cases."""
    chosen = set(list(dict.fromkeys(case for case, _ in rows))[:count])
    return [row for row in rows if row[0] in chosen]


def main() -> int:
    """Runs everything side by side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    rows = read(parser.parse_args().data)
    some = first_cases(rows, GAPPED_CASES)
    cases, actions = (pl.Series(column) for column in zip(*rows, strict=True))
    few, done = (pl.Series(column) for column in zip(*some, strict=True))
    runs: dict[str, Callable[[], float]] = {
        "batch": lambda: rate(lambda: graph.directly_follows(cases, actions), len(rows), times=7),
        "stream": lambda: rate(lambda: streamed(cases, actions), len(rows)),
        "persistent": lambda: rate(lambda: kept(cases, actions), len(rows)),
        "gapped": lambda: rate(lambda: gapped(few, done), len(some), times=7),
        "significant": lambda: rate(lambda: significant(some), len(some)),
        "counters": counted,
    }
    ours = {name: said(name, run()) for name, run in runs.items()}
    ways = (("batch", "pm4py_batch", 5.0), ("stream", "pm4py_stream", 30.0), ("persistent", "pm4py_stream", 10.0),
            ("gapped", "prefixspan", 5.0), ("gapped", "seq2pat", 5.0))  # fmt: skip
    subjects = {name: some if way == "gapped" else rows for way, name, _ in ways}
    peers = {name: said(name, peer(name, subject)) for name, subject in subjects.items()}
    targets = []
    for way, name, bound in ways:
        figure = peers[name]
        targets.append(target(f"{way} ÷ {name}", figure and ours[way] / figure, bound))
    equal = as_loops(first_cases(rows, LOOPED_CASES))
    targets.append(target(f"gapped: the set of plain loops in {LOOPED_CASES} cases", float(equal), 1.0))
    used = memory()
    targets.append(target("peak MiB at a million events", max(used["early"], used["end"]), 512.0, most=True))
    targets.append(target("peak at the end ÷ after the first window", used["end"] / used["early"], 1.2, most=True))
    ok = all(one["ok"] for one in targets)
    figures = {"events": len(rows), "ours": ours, "peers": peers, "memory": used}
    print(json.dumps({"bench": "mining", "ok": ok, "targets": targets, **figures}, ensure_ascii=False))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
