"""Processes of the auth service in this event loop, their mail server, and people who use them."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from typing import Any
from uuid import uuid4

import httpx2
from aiosmtpd.smtp import SMTP, Envelope

from services.auth import app
from services.auth.clients.smtp import Postman
from services.auth.domain import post
from services.auth.domain.context import Context
from services.auth.settings import Settings
from shared import crypto, server, service
from shared.service import Service

PASSWORD = "correct horse battery staple"
SEEDS = {name: crypto.encode64(name.encode().ljust(32, b"-")) for name in ("auth", "events", "workflows")}
PUBLIC_URL = "http://floyo.example:8080"


@dataclass
class Mailbox:
    """A mail server's memory, and a switch that makes it refuse."""

    letters: list[tuple[str, str]] = field(default_factory=list)
    refusing: bool = False

    async def handle_DATA(self, _server: SMTP, _session: Any, envelope: Envelope) -> str:  # noqa: N802
        """What aiosmtpd calls for each letter."""
        if self.refusing:
            return "451 try again later"
        message = message_from_bytes(bytes(envelope.original_content or b""), policy=policy.default)
        self.letters.append((envelope.rcpt_tos[0], str(message.get_content())))
        return "250 OK"

    def tokens(self, recipient: str) -> list[str]:
        """Tokens of the links written to somebody, oldest first."""
        texts = [text for to, text in self.letters if to == recipient]
        return [token for text in texts for token in re.findall(r"token=([\w-]+)", text)]


@dataclass
class Process:
    """A running API process with clients for both of its applications."""

    service: Service
    public: httpx2.AsyncClient
    internal: httpx2.AsyncClient
    mailbox: Mailbox
    postman: Postman | None

    @property
    def context(self) -> Context:
        """Auth's parts."""
        return self.service.part(Context)

    async def deliver(self) -> None:
        """Sends every letter that waits."""
        assert self.postman is not None
        while await post.send_due(self.context, self.postman):
            pass

    async def settled(self) -> None:
        """Waits for what is done beside answers."""
        while self.context.tasks:
            await next(iter(self.context.tasks))

    async def internal_keys(self) -> Any:
        """The key set as siblings see it."""
        return (await self.as_sibling("events", "GET", "/internal/jwks")).json()

    async def as_sibling(self, name: str, method: str, path: str, **options: Any) -> httpx2.Response:
        """A call to the internal port with a sibling's token."""
        from shared.servicetokens import ServiceTokens

        token = ServiceTokens(name, SEEDS[name], {}).mint("auth", method, path)
        return await self.internal.request(method, path, headers={"Authorization": f"Bearer {token}"}, **options)


@asynccontextmanager
async def running(settings: Settings, mailbox: Mailbox) -> AsyncIterator[Process]:
    """Opens a process as `shared.server` does, without sockets."""
    held = service.build("auth", settings)
    public, internal = app.create_app(settings), app.create_internal_app(settings)
    public.state.service = internal.state.service = held
    postman = Postman(settings.smtp_url.get_secret_value(), settings.mail_from) if settings.smtp_url else None
    async with (
        service.opened(held, public.state.lifespan),
        _client(public, "http://floyo.example:8080/api/v1") as outside,
        _client(internal, "http://internal") as inside,
    ):
        held.start(server.follow_revocations)
        yield Process(held, outside, inside, mailbox, postman)


def _client(application: Any, base: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(application, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=base)


class Person:
    """Somebody who registers and logs in."""

    def __init__(self, process: Process, email: str | None = None, password: str = PASSWORD) -> None:
        self.process = process
        self.email = email or f"{uuid4().hex}@example.com"
        self.password = password
        self.pair: dict[str, Any] = {}

    async def join(self) -> "Person":
        """Registers and logs in."""
        await self.ok("POST", "/auth/register", 202, json={"email": self.email, "password": self.password})
        return await self.login()

    async def login(self, **more: Any) -> "Person":
        """Logs in, in the first organisation."""
        body = {"email": self.email, "password": self.password, **more}
        self.pair = {}
        self.pair = await self.ok("POST", "/auth/login", json=body)
        return self

    async def switch(self, organization_id: str) -> "Person":
        """Works in another organisation from now on."""
        self.pair = await self.ok("POST", "/auth/switch", json={"organization_id": organization_id})
        return self

    @property
    def organization_id(self) -> str:
        """The organisation that the token is for."""
        return str(self.pair["organization_id"])

    async def user_id(self) -> str:
        """The person's id."""
        return str((await self.ok("GET", "/users/me"))["id"])

    async def call(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """One request with the access token, if there is one."""
        headers = dict(options.pop("headers", {}))
        if self.pair:
            headers.setdefault("Authorization", f"Bearer {self.pair['access_token']}")
        return await self.process.public.request(method, path, headers=headers, **options)

    async def ok(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """One request that must be answered with this status; the decoded body."""
        answer = await self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def refused(self, method: str, path: str, status: int, **options: Any) -> str:
        """One request that must be refused with this status; the slug of the problem."""
        answer = await self.call(method, path, **options)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return str(answer.json()["type"]).removeprefix("urn:floyo:problem:")
