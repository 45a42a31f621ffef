"""A file on its way into PostgreSQL: pieces of one size, each its own transaction, so that nothing is held open."""

import hashlib
from uuid import UUID

from services.events.storage import jobs
from shared import ids
from shared.database import Database


class Chunks:
    """Collects bytes into pieces of `SIZE`; what is never claimed by a job is deleted after some hours."""

    SIZE = 524_288

    def __init__(self, database: Database, organization_id: UUID) -> None:
        self._database = database
        self._organization_id = organization_id
        self._pending = bytearray()
        self._number = 0
        self.job_id = ids.new()
        self.digest = hashlib.sha256()

    async def write(self, part: bytes) -> None:
        """Takes some bytes, and stores the pieces that are full."""
        self._pending += part
        self.digest.update(part)
        while len(self._pending) >= self.SIZE:
            await self._store(bytes(self._pending[: self.SIZE]))
            del self._pending[: self.SIZE]

    async def close(self) -> None:
        """Stores what is left."""
        if self._pending:
            await self._store(bytes(self._pending))

    async def _store(self, body: bytes) -> None:
        async with self._database.session(self._organization_id) as session:
            await jobs.add_chunk(session, self._organization_id, self.job_id, self._number, body)
        self._number += 1
