"""A steady mix of reads and writes of every service through the gateway, and what each of them was answered."""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.chaos.stand import Stand

STEP = {"id": "only", "type": "transform", "with": {"output": 1}}
EMAIL, PASSWORD = "chaos@example.com", "a long chaotic password 7"
RENEW_SECONDS = 200.0
READS = ("/flags", "/events?limit=1", "/workflows?limit=1", "/connectors")
WRITES = ("/api-keys", "/events", "/events", "/workflows", "/events", "/integrations", "/events", "/events")


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it was sent by the monotonic clock, how long it took, and what came."""

    at: float
    seconds: float
    method: str
    path: str
    status: int
    media: str = ""
    told: str = ""


@dataclass
class Traffic:
    """Requests at a rate (a second) in turn over paths, until it is told to stop; nothing is tried again."""

    stand: Stand
    rate: float
    reads: Sequence[str] = READS
    writes: Sequence[str] = WRITES
    patience: float = 15.0
    base: str = "/api/v1"
    answers: list[Answer] = field(default_factory=list)
    mark: str = field(default_factory=lambda: secrets.token_hex(4))
    _person: dict[str, str] = field(default_factory=dict)
    _renew_at: float = 0.0
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: "asyncio.Task[None] | None" = None

    async def __aenter__(self) -> "Traffic":
        self._task = asyncio.create_task(self._go())
        return self

    async def __aexit__(self, *_error: object) -> None:
        self._stopping.set()
        assert self._task is not None
        await self._task

    @property
    def failed(self) -> list[Answer]:
        """What was not answered with success."""
        return [answer for answer in self.answers if not 200 <= answer.status < 300]

    @property
    def slowest(self) -> float:
        """Seconds."""
        return max((answer.seconds for answer in self.answers), default=0.0)

    def figures(self) -> dict[str, Any]:
        """How many, how fast, and a few that failed."""
        statuses = Counter(str(answer.status) for answer in self.answers)
        return {
            "requests": len(self.answers),
            "statuses": dict(statuses),
            "p99_ms": round(percentile([answer.seconds for answer in self.answers], 0.99) * 1_000, 1),
            "slowest_ms": round(self.slowest * 1_000, 1),
            "failed": [f"{a.method} {a.path} {a.status} {a.told[:160]}" for a in self.failed[:3]],
        }

    async def renew(self) -> None:
        """Log in when it is time; what only a person may do is done with that token."""
        if "/api-keys" in self.writes and time.monotonic() > self._renew_at:
            status, pair = await self.stand.call("POST", "/auth/login", json={"email": EMAIL, "password": PASSWORD})
            if status == 200:
                self._person = {"Authorization": f"Bearer {pair['access_token']}"}
                self._renew_at = time.monotonic() + RENEW_SECONDS

    def calls(self) -> list[tuple[str, str]]:
        """One round: each write after a read."""
        reads = [self.reads[number % len(self.reads)] for number in range(len(self.writes))]
        pairs = zip(reads, self.writes, strict=True)
        return [call for read, write in pairs for call in (("GET", read), ("POST", write))]

    async def _go(self) -> None:
        calls = self.calls()
        began, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            while not self._stopping.is_set():
                await asyncio.sleep(max(0.0, began + number / self.rate - time.monotonic()))
                await self.renew()
                group.create_task(self.send(*calls[number % len(calls)], number))
                number += 1

    async def send(self, method: str, path: str, number: int) -> None:
        """One request; the number makes its body another one."""
        body = None if method == "GET" else _body(path, f"{self.mark}-{number}")
        headers = self._person if path == "/api-keys" else None
        url = f"http://127.0.0.1:{self.stand.port}{self.base}{path}"
        began = time.monotonic()
        try:
            timeout = aiohttp.ClientTimeout(total=self.patience)
            async with self.stand.http.request(method, url, json=body, headers=headers, timeout=timeout) as answer:
                raw = await answer.text()
                status, media, told = answer.status, answer.content_type, "" if answer.status < 300 else raw
        except (aiohttp.ClientError, TimeoutError) as error:
            status, media, told = 0, "", repr(error)
        self.answers.append(Answer(began, time.monotonic() - began, method, path, status, media, told))


def _body(path: str, number: str) -> dict[str, Any]:
    if path == "/api-keys":
        return {"name": f"chaos {number}", "scopes": ["events:read"]}
    if path == "/events":
        return {"source": "chaos", "type": "traffic", "id": f"t{number}", "data": {"number": number}}
    if path == "/workflows":
        return {"name": f"w{number}", "trigger": {"type": "manual"}, "steps": [STEP]}
    return {"connector": "http", "name": f"i{number}", "settings": {"base_url": "https://example.com"}}


def percentile(values: Sequence[float], share: float) -> float:
    """0 for nothing at all."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
