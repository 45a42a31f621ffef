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

from services.events.domain import events, signals
from services.events.domain.jobs import Work
from services.events.domain.signals import Signals
from services.events.messages import SuggestionCreated
from services.events.storage import events as stored_events
from services.events.storage import history, patterns, suggestions
from services.events.storage.tables import outbox_message
from shared import clock, errors, outbox

P = TypeVar("P")
BATCH = 5_000
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
    """Mines the organisation's latest events, and stores what was found in one transaction."""
    async with opened() as miner:
        ids = await _feed(work, miner)
        found = await miner.ask({"do": "mine"})
        wanted = await _load(work, ids, found["wanted"])
        proposals = await miner.ask({"do": "propose", "events": wanted})
    async with work.service.database.system() as session:
        now = clock.now()
        for pattern in found["patterns"]:
            pattern["evidence"] = [str(ids[row]) for row in pattern["evidence"]]
        known = await patterns.replace(session, work.organization_id, found["patterns"], now)
        for item in proposals:
            item["evidence"] = [str(ids[row]) for row in item["evidence"]]
        rows = [{**item, "pattern_id": known[item["key"]]} for item in proposals]
        for suggestion_id, item in await suggestions.replace(session, work.organization_id, rows, now):
            await _tell(session, work.organization_id, suggestion_id, item, now)
        await work.record(session, accepted=len(ids))
    work.service.part(Signals).announce(signals.SUGGESTIONS, str(work.organization_id))


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


async def _feed(work: Work, miner: Miner) -> list[UUID]:
    """Sends the history, newest first; answers the ids of its rows."""
    ids: list[UUID] = []
    below = None
    most: int = getattr(work.service.settings, "mining_events", 200_000)
    while len(ids) < most:
        async with work.service.database.system() as session:
            rows = await history.page(session, work.organization_id, below, min(BATCH, most - len(ids)))
        if not rows:
            break
        ids += [row.id for row in rows]
        await miner.tell({"do": "add", "rows": [tuple(row)[2:] for row in rows]})
        below = (rows[-1].time, rows[-1].id)
    return ids


async def _load(work: Work, ids: list[UUID], wanted: list[int]) -> dict[int, dict[str, Any]]:
    rows_of = {ids[row]: row for row in wanted}
    found: dict[int, dict[str, Any]] = {}
    for start in range(0, len(wanted), 500):
        chosen = [ids[row] for row in wanted[start : start + 500]]
        async with work.service.database.system() as session:
            rows = await stored_events.find_many(session, work.organization_id, chosen)
        for row in rows:
            found[rows_of[row.id]] = {**events.render(row), "id": str(row.id), "time": row.time.isoformat(),
                                      "received_at": row.received_at.isoformat()}  # fmt: skip
    return found
