"""What workflows ask this service to do: they get outcomes, never a secret."""

from typing import Any

from services.integrations.deps import Desk
from services.integrations.domain import actions, authorization, integrations, requests
from services.integrations.schemas.calls import ActionCall, HttpCall
from shared.service import Service


async def perform_action(body: ActionCall, service: Service, desk: Desk) -> dict[str, Any]:
    """Runs an action of an integration of the named organisation: {output}; problems carry `retryable`."""
    found = await integrations.resolve(service.database, body.organization_id, body.integration)
    given = {} if body.input is None else body.input
    if body.dry_run:
        return {"output": actions.rehearse(desk.catalog, found, body.action, given)}
    output = await actions.perform(
        desk.catalog,
        found,
        body.action,
        given,
        secrets=await authorization.usable(desk.keeper(service.database), found),
        outlet=desk.outlets.outlet(body.organization_id),
        idempotency_key=body.idempotency_key,
        cause=body.cause,
        seconds=body.timeout_seconds,
    )
    return {"output": output}


async def send_request(body: HttpCall, _service: Service, desk: Desk) -> dict[str, Any]:
    """Sends one request and answers whatever came back: {status, headers, body}; problems carry `retryable`."""
    headers = body.headers or {}
    if body.dry_run:
        return requests.rehearse(desk.outlets.egress.policy, body.url, headers)
    return await requests.send(
        desk.outlets.outlet(body.organization_id),
        body.method,
        body.url,
        headers=headers,
        query=body.texts(),
        body=body.body,
        idempotency_key=body.idempotency_key,
        seconds=body.timeout_seconds,
    )
