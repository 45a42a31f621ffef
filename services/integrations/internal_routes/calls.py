"""What workflows ask this service to do: they get outcomes, never a secret."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import orjson
from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.security import HTTPAuthorizationCredentials
from pydantic import BaseModel, ValidationError

from services.integrations.deps import Desk, DeskDep
from services.integrations.domain import actions, authorization, integrations, requests
from services.integrations.schemas.calls import ActionCall, HttpCall
from shared import strictjson, webapp
from shared.deps import CalledBy, ServiceDep
from shared.service import Service
from shared.servicetokens import Caller

_admit: Final = CalledBy("workflows")

Workflows = Annotated[Caller, Depends(_admit)]


class CallRoute(webapp.InternalRoute):
    """Does by hand what FastAPI would do for these routes, since every step of a workflow pays for it.

    The caller is judged before the body, the body by the endpoint's model; the answer is JSON already, or a Response.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """One request of a sibling."""
        model = self.endpoint.__annotations__["body"]

        async def handle(request: Request) -> Response:
            service: Service = request.app.state.service
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            shown = HTTPAuthorizationCredentials(scheme=scheme, credentials=token)
            caller = await _admit(request, service, shown if scheme.lower() == "bearer" else None)
            body = _read(model, strictjson.parse(await request.body()))
            answer = await self.endpoint(body, service, service.part(Desk), caller)
            if isinstance(answer, Response):
                return answer
            return Response(orjson.dumps(answer), media_type="application/json")

        return handle


def _read(model: type[BaseModel], value: Any) -> BaseModel:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = [{**item, "loc": ("body", *item["loc"])} for item in error.errors(include_url=False)]
        raise RequestValidationError(found) from None


router = webapp.internal_router()
router.route_class = CallRoute


@router.post("/actions")
async def perform_action(body: ActionCall, service: ServiceDep, desk: DeskDep, _caller: Workflows) -> dict[str, Any]:
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


@router.post("/http")
async def send_request(body: HttpCall, _service: ServiceDep, desk: DeskDep, _caller: Workflows) -> dict[str, Any]:
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
