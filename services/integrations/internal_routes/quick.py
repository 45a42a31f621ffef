"""The way in for calls of workflows, before FastAPI: every step that reaches outside pays for it."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import orjson
from pydantic import BaseModel

from services.integrations.deps import Desk
from services.integrations.internal_routes import calls, together
from services.integrations.internal_routes.together import Lines
from services.integrations.schemas.calls import ActionCall, HttpCall, TogetherCalls, read
from shared import asgi, errors, strictjson
from shared.deps import CalledBy
from shared.service import Service

_CALLS: dict[str, tuple[type[BaseModel], Callable[..., Awaitable[Any]]]] = {
    "/internal/actions": (ActionCall, calls.perform_action),
    "/internal/http": (HttpCall, calls.send_request),
    "/internal/calls": (TogetherCalls, together.perform_together),
}
_ROUTES = {path: SimpleNamespace(path=path) for path in _CALLS}
_workflows = CalledBy("workflows")


class QuickCalls:
    """ASGI middleware, the innermost one: answers these paths itself and passes all others on untouched.

    The caller is judged before the body, the body by the call's model; the answer is JSON or lines of it.
    """

    def __init__(self, app: Any, *, owner: Any) -> None:
        self._app = app
        self._owner = owner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One ASGI call."""
        if scope["type"] != "http" or scope["path"] not in _CALLS or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTES[scope["path"]]
        try:
            found = await self._perform(scope, receive)
        except errors.FloyoError as error:
            await asgi.refuse(send, error)
            return
        if isinstance(found, Lines):
            await found(scope, receive, send)
        elif found is not None:
            await asgi.answer(send, 200, orjson.dumps(found))

    async def _perform(self, scope: Any, receive: Any) -> Any:
        """What the call answers; None when the caller went away before the end of the body."""
        service: Service = self._owner.state.service
        _workflows.admit(service, scope, asgi.bearer(scope))
        body = await asgi.read(receive)
        if body is None:
            return None
        model, perform = _CALLS[scope["path"]]
        return await perform(read(model, strictjson.parse(body)), service, service.part(Desk))
