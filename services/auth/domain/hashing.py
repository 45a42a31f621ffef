"""Processes that hash beside this one: each has one question at a time, and is replaced when it dies."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import orjson

from shared import errors, log

SCRIPT = str(Path(__file__).with_name("hashing_process.py"))
# Huge pages, where the kernel has any, save argon2id up to a tenth of its time. Of our own variables they get none.
ENVIRONMENT = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
ENVIRONMENT |= {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
ANSWER_SECONDS = 10.0
ATTEMPTS = 2

_log = log.get(__name__)


class Process(asyncio.SubprocessProtocol):
    """A running process and the one question that it has; without streams, which cost more than a question does."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[bytes] = loop.create_future()
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        """The process runs."""
        self._transport = transport

    def pipe_data_received(self, _pipe: int, data: bytes) -> None:
        """A piece of an answer, which is a line."""
        self._read += data
        if self._read.endswith(b"\n") and not self._answer.done():
            self._answer.set_result(self._read)

    def process_exited(self) -> None:
        """Its end; there will be no answer."""
        if not self._answer.done():
            self._answer.set_exception(ConnectionError("the process has ended"))
        if not self.ended.done():
            self.ended.set_result(None)

    async def ask(self, line: bytes) -> bytes:
        """The line that answers this one; raises ConnectionError, and TimeoutError after ten seconds."""
        if self.ended.done():
            raise ConnectionError("the process has ended")
        loop = asyncio.get_running_loop()
        self._answer, self._read = loop.create_future(), b""
        overdue = loop.call_later(ANSWER_SECONDS, self._give_up)
        try:
            self._transport.get_pipe_transport(0).write(line)
            return await self._answer
        finally:
            overdue.cancel()

    def _give_up(self) -> None:
        if not self._answer.done():
            self._answer.set_exception(TimeoutError())

    async def end(self) -> None:
        """Ends it, whatever it is doing."""
        if not self.ended.done():
            self._transport.kill()
        await self.ended
        self._transport.close()


class Hasher:
    """One process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: Process | None = None

    async def ask(self, question: list[str | None]) -> Any:
        """Its answer; a process that died meanwhile is replaced once. Raises Unavailable."""
        line = orjson.dumps(question) + b"\n"
        for _ in range(ATTEMPTS):
            try:
                self._process = self._process or await _start()
                return orjson.loads(await self._process.ask(line))
            except TimeoutError:
                break
            except OSError:
                await self._lose()
        await self._lose()
        raise unavailable()

    async def end(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            await process.end()

    async def _lose(self) -> None:
        if self._process is not None:
            await self.end()
            _log.warning("hasher-lost")


async def _start() -> Process:
    loop, pipe = asyncio.get_running_loop(), asyncio.subprocess.PIPE
    command = (sys.executable, "-I", SCRIPT)
    _, process = await loop.subprocess_exec(Process, *command, stdin=pipe, stdout=pipe, stderr=None, env=ENVIRONMENT)
    return process


class Hashers:
    """Some processes behind one bounded queue; what would wait too long is refused at once."""

    def __init__(self, count: int, queue: int) -> None:
        self._count = count
        self._room = count + queue
        self._under_way = 0
        self._questions: asyncio.Queue[tuple[list[str | None], asyncio.Future[Any]]] = asyncio.Queue()
        self._serving: set[asyncio.Task[None]] = set()
        self._failing = False

    async def describe(self) -> dict[str, Any]:
        """{status, processes, under_way}; `down` when the last question found no process that would answer."""
        status = "down" if self._failing else "ok"
        return {"status": status, "processes": len(self._serving), "under_way": self._under_way}

    async def ask(self, *question: str | None) -> Any:
        """The answer of the first process that is free; raises Unavailable `busy` when too many wait already."""
        if self._under_way >= self._room:
            raise errors.Unavailable("busy", "Too many passwords are being checked; try again shortly.")
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._under_way += 1
        try:
            self._questions.put_nowait(([*question], answer))
            self._serve()
            return await answer
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Ends the processes; who still waits for one is refused."""
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        while not self._questions.empty():
            _settle(self._questions.get_nowait()[1], unavailable())

    def _serve(self) -> None:
        while len(self._serving) < self._count:
            task = asyncio.create_task(self._answer_all())
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)

    async def _answer_all(self) -> None:
        """Asks one process one question after another; an answer is always that to the question just asked."""
        hasher = Hasher()
        try:
            while True:
                question, answer = await self._questions.get()
                if not answer.done():  # who asked may have gone away
                    await self._answer(hasher, question, answer)
        finally:
            await hasher.end()

    async def _answer(self, hasher: Hasher, question: list[str | None], answer: "asyncio.Future[Any]") -> None:
        try:
            _settle(answer, await hasher.ask(question))
            self._failing = False
        except errors.Unavailable as error:
            self._failing = True
            _settle(answer, error)
        finally:
            _settle(answer, unavailable())


def _settle(answer: "asyncio.Future[Any]", found: Any) -> None:
    if answer.done():
        return
    if isinstance(found, errors.Unavailable):
        answer.set_exception(found)
    else:
        answer.set_result(found)


def unavailable() -> errors.Unavailable:
    """What is said when no process could answer."""
    return errors.Unavailable("passwords-unavailable", "Passwords cannot be checked now; try again shortly.")
