"""Outbound webhooks: made, changed, subscribed to types; facts become deliveries of theirs."""

import base64
import contextlib
import secrets as random
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.domain import credentials
from services.integrations.storage import webhooks as storage
from shared import clock, errors, ids
from shared.crypto import KeyRing, UnsealError
from shared.destinations import WEB, Policy, parse_url

OVERLAP: Final = timedelta(hours=24)
Webhook = Mapping[str, Any]


def check_url(policy: Policy, url: str) -> None:
    """Raises Invalid `destination-forbidden` as far as that shows without a resolver."""
    parsed = parse_url(url)
    policy.check(parsed.raw_host or "", parsed.port or 0, ports=WEB)


async def create(
    session: AsyncSession, ring: KeyRing, organization_id: UUID, *, url: str, types: Sequence[str]
) -> tuple[Webhook, str]:
    """The webhook and its signing secret, which is shown this once."""
    webhook_id, secret = ids.new(), _new_secret()
    key_id, sealed = credentials.seal(ring, organization_id, webhook_id, {"current": secret})
    values = {"id": webhook_id, "organization_id": organization_id, "url": url, "types": list(types)}
    return dict(await storage.insert(session, {**values, "key_id": key_id, "sealed": sealed})), secret


async def get(session: AsyncSession, organization_id: UUID, webhook_id: UUID) -> Webhook:
    """One webhook; raises NotFound."""
    return _found(await storage.find(session, organization_id, webhook_id))


async def page(session: AsyncSession, organization_id: UUID, *, before: UUID | None, limit: int) -> list[Webhook]:
    """The newest first."""
    return [dict(row) for row in await storage.page(session, organization_id, before=before, limit=limit)]


async def change(session: AsyncSession, organization_id: UUID, webhook_id: UUID, values: Mapping[str, Any]) -> Webhook:
    """Change url, types or active; one that was disabled begins anew. Raises NotFound."""
    if not values:
        return await get(session, organization_id, webhook_id)
    if values.get("active"):
        values = {**values, "failing_since": None, "disabled": None}
    return _found(await storage.update(session, organization_id, webhook_id, values))


async def remove(session: AsyncSession, organization_id: UUID, webhook_id: UUID) -> None:
    """Raises NotFound when there is none."""
    if not await storage.delete(session, organization_id, webhook_id):
        raise errors.NotFound


async def forget_organization(session: AsyncSession, organization_id: UUID) -> None:
    """Everything of an organisation that is no more."""
    await storage.delete_organization(session, organization_id)


async def forget_user(session: AsyncSession, user_id: UUID, organizations: Sequence[UUID]) -> None:
    """What was told of a person, such as who was to approve, names nobody any more."""
    await storage.anonymize(session, str(user_id), organizations)


async def rotate(session: AsyncSession, ring: KeyRing, organization_id: UUID, webhook_id: UUID) -> str:
    """A new secret; for a day both sign."""
    current = await get(session, organization_id, webhook_id)
    secret = _new_secret()
    held = {"current": secret}
    with contextlib.suppress(errors.Conflict):  # what cannot be opened any more is replaced all the same
        held |= {
            "previous": signing_secrets(ring, current)[0],
            "previous_until": (clock.now() + OVERLAP).isoformat(),
        }
    key_id, sealed = credentials.seal(ring, organization_id, webhook_id, held)
    await storage.update(session, organization_id, webhook_id, {"key_id": key_id, "sealed": sealed})
    return secret


def signing_secrets(ring: KeyRing, webhook: Webhook) -> list[str]:
    """The secrets in force, the newest first; raises Conflict `credential-unusable`."""
    try:
        held = credentials.unseal(ring, webhook["organization_id"], webhook["id"], webhook["key_id"], webhook["sealed"])
    except UnsealError:
        raise errors.Conflict("credential-unusable", "The webhook's secret cannot be opened; rotate it.") from None
    overlapping = held.get("previous_until", "") > clock.now().isoformat()
    return [held["current"], *([held["previous"]] if overlapping else [])]


async def publish(session: AsyncSession, organization_id: UUID, kind: str, data: Any) -> None:
    """One delivery for each webhook that wants the type."""
    listening = await storage.listening(session, organization_id, kind)
    await storage.add_deliveries(session, [_delivery(organization_id, webhook, kind, data) for webhook in listening])


async def audience(session: AsyncSession, kind: str, after: UUID | None, limit: int) -> list[UUID]:
    """Organisations with a webhook that wants the type, by id."""
    return list(await storage.audience(session, kind, after, limit))


async def try_out(session: AsyncSession, organization_id: UUID, webhook_id: UUID) -> UUID:
    """A delivery of type `floyo.test`, whatever the webhook wants; its id."""
    await get(session, organization_id, webhook_id)
    row = _delivery(organization_id, webhook_id, "floyo.test", {})
    await storage.add_deliveries(session, [row])
    found: UUID = row["id"]
    return found


async def deliveries(
    session: AsyncSession,
    organization_id: UUID,
    webhook_id: UUID,
    *,
    before: UUID | None,
    status: str | None,
    limit: int,
) -> list[Mapping[str, Any]]:
    """The log, the newest first; raises NotFound for a webhook that is not there."""
    await get(session, organization_id, webhook_id)
    rows = await storage.deliveries(session, organization_id, webhook_id, before=before, status=status, limit=limit)
    return [dict(row) for row in rows]


async def replay(
    session: AsyncSession, organization_id: UUID, webhook_id: UUID, delivery_id: UUID
) -> Mapping[str, Any]:
    """The whole schedule again under the same id; raises NotFound."""
    values = {"status": "pending", "attempts": 0, "due_at": clock.now(), "problem": None}
    return _found(await storage.change_delivery(session, organization_id, webhook_id, delivery_id, values))


def _delivery(organization_id: UUID, webhook_id: UUID, kind: str, data: Any) -> dict[str, Any]:
    now = clock.now()
    return {
        "id": ids.new(),
        "organization_id": organization_id,
        "webhook_id": webhook_id,
        "type": kind,
        "data": data,
        "due_at": now,
        "created_at": now,
    }


def _found(row: storage.Row | None) -> Mapping[str, Any]:
    if row is None:
        raise errors.NotFound
    return dict(row)


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(random.token_bytes(24)).decode()
