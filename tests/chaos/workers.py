"""A2, workers: runs survive the death of whoever works on them; each effect happens once; no attempt is spent on it."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import feeding, reconciling
from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

HAS_SHORT = True
WORKERS = 4
TAKEOVER = 15.0
HELD = "SELECT id, lease_owner, lease_token FROM run WHERE status = 'running' AND lease_owner IS NOT NULL"


@dataclass(frozen=True)
class Size:
    """How many runs and kills, the seconds between kills, and how long everything may take."""

    runs: int
    kills: int
    patience: float
    pauses: tuple[float, float] = (0.8, 2.4)


@dataclass
class Figures:
    """What happened, as it is counted."""

    accepted: list[str] = field(default_factory=list)
    kills: int = 0
    takeovers: list[float] = field(default_factory=list)
    orphans: dict[tuple[Any, int], float] = field(default_factory=dict)
    dead: set[str] = field(default_factory=set)
    seconds: float = 0.0


async def run(options: Options) -> dict[str, Any]:
    """A thousand runs, twenty kills."""
    size = Size(80, 3, options.within(25.0), (0.2, 0.7)) if options.short else Size(1_000, 20, 600.0)
    return await _scenario(options, size)


async def control(options: Options) -> dict[str, Any]:
    """Without the sweeper the same must fail."""
    size = Size(20, 1, 6.0, (0.2, 0.7)) if options.short else Size(40, 2, 12.0)
    return await _scenario(options, size, FLOYO_FAULTS="sweeper-off")


async def _scenario(options: Options, size: Size, **variables: str) -> dict[str, Any]:
    figures = Figures()
    scale = options.scale("auth", "workflows", "integrations", workflows_worker=WORKERS)
    async with open_stand(scale=scale, sink_seconds=0.25, **variables) as stand:
        workflow = await feeding.save(stand)
        began = time.monotonic()
        starting = asyncio.create_task(feeding.start(stand, workflow, size.runs, figures.accepted))
        watching = asyncio.create_task(_watch(stand, figures))
        deadline = began + size.patience
        killing = asyncio.create_task(_kill(stand, options, size, figures))
        await starting
        left = await feeding.settle(stand, deadline)
        killing.cancel()
        figures.seconds = time.monotonic() - began
        watching.cancel()
        faults = await reconciling.reconcile(stand, figures.accepted, feeding.STEPS)
        faults += [f"{left} runs never ended"] if left else []
    longest = max(figures.takeovers, default=0.0)
    if figures.kills < size.kills:
        faults.append(f"only {figures.kills} of {size.kills} kills hit a worker that held leases")
    if longest > options.within(TAKEOVER):
        faults.append(f"a takeover took {longest:.1f} s")
    return {
        "runs": len(figures.accepted),
        "kills": figures.kills,
        "seconds": round(figures.seconds, 1),
        "takeovers": len(figures.takeovers),
        "takeover_seconds_max": round(longest, 2),
        "faults": faults,
    }


async def _kill(stand: Stand, options: Options, size: Size, figures: Figures) -> None:
    """SIGKILL a worker that holds leases, again and again while runs are under way; only such kills count."""
    while figures.kills < size.kills:
        await asyncio.sleep(options.random.uniform(*size.pauses))
        processes = await asyncio.to_thread(stand.processes, "workflows-worker")
        pids = {item["instance"]: item["pid"] for item in processes if item["pid"] and item["state"] == "ready"}
        held = {row["lease_owner"] for row in await stand.rows("workflows", HELD)} - figures.dead
        owners = sorted(owner for owner in held if owner.split(":")[0] in pids)
        if not owners:
            continue
        owner = options.random.choice(owners)
        if not kill(pids[owner.split(":")[0]]):
            continue
        at = time.monotonic()
        figures.dead.add(owner)
        orphans = [row for row in await stand.rows("workflows", HELD) if row["lease_owner"] == owner]
        figures.kills += bool(orphans)
        for row in orphans:
            figures.orphans[row["id"], row["lease_token"]] = at


async def _watch(stand: Stand, figures: Figures) -> None:
    """Note how long each run whose worker was killed stays without one."""
    while True:
        await asyncio.sleep(0.2)
        if figures.orphans:
            query = "SELECT id, lease_token FROM run WHERE id = ANY($1)"
            rows = await stand.rows("workflows", query, [key[0] for key in figures.orphans])
            for row in rows:
                for key in [key for key in figures.orphans if key[0] == row["id"] and row["lease_token"] > key[1]]:
                    figures.takeovers.append(time.monotonic() - figures.orphans.pop(key))
