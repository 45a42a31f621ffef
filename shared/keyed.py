"""Routes that answer the same again under one Idempotency-Key, whatever they change."""

from collections.abc import Callable
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import Response

from shared import asgi, deps, webapp
from shared.idempotency import MAX_KEY, Keys

_MUTATING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_HEADER = {
    "name": "Idempotency-Key", "in": "header", "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY},
}  # fmt: skip


def router(*, tags: list[str]) -> APIRouter:
    """As `webapp.router`; the process attaches `idempotency.Keys`."""
    return APIRouter(prefix=webapp.PREFIX, tags=list(tags), route_class=KeyedRoute)


class KeyedRoute(webapp.StrictRoute):
    """A route that keeps its answers by key, unless it changes nothing or sees to keys itself.

    A key belongs to one caller: under another's it is refused, as with another request.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **given: Any) -> None:
        super().__init__(path, endpoint, **given)
        if self._keeps():
            self.openapi_extra = {"parameters": [_HEADER], **(self.openapi_extra or {})}

    def _keeps(self) -> bool:
        own = {field.alias for field in self.dependant.header_params}
        return bool(_MUTATING & (self.methods or set())) and "Idempotency-Key" not in own

    def get_route_handler(self) -> Any:
        """Asks for the key before anything is done."""
        handle = super().get_route_handler()
        if not self._keeps():
            return handle

        async def once(request: Request) -> Any:
            key = request.headers.get("idempotency-key")
            return await (handle(request) if key is None else self._once(request, key, handle))

        return once

    async def _once(self, request: Request, key: str, handle: Any) -> Response:
        service = request.app.state.service
        principal = await deps.identify(service, request.scope, asgi.bearer(request.scope))
        body = await request.body()
        first: list[Response] = []

        async def produce() -> tuple[int, Any]:
            first.append(await handle(Request(request.scope, asgi.replay(body, request.receive))))
            content = bytes(first[0].body)
            return first[0].status_code, orjson.loads(content) if content else None

        answer = await service.part(Keys).run(
            service.database,
            organization_id=principal.organization_id,
            route=f"{request.method} {self.path_format}",
            key=key,
            request=[principal.subject, request.url.path, request.url.query, body.decode("utf-8", "replace")],
            produce=produce,
        )
        if first:
            return first[0]
        content = b"" if answer.body is None else orjson.dumps(answer.body)
        return Response(content, answer.status, media_type="application/json" if content else None)
