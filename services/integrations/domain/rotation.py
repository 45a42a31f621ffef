"""Rotation of the vault's keys: everything sealed with an older key is sealed again with the newest, in batches."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.integrations.domain import audit, credentials
from services.integrations.storage import sealed as storage
from shared import log
from shared.crypto import KeyRing, UnsealError
from shared.database import Database

BATCH: Final = 100
_log = log.get(__name__)


@dataclass
class Progress:
    """Rows sealed again, rows that no key opens, and rows still sealed with an older key."""

    rewrapped: int = 0
    unusable: int = 0
    left: int = 0


async def rewrap(database: Database, ring: KeyRing, *, batch: int = BATCH) -> Progress:
    """Each batch is a transaction of its own, so that a rotation that dies goes on where it was.

    A row that does not open is left as it is, and named in the log.
    """
    progress = Progress()
    for table in storage.TABLES:
        after: UUID | None = None
        while True:
            async with database.system() as session:
                rows = await storage.stale(session, table, ring.newest, after=after, limit=batch)
                for row in rows:
                    await _rewrap_row(session, ring, table, row, progress)
            if not rows:
                break
            after = rows[-1]["id"]
    async with database.system() as session:
        progress.left = await storage.count_stale(session, ring.newest)
        if progress.rewrapped:
            done = {"rows": progress.rewrapped, "left": progress.left}
            await audit.record_rotation(session, ring.newest, **done)
    return progress


async def _rewrap_row(session: Any, ring: KeyRing, table: Any, row: storage.Row, progress: Progress) -> None:
    organization_id, row_id = row["organization_id"], row["id"]
    try:
        secrets = credentials.unseal(ring, organization_id, row_id, row["key_id"], row["sealed"])
    except UnsealError as error:
        progress.unusable += 1
        _log.error("credential-unusable", table=table.name, id=str(row_id), reason=str(error))
        return
    await storage.reseal(session, table, row_id, *credentials.seal(ring, organization_id, row_id, secrets))
    progress.rewrapped += 1
