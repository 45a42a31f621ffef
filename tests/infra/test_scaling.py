"""One service is scaled alone, under load: nobody notices, and no other process changes."""

import asyncio
from typing import Any

import pytest

from infra.local import discovery
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import Traffic

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("own-stack")]
RATE = 50


def others(stand: Stand) -> dict[str, tuple[int, str, int]]:
    """Pid, state and restarts of every process but those of events."""
    names = [*discovery.process_names(), "postgres", "valkey", "traefik", "mail"]
    found = [process for name in names if name != "events" for process in stand.processes(name)]
    return {process["instance"]: (process["pid"], process["state"], process["restarts"]) for process in found}


async def scale(stand: Stand, count: int) -> list[dict[str, Any]]:
    await asyncio.to_thread(stand.command, "infra.local", "scale", "--json", f"events={count}")
    return await asyncio.to_thread(stand.processes, "events")


async def test_events_go_from_one_to_three_and_back_while_people_work() -> None:
    async with open_stand(scale={}, sink_seconds=0) as stand:
        before = await asyncio.to_thread(others, stand)
        (first,) = await asyncio.to_thread(stand.processes, "events")
        async with Traffic(stand, RATE, reads=("/events?limit=1", "/stats"), writes=("/events", "/events")) as traffic:
            await asyncio.sleep(1)
            three = await scale(stand, 3)
            await asyncio.sleep(3)
            one = await scale(stand, 1)
            await asyncio.sleep(2)
        assert [process["state"] for process in three] == ["ready"] * 3
        assert [process["pid"] for process in one] == [first["pid"]]
        assert traffic.failed == []
        assert len(traffic.answers) > 5 * RATE
        assert await asyncio.to_thread(others, stand) == before
