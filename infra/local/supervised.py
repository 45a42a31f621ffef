"""One process that is kept running: started, watched until ready, restarted with back-off, stopped with grace."""

import asyncio
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from infra.local.processes import Handle

FIRST_DELAY = 0.1
LONGEST_DELAY = 10.0
STABLE_SECONDS = 5.0
GRACE_SECONDS = 30.0
EAGER_INTERVAL = 0.03
WORRIED_INTERVAL = 0.2
CALM_INTERVAL = 4.0
_INTERVALS = {"starting": EAGER_INTERVAL, "unready": WORRIED_INTERVAL}
READY_STATES = frozenset({"ready", "unready"})


@dataclass
class Supervised:
    """States: starting, ready, unready (was ready), restarting (waits for its back-off), stopping, stopped."""

    name: str
    instance: str
    launch: Callable[[], Awaitable[Handle]]
    ready: Callable[[], Awaitable[bool]]
    changed: Callable[[], None]
    public_port: int | None = None
    internal_port: int | None = None
    state: str = "starting"
    restarts: int = 0
    failures: int = 0
    last_status: int | None = None
    handle: Handle | None = None
    _task: "asyncio.Task[None] | None" = field(default=None, repr=False)
    _on_purpose: bool = False

    @property
    def listed(self) -> bool:
        """Whether the gateway and siblings should know this instance: it has been ready in its present life."""
        return self.state in READY_STATES

    def begin(self) -> None:
        """Start, and keep running until `stop`."""
        self.state = "starting"
        self.failures = 0
        self._task = asyncio.create_task(self._run(), name=self.instance)

    async def stop(self, grace: float = GRACE_SECONDS) -> None:
        """End the process in good order, by SIGKILL once the grace is over, and do not start it again."""
        task, self._task = self._task, None
        self._enter("stopping")
        if self.handle is not None:
            await self._end(self.handle, grace)
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        self._enter("stopped")

    async def restart(self, grace: float = GRACE_SECONDS) -> None:
        """End the process and have it started anew at once; this is not counted as a crash."""
        self._on_purpose = True
        self._enter("stopping")
        if self.handle is not None:
            await self._end(self.handle, grace)

    def describe(self) -> dict[str, Any]:
        """The process as `status --json` shows it."""
        return {
            "name": self.name,
            "instance": self.instance,
            "pid": self.handle.pid if self.handle else None,
            "state": self.state,
            "public_port": self.public_port,
            "internal_port": self.internal_port,
            "restarts": self.restarts,
        }

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            self.last_status = await self._live()
            self._enter("restarting")
            if self._on_purpose:
                self._on_purpose = False
                continue
            self.restarts += 1
            self.failures = 1 if time.monotonic() - started > STABLE_SECONDS else self.failures + 1
            await asyncio.sleep(min(FIRST_DELAY * 2 ** (self.failures - 1), LONGEST_DELAY))

    async def _live(self) -> int:
        """One life of the process, from launch to its exit status."""
        self._enter("starting")
        try:
            handle = self.handle = await self.launch()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            print(f"{self.instance} cannot be started: {error}", flush=True)
            return -1
        watching = asyncio.create_task(self._watch(), name=f"{self.instance} readiness")
        try:
            return await asyncio.shield(handle.ended)
        finally:
            watching.cancel()
            self.handle = None

    async def _watch(self) -> None:
        while True:
            good = await self.ready()
            if good and self.state in {"starting", "unready"}:
                self._enter("ready")
            elif not good and self.state == "ready":
                self._enter("unready")
            await asyncio.sleep(_INTERVALS.get(self.state, CALM_INTERVAL))

    async def _end(self, handle: Handle, grace: float) -> None:
        handle.send(signal.SIGTERM)
        await asyncio.wait([handle.ended], timeout=grace)
        if not handle.ended.done():
            handle.send(signal.SIGKILL)
            await asyncio.wait([handle.ended])

    def _enter(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.changed()
