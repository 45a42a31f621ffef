"""What workflows ask this service to do: they get outcomes, never a secret."""

from typing import Annotated

from services.integrations.deps import DeskDep
from services.integrations.domain import actions, authorization, integrations, requests
from services.integrations.schemas.calls import ActionCall, HttpAnswer, HttpCall
from services.integrations.schemas.integrations import ActionResult
from shared import webapp
from shared.deps import ServiceDep, called_by
from shared.servicetokens import Caller

router = webapp.internal_router()

Workflows = Annotated[Caller, called_by("workflows")]


@router.post("/actions")
async def perform_action(body: ActionCall, service: ServiceDep, desk: DeskDep, _caller: Workflows) -> ActionResult:
    """Runs an action of an integration of the named organisation; problems carry `retryable`."""
    async with service.database.session(body.organization_id) as session:
        found = await integrations.resolve(session, body.organization_id, body.integration)
    given = {} if body.input is None else body.input
    if body.dry_run:
        return ActionResult(output=actions.rehearse(desk.catalog, found, body.action, given))
    output = await actions.perform(
        desk.catalog,
        found,
        body.action,
        given,
        secrets=await authorization.usable(desk.keeper(service.database), found),
        outlet=desk.outlets.outlet(body.organization_id),
        idempotency_key=body.idempotency_key,
        seconds=body.timeout_seconds,
    )
    return ActionResult(output=output)


@router.post("/http")
async def send_request(body: HttpCall, desk: DeskDep, _caller: Workflows) -> HttpAnswer:
    """Sends one request and answers whatever status came back; problems carry `retryable`."""
    headers = body.headers or {}
    if body.dry_run:
        return HttpAnswer.model_validate(requests.rehearse(desk.outlets.egress.policy, body.url, headers))
    answer = await requests.send(
        desk.outlets.outlet(body.organization_id),
        body.method,
        body.url,
        headers=headers,
        query=body.texts(),
        body=body.body,
        idempotency_key=body.idempotency_key,
        seconds=body.timeout_seconds,
    )
    return HttpAnswer.model_validate(answer)
