"""How long `./taskw up` takes from an existing installation: with an empty home, and again with its data.

`python -m tests.bench.start [--rounds N]` ends with one JSON line.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from infra.local import ports
from infra.local.home import ROOT
from tests.bench import machine
from tests.bench.machine import Machine

EMPTY_SECONDS, DATA_SECONDS = 6.0, 4.0
TASKW = str(ROOT / "taskw")


@contextmanager
def empty_home() -> Iterator[dict[str, str]]:
    """The environment of a stack of one's own, which is down and gone afterwards."""
    home = Path(tempfile.mkdtemp(prefix="floyo-bench-"))
    home.chmod(0o711)
    environment = {**os.environ, "FLOYO_HOME": str(home), "FLOYO_PORT": str(ports.free())}
    try:
        yield environment
    finally:
        task(environment, "down")
        shutil.rmtree(home, ignore_errors=True)


def task(environment: dict[str, str], *arguments: str) -> tuple[float, str]:
    """Seconds and output of one command of the README; raises CalledProcessError when it fails."""
    began = time.monotonic()
    done = subprocess.run([TASKW, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return time.monotonic() - began, done.stdout


def family(home: str) -> list[psutil.Process]:
    """Every process of a stack: the supervisor with all that descends from it."""
    supervisor = psutil.Process(int(Path(home, "supervisor.pid").read_text()))
    return [supervisor, *supervisor.children(recursive=True)]


def spent(home: str) -> float:
    """Seconds of CPU that the stack has used since its start, by those who ended as well."""
    times = [process.cpu_times() for process in family(home)]
    return sum(time.user + time.system for time in times) + sum(
        time.children_user + time.children_system for time in times
    )


def measure(rounds: int) -> dict[str, Any]:
    """Seconds of each start, and the median of each kind."""
    empty, data, cpu = [], [], []
    for _ in range(rounds):
        with empty_home() as environment:
            empty.append(task(environment, "up")[0])
            task(environment, "down")
            data.append(task(environment, "up")[0])
            cpu.append(spent(environment["FLOYO_HOME"]))
    return {
        "empty_seconds": round(statistics.median(empty), 2),
        "data_seconds": round(statistics.median(data), 2),
        "cpu_seconds_with_data": round(statistics.median(cpu), 2),
        "starts": [[round(value, 2) for value in found] for found in (empty, data)],
        "load_average": round(os.getloadavg()[0], 1),
    }


def judge(figures: dict[str, Any], here: Machine) -> list[dict[str, Any]]:
    """The targets, each with its value."""
    pairs = (("empty home", "empty_seconds", EMPTY_SECONDS), ("with data", "data_seconds", DATA_SECONDS))
    return [here.target(f"seconds of up, {name}", figures[key], most) for name, key, most in pairs]


def main() -> int:
    """Prints one JSON line; the exit status tells whether every target is met."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    here = machine.measure()
    figures = measure(rounds)
    targets = judge(figures, here)
    ok = all(target["ok"] for target in targets)
    print(json.dumps({"bench": "start", "ok": ok, "targets": targets, **here.figures(), **figures}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
