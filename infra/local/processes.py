"""Running processes as the supervisor sees them: own children by SIGCHLD, forked ones through the fork server."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from infra.local.home import ROOT
from infra.local.program import Program, start

Signaller = Callable[[int], None]


@dataclass
class Handle:
    """One living process; `ended` resolves to its exit status (negative for a signal)."""

    pid: int
    send: Signaller
    ended: "asyncio.Future[int]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Children:
    """The supervisor's own children: PostgreSQL, Valkey, the gateway and the fork server."""

    def __init__(self) -> None:
        self._running: dict[int, tuple[subprocess.Popen[bytes], Handle]] = {}
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self._reap)

    def start(self, program: Program, output: int, pass_fds: Sequence[int] = ()) -> Handle:
        """Start a program; SIGTERM is translated to its own way of ending."""
        process = start(program, output, pass_fds)

        def send(number: int) -> None:
            if process.poll() is None:
                process.send_signal(program.stop_signal if number == signal.SIGTERM else number)

        handle = Handle(process.pid, send)
        self._running[process.pid] = (process, handle)
        return handle

    def _reap(self) -> None:
        for pid, (process, handle) in list(self._running.items()):
            if process.poll() is not None:
                del self._running[pid]
                handle.ended.set_result(process.returncode)


class Forks:
    """Asks the fork server for processes and hears from it when they end."""

    def __init__(self, children: Children, output: int) -> None:
        self._handles: dict[int, Handle] = {}
        self._asked: dict[int, asyncio.Future[Handle]] = {}
        self._last = 0
        self._received = b""
        self._retired = False
        self.born = time.time()
        self.imported = asyncio.get_running_loop().create_future()
        self._read: dict[str, asyncio.Future[None]] = {}
        self._control, far = socket.socketpair()
        with far:
            self.server = children.start(self._program(far.fileno()), output, [far.fileno()])
        os.close(output)
        self._control.setblocking(False)
        asyncio.get_running_loop().add_reader(self._control, self._hear)

    @staticmethod
    def _program(descriptor: int) -> Program:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
        }
        argv = [sys.executable, "-m", "infra.local.forkserver", str(descriptor)]
        return Program(argv, environment, folder=ROOT, stop_signal=signal.SIGKILL)

    async def read(self, stage: str) -> None:
        """Wait until the fork server has read the code of a stage, see `discovery.modules`; OSError when it is lost."""
        if not self.lost:
            await asyncio.shield(self._stage(stage))
        if self.lost:
            raise ChildProcessError("the fork server ended")

    async def start(
        self,
        title: str,
        target: str,
        arguments: Sequence[Any],
        environment: Mapping[str, str],
        descriptors: Sequence[int],
    ) -> Handle:
        """Fork a process that calls `target` (`module:function`); the first descriptor becomes its output."""
        self._last += 1
        request = {
            "id": self._last,
            "title": title,
            "target": target,
            "arguments": list(arguments),
            "environment": dict(environment),
            "descriptors": len(descriptors),
        }
        answer: asyncio.Future[Handle] = asyncio.get_running_loop().create_future()
        self._asked[self._last] = answer
        self._control.setblocking(True)
        try:
            socket.send_fds(self._control, [json.dumps(request).encode() + b"\n"], list(descriptors))
        finally:
            self._control.setblocking(False)
        return await answer

    def _stage(self, name: str) -> "asyncio.Future[None]":
        return self._read.setdefault(name, asyncio.get_running_loop().create_future())

    def retire(self) -> None:
        """Close as soon as nothing lives any more that was forked here; a newer fork server has taken over."""
        self._retired = True
        if not self._handles and not self._asked:
            self.close()

    @property
    def lost(self) -> bool:
        """Whether the fork server has ended; nothing can be forked any more."""
        return self._control.fileno() < 0

    def close(self) -> None:
        """Let go of the fork server; it ends, with whatever it still has forked."""
        if not self.lost:
            asyncio.get_running_loop().remove_reader(self._control)
            self._control.close()
            for waiting in self._read.values():
                _resolve(waiting)

    def _hear(self) -> None:
        data = self._control.recv(65536)
        if not data:
            self._lose_all()
            return
        self._received += data
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            self._understand(json.loads(line))

    def _understand(self, message: dict[str, Any]) -> None:
        if "read" in message:
            _resolve(self._stage(message["read"]))
        elif "imported" in message:
            self.imported.set_result(message)
            if message["threads"] > 1:
                print(f"the fork server has {message['threads']} threads, which a fork loses", flush=True)
        elif "ended" in message:
            self._handles.pop(message["ended"]).ended.set_result(message["status"])
            if self._retired:
                self.retire()
        else:
            self._begin(message["pid"], self._asked.pop(message["id"]))

    def _begin(self, pid: int, asked: "asyncio.Future[Handle]") -> None:
        """Hand a new process to whoever asked for it; one that nobody wants any more is ended."""
        handle = self._handles[pid] = Handle(pid, lambda number: _send(pid, number))
        if asked.done():
            handle.send(signal.SIGKILL)
        else:
            asked.set_result(handle)

    def _lose_all(self) -> None:
        """The fork server is gone, and the kernel has killed its children with it."""
        self.close()
        for waiting in self._asked.values():
            if not waiting.done():
                waiting.set_exception(ChildProcessError("the fork server ended"))
        for handle in self._handles.values():
            handle.ended.set_result(-signal.SIGKILL)
        self._asked.clear()
        self._handles.clear()


def _resolve(waiting: "asyncio.Future[None]") -> None:
    if not waiting.done():
        waiting.set_result(None)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
