"""A5, queue-loss: losing everything that Redis holds, again and again, loses no work and delays it but little."""

import asyncio
import time
from typing import Any

import redis.asyncio
from redis.exceptions import RedisError

from tests.chaos import feeding, reconciling
from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

# What a run took beyond its own two seconds of waiting, by the database's clock.
DELAYS = """
    SELECT percentile_cont(0.99) WITHIN GROUP (ORDER BY delay) AS p99, max(delay) AS longest
      FROM (SELECT extract(epoch FROM finished_at - created_at) - 2 AS delay
              FROM run WHERE finished_at IS NOT NULL) ended
"""


async def run(options: Options) -> dict[str, Any]:
    """A thousand runs, three kills of Redis, one FLUSHALL."""
    return await _scenario(options, runs=200 if options.short else 1_000, patience=600.0)


async def control(options: Options) -> dict[str, Any]:
    """Without the sweeper the same must fail."""
    return await _scenario(options, runs=100, patience=25.0, FLOYO_FAULTS="sweeper-off")


async def _scenario(options: Options, *, runs: int, patience: float, **variables: str) -> dict[str, Any]:
    accepted: list[str] = []
    async with open_stand(scale={"workflows-worker": 2}, sink_seconds=0.05, **variables) as stand:
        workflow = await feeding.save(stand)
        began = time.monotonic()
        starting = asyncio.create_task(feeding.start(stand, workflow, runs, accepted))
        kills = 0
        for share in (0.2, 0.4, 0.6, 0.8):
            moment = began + runs / 20 * (share + options.random.uniform(-0.05, 0.05))
            await asyncio.sleep(max(0.0, moment - time.monotonic()))
            if share == 0.6:
                await _flush(stand)
            else:
                (server,) = await asyncio.to_thread(stand.processes, "valkey")
                kills += kill(server["pid"])
        await starting
        left = await feeding.settle(stand, time.monotonic() + patience)
        seconds = time.monotonic() - began
        (delays,) = await stand.rows("workflows", DELAYS)
        faults = await reconciling.reconcile(stand, accepted, feeding.STEPS)
    p99 = float(delays["p99"] or 0.0)
    faults += [f"{left} runs never ended"] if left else []
    faults += [f"the p99 delay was {p99:.1f} s"] if p99 > 15 else []
    return {
        "runs": len(accepted),
        "kills": kills,
        "seconds": round(seconds, 1),
        "delay_seconds_p99": round(p99, 2),
        "delay_seconds_max": round(float(delays["longest"] or 0.0), 2),
        "faults": faults,
    }


async def _flush(stand: Stand) -> None:
    """Empty Redis as its administrator."""
    password = (stand.home / "secrets" / "redis_floyo").read_text().strip()
    (server,) = await asyncio.to_thread(stand.processes, "valkey")
    for _ in range(50):
        try:
            async with redis.asyncio.Redis(port=server["internal_port"], username="floyo", password=password) as client:
                await client.flushall()
            return
        except RedisError:
            await asyncio.sleep(0.2)
    raise RuntimeError("Redis never came back to be flushed")
