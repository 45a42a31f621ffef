"""A service to talk to, a client for it, and a home that is nobody's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from client import Floyo
from tests.client.server import Service


@pytest.fixture
def remote() -> Iterator[Service]:
    """A server on loopback."""
    server = Service()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def waits() -> list[float]:
    """How long the client would have slept."""
    return []


@pytest.fixture
def floyo(remote: Service, waits: list[float]) -> Iterator[Floyo]:
    """A client with an API key that never really sleeps."""
    with Floyo(remote.url, "floyo_key", sleep=waits.append) as client:
        yield client


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Credentials go to a folder of this test."""
    for name in ("FLOYO_URL", "FLOYO_TOKEN", "FLOYO_HOME", "FLOYO_PASSWORD", "FLOYO_PORT"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "configuration"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    return folder
