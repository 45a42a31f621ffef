"""Long work as rows: claimed with a lease and a fencing token, so that a killed worker's job goes on elsewhere."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage.tables import job, upload_chunk
from shared import clock
from shared.database import Database

LEASE = timedelta(seconds=10)
_NOW = sa.func.clock_timestamp()
_ANY_DUE = "SELECT true FROM job WHERE finished_at IS NULL AND due_at <= clock_timestamp() ORDER BY due_at LIMIT 1"


async def insert(session: AsyncSession, organization_id: UUID, kind: str, given: dict[str, Any], job_id: UUID) -> UUID:
    """A queued job; its id."""
    values = {"id": job_id, "organization_id": organization_id, "kind": kind, "status": "queued", "input": given}
    await session.execute(sa.insert(job).values(**values, progress={}, due_at=_NOW, created_at=clock.now()))
    return job_id


async def unfinished(session: AsyncSession, organization_id: UUID, kind: str) -> UUID | None:
    """A job of a kind that has not begun yet."""
    query = sa.select(job.c.id).where(
        job.c.organization_id == organization_id, job.c.kind == kind, job.c.status == "queued"
    )
    found: UUID | None = await session.scalar(query.limit(1))
    return found


async def find(session: AsyncSession, organization_id: UUID, job_id: UUID) -> Row[Any] | None:
    """One job of an organisation."""
    query = sa.select(job).where(job.c.id == job_id, job.c.organization_id == organization_id)
    return (await session.execute(query)).one_or_none()


async def any_due(database: Database) -> bool:
    """Whether there may be something to claim."""
    return bool(await database.look(_ANY_DUE))


async def claim(session: AsyncSession) -> Row[Any] | None:
    """The job that has been due longest, leased to the caller."""
    # One claim at a time, and in an organisation one job at a time: what is erased must not be mined meanwhile.
    await session.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('event jobs'))"))
    other = job.alias()
    busy = sa.exists().where(
        other.c.organization_id == job.c.organization_id,
        other.c.id != job.c.id,
        other.c.kind != "upload",
        other.c.status == "running",
        other.c.finished_at.is_(None),
        other.c.due_at > _NOW,
    )
    due = (
        sa.select(job.c.id)
        .where(job.c.finished_at.is_(None), job.c.due_at <= _NOW, sa.or_(job.c.kind == "upload", ~busy))
        .order_by(job.c.due_at)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    values = {
        "status": "running",
        "token": job.c.token + 1,
        "attempts": job.c.attempts + 1,
        "due_at": _NOW + LEASE,
        "started_at": sa.func.coalesce(job.c.started_at, clock.now()),
    }
    statement = sa.update(job).where(job.c.id == due).values(values).returning(*job.c)
    return (await session.execute(statement)).one_or_none()


async def renew(session: AsyncSession, job_id: UUID, token: int) -> bool:
    """Keeps the lease; False when another worker holds the job."""
    return await _change(session, job_id, token, {"due_at": _NOW + LEASE})


async def record(session: AsyncSession, job_id: UUID, token: int, values: dict[str, Any]) -> bool:
    """Stores progress, or the end, under the fencing token."""
    return await _change(session, job_id, token, values)


async def postpone(session: AsyncSession, job_id: UUID, token: int, delay: timedelta) -> bool:
    """Gives the job back, to be tried again later."""
    return await _change(session, job_id, token, {"due_at": _NOW + delay, "status": "queued"})


async def _change(session: AsyncSession, job_id: UUID, token: int, values: dict[str, Any]) -> bool:
    statement = sa.update(job).where(job.c.id == job_id, job.c.token == token, job.c.finished_at.is_(None))
    return (await session.execute(statement.values(values).returning(job.c.id))).first() is not None


async def purge(session: AsyncSession, age: timedelta) -> None:
    """Deletes jobs that ended long ago."""
    await session.execute(sa.delete(job).where(job.c.finished_at < clock.now() - age))


async def add_chunk(session: AsyncSession, organization_id: UUID, job_id: UUID, number: int, body: bytes) -> None:
    """One piece of an uploaded file."""
    values = {"organization_id": organization_id, "job_id": job_id, "number": number, "body": body}
    await session.execute(sa.insert(upload_chunk).values(**values))


async def chunk(session: AsyncSession, job_id: UUID, number: int) -> bytes | None:
    """A piece of an uploaded file, or None after the last."""
    query = sa.select(upload_chunk.c.body).where(upload_chunk.c.job_id == job_id, upload_chunk.c.number == number)
    found: bytes | None = await session.scalar(query)
    return found


async def drop_chunks(session: AsyncSession, job_id: UUID, below: int | None = None) -> None:
    """Deletes the pieces that were read, or all."""
    statement = sa.delete(upload_chunk).where(upload_chunk.c.job_id == job_id)
    await session.execute(statement if below is None else statement.where(upload_chunk.c.number < below))


async def orphaned_chunks(session: AsyncSession, age: timedelta) -> Sequence[UUID]:
    """Uploads that broke off: pieces without a job, by the age of their id."""
    query = (
        sa.select(upload_chunk.c.job_id)
        .distinct()
        .where(
            upload_chunk.c.job_id < sa.func.uuid_bound(clock.now() - age),
            ~sa.exists().where(job.c.id == upload_chunk.c.job_id),
        )
    )
    return (await session.scalars(query.limit(100))).all()
