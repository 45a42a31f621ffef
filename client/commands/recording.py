"""watch, track, flush: what happens on this machine as it happens, kept until it has arrived."""

import getpass
import signal
import threading
import time
from pathlib import Path
from typing import Annotated

import typer

from client import sending
from client.api import Floyo
from client.commands.options import AsJson, floyo
from client.output import as_json, err, out
from client.problems import FloyoProblem
from client.queue import Full, Queue
from client.sending import Sent
from client.watching import IGNORED, Watcher

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


def watch(
    context: typer.Context,
    *,
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Folders and files.", show_default=False)],
    actor: Annotated[str | None, typer.Option(help="Who changes them; the user of this machine if left out.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Names to leave out as well, such as '*.log'.")] = None,
    interval: Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds between looks.")] = 1.0,
    machine: AsJson = False,
) -> None:
    """Record files that are created, changed, renamed and deleted, until interrupted.

    What changed while this was not running is found when it starts again; what cannot be sent waits on this machine.
    """
    client = floyo(context)
    queue = Queue(client.transport.url)
    watchers = [Watcher(path.resolve(), actor or getpass.getuser(), (*IGNORED, *(ignore or []))) for path in paths]
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    if not machine:
        out.print(f"Watching {', '.join(str(watcher.root) for watcher in watchers)} …")
    sent, courier = Sent(), _Courier(client, queue)
    while True:
        _look(watchers, queue)
        courier.try_to_send(sent)
        if ended.wait(interval):
            break
    waiting = len(queue)
    queue.close()
    if machine:
        as_json({"accepted": sent.accepted, "rejected": sent.rejected, "waiting": waiting})
    else:
        out.print(f"{sent.accepted:,} recorded, {waiting:,} wait to be sent.")


def track() -> None:
    """Run a command and record what it was, how long it took and how it ended: floyo track -- COMMAND.

    The exit status is the command's own.
    """
    raise typer.BadParameter("Write it as the first word: floyo track -- COMMAND.")


def flush(
    context: typer.Context,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing, and end well though nobody answers.")] = False,
    machine: AsJson = False,
) -> None:
    """Send what waits on this machine."""
    client = floyo(context)
    queue = Queue(client.transport.url)
    sent = Sent()
    try:
        sending.send(client, queue, sent)
    except FloyoProblem:
        if not quiet:
            raise
    waiting = len(queue)
    queue.close()
    if machine:
        as_json({"accepted": sent.accepted, "rejected": sent.rejected, "waiting": waiting})
    elif not quiet:
        out.print(f"{sent.accepted:,} recorded, {waiting:,} wait.")


def _look(watchers: list[Watcher], queue: Queue) -> None:
    try:
        for watcher in watchers:
            watcher.look(queue)
    except Full:
        err.print("Too much waits to be sent; what changes now is found later.")


class _Courier:
    """Sends in a thread of its own, later and later while nobody answers, so that looking never waits for it."""

    def __init__(self, client: Floyo, queue: Queue) -> None:
        self._client, self._target, self._path = client, client.transport.url, queue.path
        self._waiting = queue
        self._thread: threading.Thread | None = None
        self._pause = _FIRST_PAUSE

    def try_to_send(self, sent: Sent) -> None:
        """Begins a round unless one is under way or there is nothing to send."""
        if (self._thread is not None and self._thread.is_alive()) or not len(self._waiting):
            return
        self._thread = threading.Thread(target=self._send, args=(sent,), daemon=True)
        self._thread.start()

    def _send(self, sent: Sent) -> None:
        queue = Queue(self._target, self._path)
        try:
            sending.send(self._client, queue, sent)
            self._pause = _FIRST_PAUSE
        except FloyoProblem as problem:
            err.print(f"Not sent, will try again: {problem.detail}")
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        finally:
            queue.close()
