"""The job `mining`: an organisation's history through the miner, patterns and suggestions out of it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import events, preferences, reading, signals, verdicts
from services.events.domain.jobs import Work
from services.events.domain.signals import Signals
from services.events.messages import SuggestionCreated
from services.events.storage import events as stored_events
from services.events.storage import history, patterns, suggestions
from services.events.storage.tables import outbox_message
from shared import clock, errors, outbox

P = TypeVar("P")
# Settings that the miner follows.
TOLD = ("least_actors", "zone", "zones", "alert_channel")
MODULE = "services.events.domain.miner_process"


class Miner:
    """A conversation with one miner process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def tell(self, message: dict[str, Any]) -> None:
        """Sends without waiting for an answer."""
        body = msgspec.msgpack.encode(message)
        pipe = _present(self._process.stdin)
        pipe.write(len(body).to_bytes(4) + body)
        await pipe.drain()

    async def ask(self, message: dict[str, Any]) -> Any:
        """Sends, and waits for the answer; ConnectionError when the process died."""
        await self.tell(message)
        pipe = _present(self._process.stdout)
        try:
            size = int.from_bytes(await pipe.readexactly(4))
            return msgspec.msgpack.decode(await pipe.readexactly(size))
        except asyncio.IncompleteReadError:
            raise errors.FloyoError("miner-failed", "The miner ended without an answer.") from None


def _present(pipe: P | None) -> P:
    if pipe is None:
        raise ConnectionError("the miner has no such pipe")
    return pipe


@asynccontextmanager
async def opened() -> AsyncIterator[Miner]:
    """A miner process that ends with the block."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", MODULE, stdin=pipe, stdout=pipe)
    try:
        yield Miner(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def run(work: Work) -> None:
    """Mines the organisation's latest events."""
    await look(work)


async def look(work: Work) -> set[UUID]:
    """Takes in what is new, mines the latest events, and stores what was found in one transaction; the patterns of the
    suggestions that are in force."""
    async with work.service.database.system() as session:
        chosen = await preferences.read(session, work.organization_id)
    async with opened() as miner:
        await miner.tell({"do": "begin", **{name: chosen[name] for name in TOLD}})
        await reading.feed(work, miner)
        found = await miner.ask({"do": "mine"})
        wanted = await _load(work, found["wanted"])
        proposals = await miner.ask({"do": "propose", "events": wanted})
    async with work.service.database.system() as session:
        now = clock.now()
        known = await patterns.replace(session, work.organization_id, found["patterns"], now)
        rows = [{**item, "pattern_id": known[item["key"]]} for item in proposals]
        steps = {item["key"]: item["steps"] for item in found["patterns"]}
        rows = await verdicts.respect(session, work.organization_id, rows, steps)
        rows = await verdicts.calibrate(session, work.organization_id, rows)
        offered, held = await verdicts.ration(session, work.organization_id, rows, chosen["suggestions_per_week"], now)
        for suggestion_id, item in await suggestions.replace(session, work.organization_id, offered, now):
            await _tell(session, work.organization_id, suggestion_id, item, now)
        summary = {"patterns": len(known), "held": held, "events": found["events"]}
        await history.summarise(session, work.organization_id, summary)
        await work.record(session, accepted=found["events"])
    work.service.part(Signals).announce(signals.SUGGESTIONS, str(work.organization_id))
    return {item["pattern_id"] for item in offered}


async def _tell(
    session: AsyncSession, organization_id: UUID, suggestion_id: UUID, item: dict[str, Any], now: datetime
) -> None:
    """Publishes a new suggestion in the transaction that stores it."""
    message = SuggestionCreated(
        organization_id=organization_id,
        suggestion_id=suggestion_id,
        pattern_id=item["pattern_id"],
        title=item["title"],
        confidence=item["confidence"],
        minutes_per_week=item["minutes_per_week"],
        created_at=now,
    )
    await outbox.add(session, outbox_message, message, to=("integrations",), key=str(organization_id))


async def _load(work: Work, wanted: list[tuple[int, bytes]]) -> dict[int, dict[str, Any]]:
    """Whole events by the miner's number of their row."""
    rows_of = {UUID(bytes=event_id): row for row, event_id in wanted}
    ids = list(rows_of)
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(ids), 500):
        async with work.service.database.system() as session:
            rows = await stored_events.find_many(session, work.organization_id, ids[start : start + 500])
        for row in rows:
            found[rows_of[row.id]] = {**events.render(row), "id": str(row.id), "time": row.time.isoformat(),
                                      "received_at": row.received_at.isoformat()}  # fmt: skip
    return found
