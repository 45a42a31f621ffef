"""Integrations and their actions."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from services.integrations.deps import DeskDep, IfMatch
from services.integrations.domain import actions, audit, authorization, integrations
from services.integrations.domain.once import once
from services.integrations.schemas.integrations import (
    ActionRequest,
    ActionResult,
    IntegrationChange,
    IntegrationView,
    NewIntegration,
    TestResult,
    revealed,
)
from shared import pagination, turns, webapp
from shared.deps import CursorParameter, IdempotencyKey, Limit, ServiceDep, Session, allow
from shared.identity import Principal
from shared.pagination import Page

router = webapp.router(tags=["integrations"])
_LIST = "integrations"

Reader = Annotated[Principal, allow("integrations:read")]
Writer = Annotated[Principal, allow("integrations:write")]
User = Annotated[Principal, allow("integrations:use")]


@router.post("/integrations", status_code=201)
async def create_integration(
    *,
    body: NewIntegration,
    service: ServiceDep,
    desk: DeskDep,
    principal: Writer,
    response: Response,
    key: IdempotencyKey = None,
) -> IntegrationView:
    """Seals the secrets; they are never answered."""
    secrets = revealed(body.secrets)

    async def produce() -> tuple[int, Any]:
        made = await integrations.create(
            session,
            desk.catalog,
            desk.ring,
            principal.organization_id,
            connector=body.connector,
            name=body.name,
            settings=body.settings,
            secrets=secrets,
            actor=principal.subject,
        )
        await audit.record(session, principal, "integration.created", made.id, connector=body.connector)
        return 201, IntegrationView.of(made, desk.ring).model_dump(mode="json")

    turn = turns.in_turn(principal.organization_id, "POST /integrations", key)
    async with turn, service.database.session(principal.organization_id) as session:
        answer = await once(
            session,
            principal.organization_id,
            route="POST /integrations",
            key=key,
            request={**body.model_dump(mode="json"), "secrets": secrets},
            produce=produce,
        )
    view = IntegrationView.model_validate(answer.body)
    response.status_code = answer.status
    response.headers["ETag"] = integrations.etag(view.revision)
    return view


@router.get("/integrations")
async def list_integrations(
    *,
    session: Session,
    service: ServiceDep,
    desk: DeskDep,
    principal: Reader,
    limit: Limit = 50,
    cursor: CursorParameter = None,
    connector: str | None = None,
) -> Page[IntegrationView]:
    """The newest first."""
    scope = f"{_LIST}?connector={connector}"
    organization_id = principal.organization_id
    before = None
    if cursor is not None:
        before = UUID(service.cursors.decode(cursor, organization_id=organization_id, scope=scope)[0])
    found = await integrations.page(session, organization_id, before=before, connector=connector, limit=limit + 1)
    shown, last = pagination.cut(found, limit)
    following = None
    if last is not None:
        following = service.cursors.encode([str(last.id)], organization_id=organization_id, scope=scope)
    return Page(items=[IntegrationView.of(item, desk.ring) for item in shown], next_cursor=following)


@router.get("/integrations/{integration_id}")
async def get_integration(
    integration_id: UUID, response: Response, session: Session, desk: DeskDep, principal: Reader
) -> IntegrationView:
    """One integration, without its secrets; `ETag` is for `If-Match`."""
    found = await integrations.get(session, principal.organization_id, integration_id)
    response.headers["ETag"] = integrations.etag(found.revision)
    return IntegrationView.of(found, desk.ring)


@router.patch("/integrations/{integration_id}")
async def change_integration(
    *,
    integration_id: UUID,
    body: IntegrationChange,
    response: Response,
    session: Session,
    desk: DeskDep,
    principal: Writer,
    if_match: IfMatch = None,
) -> IntegrationView:
    """A new target asks for the stored secrets again. 412 when `If-Match` names an older state."""
    secrets = revealed(body.secrets)
    changed = await integrations.change(
        session,
        desk.catalog,
        desk.ring,
        principal.organization_id,
        integration_id,
        name=body.name,
        settings=body.settings,
        secrets=secrets,
        if_match=if_match,
    )
    told = {"fields": sorted(body.model_fields_set - {"secrets"}), "secrets": sorted(secrets)}
    await audit.record(session, principal, "integration.changed", integration_id, **told)
    response.headers["ETag"] = integrations.etag(changed.revision)
    return IntegrationView.of(changed, desk.ring)


@router.delete("/integrations/{integration_id}", status_code=204)
async def delete_integration(
    integration_id: UUID, session: Session, principal: Writer, if_match: IfMatch = None
) -> None:
    """Its secrets are gone with it. 412 when `If-Match` names an older state."""
    await integrations.remove(session, principal.organization_id, integration_id, if_match=if_match)
    await audit.record(session, principal, "integration.deleted", integration_id)


@router.post("/integrations/{integration_id}/test")
async def test_integration(integration_id: UUID, service: ServiceDep, desk: DeskDep, principal: User) -> TestResult:
    """Calls the target to prove the credential."""
    async with service.database.session(principal.organization_id) as session:
        found = await integrations.get(session, principal.organization_id, integration_id)
        await audit.record(session, principal, "integration.tested", integration_id)
    secrets = authorization.usable(desk.keeper(service.database), found)
    outlet = desk.outlets.outlet(principal.organization_id)
    return TestResult.model_validate(await actions.test(desk.catalog, found, secrets, outlet))


@router.post("/integrations/{integration_id}/actions/{action}")
async def run_action(
    *,
    integration_id: UUID,
    action: str,
    body: ActionRequest,
    service: ServiceDep,
    desk: DeskDep,
    principal: User,
    key: IdempotencyKey = None,
) -> ActionResult:
    """Runs one action; the Idempotency-Key travels on to the target."""
    async with service.database.session(principal.organization_id) as session:
        found = await integrations.get(session, principal.organization_id, integration_id)
        if not body.dry_run:
            await audit.record(session, principal, "action.run", integration_id, name=action)
    if body.dry_run:
        return ActionResult(output=actions.rehearse(desk.catalog, found, action, body.input))
    output = await actions.perform(
        desk.catalog,
        found,
        action,
        body.input,
        secrets=await authorization.usable(desk.keeper(service.database), found),
        outlet=desk.outlets.outlet(principal.organization_id),
        idempotency_key=key,
    )
    return ActionResult(output=output)
