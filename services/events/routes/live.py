"""WebSocket /live: authenticated before the upgrade, then whatever the caller may hear."""

import asyncio
from typing import Annotated, Literal

from fastapi import WebSocket
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from services.events.domain.feeds import encode
from services.events.domain.live import Hub
from services.events.domain.sockets import EXPIRED, FLOOD, REFUSED, Client
from services.events.routes.frames import OUTLET, LiveProtocol
from shared import deps, errors, webapp
from shared.service import Service

routes = webapp.router(tags=["live"])

PROTOCOL = "floyo.v1"
_BEARER = "bearer."
FLOOD_MESSAGES = 60
FLOOD_SECONDS = 10.0


class Subscribe(BaseModel):
    """Follow channels, each from a position if one is named."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["subscribe"]
    channels: Annotated[list[Annotated[str, Field(max_length=100)]], Field(max_length=10)]
    after: dict[str, Annotated[str, Field(max_length=100)]] = {}


class Authenticate(BaseModel):
    """Go on with a newer token of the same organisation."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["authenticate"]
    token: Annotated[str, Field(max_length=8_192)]


_MESSAGE: TypeAdapter[Subscribe | Authenticate] = TypeAdapter(
    Annotated[Subscribe | Authenticate, Field(discriminator="type")]
)


@routes.websocket("/live")
async def live(websocket: WebSocket) -> None:
    """The admission of a socket; what becomes of it then, `Conversation` says."""
    service: Service = websocket.app.state.service
    hub = service.part(Hub)
    try:
        client = await _admit(websocket, service, hub)
    except errors.FloyoError as error:
        await websocket.send_denial_response(webapp.problem(error))
        return
    outlet: LiveProtocol = websocket.scope["extensions"][OUTLET]
    offered = websocket.scope.get("subprotocols") or ()
    await websocket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
    hub.add(client)
    outlet.attend(Conversation(service, hub, client))


async def _admit(websocket: WebSocket, service: Service, hub: Hub) -> Client:
    """Raises Unauthorized, Forbidden or TooManyRequests, which become HTTP answers to the upgrade."""
    origin = websocket.headers.get("origin")
    if origin is not None and origin not in {*service.settings.cors_origins, service.settings.public_url}:
        raise errors.Forbidden("origin-not-allowed", "This origin may not open sockets.")
    token = _token(websocket)
    principal = await deps.identify(service, websocket.scope, token)
    if not principal.may("live:read"):
        raise errors.Forbidden("forbidden", "This needs the permission live:read.")
    hub.check_room(principal.organization_id)
    return Client(principal, token, websocket.scope["extensions"][OUTLET])


def _token(websocket: WebSocket) -> str:
    scheme, _, token = websocket.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    for offered in websocket.scope.get("subprotocols") or ():
        if offered.startswith(_BEARER):
            found: str = offered.removeprefix(_BEARER)
            return found
    raise errors.Unauthorized("invalid-token", "Send the token as `Authorization` or as subprotocol `bearer.<token>`.")


class Conversation:
    """What one reader says, and what is done about it."""

    __slots__ = ("_client", "_heard", "_hub", "_left", "_service", "_since")

    def __init__(self, service: Service, hub: Hub, client: Client) -> None:
        self._service, self._hub, self._client = service, hub, client
        self._since, self._heard, self._left = 0.0, 0, False

    def hear(self, message: bytes) -> None:
        """Does what the caller asks for, unless it asks for too much."""
        now = asyncio.get_running_loop().time()
        if now - self._since > FLOOD_SECONDS:
            self._since, self._heard = now, 0
        self._heard += 1
        if self._heard > FLOOD_MESSAGES:
            self._client.end(FLOOD, "too many messages")
            return
        try:
            asked = _MESSAGE.validate_json(message)
        except ValidationError as error:
            detail = f"Not understood: {error.error_count()} wrong field(s)."
            self._client.offer(encode({"type": "error", "detail": detail}))
            return
        if isinstance(asked, Authenticate):
            self._hub.spawn(_renew(self._service, self._client, asked.token))
            return
        for channel in asked.channels:
            self._hub.spawn(_follow(self._service, self._hub, self._client, channel, asked.after.get(channel)))

    def leave(self) -> None:
        """Forgets the reader."""
        if not self._left:
            self._left = True
            self._client.end(1000, "gone")
            self._hub.remove(self._client)


async def _follow(service: Service, hub: Hub, client: Client, channel: str, after: str | None) -> None:
    while client.ended is None:
        try:
            await hub.subscribe(service, client, channel, after)
            return
        except errors.Forbidden as error:
            client.offer(encode({"type": "error", "channel": channel, "detail": error.detail}))
            client.end(REFUSED, "subscription refused")
        except errors.Unavailable:
            client.cursors.pop(channel, None)
            await asyncio.sleep(1)


async def _renew(service: Service, client: Client, token: str) -> None:
    try:
        principal = await service.verifier.verify(token)
    except errors.FloyoError:
        client.end(EXPIRED, "the new token is not valid")
        return
    if principal.organization_id != client.organization_id:
        client.end(REFUSED, "the new token is of another organisation")
        return
    client.principal, client.token = principal, token
    client.offer(encode({"type": "authenticated", "expires_at": principal.expires_at}))
