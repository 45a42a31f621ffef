"""Seconds of CPU that processes of a stack have used, by their names."""

import os
import statistics
import time
from collections import defaultdict
from pathlib import Path

from tests.chaos.stand import Stand

_TICKS = os.sysconf("SC_CLK_TCK")


def of(pid: int) -> float:
    """One process, with those of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS


def of_stack(stand: Stand) -> dict[str, float]:
    """By name; PostgreSQL with all its backends, auth's processes that hash, and `load` for whoever asks."""
    children = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            children[int((folder / "stat").read_text().rpartition(")")[2].split()[1])].append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    spent: dict[str, float] = defaultdict(float)
    for process in stand.all_processes():
        spent[process["name"]] += of(process["pid"])
        below = {"postgres": "postgres", "auth": "hashing"}.get(process["name"])
        if below is not None:
            spent[below] += sum(map(of, children[process["pid"]]))
    return {**spent, "load": time.process_time()}


def a_thousand(before: dict[str, float], after: dict[str, float], operations: int) -> dict[str, float]:
    """Seconds of CPU a thousand operations, by name, with what was hardly there left out, and `all` of it."""
    used = {name: 1_000 * (after[name] - before.get(name, 0.0)) / max(operations, 1) for name in after}
    return {name: round(value, 4) for name, value in {**used, "all": sum(used.values())}.items() if value >= 0.0005}


def medians(rounds: list[dict[str, float]]) -> dict[str, float]:
    """Of what `a_thousand` said of each round, by name; what was left out of a round was nothing."""
    names = {name: None for one in rounds for name in one}
    return {name: round(statistics.median(one.get(name, 0.0) for one in rounds), 4) for name in names}
