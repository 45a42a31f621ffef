"""Who attacks and who is attacked: people and keys on a running stack, and a look into its databases."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import uuid4

import asyncpg
import httpx2
import jwt

from infra.local.home import ROOT
from tests.fixtures.stack import Stack

RENEW_SECONDS = 60
PASSWORD = "correct horse battery staple"
# One route of each service that any member may read.
READABLE = {"auth": "/users/me", "events": "/events", "workflows": "/workflows", "integrations": "/integrations"}


class Actor:
    """A client of the gateway: somebody with a password, or whoever holds a token; all share `http`."""

    http: ClassVar[httpx2.Client]

    def __init__(self, stack: Stack, email: str | None = None, *, token: str | None = None) -> None:
        self.stack = stack
        self.email = email or f"{uuid4().hex}@example.com"
        self.password = PASSWORD
        self.pair: dict[str, Any] = {}
        self.token = token

    def join(self) -> "Actor":
        """Registers and logs in."""
        self.ok("POST", "/auth/register", 202, json={"email": self.email, "password": self.password})
        return self.login()

    def login(self) -> "Actor":
        """Logs in, in the first organisation."""
        self.token = None
        return self._take(self.ok("POST", "/auth/login", json={"email": self.email, "password": self.password}))

    def switch(self, organization_id: str) -> "Actor":
        """Works in another organisation from now on."""
        return self._take(self.ok("POST", "/auth/switch", json={"organization_id": organization_id}))

    def _take(self, pair: dict[str, Any]) -> "Actor":
        self.pair = pair
        self.token = pair["access_token"]
        return self

    @property
    def claims(self) -> dict[str, Any]:
        """What the access token says."""
        return jwt.decode(self.pair["access_token"], options={"verify_signature": False})

    @property
    def organization(self) -> str:
        """The path of the organisation that the token is for."""
        return f"/organizations/{self.pair['organization_id']}"

    def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request, whatever the answer."""
        if self.pair and self.token == self.pair["access_token"] and self.claims["exp"] - time.time() < RENEW_SECONDS:
            self.token = None
            self._take(self.ok("POST", "/auth/refresh", json={"refresh_token": self.pair["refresh_token"]}))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token is not None else {}
        url = f"{self.stack.gateway}/api/v1{path}"
        return self.http.request(method, url, headers={**headers, **options.pop("headers", {})}, **options)

    def ok(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """One request that must be answered with this status; the decoded body."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def refused(self, method: str, path: str, status: int, **options: Any) -> str:
        """One request that must be refused with this status; the slug of the problem."""
        answer = self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        return str(answer.json()["type"]).removeprefix("urn:floyo:problem:")

    def invite(self, role: str, guest: "Actor | None" = None) -> "Actor":
        """Somebody of this role in this actor's organisation, who works there."""
        guest = guest or Actor(self.stack).join()
        self.ok("POST", f"{self.organization}/invitations", 201, json={"email": guest.email, "role": role})
        guest.ok("POST", "/organizations/invitations/accept", json={"token": guest.mailed("invitations")})
        return guest.switch(str(self.pair["organization_id"]))

    def key(self, *scopes: str) -> "Actor":
        """A holder of an API key of this actor's organisation."""
        made = self.ok("POST", "/api-keys", 201, json={"name": "attack", "scopes": list(scopes)})
        return Actor(self.stack, token=made["key"])

    def mailed(self, path: str, count: int = 1) -> str:
        """The token of the newest link to a page that was written to this address, once so many came."""

        def look() -> list[str]:
            text = "\n".join(self.stack.mails(self.email)).replace("=\n", "").replace("=3D", "=")
            found = re.findall(rf"/{path}#token=([\w-]+)", text)
            return found if len(found) >= count else []

        return str(eventually(look)[-1])


def eventually(look: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """What `look` finds once it is truthy; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"nothing within {seconds} s"
        time.sleep(0.05)
    return found


def platform_admin(stack: Stack) -> Actor:
    """A platform administrator, as the operator makes one."""
    email = f"{uuid4().hex}@example.com"
    command = [
        sys.executable, "-m", "infra.local.operator", "user", "create",
        "--email", email, "--password", PASSWORD, "--admin",
    ]  # fmt: skip
    environment = {**os.environ, "FLOYO_HOME": str(stack.home)}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert set(json.loads(result.stdout)) == {"user_id", "organization_id", "api_key"}
    return Actor(stack, email).login()


def dsn(stack: Stack, service: str, role: str | None = None) -> str:
    """The address of a service's database, for its `api` or `system` role or for the superuser."""
    user, secret = (f"{service}_{role}", f"database_{service}_{role}") if role else ("postgres", "postgres_password")
    password = (stack.home / "secrets" / secret).read_text()
    port = json.loads((stack.home / "ports.json").read_text())["postgres"]
    return f"postgresql://{user}:{password}@127.0.0.1:{port}/{service}"


async def execute(stack: Stack, service: str, statement: str, *arguments: Any) -> str:
    """One statement of the superuser."""
    connection = await asyncpg.connect(dsn(stack, service))
    try:
        return str(await connection.execute(statement, *arguments))
    finally:
        await connection.close()
