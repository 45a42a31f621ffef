"""Rotation of the vault's keys: everything sealed with an older key is sealed again with the newest, in batches."""

import asyncio
import time
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

    It rests after each batch for as long as that took, so that people's requests come first. A row that does not open
    is left as it is, and named in the log.
    """
    progress = Progress()
    for table in storage.TABLES:
        after: UUID | None = None
        while True:
            began = time.monotonic()
            async with database.system() as session:
                rows = await storage.stale(session, table, ring.newest, after=after, limit=batch)
                anew = [(row["id"], *sealed) for row in rows if (sealed := _seal_anew(ring, table, row))]
                if anew:
                    await storage.reseal(session, table, anew)
            progress.rewrapped += len(anew)
            progress.unusable += len(rows) - len(anew)
            if not rows:
                break
            after = rows[-1]["id"]
            await asyncio.sleep(time.monotonic() - began)
    async with database.system() as session:
        progress.left = await storage.count_stale(session, ring.newest)
        if progress.rewrapped:
            done = {"rows": progress.rewrapped, "left": progress.left}
            await audit.record_rotation(session, ring.newest, **done)
    return progress


def _seal_anew(ring: KeyRing, table: Any, row: storage.Row) -> tuple[str, bytes] | None:
    """Key id and sealed bytes; None when no key opens the row."""
    try:
        secrets = credentials.unseal(ring, row["organization_id"], row["id"], row["key_id"], row["sealed"])
    except UnsealError as error:
        _log.error("credential-unusable", table=table.name, id=str(row["id"]), reason=str(error))
        return None
    return credentials.seal(ring, row["organization_id"], row["id"], secrets)
