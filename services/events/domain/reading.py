"""How the miner learns of an organisation's events: each is read once, packed, and kept with the position behind it."""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Row

from services.events.domain.jobs import Work
from services.events.storage import history
from services.events.storage.log import Position

BATCH = 10_000


class Reader(Protocol):
    """The miner's process."""

    async def tell(self, message: dict[str, Any]) -> None:
        """Sends without waiting for an answer."""

    async def ask(self, message: dict[str, Any]) -> Any:
        """Sends, and waits for the answer."""


async def feed(work: Work, miner: Reader) -> None:
    """Gives the miner the latest events, at least as many as the setting says, if there are.

    A batch, the position behind it and the attempt's lease commit together. What is still below an open transaction
    is mined, but not kept: something may yet come before it.
    """
    most: int = getattr(work.service.settings, "mining_events", 200_000)
    fresh = None
    while fresh is None:
        fresh = await _catch_up(work, miner, most)
    database = work.service.database
    async with database.system() as session:
        numbers = await history.bound(session, work.organization_id, most)
    async with database.system() as session:
        async for body in history.bodies(session, work.organization_id, numbers):
            await miner.tell({"do": "load", "body": body})
    await miner.tell({"do": "load", "body": await miner.ask(_packing(None, fresh))})


async def _catch_up(work: Work, miner: Reader, most: int) -> Sequence[Row[Any]] | None:
    """Packs everything settled; answers the rows that are not, or None when all has to begin anew."""
    database = work.service.database
    async with database.system() as session:
        position, number = await history.begin(session, work.organization_id, most)
    while True:
        async with database.system() as session:
            newest = await history.last(session, work.organization_id)
            grows = newest is not None and newest.events < BATCH
            room = BATCH - newest.events if grows and newest is not None else BATCH
            rows = await history.after(session, work.organization_id, position, room)
        settled = [row for row in rows if row.settled]
        if not settled:
            return rows
        target, base = (newest.number, newest.body) if grows and newest is not None else (number, None)
        body = await miner.ask(_packing(base, settled))
        held = newest.events if grows and newest is not None else 0
        behind = Position(settled[-1].epoch, settled[-1].xid, settled[-1].sequence)
        async with database.system() as session:
            kept = await history.append(
                session, work.organization_id, before=position, position=behind, number=target,
                events=held + len(settled), body=body,
            )  # fmt: skip
            await work.record(session, attempts=work.job.attempts)  # under the token of this attempt
        if not kept:
            return None
        position, number = behind, target + 1
        if len(settled) < len(rows) or len(rows) < room:
            return rows[len(settled) :]


def _packing(body: bytes | None, rows: Sequence[Row[Any]]) -> dict[str, Any]:
    return {"do": "pack", "body": body, "rows": [(row.id.bytes, *tuple(row)[1:7], row.sequence) for row in rows]}
