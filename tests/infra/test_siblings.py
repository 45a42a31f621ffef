"""Between real processes: an instance that hangs is passed over by its siblings, and a read says what it lacks."""

import asyncio
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest

from tests.chaos.stand import Stand, open_stand

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("own-stack")]
# Nobody knows this integration, which only the integrations service can tell: 422 is its answer, 503 its absence.
WORKFLOW = {
    "name": "refers", "trigger": {"type": "manual"},
    "steps": [{"id": "only", "type": "action", "with": {"integration": "nobody", "action": "post_message"}}],
}  # fmt: skip


async def save(stand: Stand, count: int) -> tuple[Counter[int], float]:
    """So many attempts at once to save the workflow, and the seconds of the slowest."""

    async def one() -> tuple[int, float]:
        began = time.monotonic()
        status, _ = await stand.call("POST", "/workflows", json=WORKFLOW)
        return status, time.monotonic() - began

    answers = await asyncio.gather(*(one() for _ in range(count)))
    return Counter(status for status, _ in answers), max(seconds for _, seconds in answers)


async def internal(stand: Stand, name: str, path: str) -> str:
    """What a process says on its internal port."""
    (process,) = await asyncio.to_thread(stand.processes, name)
    async with stand.http.get(f"http://127.0.0.1:{process['internal_port']}{path}") as answer:
        return await answer.text()


async def lineage(stand: Stand, event_id: str) -> tuple[dict[str, Any], str | None]:
    """The story of an event, and what it says that it lacks."""
    url = f"http://127.0.0.1:{stand.port}/api/v1/events/{event_id}/lineage"
    async with stand.http.get(url) as answer:
        assert answer.status == 200
        return await answer.json(), answer.headers.get("Floyo-Degraded")


async def test_a_hanging_instance_is_passed_over_until_it_answers_again() -> None:
    async with open_stand(scale={"integrations": 2}, sink_seconds=0) as stand:
        assert (await save(stand, 10))[0] == {422: 10}
        victim = (await asyncio.to_thread(stand.processes, "integrations"))[0]["pid"]
        os.kill(victim, signal.SIGSTOP)
        try:
            hung, _ = await save(stand, 40)
            assert hung[503] >= 5
            assert set(hung) == {422, 503}
            assert '"siblings":{"status":"degraded"' in await internal(stand, "workflows", "/health/detailed")
            spared, slowest = await save(stand, 40)
            assert spared[422] >= 39, "all but one, which tries whether it is well again"
            assert spared[422] == 40 or slowest < 6
        finally:
            os.kill(victim, signal.SIGCONT)
        await asyncio.sleep(2.5)
        async with asyncio.timeout(20):
            while '"siblings":{"status":"ok"' not in await internal(stand, "workflows", "/health/detailed"):
                await save(stand, 10)
        assert (await save(stand, 20))[0] == {422: 20}


async def test_a_read_says_what_it_had_to_do_without() -> None:
    async with open_stand(scale={}, sink_seconds=0) as stand:
        _, told = await stand.call("POST", "/events", json={"source": "tests", "type": "told"})
        story, lacking = await lineage(stand, told["id"])
        assert (story["complete"], lacking) == (True, None)
        await asyncio.to_thread(stand.command, "infra.local", "stop", "workflows-1", "valkey")
        story, lacking = await lineage(stand, told["id"])
        assert (story["complete"], lacking) == (False, "limits, workflows")
        metrics = await internal(stand, "events", "/metrics")
        assert 'floyo_degraded_total{missing="workflows"} 1.0' in metrics
        assert 'floyo_sibling_calls_total{outcome="failed",sibling="workflows"}' in metrics
