"""A3, failpoints: wherever on the engine's path a process dies, everything comes to the same end, each effect once."""

import ast
import asyncio
import collections
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from infra.local.home import ROOT
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand

SEEDS = 20
LANES = 8
WORKFLOWS = 40
SCALE = {"workflows-worker": 8, "workflows": 3, "integrations": 3}
EFFECTS = ("one", "two", "inner")
# A dead process whose place is passed by nobody for so long gets another run to die on.
PATIENCE = 2.0
UP_SECONDS = 60.0
ANSWER_SECONDS = 15.0
# What is asked of a run that a timer fired, whatever died on its way.
FINAL = """
    SELECT run.id::text AS id, concat_ws(' | ',
           run.status, run.error::text, run.output::text,
           (SELECT string_agg(concat_ws(':', key, status, attempts), ' ' ORDER BY key) FROM run_step
             WHERE run_id = run.id),
           (SELECT string_agg(child.status, ' ') FROM run child WHERE child.cause->>'id' = run.id::text),
           (SELECT string_agg(concat_ws(':', approval.status, (SELECT count(*) FROM approval_decision
             WHERE approval_id = approval.id)), ' ') FROM approval WHERE run_id = run.id),
           (SELECT concat_ws(' ', count(*), count(delivered_at), 'told') FROM outbox JOIN approval
                ON outbox.key = approval.id::text WHERE approval.run_id = run.id)) AS state
      FROM run WHERE depth = 0
"""
CHILDREN = "SELECT id::text AS id, cause->>'id' AS parent FROM run WHERE depth = 1"
TOLD = "SELECT id::text AS id FROM outbox WHERE type = 'approval.requested' AND recipient = 'integrations'"
FIRE = """
    UPDATE trigger SET next_at = now() WHERE workflow_id = $1::uuid AND next_at > now() + interval '1 hour'
    RETURNING id
"""
LEFT = """
    SELECT (SELECT count(*) FROM run WHERE finished_at IS NULL)
         + (SELECT count(*) FROM outbox WHERE delivered_at IS NULL)
         + (SELECT count(*) FROM trigger WHERE next_at <= now())
"""


@dataclass
class Trials:
    """What was tried and what became of it."""

    stand: Stand
    options: Options
    folder: Path
    workflows: list[str]
    fired: int = 0
    deaths: collections.Counter[str] = field(default_factory=collections.Counter)
    problems: list[str] = field(default_factory=list)
    whole: asyncio.Event = field(default_factory=asyncio.Event)

    async def look(self) -> None:
        """Know whether every process is up: while they wait to be started again, nobody passes anything."""
        while True:
            processes = await asyncio.to_thread(self.stand.all_processes)
            if all(process["state"] == "ready" for process in processes):
                self.whole.set()
            else:
                self.whole.clear()
            await asyncio.sleep(0.1)

    async def work(self, queue: "asyncio.Queue[str]") -> None:
        """One lane: a trial after the other."""
        while await self._is_whole() and not queue.empty():
            point = queue.get_nowait()
            if (self.folder / point).exists():  # another lane tries the same point just now
                queue.put_nowait(point)
                await asyncio.sleep(0.2)
                continue
            await self._try(point)

    async def _is_whole(self) -> bool:
        """Wait until every process is up; False, and a fault, when one is not up in time."""
        try:
            await asyncio.wait_for(self.whole.wait(), UP_SECONDS)
        except TimeoutError:
            self.problems.append(f"not every process was up again within {UP_SECONDS:.0f} s")
            return False
        return True

    async def fire(self) -> None:
        """Let a timer come due whose last firing is over."""
        while True:
            workflow = self.options.random.choice(self.workflows)
            if await self.stand.rows("workflows", FIRE, workflow):
                self.fired += 1
                return
            await asyncio.sleep(0.05)

    async def _try(self, point: str) -> None:
        charge = self.folder / point
        charge.write_text(str(self.options.random.choice((0, 0, 0, 1))))
        await asyncio.sleep(self.options.random.uniform(0.0, 0.2))
        deadline, before = time.monotonic() + 60, self.fired
        while charge.exists() and time.monotonic() < deadline:
            await self.fire()
            waited = time.monotonic() + PATIENCE
            while charge.exists() and time.monotonic() < waited:  # noqa: ASYNC110 - asks the file system
                await asyncio.sleep(0.05)
        if charge.exists():
            charge.unlink(missing_ok=True)
            self.problems.append(f"nobody died at {point}, while {self.fired - before} timers were let come due")
        else:
            self.deaths[point] += 1


def declared() -> list[str]:
    """Every point that the code names, in order."""
    return sorted(set(_find()))


def _find() -> Iterator[str]:
    for path in (*ROOT.glob("shared/*.py"), *ROOT.glob("services/workflows/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failpoint":
                yield from (str(item.value) for item in node.args if isinstance(item, ast.Constant))


async def run(options: Options) -> dict[str, Any]:
    """Every declared point, twenty times."""
    return await _scenario(options, declared(), 1 if options.short else SEEDS)


async def control(options: Options) -> dict[str, Any]:
    """With messages written after the commit that they tell of, the same must fail."""
    return await _scenario(options, ["outbox-after-commit"], 5, "outbox-after-commit")


async def _scenario(options: Options, points: list[str], seeds: int, *faults: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="floyo-failpoints-") as name:
        switched = ",".join((f"failpoints={name}", *faults))
        async with open_stand(scale=SCALE, sink_seconds=0.02, FLOYO_FAULTS=switched) as stand:
            trials = Trials(stand, options, Path(name), await _save(stand))
            deciding = asyncio.create_task(_decide(stand, trials.problems))
            await trials.fire()
            await _settle(stand, 60)
            (reference,) = {row["state"] for row in await stand.rows("workflows", FINAL)}
            began = time.monotonic()
            await _perform(trials, points, seeds)
            killing = time.monotonic() - began
            left = await _settle(stand, 90)
            seconds = time.monotonic() - began
            if deciding.done():
                deciding.result()
            deciding.cancel()
            found = await _reconcile(trials, reference)
    tried = sum(trials.deaths.values())
    found += [f"{left} runs, messages or timers never came to an end"] if left else []
    return {
        "points": len(points),
        "seeds": seeds,
        "deaths": tried,
        "runs": trials.fired,
        "seconds": round(seconds, 1),
        "seconds_a_death": round(killing / max(tried, 1), 2),
        "final_state": reference,
        "faults": trials.problems + found,
    }


async def _perform(trials: Trials, points: list[str], seeds: int) -> None:
    """Eight lanes at once, so that up to eight processes die before any of them is back."""
    order = [point for point in points for _ in range(seeds)]
    trials.options.random.shuffle(order)
    queue: asyncio.Queue[str] = asyncio.Queue()
    for point in order:
        queue.put_nowait(point)
    looking = asyncio.create_task(trials.look())
    await asyncio.gather(*(trials.work(queue) for _ in range(LANES)))
    looking.cancel()


async def _save(stand: Stand) -> list[str]:
    """Workflows that time fires: an effect, a child with one, a question to people, another effect."""
    url = f"http://127.0.0.1:{stand.sink_port}/effect/{{{{ run.id }}}}"

    def effect(name: str) -> dict[str, Any]:
        call = {"method": "POST", "url": f"{url}/{name}"}
        return {"id": name, "type": "http", "retry": {"attempts": 1}, "with": call}

    child = {"name": "Child", "trigger": {"type": "manual"}, "steps": [effect("inner")]}
    status, saved = await stand.call("POST", "/workflows", json=child)
    steps = [
        effect("one"),
        {"id": "child", "type": "workflow", "with": {"id": saved["id"]}},
        {"id": "ask", "type": "approval", "with": {}},
        effect("two"),
        {"id": "end", "type": "transform", "with": {"output": "{{ steps.ask.output.decision }}"}},
    ]
    found = []
    for index in range(WORKFLOWS):
        trigger = {"type": "schedule", "cron": "0 0 1 1 *", "catch_up": "one"}
        body = {"name": f"Everything {index}", "trigger": trigger, "steps": steps}
        status, saved = await stand.call("POST", "/workflows", json=body)
        if status != 201:
            raise RuntimeError(f"the workflow was refused: {status} {saved}")
        found.append(saved["id"])
    return found


async def _decide(stand: Stand, problems: list[str]) -> None:
    """Approve whatever is asked, again and again, as a person does whose browser shows an error."""
    while True:
        await asyncio.sleep(0.1)
        for row in await stand.rows("workflows", "SELECT id::text AS id FROM approval WHERE status = 'open'"):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await stand.call("POST", f"/approvals/{row['id']}", json={"decision": "approve"})
            except TimeoutError:
                problems.append(f"a decision was not answered within {ANSWER_SECONDS:.0f} s")
            except (aiohttp.ClientError, OSError, ValueError):
                continue  # whoever was to answer has died


async def _settle(stand: Stand, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    while True:
        left = int((await stand.rows("workflows", LEFT))[0][0])
        if not left or time.monotonic() > deadline:
            return left
        await asyncio.sleep(0.3)


async def _reconcile(trials: Trials, reference: str) -> list[str]:
    """Faults: final states that differ, firings lost or doubled, effects or messages missing or doubled."""
    stand = trials.stand
    rows = await stand.rows("workflows", FINAL)
    states = collections.Counter(row["state"] for row in rows)
    parents = {row["id"] for row in rows}
    effects: collections.Counter[tuple[str, str]] = collections.Counter()
    for entry in (await stand.ledger()).values():
        effects[entry["run"], entry["step"]] += entry["effects"]
    children = {row["parent"]: row["id"] for row in await stand.rows("workflows", CHILDREN)}
    wanted = {(run, step) for run in parents for step in ("one", "two")}
    wanted |= {(children.get(run, run), "inner") for run in parents}
    told = {row["id"] for row in await stand.rows("workflows", TOLD)}
    applied = {row["id"] for row in await stand.rows("integrations", "SELECT id::text AS id FROM inbox")}
    faults = [f"{count} runs ended as: {state}" for state, count in states.items() if state != reference]
    faults += [f"{len(parents)} runs of {trials.fired} firings"] if len(parents) != trials.fired else []
    missing = [pair for pair in wanted if not effects[pair]]
    faults += [f"{len(missing)} effects are missing"] if missing else []
    doubled = [pair for pair, count in effects.items() if count > 1 or pair not in wanted]
    faults += [f"{len(doubled)} effects happened twice"] if doubled else []
    faults += [f"{len(told - applied)} messages were never applied"] if told - applied else []
    return faults
