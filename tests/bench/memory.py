"""What the whole idle stack takes: gateway, database, cache, four services and four workers, as a sum of PSS.

Beside it stands n8n alone, idle, as it was measured on this kind of machine without us; it is a constant here.
`python -m tests.bench.memory [--idle SECONDS]` ends with one JSON line.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from typing import Any

import psutil

from tests.bench.start import empty_home, family, task

N8N_IDLE_MIB = 773.0


def measure(idle: float) -> dict[str, Any]:
    """Mebibytes by process and in all, after some idle seconds."""
    with empty_home() as environment:
        status = json.loads(task(environment, "up", "--", "--json")[1].splitlines()[-1])
        time.sleep(idle)
        names = {process["pid"]: process["name"] for process in status["processes"]}
        found: dict[str, float] = defaultdict(float)
        for process in family(environment["FLOYO_HOME"]):
            found[_name(process, names)] += process.memory_full_info().pss / 2**20
    return {
        "total_mib": round(sum(found.values()), 1),
        "n8n_idle_mib": N8N_IDLE_MIB,
        "mib": {name: round(value, 1) for name, value in sorted(found.items())},
        "idle_seconds": idle,
    }


def _name(process: psutil.Process, names: dict[int, str]) -> str:
    """Its own name, or that of the process that it belongs to."""
    line = [process.pid, *(parent.pid for parent in process.parents())]
    return next((names[pid] for pid in line if pid in names), "supervisor and fork server")


def main() -> int:
    """Prints one JSON line; the exit status tells whether the target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--idle", type=float, default=15.0)
    figures = measure(parser.parse_args().idle)
    ok = figures["total_mib"] <= N8N_IDLE_MIB
    target = {"name": "MiB of the idle stack", "value": figures["total_mib"], "target": N8N_IDLE_MIB, "ok": ok}
    print(json.dumps({"bench": "memory", "ok": ok, "targets": [target], **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
