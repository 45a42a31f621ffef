"""The client: one object that logs in and offers every part of the API."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, cast

from client import credentials, live
from client.credentials import Credentials, File, Memory, Store
from client.resources import Events, Integrations, Patterns, Runs, Suggestions, Workflows
from client.shapes import JSON, LiveMessage, TokenPair
from client.targets import default_url
from client.transport import Transport


class Floyo:
    """A Floyo at `url`, spoken to with an API key or access token, or after `login`; close it or use it with `with`."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        store: Store | None = None,
        timeout: float = 30.0,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        kept = store or Memory(Credentials(token) if token else None)
        options = {"sleep": sleep} if sleep else {}
        self.transport = Transport(url, kept, timeout=timeout, **options)
        self.events = Events(self.transport)
        self.patterns = Patterns(self.transport)
        self.suggestions = Suggestions(self.transport)
        self.workflows = Workflows(self.transport)
        self.runs = Runs(self.transport)
        self.integrations = Integrations(self.transport)

    @classmethod
    def from_environment(cls, url: str | None = None, token: str | None = None) -> Self:
        """FLOYO_URL and FLOYO_TOKEN, or what `login` has stored for the address on this machine."""
        address = url or default_url()
        key = token or os.environ.get("FLOYO_TOKEN")
        return cls(address, key) if key else cls(address, store=File(address))

    def login(self, email: str, password: str, *, totp: str | None = None) -> Credentials:
        """Log in and keep the session; raises FloyoProblem such as `invalid-credentials`, `second-factor-required`."""
        body = {"email": email, "password": password, **({"totp": totp} if totp else {})}
        return self._keep(self.transport.call("POST", "/auth/login", json=body, anonymous=True))

    def register(self, email: str, password: str, name: str | None = None) -> None:
        """Ask for an account; a mail asks for confirmation, and a known address is answered the same."""
        body = {"email": email, "password": password, **({"name": name} if name else {})}
        self.transport.call("POST", "/auth/register", json=body, anonymous=True)

    def switch(self, organization_id: str) -> Credentials:
        """Go on in another organisation."""
        return self._keep(self.transport.call("POST", "/auth/switch", json={"organization_id": organization_id}))

    def logout(self) -> None:
        """End the session there and forget it here."""
        kept = self.transport.store.load()
        if kept and kept.refresh_token:
            self.transport.call("POST", "/auth/logout", json={"refresh_token": kept.refresh_token})
        self.transport.store.save(None)

    def me(self) -> JSON:
        """The user who is logged in."""
        return cast(JSON, self.transport.call("GET", "/users/me"))

    def create_api_key(self, name: str, scopes: Sequence[str], expires_at: str | None = None) -> JSON:
        """A new API key `{id, key}`; the key is shown this once."""
        body = {"name": name, "scopes": list(scopes), **({"expires_at": expires_at} if expires_at else {})}
        return cast(JSON, self.transport.call("POST", "/api-keys", json=body))

    def live(
        self, channels: Sequence[str] = ("events", "suggestions", "runs"), after: Mapping[str, str] | None = None
    ) -> Iterator[LiveMessage]:
        """Messages as they come, through reconnections, until the consumer stops; raises FloyoProblem when refused."""
        return live.follow(self.transport, channels, dict(after or {}))

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, pair: Any) -> Credentials:
        kept = credentials.from_pair(cast(TokenPair, pair))
        self.transport.store.save(kept)
        return kept
