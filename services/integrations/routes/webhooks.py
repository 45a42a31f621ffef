"""Outbound webhooks and the log of their deliveries."""

from typing import Annotated, Any
from uuid import UUID

from services.integrations.deps import DeskDep
from services.integrations.domain import audit, webhooks
from services.integrations.schemas.webhooks import (
    DeliveryView,
    NewSecret,
    NewWebhook,
    Status,
    TestDelivery,
    WebhookChange,
    WebhookView,
)
from shared import pagination, webapp
from shared.deps import CursorParameter, Limit, ServiceDep, Session, allow
from shared.identity import Principal
from shared.pagination import Page
from shared.service import Service

router = webapp.router(tags=["webhooks"])

Reader = Annotated[Principal, allow("webhooks:read")]
Writer = Annotated[Principal, allow("webhooks:write")]


@router.post("/webhooks", status_code=201)
async def create_webhook(body: NewWebhook, session: Session, desk: DeskDep, principal: Writer) -> WebhookView:
    """The signing secret is shown this once."""
    webhooks.check_url(desk.outlets.egress.policy, body.url)
    made, secret = await webhooks.create(session, desk.ring, principal.organization_id, url=body.url, types=body.types)
    await audit.record(session, principal, "webhook.created", made["id"])
    return _view(made, secret)


@router.get("/webhooks")
async def list_webhooks(
    session: Session, service: ServiceDep, principal: Reader, limit: Limit = 50, cursor: CursorParameter = None
) -> Page[WebhookView]:
    """The newest first, without secrets."""
    before = _before(service, principal, cursor, "webhooks")
    found = await webhooks.page(session, principal.organization_id, before=before, limit=limit + 1)
    shown, last = pagination.cut(found, limit)
    following = _after(service, principal, last, "webhooks")
    return Page(items=[_view(item) for item in shown], next_cursor=following)


@router.get("/webhooks/{webhook_id}")
async def get_webhook(webhook_id: UUID, session: Session, principal: Reader) -> WebhookView:
    """One webhook."""
    return _view(await webhooks.get(session, principal.organization_id, webhook_id))


@router.patch("/webhooks/{webhook_id}")
async def change_webhook(
    webhook_id: UUID, body: WebhookChange, session: Session, desk: DeskDep, principal: Writer
) -> WebhookView:
    """Address, types, or whether it is active."""
    if body.url is not None:
        webhooks.check_url(desk.outlets.egress.policy, body.url)
    values = body.model_dump(exclude_none=True)
    changed = await webhooks.change(session, principal.organization_id, webhook_id, values)
    await audit.record(session, principal, "webhook.changed", webhook_id, fields=sorted(values))
    return _view(changed)


@router.delete("/webhooks/{webhook_id}", status_code=204)
async def delete_webhook(webhook_id: UUID, session: Session, principal: Writer) -> None:
    """Its deliveries are gone with it."""
    await webhooks.remove(session, principal.organization_id, webhook_id)
    await audit.record(session, principal, "webhook.deleted", webhook_id)


@router.post("/webhooks/{webhook_id}/secret")
async def rotate_webhook_secret(webhook_id: UUID, session: Session, desk: DeskDep, principal: Writer) -> NewSecret:
    """For a day both secrets sign."""
    secret = await webhooks.rotate(session, desk.ring, principal.organization_id, webhook_id)
    await audit.record(session, principal, "webhook.secret_changed", webhook_id)
    return NewSecret(secret=secret)


@router.post("/webhooks/{webhook_id}/test", status_code=202)
async def test_webhook(webhook_id: UUID, session: Session, principal: Writer) -> TestDelivery:
    """Sends a delivery of type floyo.test."""
    delivery_id = await webhooks.try_out(session, principal.organization_id, webhook_id)
    await audit.record(session, principal, "webhook.tested", webhook_id)
    return TestDelivery(delivery_id=delivery_id)


@router.get("/webhooks/{webhook_id}/deliveries")
async def list_deliveries(
    *,
    webhook_id: UUID,
    session: Session,
    service: ServiceDep,
    principal: Reader,
    limit: Limit = 50,
    cursor: CursorParameter = None,
    status: Status | None = None,
) -> Page[DeliveryView]:
    """The log, the newest first."""
    scope = f"deliveries:{webhook_id}?status={status}"
    before = _before(service, principal, cursor, scope)
    found = await webhooks.deliveries(
        session, principal.organization_id, webhook_id, before=before, status=status, limit=limit + 1
    )
    shown, last = pagination.cut(found, limit)
    items = [DeliveryView.model_validate(item) for item in shown]
    return Page(items=items, next_cursor=_after(service, principal, last, scope))


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/replay", status_code=202)
async def replay_delivery(webhook_id: UUID, delivery_id: UUID, session: Session, principal: Writer) -> DeliveryView:
    """The whole schedule again, under the same id."""
    found = await webhooks.replay(session, principal.organization_id, webhook_id, delivery_id)
    await audit.record(session, principal, "delivery.replayed", delivery_id, webhook=str(webhook_id))
    return DeliveryView.model_validate(found)


def _view(webhook: Any, secret: str | None = None) -> WebhookView:
    return WebhookView.model_validate({**webhook, "secret": secret})


def _before(service: Service, principal: Principal, cursor: str | None, scope: str) -> UUID | None:
    if cursor is None:
        return None
    return UUID(service.cursors.decode(cursor, organization_id=principal.organization_id, scope=scope)[0])


def _after(service: Service, principal: Principal, last: Any, scope: str) -> str | None:
    if last is None:
        return None
    return service.cursors.encode([str(last["id"])], organization_id=principal.organization_id, scope=scope)
