"""The mail server of the installation, reached through the guarded way out."""

from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from urllib.parse import unquote, urlsplit

import aiosmtplib

from shared import destinations
from shared.egress import Egress

TIMEOUT = 10.0
_DEFAULT_PORTS = {"smtp": 25, "smtps": 465}


class Postman:
    """Sends letters to one server: `smtp://[user:password@]host[:port]`, upgraded to TLS when offered, or `smtps://`."""

    def __init__(self, url: str, sender: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
            raise ValueError("must read smtp://host:port or smtps://host:port")
        self._host = parts.hostname
        self._port = parts.port or _DEFAULT_PORTS[parts.scheme]
        self._tls = parts.scheme == "smtps"
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._sender = sender
        allow = destinations.parse_allow(f"{parts.hostname}:{self._port}")
        self._egress = Egress(destinations.Policy(allow=allow))

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hands one letter over; raises OSError, SMTPException or FloyoError."""
        connection = await self._egress.connect(self._host, self._port, ports=destinations.Ports())
        client = aiosmtplib.SMTP(hostname=self._host, sock=connection, use_tls=self._tls, timeout=TIMEOUT)
        async with client:
            if self._user and self._password:
                await client.login(self._user, self._password)
            await client.send_message(_compose(self._sender, to, subject, text))

    async def close(self) -> None:
        """Closes what is open."""
        await self._egress.close()


def _compose(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(usegmt=True), make_msgid(domain="floyo")
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message
