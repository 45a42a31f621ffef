"""Runs that have ended, read together for all requests that waited for them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.workflows.domain import runs
from shared import errors
from shared.database import Database
from shared.groupcommit import GroupCommit
from shared.service import Service

CAPACITY = 5_000
Wanted = tuple[UUID, UUID]


class Results:
    """The reads of one process: whatever is asked for while one is under way goes into the next."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[Wanted, dict[str, Any] | None] = GroupCommit(
            self._read, lambda item: item, CAPACITY, writers=1
        )

    async def answer_reads(self, service: Service) -> None:
        """A loop."""
        await self._group.run(service)

    async def read(self, organization_id: UUID, run_id: UUID) -> dict[str, Any]:
        """One run with every step; NotFound."""
        (found,) = await self._group.submit([(organization_id, run_id)])
        if isinstance(found, errors.FloyoError):
            raise found
        if found is None:
            raise errors.NotFound
        return found

    async def _read(self, wanted: Sequence[Wanted]) -> list[dict[str, Any] | None]:
        async with self._database.statements() as connection:
            found = await runs.read_many(connection, wanted)
        return [found.get(item) for item in wanted]
