"""Starts by hand of many requests, stored together: one transaction for whatever arrives while the last one commits."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from services.workflows.storage import starts
from services.workflows.storage.starts import ManualStart
from shared import clock, errors, ids, tracing
from shared.database import Database
from shared.groupcommit import GroupCommit
from shared.service import Service

CAPACITY = 5_000
MOST_KNOWN = 10_000
Place = tuple[UUID, UUID]


class Intake:
    """What a process knows of workflows' present versions, and the starts that it stores together.

    The knowledge may be old: a start is stored only if its workflow is active and at the version known.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: OrderedDict[Place, tuple[int, bool]] = OrderedDict()
        self._group: GroupCommit[ManualStart, UUID | None] = GroupCommit(
            self._write, lambda start: start.id, CAPACITY, writers=1
        )

    async def take_starts(self, service: Service) -> None:
        """A loop."""
        await self._group.run(service)

    async def start(
        self, organization_id: UUID, workflow_id: UUID, *, given: Any, dry_run: bool, subject: str
    ) -> UUID | None:
        """Start a run; None, with nothing stored, when `runs.start_by_hand` has to judge."""
        try:
            text = orjson.dumps(given)
        except TypeError:  # numbers beyond 64 bits
            return None
        start = ManualStart(
            ids.new(), organization_id, workflow_id, text, subject, dry_run, tracing.trace_id(), clock.now()
        )
        (stored,) = await self._group.submit([start])
        if isinstance(stored, errors.Invalid):
            return None
        if isinstance(stored, errors.FloyoError):
            raise stored
        return stored

    async def _write(self, asked: Sequence[ManualStart]) -> list[UUID | None]:
        async with self._database.statements() as connection:
            await self._learn(connection, asked)
            plain = [(start, *known) for start in asked if (known := self._known.get(_place(start)))]
            ready = [(start, version) for start, version, limited in plain if not limited]
            stored = await starts.insert(connection, ready) if ready else set()
        for start, _ in ready:
            if start.id not in stored:
                self._known.pop(_place(start), None)
        return [start.id if start.id in stored else None for start in asked]

    async def _learn(self, connection: Any, asked: Sequence[ManualStart]) -> None:
        new = {_place(start) for start in asked} - self._known.keys()
        if not new:
            return
        for row in await starts.present(connection, {place[1] for place in new}, {place[0] for place in new}):
            self._known[row["organization_id"], row["id"]] = (row["version"], row["limited"])
        while len(self._known) > MOST_KNOWN:
            self._known.popitem(last=False)


def _place(start: ManualStart) -> Place:
    return start.organization_id, start.workflow_id
