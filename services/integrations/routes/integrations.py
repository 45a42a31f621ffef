"""Integrations and their actions."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Response

from services.integrations.deps import DeskDep
from services.integrations.domain import actions, authorization, integrations
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
from shared import pagination, webapp
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
    session: Session,
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
        return 201, IntegrationView.of(made).model_dump(mode="json")

    answer = await once(
        session,
        principal.organization_id,
        route="POST /integrations",
        key=key,
        request={**body.model_dump(mode="json"), "secrets": secrets},
        produce=produce,
    )
    response.status_code = answer.status
    return IntegrationView.model_validate(answer.body)


@router.get("/integrations")
async def list_integrations(
    *,
    session: Session,
    service: ServiceDep,
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
    return Page(items=[IntegrationView.of(item) for item in shown], next_cursor=following)


@router.get("/integrations/{integration_id}")
async def get_integration(integration_id: UUID, session: Session, principal: Reader) -> IntegrationView:
    """One integration, without its secrets."""
    return IntegrationView.of(await integrations.get(session, principal.organization_id, integration_id))


@router.patch("/integrations/{integration_id}")
async def change_integration(
    integration_id: UUID, body: IntegrationChange, session: Session, desk: DeskDep, principal: Writer
) -> IntegrationView:
    """A new target asks for the stored secrets again."""
    changed = await integrations.change(
        session,
        desk.catalog,
        desk.ring,
        principal.organization_id,
        integration_id,
        name=body.name,
        settings=body.settings,
        secrets=revealed(body.secrets),
    )
    return IntegrationView.of(changed)


@router.delete("/integrations/{integration_id}", status_code=204)
async def delete_integration(integration_id: UUID, session: Session, principal: Writer) -> None:
    """Its secrets are gone with it."""
    await integrations.remove(session, principal.organization_id, integration_id)


@router.post("/integrations/{integration_id}/test")
async def test_integration(integration_id: UUID, service: ServiceDep, desk: DeskDep, principal: User) -> TestResult:
    """Calls the target to prove the credential."""
    async with service.database.session(principal.organization_id) as session:
        found = await integrations.get(session, principal.organization_id, integration_id)
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
