"""Runs one peer on one file and prints its seconds; executed by an interpreter that has the peer installed."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable
from typing import Any

# Places that a pattern may reach over; without an end seq2pat never ends. So few favour it: ours reaches over seven.
REACH = 3


def read(path: str) -> list[tuple[str, str]]:
    """(case, action) rows."""
    with open(path, newline="") as file:  # noqa: PTH123 - nothing but the standard library here
        return [(row[0], row[1]) for row in csv.reader(file)]


def pm4py_batch(rows: list[tuple[str, str]]) -> float:
    import pandas as pd  # type: ignore[import-untyped]
    from pm4py.algo.discovery.dfg.adapters.pandas import df_statistics  # type: ignore[import-not-found]

    moment = pd.Timestamp("2020-01-01")
    stamps = [moment + pd.Timedelta(seconds=place) for place in range(len(rows))]
    names = {"case:concept:name": [row[0] for row in rows], "concept:name": [row[1] for row in rows]}
    frame = pd.DataFrame({**names, "time:timestamp": stamps})
    return best(
        lambda: df_statistics.get_dfg_graph(frame, sort_caseid_required=False, sort_timestamp_along_case_id=False)
    )


def pm4py_stream(rows: list[tuple[str, str]]) -> float:
    from pm4py.streaming.algo.discovery.dfg import algorithm  # type: ignore[import-not-found]

    def run() -> None:
        stream: Any = algorithm.apply()
        for case, action in rows:
            stream.receive({"case:concept:name": case, "concept:name": action})

    return best(run, times=1)


def sequences(rows: list[tuple[str, str]]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for case, action in rows:
        found.setdefault(case, []).append(action)
    return list(found.values())


def prefixspan(rows: list[tuple[str, str]]) -> float:
    from prefixspan import PrefixSpan  # type: ignore[import-not-found]

    lists = sequences(rows)

    def run() -> None:
        miner = PrefixSpan(lists)
        miner.minlen, miner.maxlen = 2, 3
        miner.frequent(max(2, len(lists) // 100))

    return best(run, times=1)


def seq2pat(rows: list[tuple[str, str]]) -> float:
    from sequential.seq2pat import Attribute, Seq2Pat  # type: ignore[import-not-found]

    lists = sequences(rows)

    def run() -> None:
        miner = Seq2Pat(sequences=lists, max_span=REACH, n_jobs=1)
        place = Attribute([list(range(len(one))) for one in lists])
        miner.add_constraint(place.gap() <= 3)
        miner.get_patterns(min_frequency=max(2, len(lists) // 100))

    return best(run, times=1)


def best(run: Callable[[], object], times: int = 3) -> float:
    """The shortest of some runs."""
    shortest = float("inf")
    for _ in range(times):
        begin = spent()
        run()
        shortest = min(shortest, spent() - begin)
    return shortest


def spent() -> float:
    """CPU seconds of this process and of those that it has waited for: seq2pat works in one of its own."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


if __name__ == "__main__":
    peers = {"pm4py_batch": pm4py_batch, "pm4py_stream": pm4py_stream, "prefixspan": prefixspan, "seq2pat": seq2pat}
    data = read(sys.argv[2])
    print(json.dumps({"seconds": peers[sys.argv[1]](data), "events": len(data)}))
