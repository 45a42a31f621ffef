"""What must be done now and then: partitions made ahead, old rows deleted."""

from datetime import timedelta

from services.events.domain import jobs, partitions
from services.events.storage import jobs as stored_jobs
from services.events.storage import rejections
from services.events.storage.maintenance import purge_idempotency, purge_inbox
from shared import clock, idempotency
from shared.service import Service

KEEP_REJECTIONS = timedelta(days=7)
KEEP_BROKEN_UPLOADS = timedelta(hours=6)
KEEP_INBOX = timedelta(days=14)


async def tidy(service: Service) -> None:
    """One round; each part is a transaction of its own."""
    async with service.database.system() as session:
        await partitions.make_ahead(session)
    now = clock.now()
    async with service.database.system() as session:
        await rejections.purge(session, now - KEEP_REJECTIONS)
        await stored_jobs.purge(session, jobs.KEEP)
        await purge_idempotency(session, now - idempotency.KEEP)
        await purge_inbox(session, now - KEEP_INBOX)
    async with service.database.system() as session:
        for job_id in await stored_jobs.orphaned_chunks(session, KEEP_BROKEN_UPLOADS):
            await stored_jobs.drop_chunks(session, job_id)
