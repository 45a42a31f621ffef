"""The connector email, against a real SMTP server."""

import asyncio
import warnings
from email import message_from_bytes
from email.message import Message
from email.policy import default
from typing import Any, ClassVar

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from services.integrations.domain.outlets import Outlets
from shared import errors
from shared.egress import TargetFailed
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Mode

PASSWORD = "smtp-password-4d1f"


class Server:
    """aiosmtpd in this loop, with one user."""

    def __init__(self) -> None:
        self.mode: Mode = "well"
        self.connections = 0
        self.mails: list[Message] = []
        self.recipients: list[list[str]] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> "Server":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._protocol, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        if self._server:
            self._server.close()

    @property
    def ports(self) -> list[int]:
        return [self.port]

    def _protocol(self) -> SMTP:
        self.connections += 1
        with warnings.catch_warnings(action="ignore"):  # it warns of passwords without TLS, which loopback may see
            return SMTP(
                self,
                hostname="test",
                authenticator=self._authenticate,
                auth_required=True,
                auth_require_tls=False,
                loop=asyncio.get_running_loop(),
            )

    def _authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        if self.mode == "busy":
            return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary authentication failure")
        good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode() and self.mode == "well"
        return AuthResult(success=good, handled=good, message=None if good else "535 5.7.8 Authentication failed")

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 No such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append(message_from_bytes(content, policy=default))
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 OK"


class TestEmail(ConnectorContract):
    id = "email"
    secrets: ClassVar = {"password": PASSWORD}
    inputs: ClassVar = {
        "send": {"to": ["a@example.com"], "cc": ["b@example.com"], "subject": "Büild failed", "text": "Hi\n.\nthere"}
    }

    async def start(self) -> Server:
        return await Server().start()

    def settings(self, target: Any) -> dict[str, Any]:
        return {
            "host": "127.0.0.1", "port": target.port, "security": "none", "username": "floyo",
            "sender": "floyo@example.com", "sender_name": "Floyo",
        }  # fmt: skip

    async def test_a_mail_arrives_whole(self, target: Server, outlets: Outlets) -> None:
        given = {**self.inputs["send"], "html": "<p>Hi</p>", "reply_to": "c@example.com"}
        output = await self.run(target, outlets, "send", given, idempotency_key="run:step")
        mail: Any = target.mails[0]
        assert target.recipients == [["a@example.com", "b@example.com"]]
        assert (mail["Subject"], mail["From"]) == ("Büild failed", "Floyo <floyo@example.com>")
        assert mail["Message-ID"] == output["message_id"]
        assert mail.get_body(("plain",)).get_content().splitlines() == ["Hi", ".", "there"]
        assert mail.get_body(("html",)).get_content().strip() == "<p>Hi</p>"
        again = await self.run(target, outlets, "send", given, idempotency_key="run:step")
        assert again["message_id"] == output["message_id"]

    async def test_refused_recipients_are_named(self, target: Server, outlets: Outlets) -> None:
        given = {**self.inputs["send"], "to": ["nobody@example.com"]}
        assert (await self.run(target, outlets, "send", given))["refused"] == ["nobody@example.com"]
        with pytest.raises(TargetFailed) as caught:
            await self.run(target, outlets, "send", {**given, "cc": []})
        assert caught.value.extensions["retryable"] is False

    @pytest.mark.parametrize(
        "wrong",
        [
            {"subject": "a\r\nBcc: x@example.com"},
            {"to": ["a@example.com\r\nRCPT TO:<x@example.com>"]},
            {"to": ["a@example.com, b@example.com"]},
            {"to": []},
            {"reply_to": "a@example.com\nX: y"},
        ],
    )
    async def test_b66_headers_cannot_be_broken(self, target: Server, outlets: Outlets, wrong: dict[str, Any]) -> None:
        with pytest.raises(errors.Invalid):
            await self.run(target, outlets, "send", {**self.inputs["send"], **wrong})
        assert target.connections == 0

    async def test_encryption_is_not_given_up(
        self, target: Server, outlets: Outlets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        plain = self.settings(target)
        monkeypatch.setattr(self, "settings", lambda _target: {**plain, "security": "starttls"})
        with pytest.raises(TargetFailed):
            await self.run(target, outlets, "send")
        assert target.mails == []
