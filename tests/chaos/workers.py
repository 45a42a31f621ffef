"""A2, workers: runs survive the death of whoever works on them; each effect happens once; no attempt is spent on it."""

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.options import Options
from tests.chaos.stand import Stand, kill, open_stand

HAS_SHORT = True
WORKERS = 4
UNFINISHED = "SELECT count(*) FROM run WHERE finished_at IS NULL"
HELD = "SELECT id, lease_owner, lease_token FROM run WHERE status = 'running' AND lease_owner IS NOT NULL"


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
    runs, kills, patience = (120, 4, 60.0) if options.short else (1_000, 20, 600.0)
    return await _scenario(options, runs=runs, kills=kills, patience=patience)


async def control(options: Options) -> dict[str, Any]:
    """Without the sweeper the same must fail."""
    return await _scenario(options, runs=40, kills=2, patience=12.0, FLOYO_FAULTS="sweeper-off")


async def _scenario(options: Options, *, runs: int, kills: int, patience: float, **variables: str) -> dict[str, Any]:
    figures = Figures()
    async with open_stand(scale={"workflows-worker": WORKERS}, sink_seconds=0.25, **variables) as stand:
        workflow = await _save(stand)
        began = time.monotonic()
        starting = asyncio.create_task(_start(stand, workflow, runs, figures))
        watching = asyncio.create_task(_watch(stand, figures))
        deadline = began + patience
        await _kill(stand, options, kills, figures, deadline)
        await starting
        left = await _settle(stand, deadline)
        figures.seconds = time.monotonic() - began
        watching.cancel()
        faults = await _reconcile(stand, figures, left)
    longest = max(figures.takeovers, default=0.0)
    if figures.kills < kills:
        faults.append(f"only {figures.kills} of {kills} kills hit a worker that held leases")
    if longest > 15:
        faults.append(f"a takeover took {longest:.1f} s")
    return {
        "runs": len(figures.accepted),
        "kills": figures.kills,
        "seconds": round(figures.seconds, 1),
        "takeovers": len(figures.takeovers),
        "takeover_seconds_max": round(longest, 2),
        "faults": faults,
    }


async def _save(stand: Stand) -> str:
    """Three steps: an effect, a wait of two seconds, another effect; a single attempt each."""
    url = f"http://127.0.0.1:{stand.sink_port}/effect/{{{{ run.id }}}}"
    call = {"type": "http", "retry": {"attempts": 1}}
    status, saved = await stand.call(
        "POST",
        "/workflows",
        json={
            "name": "Two effects",
            "trigger": {"type": "manual"},
            "steps": [
                {"id": "one", **call, "with": {"method": "POST", "url": f"{url}/one"}},
                {"id": "pause", "type": "delay", "with": {"for": "PT2S"}},
                {"id": "two", **call, "with": {"method": "POST", "url": f"{url}/two"}},
            ],
        },
    )
    if status != 201:
        raise RuntimeError(f"the workflow was refused: {status} {saved}")
    return str(saved["id"])


async def _start(stand: Stand, workflow: str, runs: int, figures: Figures) -> None:
    """Twenty a second; a call that fails is repeated with its key, as an honest client does."""

    async def one(index: int) -> None:
        for _ in range(120):
            status, body = await stand.call(
                "POST", f"/workflows/{workflow}/runs", json={}, headers={"Idempotency-Key": f"run-{index}"}
            )
            if status == 202:
                figures.accepted.append(body["id"])
                return
            await asyncio.sleep(0.5)
        raise RuntimeError(f"run {index} was never accepted: {status} {body}")

    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index in range(runs):
            await asyncio.sleep(max(0.0, began + index / 20 - time.monotonic()))
            group.create_task(one(index))


async def _kill(stand: Stand, options: Options, kills: int, figures: Figures, deadline: float) -> None:
    """SIGKILL a worker that holds leases, again and again; only such kills count."""
    while figures.kills < kills and time.monotonic() < deadline:
        await asyncio.sleep(options.random.uniform(0.8, 2.4))
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


async def _settle(stand: Stand, deadline: float) -> int:
    """Wait until every run has ended, or until the deadline; answers how many have not."""
    while True:
        left = int((await stand.rows("workflows", UNFINISHED))[0][0])
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.5)


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


async def _reconcile(stand: Stand, figures: Figures, left: int) -> list[str]:
    """Compare what clients were promised with what the API, the database and the sink say."""
    faults = [f"{left} runs never ended"] if left else []
    ended: dict[str, str] = {}
    cursor = ""
    while True:
        status, page = await stand.call("GET", f"/runs?limit=200{cursor}")
        if status != 200:
            return [*faults, f"the list of runs answered {status}"]
        ended |= {item["id"]: item["status"] for item in page["items"]}
        if not page["next_cursor"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    lost = [run for run in figures.accepted if run not in ended]
    bad = [run for run in figures.accepted if ended.get(run) not in {"succeeded", None}]
    faults += [f"{len(lost)} accepted runs are lost"] if lost else []
    faults += [f"{len(bad)} runs have not succeeded, such as {bad[0]} ({ended[bad[0]]})"] if bad else []
    performed: dict[tuple[str, str], int] = defaultdict(int)
    for entry in (await stand.ledger()).values():
        performed[entry["run"], entry["step"]] += entry["effects"]
    wanted = {(run, step) for run in figures.accepted for step in ("one", "two")}
    missing = [pair for pair in wanted if performed.get(pair, 0) == 0]
    doubled = [pair for pair in wanted if performed.get(pair, 0) > 1]
    faults += [f"{len(missing)} effects are missing"] if missing else []
    faults += [f"{len(doubled)} effects happened twice"] if doubled else []
    spent = await stand.rows("workflows", "SELECT count(*) FROM run_step WHERE attempts > 1")
    faults += [f"{spent[0][0]} steps spent an attempt on a kill"] if spent[0][0] else []
    return faults
