"""The quick way in for POST /auth/login: of strangers, whose only proof stands in the body.

It stands inside the application's middleware, before FastAPI; whatever it does not take goes on to the route in
`sessions`, which documents it and answers the same.
"""

from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError

from services.auth.domain import emails, logins
from services.auth.domain.context import Context
from services.auth.domain.sessions import Device
from services.auth.schemas.sessions import Login, TokenPair
from shared import asgi, errors, strictjson
from shared.service import Service
from shared.webapp import PREFIX

PATH = f"{PREFIX}/auth/login"
_ROUTE = SimpleNamespace(path=PATH)
_NEVER = frozenset({b"authorization", b"content-encoding"})


class QuickLogin:
    """ASGI middleware, the innermost one."""

    def __init__(self, app: Any, *, owner: Any) -> None:
        self._app = app
        self._owner = owner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Takes the request, or passes it on untouched."""
        if not _is_plain(scope):
            await self._app(scope, receive, send)
            return
        service: Service = self._owner.state.service
        try:
            service.database.admit()
            body = await asgi.read(receive)
            if body is None:
                return
            given = _read(body)
            if given is None:
                await self._app(scope, asgi.replay(body, receive), send)
                return
            scope["route"] = _ROUTE
            pair = await _login(service, scope, given)
        except errors.FloyoError as error:
            await asgi.refuse(send, error)
            return
        await asgi.answer(send, 200, pair.model_dump_json().encode())


async def _login(service: Service, scope: Any, given: Login) -> TokenPair:
    context, email = service.part(Context), emails.parse(given.email)
    may_try = logins.may_try(context, email)
    await service.gate.admit(scope)
    await may_try
    proof = logins.Proof(given.password, given.totp)
    return TokenPair.of(await logins.login_stranger(context, email, proof, _device(scope)))


def _is_plain(scope: Any) -> bool:
    if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] != PATH or scope["query_string"]:
        return False
    headers = dict(scope["headers"])
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    return media == b"application/json" and _NEVER.isdisjoint(headers)


def _read(body: bytes) -> Login | None:
    """What somebody offers; None when the strict reading must say what is wrong."""
    try:
        return Login.model_validate(strictjson.parse(body))
    except (errors.FloyoError, ValidationError):
        return None


def _device(scope: Any) -> Device:
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
    return Device(agent.decode("latin-1")[:300], (scope.get("client") or ("",))[0])
