"""Talks to the supervisor of a home, and starts one when there is none."""

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from infra.local.home import ROOT, Home

START_SECONDS = 60.0


class NotRunning(Exception):
    """No supervisor listens for this home."""


def ask(home: Home, request: dict[str, Any], hear: Callable[[str], None]) -> dict[str, Any]:
    """Send one command, pass its progress to `hear`, return its result; raises NotRunning."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(home.control))
        except OSError as error:
            raise NotRunning from error
        connection.sendall(json.dumps(request).encode() + b"\n")
        with connection.makefile() as lines:
            for line in lines:
                message = json.loads(line)
                if "result" in message:
                    result: dict[str, Any] = message["result"]
                    return result
                hear(message["news"])
    raise NotRunning("the supervisor ended before it answered")


def locked(home: Home) -> bool:
    """Whether a supervisor of this home is alive, even one that does not listen yet or any more."""
    try:
        with home.lock.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def wait_unlocked(home: Home, seconds: float) -> bool:
    """Wait until no supervisor of this home lives any more."""
    deadline = time.monotonic() + seconds
    while locked(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def start(home: Home, counts: dict[str, int], hear: Callable[[str], None]) -> dict[str, Any]:
    """Start a supervisor in the background, with as many processes as `counts` says, and wait until it is up."""
    home.make()
    log = home.logs / "supervisor.log"
    with log.open("ab") as output:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "infra.local.supervisor", json.dumps(counts)],
            cwd=ROOT,
            env={**os.environ, "FLOYO_HOME": str(home.folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            return ask(home, {"command": "up"}, hear)
        except NotRunning:
            if daemon.poll() is not None:
                return {"refused": True, "problems": [f"the supervisor ended at once; see {log}"]}
        time.sleep(0.01)
    return {"refused": True, "problems": [f"the supervisor does not answer; see {log}"]}
