"""Credentials on this machine: one file of mode 0600 with a token pair or an API key for each address."""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from client.problems import FloyoProblem
from client.shapes import TokenPair

_SLACK_SECONDS = 20


@dataclass(frozen=True)
class Credentials:
    """A bearer token, and with a user's session the refresh token that renews it; `expires_at` is epoch seconds."""

    token: str
    refresh_token: str | None = None
    expires_at: float | None = None
    organization_id: str | None = None

    @property
    def stale(self) -> bool:
        """Whether the token should be renewed before it is used."""
        return self.refresh_token is not None and time.time() > (self.expires_at or 0) - _SLACK_SECONDS


def from_pair(pair: TokenPair) -> Credentials:
    """Credentials from the answer of a login, a refresh or a switch."""
    expires_at = time.time() + pair["expires_in"]
    return Credentials(pair["access_token"], pair["refresh_token"], expires_at, pair.get("organization_id"))


class Store(Protocol):
    """Where credentials are kept; `lock` keeps two processes from spending one refresh token twice."""

    def load(self) -> Credentials | None:
        """What is kept, if anything."""

    def save(self, credentials: Credentials | None) -> None:
        """Keep these instead; None forgets."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Held while the token is renewed."""


class Memory:
    """Credentials that end with the process."""

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._credentials = credentials

    def load(self) -> Credentials | None:
        """What is kept, if anything."""
        return self._credentials

    def save(self, credentials: Credentials | None) -> None:
        """Keep these instead."""
        self._credentials = credentials

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Nobody else holds what is in memory."""
        return contextlib.nullcontext()


class File:
    """Credentials for one address in the user's file, which other processes may change meanwhile."""

    def __init__(self, url: str, path: Path | None = None) -> None:
        self._url = url.rstrip("/")
        self.path = path or default_path()

    def load(self) -> Credentials | None:
        """What is kept for the address, if anything."""
        kept = self._read().get(self._url)
        return Credentials(**kept) if kept else None

    def save(self, credentials: Credentials | None) -> None:
        """Keep these for the address; the file is replaced in one go and readable by its owner alone."""
        content = self._read()
        content.pop(self._url, None)
        if credentials:
            content[self._url] = asdict(credentials)
        self._folder()
        new = self.path.with_suffix(f".{os.getpid()}.new")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file, indent=1)
        new.replace(self.path)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held by one process at a time."""
        self._folder()
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _folder(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            return dict(json.loads(self.path.read_text()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            detail = f"{self.path} cannot be read ({error}); delete it and log in again."
            raise FloyoProblem("credentials-unreadable", detail) from None


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Under FLOYO_HOME when that is set, else in the user's configuration folder."""
    if home := environment.get("FLOYO_HOME"):
        return Path(home).expanduser() / "client.json"
    folder = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "floyo" / "credentials.json"
