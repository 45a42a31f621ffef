"""Folders, sockets and command-line arguments of a stack."""

import asyncio
import importlib
import pkgutil
import stat
from pathlib import Path

import pytest

from infra.local import __main__ as commands
from infra.local import discovery, home, secretfiles
from infra.local.home import ROOT, Home
from infra.local.ports import Reservation


def test_control_socket_stays_within_the_limit_of_the_system(tmp_path: Path) -> None:
    short, long = Home(Path("/tmp/h")), Home(tmp_path / ("x" * 120))
    assert short.control == Path("/tmp/h/control.sock")
    assert len(str(long.control)) < 104
    assert long.control != Home(tmp_path / ("y" * 120)).control


def test_home_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLOYO_HOME", str(tmp_path))
    assert home.from_environment().folder == tmp_path
    monkeypatch.delenv("FLOYO_HOME")
    assert home.from_environment().folder == ROOT / ".floyo"


def test_port_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOYO_PORT", "9090")
    assert home.gateway_port() == 9090
    monkeypatch.delenv("FLOYO_PORT")
    assert home.gateway_port() == 8080


@pytest.mark.parametrize("port", ["eighty", "0", "70000", "-1"])
def test_port_that_is_none(port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLOYO_PORT", port)
    assert commands.main(["up"]) == 2
    assert "FLOYO_PORT" in capsys.readouterr().err


def test_secret_is_made_once_and_closed(tmp_path: Path) -> None:
    first = secretfiles.obtain(tmp_path / "secrets", "key")
    assert first == secretfiles.obtain(tmp_path / "secrets", "key")
    assert len(first) >= 43
    assert stat.S_IMODE((tmp_path / "secrets" / "key").stat().st_mode) == 0o600


def test_write_whole_leaves_no_draft(tmp_path: Path) -> None:
    home.write_whole(tmp_path / "servers.yml", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["servers.yml"]


@pytest.mark.parametrize("pair", ["events", "events=", "=2", "events=two", "events=-1"])
def test_scale_argument_that_says_nothing(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.main(["scale", pair]) == 2
    assert "events=2" in capsys.readouterr().err


def test_not_running_says_how_to_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOYO_HOME", str(tmp_path))
    assert commands.main(["status"]) == commands.NOT_RUNNING
    assert "./taskw up" in capsys.readouterr().err
    assert commands.main(["down"]) == 0
    assert commands.main(["status", "--json"]) == commands.NOT_RUNNING
    assert '"processes": []' in capsys.readouterr().out


def test_workers_are_scaled_by_their_own_name() -> None:
    names = discovery.process_names()
    assert set(discovery.services()) <= set(names)
    assert {name + "-worker" for name in discovery.workers()} <= set(names)


def test_fork_server_reads_every_plug_in() -> None:
    packages = [
        importlib.import_module(name) for name in ("services.integrations.connectors", "services.workflows.steps")
    ]
    found = [f"{item.__name__}.{info.name}" for item in packages for info in pkgutil.iter_modules(item.__path__)]
    assert len(found) > len(packages)
    assert set(found) <= {name for names in discovery.modules().values() for name in names}


async def test_reserved_port_refuses_between_two_lives() -> None:
    reservation = Reservation()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", reservation.port)
    with reservation.listener() as listener:
        listener.listen()
        _, writer = await asyncio.open_connection("127.0.0.1", reservation.port)
        writer.close()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", reservation.port)
    reservation.close()
