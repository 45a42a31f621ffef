"""Somebody who uses Floyo through the gateway, with nothing but its public API."""

import json
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import httpx2
from websockets.sync.client import ClientConnection, connect

PASSWORD = "correct horse battery staple"


def trusted(gateway: str) -> ssl.SSLContext | None:
    """What a gateway with TLS is trusted by: the certificate that FLOYO_TEST_CA names, and no other."""
    return ssl.create_default_context(cafile=os.environ.get("FLOYO_TEST_CA")) if gateway.startswith("https") else None


class Person:
    """A registered user, signed in, with an organisation of their own."""

    def __init__(self, gateway: str, email: str | None = None) -> None:
        self.email = email or f"{uuid4().hex}@example.com"
        self.tls = trusted(gateway)
        self.http = httpx2.Client(base_url=f"{gateway}/api/v1", timeout=90, trust_env=False, verify=self.tls or True)
        self.ok("POST", "/auth/register", 202, json={"email": self.email, "password": PASSWORD, "name": "Somebody"})
        self.pair = self.ok("POST", "/auth/login", 200, json={"email": self.email, "password": PASSWORD})
        self.http.headers["Authorization"] = f"Bearer {self.pair['access_token']}"

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request, whatever the answer."""
        return self.http.request(method, path, **options)

    def ok(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """One request that must be answered with this status; the decoded body."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    @contextmanager
    def live(self, *channels: str) -> Iterator[ClientConnection]:
        """The live socket, subscribed to channels."""
        url = str(self.http.base_url).rstrip("/").replace("http", "ws", 1) + "/live"
        headers = {"Authorization": self.http.headers["Authorization"]}
        with connect(url, additional_headers=headers, proxy=None, ssl=self.tls) as socket:
            socket.send(json.dumps({"type": "subscribe", "channels": channels}))
            assert json.loads(socket.recv(timeout=10))["type"] == "subscribed"
            yield socket

    def close(self) -> None:
        """Closes the connections."""
        self.http.close()


def eventually(look: Callable[[], Any], *, seconds: float = 20, pause: float = 0.1) -> Any:
    """What `look` finds once it is truthy; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(pause)
    return found
