"""The live socket against a real WebSocket server: subscribing, resuming, renewing, and refusals."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from itertools import islice
from typing import Any

import pytest
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection, serve

from client import Floyo, FloyoProblem, Unreachable, live
from client.credentials import Credentials, Memory

Talk = Callable[[ServerConnection, int], None]


@contextmanager
def gateway(talk: Talk, refuse: HTTPStatus | None = None) -> Iterator[str]:
    """A server that lets `talk` handle each connection, counted from 0; answers its address."""
    count = iter(range(1_000))

    def check(connection: ServerConnection, _request: Request) -> Response | None:
        return connection.respond(refuse, "No entry\n") if refuse else None

    with serve(lambda socket: talk(socket, next(count)), "127.0.0.1", 0, process_request=check) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def message(number: int) -> str:
    return json.dumps(
        {"type": "message", "channel": "events", "position": f"p{number}", "epoch": 1, "data": {"n": number}}
    )


def test_it_subscribes_and_goes_on_after_a_break_where_it_was() -> None:
    subscriptions: list[Any] = []
    tokens: list[str | None] = []

    def talk(socket: ServerConnection, number: int) -> None:
        tokens.append(socket.request.headers.get("Authorization") if socket.request else None)
        subscriptions.append(json.loads(socket.recv()))
        socket.send(json.dumps({"type": "subscribed", "channel": "events", "epoch": 1, "position": f"p{number}"}))
        socket.send(message(number * 2))
        socket.send(message(number * 2 + 1))

    with gateway(talk) as url, Floyo(url, "floyo_key") as floyo:
        frames = [frame for frame in islice(floyo.live(["events"]), 6) if frame["type"] == "message"]
    assert [frame["data"]["n"] for frame in frames] == [0, 1, 2, 3]
    assert subscriptions[0] == {"type": "subscribe", "channels": ["events"]}
    assert subscriptions[1]["after"] == {"events": "p1"}
    assert tokens[0] == "Bearer floyo_key"


def test_a_reset_forgets_the_position() -> None:
    subscriptions: list[Any] = []

    def talk(socket: ServerConnection, number: int) -> None:
        subscriptions.append(json.loads(socket.recv()))
        socket.send(json.dumps({"type": "reset", "channel": "events"}) if number == 0 else message(1))

    with gateway(talk) as url, Floyo(url, "k") as floyo:
        frames = list(islice(floyo.live(["events"], {"events": "old"}), 2))
    assert [frame["type"] for frame in frames] == ["reset", "message"]
    assert subscriptions[0]["after"] == {"events": "old"}
    assert "after" not in subscriptions[1]


def test_a_fresh_token_is_sent_on_the_open_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK_SECONDS", 0.05)
    heard: list[Any] = []

    def talk(socket: ServerConnection, _number: int) -> None:
        socket.recv()
        socket.send(message(1))
        heard.append(json.loads(socket.recv(timeout=5)))
        socket.send(message(2))

    store = Memory(Credentials("first"))
    with gateway(talk) as url, Floyo(url, store=store) as floyo:
        frames = floyo.live(["events"])
        next(frames)
        store.save(Credentials("second"))
        next(frames)
    assert heard == [{"type": "authenticate", "token": "second"}]


@pytest.mark.parametrize(("code", "slug"), [(4403, "subscription-refused"), (1008, "flood"), (4401, "unauthorized")])
def test_a_refusal_rises(code: int, slug: str) -> None:
    with (
        gateway(lambda socket, _: socket.close(code)) as url,
        Floyo(url, "k") as floyo,
        pytest.raises(FloyoProblem) as caught,
    ):
        next(floyo.live(["events"]))
    assert caught.value.slug == slug


def test_a_refused_upgrade_rises_with_its_status() -> None:
    with (
        gateway(lambda *_: None, HTTPStatus.UNAUTHORIZED) as url,
        Floyo(url, "k") as floyo,
        pytest.raises(FloyoProblem, match="No entry") as caught,
    ):
        next(floyo.live(["events"]))
    assert caught.value.status == 401


def test_nobody_there_is_a_problem() -> None:
    with Floyo("http://127.0.0.1:1", "k") as floyo, pytest.raises(Unreachable):
        next(floyo.live(["events"]))
