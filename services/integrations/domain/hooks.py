"""Inbound hooks: made for an integration, verified on the raw body, received once and forwarded as events."""

import base64
import contextlib
import secrets as random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.clients import events
from services.integrations.connector import Connector
from services.integrations.domain import causes, credentials, deliveries, signatures
from services.integrations.domain.deliveries import Meaning
from services.integrations.domain.signatures import Delivery
from services.integrations.storage import hooks as storage
from services.integrations.storage.tables import hook_delivery
from shared import backlog, clock, errors, ids, log
from shared.crypto import KeyRing, UnsealError
from shared.database import Database
from shared.httpclient import Siblings
from shared.testing import faults

BATCH: Final = 200
LEASE: Final = timedelta(seconds=15)
KEEP: Final = timedelta(days=30)
MAX_DELAY: Final = 60
# Senders that take whatever secret they are told; the others show theirs, to be given to us.
_OURS: Final = frozenset({"github", "gitlab", "standard-webhooks"})

_log = log.get(__name__)


async def create(
    session: AsyncSession,
    ring: KeyRing,
    organization_id: UUID,
    integration_id: UUID,
    kind: Connector,
    *,
    scheme: str | None,
    secret: str | None,
    source: str | None,
    networks: Sequence[str],
) -> tuple[Mapping[str, Any], str | None]:
    """The hook, and its secret if it was made here; raises Invalid for a scheme that the connector does not declare."""
    chosen = scheme or (kind.hooks[0] if kind.hooks else "")
    if chosen not in kind.hooks:
        raise errors.invalid_field("/scheme", f"The connector {kind.id} takes: {', '.join(kind.hooks) or 'none'}.")
    made = None if secret else _new_secret(chosen)
    hook_id = ids.new()
    key_id, sealed = credentials.seal(ring, organization_id, hook_id, {"current": secret or made or ""})
    row = await storage.insert(
        session,
        {
            "id": hook_id,
            "organization_id": organization_id,
            "integration_id": integration_id,
            "scheme": chosen,
            "source": source or chosen,
            "networks": list(networks),
            "key_id": key_id,
            "sealed": sealed,
        },
    )
    return dict(row), made


def _new_secret(scheme: str) -> str:
    if scheme not in _OURS:
        raise errors.invalid_field("/secret", f"Give the signing secret that {scheme} shows.")
    raw = random.token_bytes(24)
    return "whsec_" + base64.b64encode(raw).decode() if scheme == "standard-webhooks" else raw.hex()


async def rotate(
    session: AsyncSession,
    ring: KeyRing,
    organization_id: UUID,
    integration_id: UUID,
    *,
    hook_id: UUID,
    secret: str | None,
) -> str | None:
    """A new secret beside the one in force until now; answers it if it was made here."""
    row = await storage.find(session, organization_id, integration_id, hook_id)
    if row is None:
        raise errors.NotFound
    made = None if secret else _new_secret(row["scheme"])
    held = {"current": secret or made or ""}
    with contextlib.suppress(errors.Conflict):  # what cannot be opened any more is replaced all the same
        held["previous"] = _secrets(ring, row)[0]
    await storage.reseal(session, hook_id, *credentials.seal(ring, organization_id, hook_id, held))
    return made


async def page(session: AsyncSession, organization_id: UUID, integration_id: UUID) -> list[Mapping[str, Any]]:
    """Every hook of an integration."""
    return [dict(row) for row in await storage.of_integration(session, organization_id, integration_id)]


async def remove(session: AsyncSession, organization_id: UUID, integration_id: UUID, hook_id: UUID) -> None:
    """Raises NotFound when there is none."""
    if not await storage.delete(session, organization_id, integration_id, hook_id):
        raise errors.NotFound


async def receive(
    database: Database, ring: KeyRing, hook_id: UUID, delivery: Delivery, caller: str
) -> tuple[Meaning, bool]:
    """Verify and keep a delivery; the flag says whether it is new.

    Its sender knows no organisation, only the hook's id: the system role reads that one row, which names the
    organisation under whose row-level security all that follows is written.

    Raises NotFound, Forbidden `caller-not-allowed`, Unauthorized `signature-invalid`, BadRequest.
    """
    async with database.system() as session:
        row = await storage.find_anywhere(session, hook_id)
    if row is None:
        raise errors.NotFound
    if row["networks"] and not _is_within(caller, row["networks"]):
        raise errors.Forbidden("caller-not-allowed", "The hook is not open to this address.")
    if not signatures.verify(row["scheme"], delivery, _secrets(ring, row)):
        raise errors.Unauthorized("signature-invalid", "The delivery is not signed as this hook asks.")
    meaning = deliveries.understand(row["scheme"], delivery)
    if meaning.challenge is not None:
        return meaning, False
    if faults.active("hook-ids-unchecked"):
        meaning = replace(meaning, delivery_id=f"{meaning.delivery_id}#{ids.new()}")
    now = clock.now()
    values = {
        "hook_id": hook_id,
        "delivery_id": meaning.delivery_id,
        "organization_id": row["organization_id"],
        "event": _event(row["source"], hook_id, meaning),
        "cause": causes.read(delivery.header(causes.HEADER)),
        "received_at": now,
        "due_at": now,
    }
    async with database.session(row["organization_id"]) as session:
        return meaning, await storage.receive(session, values)


def _event(source: str, hook_id: UUID, meaning: Meaning) -> dict[str, Any]:
    """The subject names the hook, so that a trigger can ask for its deliveries alone."""
    return {
        "source": source,
        "type": meaning.type,
        "id": f"{hook_id}:{meaning.delivery_id}",
        "subject": f"hook:{hook_id}",
        "data": meaning.data,
    }


def _secrets(ring: KeyRing, row: storage.Row) -> list[str]:
    try:
        held = credentials.unseal(ring, row["organization_id"], row["id"], row["key_id"], row["sealed"])
    except UnsealError as error:
        _log.error("credential-unusable", hook_id=str(row["id"]), reason=str(error))
        raise errors.Conflict("credential-unusable", "The hook's secret cannot be opened; give it again.") from None
    return [held[name] for name in ("current", "previous") if held.get(name)]


def _is_within(caller: str, networks: Sequence[str]) -> bool:
    try:
        address = ip_address(caller)
    except ValueError:
        return False
    return any(address in ip_network(network) for network in networks)


async def forward(database: Database, siblings: Siblings) -> int:
    """Hand due deliveries to the events service; how many were taken up. A failure makes them due later."""
    if not await storage.any_due(database, clock.now()):
        return 0
    async with database.system() as session:
        rows = await storage.lease(session, clock.now(), LEASE, BATCH)
    together: dict[tuple[UUID, str], list[Any]] = defaultdict(list)
    for row in rows:
        together[row["organization_id"], str(row["cause"])].append(row)
    for (organization_id, _), group in together.items():
        outcome = await _post(siblings, organization_id, group)
        async with database.system() as session:
            for row, values in zip(group, outcome, strict=True):
                await storage.settle(session, row, values)
    return len(rows)


async def _post(siblings: Siblings, organization_id: UUID, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What became of deliveries of one cause."""
    now = clock.now()
    try:
        given = [row["event"] for row in rows]
        rejected = await events.append(siblings, organization_id, given, cause=rows[0]["cause"])
    except errors.FloyoError as error:
        _log.warning("deliveries-not-forwarded", problem=error.slug, count=len(rows))
        return [{"due_at": now + timedelta(seconds=min(2 ** min(row["attempts"], 6), MAX_DELAY))} for row in rows]
    return [{"forwarded_at": now, "event": None, "problem": rejected.get(index)} for index in range(len(rows))]


async def due(database: Database) -> dict[str, Any]:
    """How many deliveries wait to be forwarded, and for how long, for `/health/detailed`."""
    return await backlog.measure(database, hook_delivery.c.due_at, hook_delivery.c.forwarded_at.is_(None))


async def purge(database: Database) -> int:
    """Forget the seen ids of a month ago; senders repeat a delivery for days at most."""
    async with database.system() as session:
        return await storage.purge(session, clock.now() - KEEP)
