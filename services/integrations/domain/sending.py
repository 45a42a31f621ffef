"""Attempts at deliveries: claimed fairly, signed afresh under the same id, and given up after the eighth."""

import random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import orjson
import standardwebhooks
from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.domain import notices, webhooks
from services.integrations.domain.outlets import Outlets
from services.integrations.storage import webhooks as storage
from services.integrations.storage.tables import webhook_delivery
from shared import backlog, clock, errors
from shared.crypto import KeyRing
from shared.database import Database
from shared.destinations import WEB, parse_url
from shared.egress import MAX_SECONDS

# Standard Webhooks' own schedule: 0, 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 10 h.
DELAYS: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000))
JITTER: Final = 0.1
LEASE: Final = timedelta(seconds=3 * MAX_SECONDS)
PATIENCE: Final = timedelta(days=5)
KEEP: Final = timedelta(days=30)
ANSWER_LIMIT: Final = 65_536
_GONE: Final = 410

ATTEMPTS = Counter("floyo_webhook_attempts_total", "Attempts to deliver outbound webhooks", ["outcome"])


async def claim(database: Database, *, limit: int, each: int, busy: Sequence[UUID]) -> Sequence[Mapping[str, Any]]:
    """Due deliveries with their webhooks; at most `each` of one webhook, so that a dead one holds up nobody."""
    if not await storage.any_due(database, clock.now()):
        return []
    async with database.system() as session:
        return await storage.claim(session, clock.now(), LEASE, limit=limit, each=each, busy=busy)


async def attempt(database: Database, ring: KeyRing, outlets: Outlets, delivery: Mapping[str, Any]) -> float:
    """One attempt, with no transaction open while the receiver is asked, and its outcome.

    Answers for how many seconds the receiver is left alone by its circuit breaker: 0 where it was asked.
    """
    webhook = delivery["webhook"]
    answered, problem, rest = None, None, 0.0
    try:
        answered = await _post(ring, outlets, delivery)
    except errors.Unavailable as open_circuit:
        rest = float(open_circuit.headers["Retry-After"])
        values: dict[str, Any] = {"due_at": clock.now() + timedelta(seconds=rest), "problem": open_circuit.slug}
    except errors.FloyoError as failed:
        problem = failed.slug
        values = _outcome(delivery, None, problem)
    else:
        values = _outcome(delivery, answered, None)
    ATTEMPTS.labels(values.get("status", "pending")).inc()
    async with database.system() as session:
        await storage.settle(session, delivery["id"], values)
        if "attempts" in values:
            await _judge_receiver(session, webhook, values)
    return rest


async def _judge_receiver(session: AsyncSession, webhook: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
    """A receiver that says it is gone, or took nothing for five days, is sent nothing more until somebody says so."""
    now, since = clock.now(), webhook["failing_since"]
    if outcome.get("status") == "delivered":
        if since is not None:
            await storage.note_success(session, webhook["id"])
        return
    if since is None:
        await storage.note_failure(session, webhook["id"], now)
    gone = outcome["answered"] == _GONE
    if not gone and (since is None or now - since < PATIENCE):
        return
    kind: notices.Kind = "webhook-gone" if gone else "webhook-failing"
    if await storage.disable(session, webhook["id"], kind.removeprefix("webhook-")):
        # The host alone: some receivers' paths are as good as passwords.
        host = parse_url(webhook["url"]).raw_host or ""
        await notices.raise_(session, webhook["organization_id"], kind, webhook["id"], host)


async def _post(ring: KeyRing, outlets: Outlets, delivery: Mapping[str, Any]) -> int:
    webhook = delivery["webhook"]
    at = clock.now()
    message_id = f"msg_{delivery['id'].hex}"
    body = orjson.dumps({"type": delivery["type"], "timestamp": delivery["created_at"], "data": delivery["data"]})
    signatures = [
        standardwebhooks.Webhook(secret).sign(message_id, at, body.decode())
        for secret in webhooks.signing_secrets(ring, webhook)
    ]
    response = await outlets.outlet(delivery["organization_id"]).request(
        "POST",
        webhook["url"],
        headers={
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        },
        query=None,
        body=body,
        ports=WEB,
        hosts=None,
        timeout=MAX_SECONDS,
        limit=ANSWER_LIMIT,
    )
    return response.status


def _outcome(delivery: Mapping[str, Any], answered: int | None, problem: str | None) -> dict[str, Any]:
    now, attempts = clock.now(), delivery["attempts"] + 1
    values = {"attempts": attempts, "attempted_at": now, "answered": answered, "problem": problem}
    if answered is not None and 200 <= answered < 300:
        return {**values, "status": "delivered"}
    if attempts >= len(DELAYS) or answered == _GONE:
        return {**values, "status": "dead"}
    delay = DELAYS[attempts]
    return {**values, "due_at": now + delay * random.uniform(1, 1 + JITTER)}  # noqa: S311  # jitter is no secret


async def due(database: Database) -> dict[str, Any]:
    """How many attempts wait, and for how long, for `/health/detailed`."""
    return await backlog.measure(database, webhook_delivery.c.due_at, storage.is_waiting())


async def purge(database: Database) -> None:
    """Forget settled deliveries of a month ago."""
    async with database.system() as session:
        await storage.purge(session, clock.now() - KEEP)
