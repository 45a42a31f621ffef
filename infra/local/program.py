"""One operating-system process: how it is started, and how it ends when its parent does."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to start: its command line, environment, user and the signals that end it."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    folder: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    """Ends it in good order."""
    orphan_signal: signal.Signals = signal.SIGKILL
    """Sent by the kernel when its parent dies (Linux)."""


def start(program: Program, output: int, pass_fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start `program` in a process group of its own; `output` is the descriptor for both its streams."""
    return subprocess.Popen(
        list(program.argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={"PATH": os.defpath, "TZ": "UTC", "LC_ALL": "C", **program.environment},
        cwd=program.folder or "/",
        process_group=0,
        pass_fds=pass_fds,
        preexec_fn=_die_with(os.getpid(), program.orphan_signal),  # noqa: PLW1509 - every starter is single-threaded
        **as_user(program.user),
    )


def as_user(name: str | None) -> dict[str, Any]:
    """Arguments of `subprocess` that give up every right of ours for those of the user `name`."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def stop(process: subprocess.Popen[bytes], program: Program, grace: float = 10.0) -> None:
    """End `process` in good order, or with SIGKILL once `grace` seconds are over."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Poll `ready` until it holds; False when the process ends first or `seconds` pass."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if ready():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    return False


def die_with_parent(parent: int, number: signal.Signals) -> None:
    """Have the kernel send `number` to this process when `parent` dies (on Linux; elsewhere nothing happens)."""
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _die_with(parent: int, number: signal.Signals) -> Callable[[], None]:
    return lambda: die_with_parent(parent, number)
