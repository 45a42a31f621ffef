"""A fault that is switched on where it must not be keeps every kind of process from starting."""

import socket
from collections.abc import Iterator

import pytest

from shared import server, worker
from shared.testing import faults


@pytest.fixture
def fresh() -> Iterator[None]:
    """What is switched on is read once in a process; here it is read anew."""
    faults._switched_on.cache_clear()
    yield
    faults._switched_on.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize("environment", ["production", "local", "development", None])
def test_a_fault_outside_the_test_environment_refuses_to_start(
    environment: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOYO_FAULTS", "sweeper-off")
    monkeypatch.delenv("FLOYO_ENVIRONMENT", raising=False)
    if environment is not None:
        monkeypatch.setenv("FLOYO_ENVIRONMENT", environment)
    with socket.socket() as unbound:
        statuses = server.serve("workflows", unbound, unbound), worker.work("workflows", unbound)
    assert statuses == (2, 2)
    told = capsys.readouterr().err
    assert told.count("refuses to start") == told.count("FLOYO_FAULTS") == 2
    assert "sweeper-off" not in told
