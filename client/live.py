"""The live socket: subscribes, renews its token, and resumes where it was after a break."""

import json
import random
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

from websockets import exceptions
from websockets.sync.client import ClientConnection, connect

from client.problems import FloyoProblem, Unreachable
from client.shapes import LiveMessage
from client.transport import Transport

_TICK_SECONDS = 5.0
_LONGEST_PAUSE = 30.0
_REFUSED = {1008: "flood", 1009: "frame-too-large", 4401: "unauthorized", 4403: "subscription-refused"}
_MAX_FRAME = 8 * 2**20


def follow(transport: Transport, channels: Sequence[str], after: dict[str, str]) -> Iterator[LiveMessage]:
    """Messages of the channels; `after` holds the position reached in each and is moved along.

    A lost connection is made again with growing pauses. Raises FloyoProblem when the gateway refuses it, or
    Unreachable when the very first connection fails.
    """
    failures, reached = 0, False
    while True:
        try:
            with _open(transport) as socket:
                failures, reached = 0, True
                _subscribe(socket, channels, after)
                yield from _messages(transport, socket, after)
        except exceptions.InvalidStatus as error:
            _raise_refusal(error)
        except exceptions.ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd else 1006
            if code in _REFUSED and not (code == 4401 and _renewable(transport)):
                raise FloyoProblem(_REFUSED[code], f"The live socket was closed with {code}.") from None
        except OSError as error:
            if not reached:
                raise Unreachable(f"{transport.url} cannot be reached ({error}).") from None
        failures += 1
        time.sleep(min(_LONGEST_PAUSE, 0.25 * 2 ** min(failures, 8)) * random.uniform(0.5, 1.0))  # noqa: S311


def _open(transport: Transport) -> ClientConnection:
    token = transport.token()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = "ws" + transport.url.removeprefix("http") + "/api/v1/live"
    return connect(address, additional_headers=headers, max_size=_MAX_FRAME, open_timeout=10, proxy=None)


def _subscribe(socket: ClientConnection, channels: Sequence[str], after: dict[str, str]) -> None:
    frame: dict[str, Any] = {"type": "subscribe", "channels": list(channels)}
    if known := {channel: after[channel] for channel in channels if channel in after}:
        frame["after"] = known
    socket.send(json.dumps(frame))


def _messages(transport: Transport, socket: ClientConnection, after: dict[str, str]) -> Iterator[LiveMessage]:
    token, looked = transport.token(), time.monotonic()
    while True:
        if time.monotonic() - looked >= _TICK_SECONDS:
            looked = time.monotonic()
            if (fresh := transport.token()) != token:
                token = fresh
                socket.send(json.dumps({"type": "authenticate", "token": token}))
        try:
            frame = json.loads(socket.recv(timeout=_TICK_SECONDS))
        except TimeoutError:
            continue
        if frame.get("position") is not None and "channel" in frame:
            after[frame["channel"]] = frame["position"]
        if frame.get("type") == "reset":
            after.pop(frame["channel"], None)
        yield cast(LiveMessage, frame)


def _renewable(transport: Transport) -> bool:
    kept = transport.store.load()
    return kept is not None and kept.refresh_token is not None and transport.token() is not None


def _raise_refusal(error: exceptions.InvalidStatus) -> None:
    status = error.response.status_code
    if status in {502, 503, 504}:
        return
    body = (error.response.body or b"").decode(errors="replace").strip()
    try:
        problem = json.loads(body)
        slug, detail = str(problem["type"]).rpartition(":")[2], str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        slug, detail = f"http-{status}", body[:200] or "The live socket was refused."
    raise FloyoProblem(slug, detail, status=status) from None
