"""The fork server: what a child is given, what is heard of its end, and that nothing outlives its parent."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from infra.local import discovery
from infra.local.instances import Plan, open_log
from infra.local.ports import Reservation
from infra.local.processes import Children, Forks
from tests.infra.stacks import wait_for

pytestmark = pytest.mark.xdist_group("forkserver")
CALLS = "tests.infra.forked"


@pytest.fixture(scope="module")
async def children() -> Children:
    """The one who hears of ended children in this process."""
    return Children()


@pytest.fixture(scope="module")
async def forks(children: Children, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Forks]:
    """A fork server that has imported the whole project."""
    server = Forks(children, open_log(tmp_path_factory.mktemp("forks") / "forkserver.log"))
    yield server
    server.close()
    await asyncio.wait_for(server.server.ended, 5)


def plan(folder: Path, function: str, *reservations: Reservation, stage: str | None = None) -> Plan:
    facts = str(folder / "facts")
    log = folder / "child.log"
    return Plan("child", f"{CALLS}:{function}", [facts], lambda: {"COLOUR": "green"}, log, reservations, stage)


async def test_no_thread_is_lost_by_forking(forks: Forks) -> None:
    assert (await asyncio.wait_for(forks.imported, 60))["threads"] == 1


async def test_child_gets_environment_sockets_and_log(forks: Forks, tmp_path: Path) -> None:
    first, second = Reservation(), Reservation()
    handle = await plan(tmp_path, "write_facts", first, second).launch(forks)
    assert await asyncio.wait_for(handle.ended, 10) == 3
    facts = (tmp_path / "facts").read_text().splitlines()
    assert facts[0] == str(handle.pid)
    assert facts[1] == "green"
    assert facts[-2:] == [str(first.port), str(second.port)]
    assert "written down" in (tmp_path / "child.log").read_text()
    first.close()
    second.close()


async def test_children_draw_different_random_numbers(forks: Forks, tmp_path: Path) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()
    handles = await asyncio.gather(*(plan(folder, "write_facts").launch(forks) for folder in folders))
    await asyncio.gather(*(handle.ended for handle in handles))
    drawn = [(folder / "facts").read_text().splitlines()[2:5] for folder in folders]
    assert all(len(set(column)) == len(folders) for column in zip(*drawn, strict=True))
    assert len({identity[-12:] for identity, _, _ in drawn}) == len(folders)


async def test_child_of_a_service_finds_its_code_read(children: Children, tmp_path: Path) -> None:
    stages = discovery.modules()
    server = Forks(children, open_log(tmp_path / "forkserver.log"))
    for stage in (list(stages)[-1], "auth"):
        handle = await asyncio.wait_for(plan(tmp_path, "write_modules", stage=stage).launch(server), 60)
        assert await asyncio.wait_for(handle.ended, 10) == 0
        assert {*stages[stage], *stages["shared"]} <= {*(tmp_path / "facts").read_text().splitlines()}
    server.close()
    await asyncio.wait_for(server.server.ended, 5)


async def test_first_services_do_not_wait_for_the_code_of_the_last(children: Children, tmp_path: Path) -> None:
    server = Forks(children, open_log(tmp_path / "forkserver.log"))
    await asyncio.wait_for(server.read("auth"), 60)
    assert not server.imported.done()
    server.close()
    await asyncio.wait_for(server.server.ended, 5)


async def test_nobody_waits_for_a_fork_server_that_is_lost(children: Children, tmp_path: Path) -> None:
    server = Forks(children, open_log(tmp_path / "forkserver.log"))
    launching = asyncio.create_task(plan(tmp_path, "wait", stage="workflows").launch(server))
    await asyncio.sleep(0)
    server.server.send(signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="ended"):
        await asyncio.wait_for(launching, 5)


async def test_crash_tells_its_story(forks: Forks, tmp_path: Path) -> None:
    handle = await plan(tmp_path, "fail").launch(forks)
    assert await asyncio.wait_for(handle.ended, 10) == 1
    assert "RuntimeError: on purpose" in (tmp_path / "child.log").read_text()


async def test_kill_is_heard_of(forks: Forks, tmp_path: Path) -> None:
    handle = await plan(tmp_path, "wait").launch(forks)
    os.kill(handle.pid, signal.SIGKILL)
    assert await asyncio.wait_for(handle.ended, 10) == -signal.SIGKILL


async def test_nothing_outlives_a_killed_fork_server(children: Children, tmp_path: Path) -> None:
    server = Forks(children, open_log(tmp_path / "forkserver.log"))
    handle = await plan(tmp_path, "wait").launch(server)
    server.server.send(signal.SIGKILL)
    assert await asyncio.wait_for(handle.ended, 10) == -signal.SIGKILL
    await asyncio.to_thread(wait_for, lambda: not psutil.pid_exists(handle.pid))


async def test_retired_fork_server_ends_with_its_last_child(children: Children, tmp_path: Path) -> None:
    server = Forks(children, open_log(tmp_path / "forkserver.log"))
    handle = await plan(tmp_path, "wait").launch(server)
    server.retire()
    assert not server.server.ended.done()
    handle.send(signal.SIGKILL)
    await asyncio.wait_for(server.server.ended, 10)


async def test_a_child_that_nobody_waits_for_any_more_is_ended(forks: Forks, tmp_path: Path) -> None:
    await forks.imported
    before = set(psutil.Process(forks.server.pid).children())
    launching = asyncio.create_task(plan(tmp_path, "wait").launch(forks))
    await asyncio.sleep(0)
    launching.cancel()
    (tmp_path / "next").mkdir()
    handle = await asyncio.wait_for(plan(tmp_path / "next", "write_facts").launch(forks), 10)
    assert await asyncio.wait_for(handle.ended, 10) == 3
    await asyncio.to_thread(wait_for, lambda: set(psutil.Process(forks.server.pid).children()) <= before)
