"""Taking events in: checked, filtered, appended once for each key, then announced."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from asyncpg import PostgresError
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import batches, filters, partitions, signals
from services.events.domain.batches import Outcome
from services.events.domain.drafts import Batch, Draft
from services.events.domain.signals import Signals
from services.events.storage import batches as stored
from services.events.storage import log, rejections
from services.events.storage.log import Appended, Position
from services.events.storage.tables import idempotency_key
from shared import errors, idempotency, ids, turns
from shared.database import Database
from shared.groupcommit import WRITERS, GroupCommit
from shared.idempotency import Answer
from shared.service import Service
from shared.testing import faults

ENOUGH = 20
KEYS = idempotency.Keys(idempotency_key)

Read = Callable[[bytes], Draft]


@dataclass(frozen=True, slots=True)
class Request:
    """Whose request it is, what capture filters hash with, and under which Idempotency-Key."""

    organization_id: UUID
    hashing: bytes
    key: str | None = None


async def post(database: Database, sender: Signals, request: Request, draft: Draft) -> Answer:
    """Appends one event: 201 {id, position}, 200 with `duplicate` or `filtered`; the effect is committed on return."""
    turn = turns.in_turn(request.organization_id, "POST /events", request.key)
    async with turn, database.session(request.organization_id) as session:

        async def produce() -> tuple[int, Any]:
            appended = (await append(session, [draft], request.hashing))[0]
            return receipt(appended)

        answer = await idempotency.run(
            session,
            idempotency_key,
            organization_id=request.organization_id,
            route="POST /events",
            key=request.key,
            request=[getattr(draft, name) for name in draft.__slots__ if name != "id"],
            produce=produce,
        )
    announce(sender, answer.body.get("position"))
    return answer


async def post_batch(
    database: Database, sender: Signals, request: Request, items: Sequence[bytes], read: Read
) -> Answer:
    """Appends the good items and says why the others are not: 200 {accepted, duplicates, rejected}."""
    turn = turns.in_turn(request.organization_id, "POST /events/batch", request.key)
    async with turn, database.session(request.organization_id) as session:

        async def produce() -> tuple[int, Any]:
            outcome = Outcome()
            await append_items(session, request.organization_id, items, read, outcome, hashing=request.hashing)
            outcome.note()
            return 200, outcome.body()

        answer = await idempotency.run(
            session,
            idempotency_key,
            organization_id=request.organization_id,
            route="POST /events/batch",
            key=request.key,
            request=[item.decode("utf-8", "replace") for item in items] if request.key else None,
            produce=produce,
        )
    if answer.body["accepted"]:
        announce(sender, "")
    return answer


async def append_items(
    session: AsyncSession,
    organization_id: UUID,
    items: Sequence[bytes],
    read: Read,
    outcome: Outcome,
    *,
    hashing: bytes,
    first: int = 0,
    job_id: UUID | None = None,
) -> None:
    """Reads and appends items, numbered from `first`, adding to the outcome; rejections are kept for a week."""
    good: list[Draft] = []
    known = len(outcome.rejected)
    for index, item in enumerate(items, first):
        try:
            good.append(read(item))
        except errors.FloyoError as error:
            outcome.reject(index, error)
    for appended in await append(session, good, hashing):
        outcome.add(appended)
    rows = [{**item, "id": ids.new(), "job_id": job_id} for item in outcome.rejected[known:]]
    await rejections.insert(session, organization_id, rows)


async def append(session: AsyncSession, drafts: Sequence[Draft], hashing: bytes) -> list[Appended | None]:
    """Appends what the organisations' filters let through; None for what they drop."""
    await partitions.ensure_current(session)
    kept = await filters.apply_all(session, drafts, hashing)
    appended = iter(await log.append(session, [draft for draft in kept if draft is not None]))
    return [None if draft is None else next(appended) for draft in kept]


def receipt(appended: Appended | None) -> tuple[int, dict[str, Any]]:
    """Status and body for one event."""
    if appended is None:
        batches.count("filtered")
        return 200, {"id": None, "position": None, "filtered": True}
    batches.count("duplicate" if appended.duplicate else "accepted")
    body = {"id": str(appended.id), "position": appended.position.text()}
    return (200, {**body, "duplicate": True}) if appended.duplicate else (201, body)


def announce(sender: Signals, position: str | None) -> None:
    """Tells the log's readers that there is more."""
    if position is not None:
        sender.announce(signals.EVENTS, position)


class Committer:
    """The group commit of a process's events."""

    def __init__(self, database: Database, sender: Signals, capacity: int, hashing: bytes) -> None:
        self._hashing = hashing
        self._database = database
        self._sender = sender
        self._beside = asyncio.Semaphore(WRITERS)
        self._unheard: set[asyncio.Task[Any]] = set()
        self.group: GroupCommit[Draft, Appended | None] = GroupCommit(self._write, _key, capacity, enough=ENOUGH)

    async def commit_events(self, service: Service) -> None:
        """A loop."""
        await self.group.run(service)

    async def store(self, organization_id: UUID, batch: Batch) -> dict[str, Any]:
        """The answer to a batch whose items were all readable: stored in one statement, or one by one when in doubt."""
        outcome, count = Outcome(), len(batch.source)
        self.group.check_room(count)
        self.group.size += count
        try:
            async with self._beside:
                found = await self._store_whole(organization_id, batch)
        finally:
            self.group.size -= count
        if found is not None:
            outcome.accepted, outcome.duplicates = found, count - found
            outcome.note()
            return outcome.body()
        return await self._store_each(batch.drafts(organization_id), outcome)

    async def _store_whole(self, organization_id: UUID, batch: Batch) -> int | None:
        """How many were new; None when nothing was stored, because of filters or of an item that cannot be stored."""
        if not partitions.are_current():
            return None
        try:
            async with self._database.statements() as connection:
                found = await stored.append(connection, organization_id, batch)
        except PostgresError:
            return None
        if found is None:
            return None
        if found[1] is not None:
            announce(self._sender, found[1].text())
        return found[0]

    async def _store_each(self, drafts: Sequence[Draft], outcome: Outcome) -> dict[str, Any]:
        for index, found in enumerate(await self.group.submit(drafts)):
            if isinstance(found, errors.Invalid):
                outcome.reject(index, found)
            elif isinstance(found, errors.FloyoError):
                raise found
            else:
                outcome.add(found)
        outcome.note()
        return outcome.body()

    async def _write(self, drafts: Sequence[Draft]) -> list[Appended | None]:
        if not faults.active("acknowledged-early"):
            return await self._store(drafts)
        self._unheard.add(asyncio.create_task(self._store(drafts)))
        return [Appended(draft.id, Position(0, 0, 0)) for draft in drafts]

    async def _store(self, drafts: Sequence[Draft]) -> list[Appended | None]:
        found: list[Appended | None]
        if partitions.are_current():
            async with self._database.statements() as connection:
                found = await log.append_unfiltered(connection, drafts)
        else:
            found = [None] * len(drafts)
        others = [draft for draft, item in zip(drafts, found, strict=True) if item is None]
        if others:
            async with self._database.system() as session:
                filtered = iter(await append(session, others, self._hashing))
            found = [next(filtered) if item is None else item for item in found]
        last = max((item.position for item in found if item is not None), default=None)
        announce(self._sender, None if last is None else last.text())
        return found


def _key(draft: Draft) -> tuple[int, str, str]:
    return draft.organization_id.int, draft.source, draft.external_id or ""
