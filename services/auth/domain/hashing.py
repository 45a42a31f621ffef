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


class Hasher:
    """One process, started when it is first asked."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def ask(self, question: list[str | None]) -> Any:
        """Its answer; a process that died meanwhile is replaced once. Raises Unavailable."""
        for _ in range(ATTEMPTS):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    line = await self._exchange(orjson.dumps(question) + b"\n")
                if line.endswith(b"\n"):
                    return orjson.loads(line)
            except TimeoutError:
                break
            except OSError:
                pass
            await self._lose()
        await self._lose()
        raise unavailable()

    async def end(self) -> None:
        """Ends the process, whatever it is doing."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def _exchange(self, line: bytes) -> bytes:
        process = self._process = self._process or await _start()
        if process.stdin is None or process.stdout is None:
            raise ConnectionError("the process has no such pipe")
        process.stdin.write(line)
        await process.stdin.drain()
        return await process.stdout.readline()

    async def _lose(self) -> None:
        if self._process is not None:
            await self.end()
            _log.warning("hasher-lost")


async def _start() -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(sys.executable, "-I", SCRIPT, stdin=pipe, stdout=pipe, env=ENVIRONMENT)


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
