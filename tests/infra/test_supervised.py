"""Keeping a process running: back-off, readiness and a stop that is final."""

import asyncio
import signal
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from infra.local import supervised
from infra.local.processes import Handle
from infra.local.supervised import Supervised


@dataclass
class Life:
    """A process that exists only here: it ends when told to, obeying SIGTERM unless it is stubborn."""

    stubborn: bool = False
    is_ready: bool = True
    handles: list[Handle] = field(default_factory=list)
    signals: list[int] = field(default_factory=list)

    async def launch(self) -> Handle:
        handle = Handle(1000 + len(self.handles), self.signals.append)
        handle.send = lambda number: self._take(handle, number)
        self.handles.append(handle)
        return handle

    async def ready(self) -> bool:
        return self.is_ready

    def _take(self, handle: Handle, number: int) -> None:
        self.signals.append(number)
        if number == signal.SIGKILL or not self.stubborn:
            self.end(handle, -number)

    @staticmethod
    def end(handle: Handle, status: int = 1) -> None:
        if not handle.ended.done():
            handle.ended.set_result(status)


def watched(life: Life) -> Supervised:
    return Supervised("events", "events-1", life.launch, life.ready, lambda: None)


async def until(process: Supervised, state: str) -> None:
    async with asyncio.timeout(3):
        while process.state != state:  # noqa: ASYNC110 - a process tells the supervisor of changes, not a test
            await asyncio.sleep(0.005)


async def test_becomes_ready_and_is_listed_only_then() -> None:
    life = Life(is_ready=False)
    process = watched(life)
    process.begin()
    await asyncio.sleep(0.05)
    assert (process.state, process.listed) == ("starting", False)
    life.is_ready = True
    await until(process, "ready")
    assert process.listed
    await process.stop()


async def test_crash_is_counted_and_started_again() -> None:
    life = Life()
    process = watched(life)
    process.begin()
    await until(process, "ready")
    Life.end(process.handle)  # type: ignore[arg-type]
    await until(process, "restarting")
    assert not process.listed
    await until(process, "ready")
    assert (process.restarts, process.last_status, len(life.handles)) == (1, 1, 2)
    await process.stop()


async def test_back_off_grows_and_ends_after_a_stable_life(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    process = watched(Life())
    lives = [0.1, 0.1, 0.1, supervised.STABLE_SECONDS + 1, 0.1]
    clock = [0.0]

    async def live() -> int:
        if not lives:
            await real(60)
        clock[0] += lives.pop(0)
        return 1

    monkeypatch.setattr(process, "_live", live)
    # Only what the module sees is replaced: other loops of this process go on sleeping.
    monkeypatch.setattr(supervised, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(supervised, "asyncio", SimpleNamespace(**{**vars(asyncio), "sleep": sleep}))
    process.begin()
    while lives:
        await real(0)
    await process.stop()
    first = supervised.FIRST_DELAY
    assert slept[:4] == [first, 2 * first, 4 * first, first]


async def test_stop_is_final() -> None:
    life = Life()
    process = watched(life)
    process.begin()
    await until(process, "ready")
    await process.stop()
    await asyncio.sleep(0.2)
    assert (process.state, len(life.handles), life.signals) == ("stopped", 1, [signal.SIGTERM])


async def test_stop_kills_what_does_not_listen() -> None:
    life = Life(stubborn=True)
    process = watched(life)
    process.begin()
    await until(process, "ready")
    await process.stop(grace=0.05)
    assert life.signals == [signal.SIGTERM, signal.SIGKILL]


async def test_restart_is_no_crash() -> None:
    life = Life()
    process = watched(life)
    process.begin()
    await until(process, "ready")
    await process.restart()
    await until(process, "ready")
    assert (process.restarts, len(life.handles)) == (0, 2)
    await process.stop()


async def test_unready_stays_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway's own health check decides about an instance that was ready once."""
    monkeypatch.setattr(supervised, "CALM_INTERVAL", 0.05)
    life = Life()
    process = watched(life)
    process.begin()
    await until(process, "ready")
    life.is_ready = False
    await until(process, "unready")
    assert process.listed
    await process.stop()
