"""The post: sealed letters of the queue are opened, sent, and forgotten; what fails is tried again for a day."""

from datetime import timedelta
from typing import Any

from services.auth.clients.smtp import Postman
from services.auth.domain import letters
from services.auth.domain.context import Context
from services.auth.storage import mail as rows
from services.auth.storage.tables import mail
from shared import backlog, clock, log, metrics
from shared.crypto import UnsealError
from shared.database import Database

BATCH = 20
LEASE = timedelta(seconds=60)
MAX_DELAY = 600

_log = log.get(__name__)


async def due(database: Database) -> dict[str, Any]:
    """How many letters wait, and for how long, for `/health/detailed`."""
    return await backlog.measure(database, mail.c.due_at)


async def any_due(database: Database) -> bool:
    """Whether letters may be due."""
    return await rows.any_due(database, clock.now())


async def send_due(context: Context, postman: Postman) -> int:
    """Sends what is due, with no transaction open meanwhile; returns how many letters were taken."""
    now = clock.now()
    async with context.database.system() as session:
        due = await rows.lease(session, now, now + LEASE, BATCH)
    for row in due:
        outcome = await _send(context, postman, row)
        metrics.LETTERS.labels(row.kind, outcome).inc()
        async with context.database.system() as session:
            if outcome == "postponed":
                delay = timedelta(seconds=min(2**row.attempts, MAX_DELAY))
                await rows.postpone(session, row.id, clock.now() + delay)
            else:
                await rows.delete(session, row.id)
    return len(due)


async def _send(context: Context, postman: Postman, row: Any) -> str:
    """`sent`, `postponed`, or `given-up`."""
    try:
        letter = letters.opened(context.seal, row)
        await postman.send(letter["to"], letter["subject"], letter["text"])
    except UnsealError:
        _log.error("letter-unreadable", mail_id=str(row.id), kind=row.kind)
        return "given-up"
    except Exception as error:  # noqa: BLE001  # whatever a mail server does, the letter waits for a better moment
        over = clock.now() >= row.expires_at
        _log.warning("letter-not-sent", mail_id=str(row.id), kind=row.kind, error=type(error).__name__, given_up=over)
        return "given-up" if over else "postponed"
    return "sent"
