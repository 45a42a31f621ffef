"""E-mail through any SMTP server."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import EmailMessage
from email.utils import formatdate
from hashlib import sha256
from typing import Annotated, Literal

import aiosmtplib
from pydantic import Field

from services.integrations.connector import Action, Call, Connector, Secret, Shape, Target
from shared import ids
from shared.destinations import Ports
from shared.egress import TargetFailed

_TEMPORARY = range(400, 500)

Address = Annotated[
    str, Field(max_length=254, pattern=r"^[^\s@<>\"(),:;\\\[\]]+@[A-Za-z0-9.-]+$", examples=["a@example.com"])
]
Line = Annotated[str, Field(max_length=900, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Settings(Shape):
    """The submission server and the sender."""

    host: Annotated[str, Field(min_length=1, max_length=253, examples=["smtp.example.com"])]
    port: int = Field(default=587, ge=1, le=65_535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Line = ""
    sender: Address
    sender_name: Line = ""


class Mail(Shape):
    """One mail, as text and perhaps as HTML too."""

    to: Annotated[list[Address], Field(min_length=1, max_length=50)]
    cc: Annotated[list[Address], Field(max_length=50)] = Field(default_factory=list)
    subject: Line
    text: Annotated[str, Field(max_length=1_000_000)]
    html: Annotated[str | None, Field(max_length=1_000_000)] = None
    reply_to: Address | None = None


class Sent(Shape):
    """The Message-ID, and the addresses that the server refused."""

    message_id: str
    refused: list[str]


def _targets(settings: Settings) -> tuple[Target, ...]:
    return (Target(settings.host, settings.port, secure=settings.security != "none"),)


@asynccontextmanager
async def _session(call: Call) -> AsyncIterator[aiosmtplib.SMTP]:
    settings: Settings = call.settings
    opened = await call.connect(settings.host, settings.port)
    client = aiosmtplib.SMTP(
        hostname=settings.host,
        sock=opened,
        use_tls=settings.security == "tls",
        start_tls=settings.security == "starttls",
        tls_context=None if settings.security == "none" else ssl.create_default_context(),
        timeout=call.timeout,
        local_hostname="floyo",
    )
    try:
        await client.connect()
        if settings.username:
            await client.login(settings.username, call.secret("password"))
        yield client
    except aiosmtplib.SMTPAuthenticationError as error:
        slug = "target-refused" if error.code in _TEMPORARY else "credential-refused"
        raise TargetFailed(slug, f"The server answered {error.code}.", retryable=error.code in _TEMPORARY) from None
    except aiosmtplib.SMTPRecipientsRefused as error:
        temporary = all(refused.code in _TEMPORARY for refused in error.recipients)
        raise TargetFailed("target-refused", "The server refused every recipient.", retryable=temporary) from None
    except aiosmtplib.SMTPResponseException as error:
        retryable = error.code in _TEMPORARY
        raise TargetFailed("target-refused", f"The server answered {error.code}.", retryable=retryable) from None
    except ssl.SSLError as error:
        raise TargetFailed("tls-failed", "The server's certificate is not good.", retryable=False) from error
    except (aiosmtplib.SMTPException, OSError) as error:
        raise TargetFailed("target-unreachable", "The server broke the connection.", retryable=True) from error
    finally:
        client.close()
        opened.close()


def _compose(settings: Settings, given: Mail, message_id: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = f'"{settings.sender_name}" <{settings.sender}>' if settings.sender_name else settings.sender
    message["To"] = ", ".join(given.to)
    if given.cc:
        message["Cc"] = ", ".join(given.cc)
    if given.reply_to:
        message["Reply-To"] = given.reply_to
    message["Subject"] = given.subject
    message["Date"] = formatdate()
    message["Message-ID"] = message_id
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(given.text)
    if given.html is not None:
        message.add_alternative(given.html, subtype="html")
    return message


async def send(call: Call, given: Mail) -> Sent:
    """The same idempotency key gives the same Message-ID, by which receivers drop a second copy."""
    settings: Settings = call.settings
    unique = sha256(call.idempotency_key.encode()).hexdigest()[:32] if call.idempotency_key else ids.new().hex
    message_id = f"<{unique}@{settings.sender.rpartition('@')[2]}>"
    message = _compose(settings, given, message_id)
    async with _session(call) as client:
        refused, _ = await client.send_message(message, sender=settings.sender, recipients=[*given.to, *given.cc])
    return Sent(message_id=message_id, refused=sorted(refused))


async def test(call: Call) -> None:
    """Logs in and sends nothing."""
    async with _session(call) as client:
        await client.noop()


CONNECTOR = Connector(
    id="email",
    name="E-mail",
    description="Sends mail through an SMTP server.",
    settings=Settings,
    secrets=(Secret("password", "The password of the user name in the settings.", required=False),),
    actions=(Action("send", "Sends one mail.", Mail, Sent, send),),
    targets=_targets,
    test=test,
    ports=Ports(only=frozenset({25, 465, 587}), at_least=1024, never=frozenset({5432, 6379})),
)
