"""Inbound hooks: managed under their integration, and the public door for deliveries."""

from typing import Any
from uuid import UUID

from fastapi import Request

from services.integrations.deps import DeskDep
from services.integrations.domain import audit, hooks, integrations
from services.integrations.domain.signatures import Delivery
from services.integrations.routes.integrations import Reader, Writer
from services.integrations.schemas.hooks import HookView, NewHook, NewSecret, Receipt, RotatedSecret
from shared import clock, jobs, webapp
from shared.deps import ServiceDep, Session
from shared.pagination import Page
from shared.service import Service

router = webapp.router(tags=["hooks"])
FORWARD = "forward_deliveries"


@router.post("/integrations/{integration_id}/hooks", status_code=201)
async def create_hook(
    *, integration_id: UUID, body: NewHook, session: Session, service: ServiceDep, desk: DeskDep, principal: Writer
) -> HookView:
    """A secret that is made here is shown this once."""
    owner = await integrations.get(session, principal.organization_id, integration_id)
    row, made = await hooks.create(
        session,
        desk.ring,
        principal.organization_id,
        integration_id,
        desk.catalog.connector(owner.connector),
        scheme=body.scheme,
        secret=body.secret.get_secret_value() if body.secret else None,
        source=body.source,
        networks=body.networks,
    )
    await audit.record(session, principal, "hook.created", row["id"], integration=str(integration_id))
    return _view(service, row, made)


@router.get("/integrations/{integration_id}/hooks")
async def list_hooks(integration_id: UUID, session: Session, service: ServiceDep, principal: Reader) -> Page[HookView]:
    """The newest first, without secrets."""
    await integrations.get(session, principal.organization_id, integration_id)
    rows = await hooks.page(session, principal.organization_id, integration_id)
    return Page(items=[_view(service, row) for row in rows])


@router.post("/integrations/{integration_id}/hooks/{hook_id}/secret")
async def rotate_hook_secret(
    *, integration_id: UUID, hook_id: UUID, body: NewSecret, session: Session, desk: DeskDep, principal: Writer
) -> RotatedSecret:
    """The secret before stays good until the next rotation."""
    given = body.secret.get_secret_value() if body.secret else None
    made = await hooks.rotate(
        session, desk.ring, principal.organization_id, integration_id, hook_id=hook_id, secret=given
    )
    await audit.record(session, principal, "hook.secret_changed", hook_id)
    return RotatedSecret(secret=made)


@router.delete("/integrations/{integration_id}/hooks/{hook_id}", status_code=204)
async def delete_hook(integration_id: UUID, hook_id: UUID, session: Session, principal: Writer) -> None:
    """Deliveries are missing from now on."""
    await hooks.remove(session, principal.organization_id, integration_id, hook_id)
    await audit.record(session, principal, "hook.deleted", hook_id)


@router.post("/hooks/{hook_id}", response_model_exclude_none=True)
async def deliver(hook_id: UUID, request: Request, service: ServiceDep, desk: DeskDep) -> Receipt:
    """A delivery by the sender's own signature; answered once it is kept, and kept once."""
    delivery = Delivery(
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await request.body(),
        url=_url(service, hook_id) + (f"?{request.url.query}" if request.url.query else ""),
        now=clock.now().timestamp(),
    )
    caller = request.client.host if request.client else ""
    meaning, new = await hooks.receive(service.database, desk.ring, hook_id, delivery, caller)
    if meaning.challenge is not None:
        return Receipt(challenge=meaning.challenge)
    if new:
        await jobs.wake(service.redis, service.name, FORWARD)
    return Receipt(duplicate=not new)


def _url(service: Service, hook_id: UUID) -> str:
    return f"{service.settings.public_url.rstrip('/')}{webapp.PREFIX}/hooks/{hook_id}"


def _view(service: Service, row: Any, secret: str | None = None) -> HookView:
    shown = {name: row[name] for name in ("id", "scheme", "source", "networks", "created_at")}
    return HookView(**shown, url=_url(service, row["id"]), secret=secret)
