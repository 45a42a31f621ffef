"""A thread-free process that imports every service once and forks a child for each process of the stack.

Eight processes that import by themselves take 11 s and 671 MiB here; forked ones share both. Nothing may start a
thread or draw random numbers before the fork. Requests arrive on an inherited socket: a JSON object a line, with
descriptors.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

from infra.local import discovery
from infra.local.program import die_with_parent

_PR_SET_NAME = 15
_MAX_NAME = 15
ANSWER_SECONDS = 0.02
"""How long to listen before more is read, since whoever waits for what was read asks at once."""


class ForkServer:
    """Imports between requests at first, so that databases and first services do not wait for the code of the last."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._pid = os.getpid()
        self._received = b""
        self._descriptors: list[int] = []
        self._children: set[int] = set()
        self._woken, waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(waker, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def run(self) -> None:
        """Import, serve, and end with the children when the supervisor is gone."""
        gc.disable()
        for stage, names in discovery.modules().items():
            for name in names:
                _import(name)
                self._turn(0)
            self._tell({"read": stage})
            self._turn(ANSWER_SECONDS)
        self._tell({"imported": len(sys.modules), "threads": _threads()})
        while True:
            self._turn(None)

    def _turn(self, timeout: float | None) -> None:
        readable, _, _ = select.select([self._control.fileno(), self._woken], [], [], timeout)
        if self._woken in readable:
            os.read(self._woken, 4096)
            self._reap()
        if self._control.fileno() in readable:
            self._receive()

    def _receive(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._control, 65536, 16)
        if not data:
            self._end()
        self._received += data
        self._descriptors += descriptors
        while b"\n" in self._received:
            line, _, self._received = self._received.partition(b"\n")
            request = json.loads(line)
            count = request["descriptors"]
            passed, self._descriptors = self._descriptors[:count], self._descriptors[count:]
            self._fork(request, passed)

    def _fork(self, request: dict[str, Any], descriptors: list[int]) -> None:
        gc.freeze()  # a child's collector need not look at what all of them have, nor copy it for that
        pid = os.fork()
        if pid == 0:
            self._become(request, descriptors)
        self._children.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        self._tell({"id": request["id"], "pid": pid})

    def _become(self, request: dict[str, Any], descriptors: list[int]) -> None:
        """Turn this forked copy into the process that was asked for; never returns."""
        status = 1
        try:
            die_with_parent(self._pid, signal.SIGKILL)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os.setpgid(0, 0)
            output, *bound = descriptors
            for stream in (1, 2):
                os.dup2(output, stream)
            os.close(output)
            self._control.close()
            for name in [name for name in os.environ if name.startswith("FLOYO_")]:
                del os.environ[name]  # a process knows what it was told, not what the whole stack was
            os.environ.update(request["environment"])
            _name_process(request["title"])
            gc.enable()
            module, _, function = request["target"].partition(":")
            sockets = [socket.socket(fileno=descriptor) for descriptor in bound]
            status = getattr(importlib.import_module(module), function)(*request["arguments"], *sockets) or 0
        except SystemExit as ending:
            status = ending.code if isinstance(ending.code, int) else 1
        except BaseException:  # noqa: BLE001 - a child must never fall back into the server's loop
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _reap(self) -> None:
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self._children.discard(pid)
                self._tell({"ended": pid, "status": os.waitstatus_to_exitcode(status)})

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._end()

    def _end(self) -> None:
        for pid in self._children:
            os.kill(pid, signal.SIGKILL)
        os._exit(0)


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - the process that needs it will fail with the whole story
        print(f"{name} cannot be imported: {type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _threads() -> int:
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are enough
    except OSError:
        return 1


def _name_process(title: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, title.encode()[:_MAX_NAME], 0, 0, 0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as inherited:
        ForkServer(inherited).run()
