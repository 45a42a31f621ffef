"""Revocations: written with the change that causes them, read by every process within seconds."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.storage import revocations as rows
from shared.database import Database
from shared.identity import REMEMBERED_SECONDS

BATCH = 1_000
# No proof verified before this is remembered.
REMEMBERED = timedelta(seconds=REMEMBERED_SECONDS)


async def revoke(session: AsyncSession, kind: str, *subjects: UUID | str) -> None:
    """Ends whatever was issued until now to sessions, users, organisations, keys or members (`organization:user`).

    Call it last: the date must be later than that of any token which a concurrent transaction just made from the rows
    that this one changed, and other writers of the feed wait for this one's commit.
    """
    if subjects:
        await rows.append(session, kind, [str(subject) for subject in subjects], _wall_clock())


async def read(database: Database, after: int) -> dict[str, Any]:
    """{items, next} after a position; a negative one asks for what a process that just started must know."""
    start = after if after >= 0 else await rows.position_before(database, _wall_clock() - REMEMBERED)
    items = [
        {"position": position, "kind": kind, "id": subject, "at": at.timestamp(), "role": role}
        for position, kind, subject, at, role in await rows.after(database, start, BATCH)
    ]
    return {"items": items, "next": items[-1]["position"] if items else start}


async def purge(database: Database) -> None:
    """Forgets what no proof is old enough for."""
    async with database.system() as session:
        await rows.purge(session, _wall_clock() - 2 * REMEMBERED)


async def change_role(session: AsyncSession, organization_id: UUID, user_id: UUID, role: str) -> None:
    """Gives tokens of a member that were issued until now another role; call it last, as `revoke`."""
    await rows.append(session, "role", [member_key(organization_id, user_id)], _wall_clock(), role)


def member_key(organization_id: UUID, user_id: UUID) -> str:
    """How the feed names somebody's membership."""
    return f"{organization_id}:{user_id}"


def _wall_clock() -> datetime:
    """The clock by which tokens are dated, which no test shifts."""
    return datetime.fromtimestamp(time.time(), UTC)
