"""The daemon behind `up`: owns every process of one stack and takes commands on a socket, one JSON object a line."""

import asyncio
import fcntl
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from infra.local.binaries import Missing
from infra.local.home import Home, from_environment, gateway_port, write_whole
from infra.local.postgres import Unusable
from infra.local.stack import Refused, Stack

ALREADY_RUNNING = 75
FAREWELL_SECONDS = 2.0
START_SECONDS = 5.0
MAX_DESCRIPTORS = 65_536


class Supervisor:
    """Starts the stack, answers commands, and stops it again."""

    def __init__(self, home: Home, counts: dict[str, int]) -> None:
        self._home = home
        self._counts = counts
        self._born = time.monotonic()
        self._news: list[str] = []
        self._heard = asyncio.Event()
        self._started: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._stopped = asyncio.Event()
        self._asked = asyncio.Event()
        self._busy = asyncio.Lock()
        self._answering: set[asyncio.Task[Any]] = set()
        self.stack = Stack(home, gateway_port(), self._say)

    async def run(self) -> int:
        """From start to stop; the exit status is 1 when the stack could not be started at all."""
        self._home.control.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._converse, self._home.control)
        self._home.control.chmod(0o600)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._stopping.set)
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([starting, stopping], return_when=asyncio.FIRST_COMPLETED)
        starting.cancel()
        await asyncio.wait([starting])
        if not self._started.result()["refused"]:
            await stopping
        elif not self._answering:  # whoever started us is still about to ask how it went
            with suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), START_SECONDS)
        self._say("stopping")
        await self.stack.stop()
        self._say("stopped")
        self._stopped.set()
        server.close()
        self._home.control.unlink(missing_ok=True)
        if self._answering:
            await asyncio.wait(self._answering, timeout=FAREWELL_SECONDS)
        return 1 if self._started.result()["refused"] else 0

    async def _start(self) -> None:
        try:
            problems = await self.stack.start(self._counts)
            self._started.set_result({"refused": False, "problems": problems})
        except (Refused, Unusable, Missing, OSError) as error:
            self._started.set_result({"refused": True, "problems": [str(error)]})
        except asyncio.CancelledError:
            self._started.set_result({"refused": True, "problems": ["stopped before it was ready"]})

    def _say(self, text: str) -> None:
        text = f"{time.monotonic() - self._born:5.1f} s  {text}"
        print(text, flush=True)
        self._news.append(text)
        self._heard.set()
        self._heard = asyncio.Event()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a connection is always handled in a task
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        self._asked.set()
        with suppress(ConnectionError, ValueError):
            request = json.loads(await reader.readline())
            answer = await self._answer(request, writer)
            await _send(writer, {"result": answer})
        writer.close()

    async def _answer(self, request: dict[str, Any], writer: asyncio.StreamWriter) -> dict[str, Any]:
        command = request["command"]
        if command == "status":
            return {"problems": [], "status": self.stack.describe()}
        if command == "up" and self._started.done() and not self._started.result()["refused"]:
            return {"refused": False, "problems": self.stack.complaints(), "status": self.stack.describe()}
        if command == "up":
            news = asyncio.create_task(self._forward(writer, 0))
            outcome = await asyncio.shield(self._started)
            await asyncio.sleep(0)
            news.cancel()
            return {**outcome, "status": self.stack.describe()}
        if command == "down":
            news = asyncio.create_task(self._forward(writer, len(self._news)))
            self._stopping.set()
            await self._stopped.wait()
            news.cancel()
            return {"problems": []}
        actions: dict[str, Callable[[], Awaitable[list[str]]]] = {
            "scale": lambda: self.stack.scale(request["counts"]),
            "restart": lambda: self.stack.restart(request["names"]),
            "stop": lambda: self.stack.hold(request["names"]),
            "start": lambda: self.stack.release(request["names"]),
        }
        return await self._exclusively(actions[command], writer)

    async def _exclusively(
        self, action: Callable[[], Awaitable[list[str]]], writer: asyncio.StreamWriter
    ) -> dict[str, Any]:
        """One change at a time, and none before the stack is up."""
        await asyncio.shield(self._started)
        async with self._busy:
            news = asyncio.create_task(self._forward(writer, len(self._news)))
            try:
                problems = await action()
            except Refused as error:
                problems = [str(error)]
            finally:
                news.cancel()
        return {"problems": problems, "status": self.stack.describe()}

    async def _forward(self, writer: asyncio.StreamWriter, position: int) -> None:
        """Pass on what is said, from `position` of the news on."""
        while True:
            heard = self._heard
            for text in self._news[position:]:
                await _send(writer, {"news": text})
            position = len(self._news)
            await heard.wait()


async def _send(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(json.dumps(message).encode() + b"\n")
    await writer.drain()


def main(counts: dict[str, int]) -> int:
    """Hold the home's lock, never given back, for exactly as long as this process lives."""
    home = from_environment()
    home.make()
    lock = os.open(home.lock, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return ALREADY_RUNNING
    _allow_descriptors()
    pid = home.folder / "supervisor.pid"
    write_whole(pid, f"{os.getpid()}\n")
    try:
        return asyncio.run(_run(home, counts))
    finally:
        pid.unlink(missing_ok=True)


def _allow_descriptors() -> None:
    """Thousands of live sockets need more than the customary 1,024."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, MAX_DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _run(home: Home, counts: dict[str, int]) -> int:
    return await Supervisor(home, counts).run()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
