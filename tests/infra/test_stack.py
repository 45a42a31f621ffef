"""The local stack from outside: start, crash, scale, stop, and stacks side by side."""

import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.infra.stacks import SERVICE, OwnStack, own_stack, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("own-stack")]
INSTANCE = f"{SERVICE}-1"


@pytest.fixture(scope="module")
def own() -> Iterator[OwnStack]:
    """A running stack of this module's own."""
    with own_stack() as stack:
        result = stack.up()
        assert result.returncode == 0, result.stderr
        yield stack


@pytest.fixture
def running(own: OwnStack) -> OwnStack:
    """The same, up again if the test before took it down."""
    assert own.up().returncode == 0
    return own


def test_status_names_every_process(running: OwnStack) -> None:
    processes = running.processes()
    assert {"traefik", "valkey", "postgres", "mail", INSTANCE, f"{SERVICE}-worker-1"} <= set(processes)
    for process in processes.values():
        assert set(process) == {"name", "instance", "pid", "state", "public_port", "internal_port", "restarts"}
        assert process["state"] == "ready"
        assert psutil.pid_exists(process["pid"])
    assert processes["traefik"]["public_port"] == running.port


def test_up_again_says_so(running: OwnStack) -> None:
    result = running.run("up")
    assert result.returncode == 0
    assert "already running" in result.stderr


def test_secrets_are_closed_to_others(running: OwnStack) -> None:
    files = [path for path in running.home.secrets.iterdir() if path.is_file()]
    assert files
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(running.home.secrets.stat().st_mode) == 0o700


def test_crashed_instance_comes_back_on_its_ports(running: OwnStack) -> None:
    before = running.processes()[INSTANCE]
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: running.processes()[INSTANCE]["pid"] not in {None, before["pid"]})
    wait_for(lambda: running.processes()[INSTANCE]["state"] == "ready")
    after = running.processes()[INSTANCE]
    assert after["restarts"] == before["restarts"] + 1
    assert (after["public_port"], after["internal_port"]) == (before["public_port"], before["internal_port"])
    wait_for(lambda: running.answer() == 401)


@pytest.mark.parametrize("name", ["postgres", "valkey", "traefik", "mail"])
def test_crashed_server_comes_back(running: OwnStack, name: str) -> None:
    before = running.processes()[name]
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: running.processes()[name]["pid"] not in {None, before["pid"]})
    wait_for(lambda: running.processes()[name]["state"] == "ready")
    assert running.processes()[name]["restarts"] > before["restarts"]
    wait_for(lambda: running.answer() == 401)


def test_killed_fork_server_is_replaced(running: OwnStack) -> None:
    before = running.processes()[INSTANCE]
    supervisor = psutil.Process(int((running.home.folder / "supervisor.pid").read_text()))
    for child in supervisor.children():
        if "infra.local.forkserver" in child.cmdline():
            child.kill()
    wait_for(lambda: running.processes()[INSTANCE]["pid"] not in {None, before["pid"]})
    wait_for(lambda: running.answer() == 401)


def test_gateway_sees_scaling_without_restart(running: OwnStack) -> None:
    gateway = running.processes()["traefik"]
    assert running.run("scale", f"{SERVICE}=2").returncode == 0
    first, second = running.processes()[INSTANCE], running.processes()[f"{SERVICE}-2"]
    assert running.run("scale", f"{SERVICE}=0").returncode == 0
    wait_for(lambda: running.answer() == 503)
    assert running.run("scale", f"{SERVICE}=1").returncode == 0
    wait_for(lambda: running.answer() == 401)
    assert first["public_port"] != second["public_port"]
    assert running.processes()["traefik"]["pid"] == gateway["pid"]


def test_instance_that_dies_is_passed_over(running: OwnStack) -> None:
    assert running.run("scale", f"{SERVICE}=2").returncode == 0
    wait_for(lambda: running.answer() == 401)
    os.kill(running.processes()[f"{SERVICE}-2"]["pid"], signal.SIGKILL)
    assert {running.answer() for _ in range(50)} == {401}
    assert running.run("scale", f"{SERVICE}=1").returncode == 0


def test_scale_refuses_what_it_does_not_know(running: OwnStack) -> None:
    result = running.run("scale", "nothing=2")
    assert result.returncode == 1
    assert SERVICE in result.stderr


def test_restart_changes_the_process_alone(running: OwnStack) -> None:
    before = running.processes()[INSTANCE]
    assert running.run("restart", SERVICE).returncode == 0
    after = running.processes()[INSTANCE]
    assert after["pid"] != before["pid"]
    assert after["restarts"] == before["restarts"]
    assert after["public_port"] == before["public_port"]


def test_stopped_process_stays_down_until_started(running: OwnStack) -> None:
    assert running.run("stop", "valkey", INSTANCE).returncode == 0
    stopped = running.processes()
    assert {stopped[name]["state"] for name in ("valkey", INSTANCE)} == {"stopped"}
    assert {stopped[name]["pid"] for name in ("valkey", INSTANCE)} == {None}
    wait_for(lambda: running.answer() == 503)
    assert running.run("start", "valkey", INSTANCE).returncode == 0
    assert running.processes()["valkey"]["state"] == "ready"
    assert running.answer() == 401
    assert "There are: " in running.run("stop", "nothing").stderr


def test_logs_name_their_process(running: OwnStack) -> None:
    result = running.run("logs", "-n", "500", INSTANCE)
    assert result.returncode == 0
    assert all(line.startswith(INSTANCE) for line in result.stdout.splitlines())
    assert "serving" in result.stdout


async def test_data_survives_down_and_up(running: OwnStack) -> None:
    await running.execute("CREATE TABLE IF NOT EXISTS kept AS SELECT 42 AS n")
    assert running.run("down").returncode == 0
    assert running.alive() == []
    assert running.run("status").returncode == 3
    assert "./taskw up" in running.run("status").stderr
    assert running.run("down").returncode == 0
    assert running.up().returncode == 0
    assert [row["n"] for row in await running.execute("SELECT n FROM kept")] == [42]


def test_killed_supervisor_takes_everything_with_it(running: OwnStack) -> None:
    supervisor = int((running.home.folder / "supervisor.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: running.alive() == [])
    result = running.up()
    assert result.returncode == 0, result.stderr
    wait_for(lambda: running.answer() == 401)


def test_taken_port_is_named() -> None:
    with own_stack() as other, socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        other.port = listener.getsockname()[1]
        result = other.up()
        assert result.returncode == 1
        assert f"Port {other.port}" in result.stderr
        assert f"FLOYO_PORT={other.port + 1}" in result.stderr
        assert other.alive() == []


def test_two_stacks_side_by_side(running: OwnStack) -> None:
    with own_stack(f"{'a-rather-long-name-' * 5}/home") as other:
        deep = other.home.folder
        _leave_initdb_half_done(deep)
        result = other.up()
        assert result.returncode == 0, result.stderr
        assert other.answer() == running.answer() == 401
        mine, theirs = running.processes(), other.processes()
        assert not {p["pid"] for p in mine.values()} & {p["pid"] for p in theirs.values()}
        assert other.run("down").returncode == 0
        assert other.alive() == []
        (deep / "postgres" / "data" / "global" / "pg_control").unlink()
        broken = other.up()
        assert broken.returncode == 1
        assert "incomplete" in broken.stderr
        assert "mv " in broken.stderr
    assert running.answer() == 401


def _leave_initdb_half_done(home: Path) -> None:
    """What an initdb leaves behind that was killed."""
    unfinished = home / "postgres" / "unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
