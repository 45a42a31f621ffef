"""`floyo track -- COMMAND`: runs it as it is, and tells what it was, how long it took and how it ended.

The command starts first; everything else is imported and written while it runs, and sent after it has ended by a
process of its own, so that neither its start nor its end waits for a network.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

_NOT_FOUND, _NOT_EXECUTABLE, _SIGNALLED = 127, 126, 128
_USAGE = "Usage: floyo track [--actor NAME] -- COMMAND [ARGUMENT…]"


def main(arguments: Sequence[str]) -> int:
    """The command's own exit status; 128 + n when signal n ended it, as shells say it."""
    actor, command = _split(list(arguments))
    if not command:
        print(_USAGE, file=sys.stderr)
        return 2
    begun, started = time.time(), time.monotonic()
    try:
        process = subprocess.Popen(command)  # noqa: S603  # it is what was asked for
    except OSError as error:
        print(f"floyo: {command[0]}: {error.strerror}", file=sys.stderr)
        return _NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_EXECUTABLE
    _pass_on(process)
    import client.importers.commands  # while the command runs
    import client.queue  # noqa: F401

    status = process.wait()
    status = _SIGNALLED - status if status < 0 else status
    try:
        _keep(actor, command, begun, time.monotonic() - started, status)
    except Exception as error:  # noqa: BLE001  # whatever is wrong with the record, the command has done its work
        print(f"floyo: not recorded: {error}", file=sys.stderr)
    return status


def _split(arguments: list[str]) -> tuple[str | None, list[str]]:
    actor = None
    if arguments[:1] == ["--actor"] and len(arguments) > 1:
        actor, arguments = arguments[1], arguments[2:]
    return actor, arguments[1:] if arguments[:1] == ["--"] else arguments


def _pass_on(process: "subprocess.Popen[bytes]") -> None:
    """Signals are the command's to answer: a terminal's reach it anyway, others are handed on."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda given, _frame: process.send_signal(given))


def _keep(actor: str | None, command: Sequence[str], begun: float, seconds: float, status: int) -> None:
    import getpass
    import shlex
    import uuid
    from datetime import UTC, datetime

    from client import masking
    from client.importers import commands
    from client.queue import Queue
    from client.targets import default_url

    line = shlex.join(command)
    found: set[str] = set()
    masking.mask(line, found)
    data: dict[str, Any] = {"exit_code": status, "duration_seconds": round(seconds, 3), "folder": os.getcwd()}  # noqa: PTH109
    moment = datetime.fromtimestamp(begun, UTC)
    event = commands.event("shell", line, moment, actor=actor or getpass.getuser(), secrets=found, data=data)
    if event is None:
        return
    queue = Queue(default_url())
    queue.add([{**event, "id": uuid.uuid4().hex}])
    queue.close()
    subprocess.Popen(  # our own command line
        [sys.executable, "-m", "client", "flush", "--quiet"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
