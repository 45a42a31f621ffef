"""OAuth 2.0 with PKCE: authorized once by a person, then kept fresh by one caller at a time."""

import asyncio
import base64
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.connector import Authorization, Connector, target_of
from services.integrations.domain import integrations, notices
from services.integrations.domain.catalog import Catalog
from services.integrations.domain.integrations import Integration
from services.integrations.domain.outlets import Outlets
from services.integrations.storage import authorizations as storage
from shared import clock, errors
from shared.crypto import KeyRing, digest
from shared.database import Database
from shared.destinations import WEB
from shared.egress import MAX_SECONDS, TargetFailed
from shared.testing.faults import failpoint

LIFETIME: Final = timedelta(minutes=10)
EARLY: Final = timedelta(seconds=60)
LEASE: Final = timedelta(seconds=2 * MAX_SECONDS + 30)
WAIT_SECONDS: Final = 0.1
KEEP_TRYING: Final = 30.0
ANSWER_LIMIT: Final = 65_536


@dataclass(frozen=True, slots=True)
class Keeper:
    """What keeps tokens fresh: where they lie, what opens them, and the way to whoever issues them."""

    database: Database
    catalog: Catalog
    ring: KeyRing
    outlets: Outlets


async def begin(
    session: AsyncSession, keeper: Keeper, integration: Integration, *, subject: str, redirect_uri: str
) -> str:
    """The address to send the person to; its state is good once, for ten minutes, for this very person."""
    endpoints = _endpoints(keeper.catalog.connector(integration.connector))
    client_id = _held(integrations.unseal(keeper.ring, integration), "client_id")
    state, verifier = random.token_urlsafe(32), random.token_urlsafe(64)
    now = clock.now()
    values = {
        "state": digest(state),
        "organization_id": integration.organization_id,
        "integration_id": integration.id,
        "subject": subject,
        "redirect_uri": redirect_uri,
        "verifier": verifier,
        "expires_at": now + LIFETIME,
    }
    await storage.insert(session, values, now)
    challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"scope": " ".join(endpoints.scopes)} if endpoints.scopes else {}),
        **endpoints.extra,
    }
    return f"{endpoints.authorize_url}?{urlencode(query)}"


async def complete(
    keeper: Keeper, organization_id: UUID, integration_id: UUID, *, subject: str, state: str, code: str
) -> None:
    """Exchange the code for tokens; raises BadRequest `invalid-state`, TargetFailed."""
    where = {
        "state": digest(state),
        "organization_id": organization_id,
        "integration_id": integration_id,
        "subject": subject,
    }
    async with keeper.database.session(organization_id) as session:
        integration = await integrations.get(session, organization_id, integration_id)
        request = await storage.take(session, where, clock.now())
    if request is None:
        raise errors.BadRequest("invalid-state", "The state is unknown, spent, expired or somebody else's.")
    held = integrations.unseal(keeper.ring, integration)
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": request["redirect_uri"],
        "code_verifier": request["verifier"],
    }
    tokens = await _ask(keeper, integration, held, fields)
    await _keep(keeper, organization_id, integration_id, tokens)


async def usable(keeper: Keeper, integration: Integration) -> dict[str, str]:
    """The secrets for a call, with tokens that last a minute; one caller refreshes while the others wait for it."""
    held = integrations.unseal(keeper.ring, integration)
    deadline = asyncio.get_running_loop().time() + LEASE.total_seconds()
    while _is_stale(held):
        async with keeper.database.session(integration.organization_id) as session:
            now = clock.now()
            ours = await storage.begin_refresh(session, integration.organization_id, integration.id, now, now + LEASE)
            current = await integrations.get(session, integration.organization_id, integration.id)
        held = integrations.unseal(keeper.ring, current)
        if ours:
            # The old token may be spent the moment it is shown: whoever waits may go, what comes back must be kept.
            return await asyncio.shield(_refresh(keeper, current, held))
        if asyncio.get_running_loop().time() > deadline:
            raise TargetFailed("timeout", "The token is being refreshed for too long.", retryable=True)
        await asyncio.sleep(WAIT_SECONDS)
    return held


async def _refresh(keeper: Keeper, integration: Integration, held: Mapping[str, str]) -> dict[str, str]:
    """The lease is ours; whoever had it before may have refreshed already."""
    organization_id, integration_id = integration.organization_id, integration.id
    try:
        if not _is_stale(held):
            return dict(held)
        fields = {"grant_type": "refresh_token", "refresh_token": _held(held, "refresh_token")}
        tokens = await _ask(keeper, integration, held, fields)
        failpoint("tokens-before-commit")
        return await _keep(keeper, organization_id, integration_id, tokens)
    except TargetFailed as problem:
        if problem.slug == "credential-refused":
            await _tell(keeper, organization_id, integration_id)
        raise
    finally:
        async with keeper.database.session(organization_id) as session:
            await storage.end_refresh(session, organization_id, integration_id)


async def _keep(
    keeper: Keeper, organization_id: UUID, integration_id: UUID, tokens: Mapping[str, str]
) -> dict[str, str]:
    """Store the tokens, and not give up at once when the database is away."""
    deadline = asyncio.get_running_loop().time() + KEEP_TRYING
    while True:
        try:
            async with keeper.database.session(organization_id) as session:
                return await integrations.keep_tokens(session, keeper.ring, organization_id, integration_id, tokens)
        except errors.Unavailable:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(WAIT_SECONDS)


async def _tell(keeper: Keeper, organization_id: UUID, integration_id: UUID) -> None:
    """The first refusal shows on the integration and goes to the admins; later ones are no news."""
    async with keeper.database.session(organization_id) as session:
        name = await storage.note_refusal(session, organization_id, integration_id, clock.now())
        if name is not None:
            await notices.raise_(session, organization_id, "authorization-refused", integration_id, name)


async def _ask(
    keeper: Keeper, integration: Integration, held: Mapping[str, str], fields: Mapping[str, str]
) -> dict[str, str]:
    """Tokens from the token endpoint, as secrets."""
    endpoints = _endpoints(keeper.catalog.connector(integration.connector))
    form = {**fields, "client_id": _held(held, "client_id")}
    if held.get("client_secret"):
        form["client_secret"] = held["client_secret"]
    response = await keeper.outlets.outlet(integration.organization_id).request(
        "POST",
        endpoints.token_url,
        headers={"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        query=None,
        body=urlencode(form).encode(),
        ports=WEB,
        hosts=[target_of(endpoints.token_url).host],
        timeout=MAX_SECONDS,
        limit=ANSWER_LIMIT,
    )
    if response.status >= 500 or response.status == 429:
        raise TargetFailed("target-refused", f"The token endpoint answered {response.status}.", retryable=True)
    answer = response.json()
    if response.status >= 400 or not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
        raise TargetFailed("credential-refused", "The token endpoint refused; authorize again.", retryable=False)
    return _tokens(answer)


def _tokens(answer: Mapping[str, Any]) -> dict[str, str]:
    tokens = {name: answer[name] for name in ("access_token", "refresh_token") if isinstance(answer.get(name), str)}
    if isinstance(answer.get("expires_in"), int | float):
        tokens["expires_at"] = (clock.now() + timedelta(seconds=float(answer["expires_in"]))).isoformat()
    return tokens


def _is_stale(held: Mapping[str, str]) -> bool:
    if not held.get("refresh_token") or not held.get("expires_at"):
        return False
    return datetime.fromisoformat(held["expires_at"]) < clock.now() + EARLY


def _endpoints(kind: Connector) -> Authorization:
    if kind.authorization is None:
        raise errors.Invalid("not-authorizable", f"The connector {kind.id} has no OAuth.")
    return kind.authorization


def _held(secrets: Mapping[str, str], name: str) -> str:
    found = secrets.get(name)
    if not found:
        raise errors.Invalid("credential-missing", f"The integration holds no secret {name!r}.")
    return found
