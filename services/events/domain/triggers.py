"""The consumer `triggers`: tells workflows which events their triggers wait for."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Row

from services.events.clients import workflows
from services.events.domain import events, subscriptions
from services.events.storage import log
from services.events.storage import subscriptions as stored
from shared import errors
from shared import log as logs
from shared.service import Service

BATCH = 10_000
MAX_CANDIDATES = 1_000
MAX_MATCHES = 500
MAX_BYTES = 700_000
CATCH_UP = 100
# Clocks of processes differ a little, and ids carry the sender process's time.
SLACK = timedelta(seconds=1)

read = log.candidates

_log = logs.get(__name__)


async def act(service: Service, rows: Sequence[Row[Any]]) -> None:
    """Matches new events with the active subscriptions of their organisations, and reports what fits."""
    async with service.database.system() as session:
        active = await stored.active_of(session, {row.organization_id for row in rows})
    by_organization: dict[Any, list[Any]] = {}
    for subscription in active:
        by_organization.setdefault(subscription.organization_id, []).append(subscription)
    pairs = (
        (subscription, row)
        for row in rows
        for subscription in by_organization.get(row.organization_id, ())
        if subscriptions.wants(subscription, row)
    )
    await report(service, pairs)


async def catch_up(service: Service) -> None:
    """Shows new subscriptions what happened between the change and its arrival here."""
    if not await stored.any_to_catch_up(service.database):
        return
    async with service.database.system() as session:
        waiting = await stored.to_catch_up(session, CATCH_UP)
    for subscription in waiting:
        async with service.database.system() as session:
            since = subscription.catch_up_from
            rows = await log.received_since(session, subscription.organization_id, since - SLACK)
        fresh = [row for row in rows if subscriptions.wants(subscription, row)]
        await report(service, ((subscription, row) for row in fresh))
        async with service.database.system() as session:
            await stored.caught_up(session, subscription)


async def report(service: Service, pairs: Iterable[tuple[Any, Row[Any]]]) -> None:
    """Posts matches in bounded batches; one that workflows refuses for good is passed over alone."""
    for batch in _batches(pairs):
        await _post(service, batch)


async def _post(service: Service, batch: list[dict[str, Any]]) -> None:
    try:
        await workflows.report_matches(service.siblings, batch)
    except errors.Remote as error:
        if error.status not in {400, 413, 422}:
            raise errors.Unavailable("triggers-unavailable", error.detail) from error
        if len(batch) == 1:
            _log.error("match-refused", trigger_id=batch[0]["trigger_id"], problem=error.slug)
            return
        for match in batch:
            await _post(service, [match])


def _batches(pairs: Iterable[tuple[Any, Row[Any]]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    size = 0
    for subscription, row in pairs:
        weight = 500 + len(row.data or "")
        if batch and (len(batch) == MAX_MATCHES or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(
            {
                "trigger_id": subscription.trigger_id,
                "organization_id": row.organization_id,
                "event": events.render_raw(row),
            }
        )
        size += weight
    if batch:
        yield batch
