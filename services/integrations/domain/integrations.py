"""Integrations of an organisation: made, found, changed and removed, their secrets sealed on the way in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from prometheus_client import Counter
from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.connector import Connector
from services.integrations.domain import catalog, credentials
from services.integrations.domain.catalog import Catalog
from services.integrations.storage import integrations as storage
from shared import errors, ids, log
from shared.crypto import KeyRing, UnsealError
from shared.database import Database

Standing = Literal["none", "good", "unusable", "refused"]

UNUSABLE = Counter("floyo_credentials_unusable_total", "Stored credentials that could not be opened")
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class Integration:
    """What is known without opening the seal."""

    id: UUID
    organization_id: UUID
    name: str
    connector: str
    settings: dict[str, Any]
    secret_names: Sequence[str]
    revision: int
    created_at: datetime
    updated_at: datetime
    refused_at: datetime | None = None
    key_id: str | None = field(repr=False, default=None)
    sealed: bytes | None = field(repr=False, default=None)


def etag(revision: int) -> str:
    """The entity tag of a state of an integration."""
    return f'"{revision}"'


def _from_row(row: storage.Row | Mapping[str, Any]) -> Integration:
    return Integration(**{name: row[name] for name in Integration.__slots__})


async def create(
    session: AsyncSession,
    known: Catalog,
    ring: KeyRing,
    organization_id: UUID,
    *,
    connector: str,
    name: str,
    settings: Mapping[str, Any],
    secrets: Mapping[str, str],
    actor: str,
) -> Integration:
    """A new integration; raises Invalid for what the connector does not take, Conflict `name-taken`."""
    kind = known.connector(connector)
    parsed = _read_settings(kind, settings)
    catalog.check_secrets(kind, secrets)
    integration_id = ids.new()
    key_id, sealed = _seal(ring, organization_id, integration_id, secrets)
    values = {
        "id": integration_id,
        "organization_id": organization_id,
        "name": name,
        "connector": connector,
        "settings": parsed,
        "secret_names": sorted(secrets),
        "key_id": key_id,
        "sealed": sealed,
        "created_by": actor,
    }
    row = await storage.insert(session, values)
    if row is None:
        raise _name_taken()
    return _from_row(row)


async def get(session: AsyncSession, organization_id: UUID, integration_id: UUID) -> Integration:
    """One integration; raises NotFound, also for another organisation's."""
    row = await storage.find(session, organization_id, integration_id)
    if row is None:
        raise errors.NotFound
    return _from_row(row)


async def resolve(database: Database, organization_id: UUID, reference: str) -> Integration:
    """By id or name, as workflows write it; raises Invalid `integration-unknown`."""
    by, value = _read_reference(reference)
    row = await storage.find_at_once(database, organization_id, by=by, value=value)
    if row is None:
        raise errors.Invalid("integration-unknown", "The organisation has no such integration.")
    return _from_row(row)


def _read_reference(reference: str) -> tuple[str, UUID | str]:
    """Names do not read like ids."""
    try:
        return "id", UUID(reference)
    except ValueError:
        return "name", reference


async def page(
    session: AsyncSession, organization_id: UUID, *, before: UUID | None, connector: str | None, limit: int
) -> list[Integration]:
    """Up to `limit`, the newest first."""
    rows = await storage.page(session, organization_id, before=before, connector=connector, limit=limit)
    return [_from_row(row) for row in rows]


async def change(
    session: AsyncSession,
    known: Catalog,
    ring: KeyRing,
    organization_id: UUID,
    integration_id: UUID,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] | None = None,
    if_match: str | None = None,
) -> Integration:
    """Change what is given; settings are merged by their top level, secrets by name.

    Raises PreconditionFailed when `if_match` names another state than the present one.
    A change of where the credential travels asks for every stored secret again: Invalid `secret-required`.
    """
    current = await _lock(session, organization_id, integration_id, if_match)
    values: dict[str, Any] = {}
    if name is not None and name != current.name:
        if await storage.name_is_taken(session, organization_id, name, besides=integration_id):
            raise _name_taken()
        values["name"] = name
    kind = known.connector(current.connector)
    if settings is not None:
        values["settings"] = _read_settings(kind, {**current.settings, **settings})
        _require_secrets_again(kind, current, values["settings"], secrets or {})
    if secrets:
        kept = unseal(ring, current) if set(current.secret_names) - set(secrets) else {}
        values |= _resealed(kind, ring, current, {**kept, **secrets})
    if not values:
        return current
    changed = await storage.update(session, organization_id, integration_id, values)
    if changed is None:
        raise errors.NotFound
    return _from_row(changed)


async def keep_tokens(
    session: AsyncSession, ring: KeyRing, organization_id: UUID, integration_id: UUID, tokens: Mapping[str, str]
) -> dict[str, str]:
    """Put fresh tokens beside the other secrets of a locked row; answers all secrets."""
    row = await storage.find(session, organization_id, integration_id, lock=True)
    if row is None:
        raise errors.NotFound
    current = _from_row(row)
    secrets = {**unseal(ring, current), **tokens}
    key_id, sealed = _seal(ring, organization_id, integration_id, secrets)
    values = {"secret_names": sorted(secrets), "key_id": key_id, "sealed": sealed, "refused_at": None}
    await storage.update(session, organization_id, integration_id, values)
    return secrets


async def remove(
    session: AsyncSession, organization_id: UUID, integration_id: UUID, *, if_match: str | None = None
) -> None:
    """Raises NotFound when there is none."""
    await _lock(session, organization_id, integration_id, if_match)
    await storage.delete(session, organization_id, integration_id)


async def _lock(
    session: AsyncSession, organization_id: UUID, integration_id: UUID, if_match: str | None
) -> Integration:
    row = await storage.find(session, organization_id, integration_id, lock=True)
    if row is None:
        raise errors.NotFound
    current = _from_row(row)
    if if_match not in {None, "*", etag(current.revision)}:
        raise errors.PreconditionFailed("version-changed", "The integration has changed since it was read.")
    return current


async def forget_organization(session: AsyncSession, organization_id: UUID) -> None:
    """Everything of an organisation that is no more."""
    await storage.delete_organization(session, organization_id)


async def list_of_user(session: AsyncSession, organization_id: UUID, user_id: UUID) -> list[dict[str, Any]]:
    """[{id, name, connector, created_at}] that a person made."""
    rows = await storage.made_by(session, organization_id, f"user:{user_id}")
    return [dict(row) for row in rows]


async def forget_user(session: AsyncSession, user_id: UUID) -> None:
    """Integrations that a deleted person made keep no trace of them."""
    await storage.anonymize(session, f"user:{user_id}")


def standing(ring: KeyRing, integration: Integration) -> Standing:
    """Whether the stored credential can be used, as far as that is known without asking anybody."""
    if integration.sealed is None or integration.key_id is None:
        return "none"
    binding = (integration.organization_id, integration.id, integration.key_id, integration.sealed)
    try:
        credentials.unseal(ring, *binding)
    except UnsealError:
        return "unusable"
    return "good" if integration.refused_at is None else "refused"


def unseal(ring: KeyRing, integration: Integration) -> dict[str, str]:
    """The secrets; raises Conflict `credential-unusable` and raises the alarm when the seal does not fit the row."""
    if integration.sealed is None or integration.key_id is None:
        return {}
    try:
        return credentials.unseal(
            ring, integration.organization_id, integration.id, integration.key_id, integration.sealed
        )
    except UnsealError as error:
        UNUSABLE.inc()
        _log.error("credential-unusable", integration_id=str(integration.id), reason=str(error))
        raise errors.Conflict(
            "credential-unusable",
            "The stored credential cannot be opened; give it again.",
            extensions={"retryable": False},
        ) from None


def _seal(
    ring: KeyRing, organization_id: UUID, integration_id: UUID, secrets: Mapping[str, str]
) -> tuple[str | None, bytes | None]:
    return credentials.seal(ring, organization_id, integration_id, secrets) if secrets else (None, None)


def _resealed(kind: Connector, ring: KeyRing, current: Integration, secrets: Mapping[str, str]) -> dict[str, Any]:
    catalog.check_secrets(kind, secrets)
    key_id, sealed = _seal(ring, current.organization_id, current.id, secrets)
    return {"secret_names": sorted(secrets), "key_id": key_id, "sealed": sealed, "refused_at": None}


def _read_settings(kind: Connector, settings: Mapping[str, Any]) -> dict[str, Any]:
    parsed = catalog.read(kind.settings, dict(settings), "/settings")
    kind.targets(parsed)
    return parsed.model_dump(mode="json")


def _require_secrets_again(
    kind: Connector, current: Integration, settings: Mapping[str, Any], given: Mapping[str, str]
) -> None:
    before = kind.targets(kind.settings.model_validate(current.settings))
    after = kind.targets(kind.settings.model_validate(settings))
    missing = sorted(set(current.secret_names) - set(given))
    if not missing or not any(target.is_new_beside(before) for target in after):
        return
    fields = [errors.FieldError(f"/secrets/{name}", "Give it again for the new target.") for name in missing]
    raise errors.Invalid("secret-required", "A stored secret does not travel to a new target.", errors=fields)


def _name_taken() -> errors.Conflict:
    return errors.Conflict("name-taken", "The organisation already has an integration of that name.")
