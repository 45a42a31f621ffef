"""How much work is due and how long the oldest of it has waited, as `/health/detailed` shows it."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from shared import clock
from shared.database import Database

LATE_SECONDS = 30.0
MOST = 10_000


def describe(due: int, oldest_seconds: float | None) -> dict[str, Any]:
    """{status, due, oldest_seconds}; `late` when the oldest has waited for longer than anything should."""
    oldest = None if oldest_seconds is None else round(max(0.0, oldest_seconds), 1)
    return {"status": "late" if (oldest or 0) > LATE_SECONDS else "ok", "due": due, "oldest_seconds": oldest}


async def measure(database: Database, due_at: "sa.Column[Any]", *waiting: sa.ColumnElement[bool]) -> dict[str, Any]:
    """The rows whose time has come, counted up to ten thousand (system role)."""
    now = clock.now()
    rows = sa.select(due_at.label("due_at")).where(due_at <= now, *waiting).order_by(due_at).limit(MOST).subquery()
    async with database.system() as session:
        due, oldest = (await session.execute(sa.select(sa.func.count(), sa.func.min(rows.c.due_at)))).one()
    return describe(due, _seconds(oldest, now))


def _seconds(since: datetime | None, now: datetime) -> float | None:
    return None if since is None else (now - since).total_seconds()
