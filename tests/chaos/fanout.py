"""A8, fanout: live updates cross processes, a socket whose process dies resumes without a gap, a stalled one is cut."""

import asyncio
import contextlib
import time
from typing import Any

import aiohttp

from tests.chaos.listener import Listener
from tests.chaos.options import Options
from tests.chaos.staller import Staller
from tests.chaos.stand import Stand, kill, open_stand
from tests.chaos.traffic import percentile

HAS_SHORT = True
RATE = 20
PROMPT_MS = 250
PATIENCE, LATE_SECONDS, CONTROL_SECONDS = 20.0, 30.0, 8.0
STALLED_EVENTS, STALLED_BYTES = 300, 60_000


async def run(options: Options) -> dict[str, Any]:
    """Three processes, one killed halfway."""
    sockets, messages = (90, 160) if options.short else (300, 1_000)
    return await _scenario(options, sockets=sockets, messages=messages)


async def control(options: Options) -> dict[str, Any]:
    """Without catching up from a position, what was posted while a socket was away must be missing."""
    return await _scenario(options, sockets=60, messages=120, stalled=False, FLOYO_FAULTS="no-catch-up")


async def _scenario(
    options: Options, *, sockets: int, messages: int, stalled: bool = True, **variables: str
) -> dict[str, Any]:
    waits = (options.within(PATIENCE), LATE_SECONDS) if stalled else (CONTROL_SECONDS, 0.0)
    async with open_stand(scale=options.scale("auth", events=3), sink_seconds=0.0, **variables) as stand:
        users = {"mine": stand.user["api_key"], "theirs": await _stranger(stand, "stranger")}
        url = f"ws://127.0.0.1:{stand.port}/api/v1/live"
        listeners = [Listener(url, key, name) for name, key in users.items() for _ in range(_share(name, sockets))]
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
            tasks = [asyncio.create_task(listener.listen(http)) for listener in listeners]
            try:
                async with asyncio.timeout(60):
                    await asyncio.gather(*(listener.joined.wait() for listener in listeners))
                stalling = asyncio.create_task(_stall(stand, http)) if stalled else None
                await asyncio.gather(_post(stand, http, users, messages), _break(stand, options, messages))
                late = await _settle(listeners, messages, *waits)
                cut = await stalling if stalling else None
            finally:
                for task in tasks:
                    task.cancel()
                ends = await asyncio.gather(*tasks, return_exceptions=True)
    crashed = [repr(end) for end in ends if not isinstance(end, asyncio.CancelledError)]
    figures = _reconcile(listeners, messages, late, cut, crashed)
    p99, most = figures["p99_ms"], options.within(PROMPT_MS)
    figures["faults"] += [f"p99 was {p99} ms"] if not figures["deliveries"] or p99 > most else []
    return figures


async def _stranger(stand: Stand, name: str) -> str:
    """The key of another organisation."""
    made = await asyncio.to_thread(
        stand.command, "infra.local.operator", "user", "create", "--email", f"{name}@example.com",
        "--password", "a long chaotic password 7",
    )  # fmt: skip
    return str(made["api_key"])


def _share(name: str, sockets: int) -> int:
    """Every tenth socket is a stranger's."""
    return sockets // 10 if name == "theirs" else sockets - sockets // 10


async def _post(stand: Stand, http: aiohttp.ClientSession, users: dict[str, str], messages: int) -> None:
    """One message to each organisation at the rate; one that fails is repeated under the same id."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(messages):
            await asyncio.sleep(max(0.0, began + number / RATE - time.monotonic()))
            for name, key in users.items():
                if name == "mine" or number % 10 == 0:
                    group.create_task(_send(stand, http, key, f"{name}-{number}"))


async def _send(stand: Stand, http: aiohttp.ClientSession, key: str, name: str, text: str = "") -> None:
    url, headers = f"http://127.0.0.1:{stand.port}/api/v1/events", {"Authorization": f"Bearer {key}"}
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        data = {"sent": time.monotonic(), "text": text}
        event = {"source": "chaos", "type": "told", "id": name, "data": data}
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with http.post(url, json=event, headers=headers) as answer:
                if answer.status in {200, 201}:
                    return
        await asyncio.sleep(0.2)
    raise RuntimeError(f"message {name} was never taken")


async def _stall(stand: Stand, http: aiohttp.ClientSession) -> dict[str, Any]:
    """A third organisation: much is posted to one socket that reads nothing, and to one that reads."""
    key = await _stranger(stand, "staller")
    listener = Listener(f"ws://127.0.0.1:{stand.port}/api/v1/live", key, "stalled")
    listening = asyncio.create_task(listener.listen(http))
    await asyncio.wait_for(listener.joined.wait(), 20)
    staller = await asyncio.to_thread(Staller, stand.port, key)
    for number in range(STALLED_EVENTS):
        await _send(stand, http, key, f"stalled-{number}", "x" * STALLED_BYTES)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        await asyncio.sleep(0.2)
        if len(listener.at) == STALLED_EVENTS:
            break
    got, ended = await asyncio.to_thread(staller.read_to_the_end, 20)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return {"sent_mib": round(STALLED_EVENTS * STALLED_BYTES / 2**20, 1), "got_mib": round(got / 2**20, 1),
            "ended": ended, "reader_heard": len(set(listener.heard))}  # fmt: skip


async def _break(stand: Stand, options: Options, messages: int) -> None:
    """SIGKILL one process halfway."""
    instances = await asyncio.to_thread(stand.processes, "events")
    await asyncio.sleep(messages / RATE * options.random.uniform(0.4, 0.6))
    kill(options.random.choice(instances)["pid"])


async def _settle(listeners: list[Listener], messages: int, patience: float, more: float) -> int:
    """Waits until everything was heard; how many frames came only after the patience that is expected."""
    until = time.monotonic() + patience
    late = 0
    while time.monotonic() < until + more:
        missing = sum(len(_wanted(listener, messages)) for listener in listeners)
        if time.monotonic() < until:
            late = missing
        if not missing:
            break
        await asyncio.sleep(0.2)
    return late


def _wanted(listener: Listener, messages: int) -> set[str]:
    """What it has not heard yet."""
    steps = range(0, messages, 1 if listener.mine == "mine" else 10)
    return {f"{listener.mine}-{number}" for number in steps} - set(listener.heard)


def _reconcile(
    listeners: list[Listener], messages: int, late: int, cut: dict[str, Any] | None, crashed: list[str]
) -> dict[str, Any]:
    missed = [_wanted(listener, messages) for listener in listeners]
    gaps = sum(map(len, missed))
    twice = sum(len(listener.heard) - len(set(listener.heard)) for listener in listeners)
    foreign = sum(listener.foreign for listener in listeners)
    resets = sum(listener.resets for listener in listeners)
    resumed = sum(listener.resumed for listener in listeners)
    delays = [delay for listener in listeners for delay in listener.delays]
    p99 = round(percentile(delays, 0.99) * 1_000, 1)
    faults = [f"{gaps} messages were missed"] if gaps else []
    faults += [f"{late} messages came late"] if late and not gaps else []
    faults += [f"{twice} messages came twice"] if twice else []
    faults += [f"{foreign} messages were another organisation's"] if foreign else []
    faults += [f"{resets} resets, though everything was there"] if resets else []
    faults += ["no socket had to resume"] if not resumed else []
    faults += [f"a listener of ours ended: {crashed[0]}"] if crashed else []
    if cut is not None and (not cut["ended"] or cut["got_mib"] >= cut["sent_mib"]):
        faults.append("the stalled reader was not cut")
    if cut is not None and cut["reader_heard"] != STALLED_EVENTS:
        faults.append("the reader beside the stalled one missed something")
    names = sorted(set[str]().union(*missed))[:10]
    return {"faults": faults, "sockets": len(listeners), "messages": messages, "deliveries": len(delays), "gaps": gaps,
            "late": late, "missed": names, "sockets_with_gaps": sum(map(bool, missed)), "foreign": foreign,
            "resumed": resumed, "p99_ms": p99, "stalled": cut}  # fmt: skip
