"""A25, soak: half an hour at sixty per cent of what the stack can do, and nothing grows: memory, descriptors, waiting.

`./taskw chaos -- soak --minutes 5` is a shorter one; it goes only by name.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil

from infra.local import discovery
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import Answer, Traffic, percentile

ONLY_BY_NAME = True
SHARE, MOST_RATE = 0.6, 400.0
WARM_UP_SECONDS, LOOK_SECONDS, CONTROL_SECONDS = 60.0, 5.0, 90.0
MEMORY, WAITING, DESCRIPTORS = 1.05, 1.10, 8


@dataclass(frozen=True)
class Look:
    """One look at a process: when, its proportional memory in MiB, and its open descriptors."""

    at: float
    memory: float
    descriptors: int


async def run(options: Options) -> dict[str, Any]:
    """So many minutes after a warm-up."""
    return await _scenario(options.minutes * 60)


async def control(_options: Options) -> dict[str, Any]:
    """A planted leak must show within a minute and a half."""
    return await _scenario(CONTROL_SECONDS, FLOYO_FAULTS="leak")


async def _scenario(seconds: float, **variables: str) -> dict[str, Any]:
    async with open_stand(scale={}, sink_seconds=0, **variables) as stand:
        rate = SHARE * await _capacity(stand)
        looks: dict[str, list[Look]] = {}
        async with Traffic(stand, rate) as traffic:
            await asyncio.sleep(WARM_UP_SECONDS)
            began = time.monotonic()
            while time.monotonic() < began + seconds:
                await _look(stand, looks)
                await asyncio.sleep(LOOK_SECONDS)
    answers = [answer for answer in traffic.answers if answer.at >= began]
    figures, faults = _judge(looks, answers, began, seconds)
    load = {"rate": round(rate, 1), "minutes": round(seconds / 60, 1), "requests": len(answers)}
    return {**load, **figures, "faults": faults}


async def _capacity(stand: Stand) -> float:
    """Requests a second of a crowd that never rests."""
    traffic = Traffic(stand, MOST_RATE)
    began = time.monotonic()
    await traffic.renew()
    calls, stopping = traffic.calls(), began + 10

    async def go(number: int) -> None:
        while time.monotonic() < stopping:
            await traffic.send(*calls[number % len(calls)], 10_000_000 + len(traffic.answers))
            number += 1

    await asyncio.gather(*(go(number) for number in range(8)))
    return min(MOST_RATE, len(traffic.answers) / (time.monotonic() - began))


async def _look(stand: Stand, looks: dict[str, list[Look]]) -> None:
    for name in discovery.process_names():
        for process in await asyncio.to_thread(stand.processes, name):
            found = psutil.Process(process["pid"])
            memory = found.memory_full_info().pss / 2**20
            looks.setdefault(process["instance"], []).append(Look(time.monotonic(), memory, found.num_fds()))


def _judge(
    looks: dict[str, list[Look]], answers: Sequence[Answer], began: float, seconds: float
) -> tuple[dict[str, Any], list[str]]:
    """The last quarter beside the first one, which begins after the warm-up."""
    first, last = began + seconds / 4, began + seconds * 3 / 4
    early = {name: median(look.memory for look in found if look.at < first) for name, found in looks.items()}
    late = {name: median(look.memory for look in found if look.at > last) for name, found in looks.items()}
    more = {name: round(median(look.descriptors for look in found if look.at > last)
                        - median(look.descriptors for look in found if look.at < first))
            for name, found in looks.items()}  # fmt: skip
    waits = [percentile([answer.seconds for answer in answers if low <= answer.at < high], 0.99)
             for low, high in ((0, first), (last, began + seconds))]  # fmt: skip
    memory = sum(late.values()) / sum(early.values())
    failed = [answer for answer in answers if answer.status >= 500 or not answer.status]
    faults = [f"memory grew by {memory - 1:.1%}"] if memory >= MEMORY else []
    faults += [f"{name} has {count} descriptors more" for name, count in more.items() if count > DESCRIPTORS]
    faults += (
        [f"p99 grew from {waits[0] * 1_000:.0f} to {waits[1] * 1_000:.0f} ms"] if waits[1] >= WAITING * waits[0] else []
    )
    faults += [f"{len(failed)} requests failed, such as {failed[0]}"] if failed else []
    figures = {
        "memory_mib": [round(sum(early.values()), 1), round(sum(late.values()), 1)],
        "memory_growth": round(memory - 1, 4),
        "grown_most": max(((round(late[name] / early[name] - 1, 4), name) for name in late), default=None),
        "descriptors_more": max(((count, name) for name, count in more.items()), default=None),
        "p99_ms": [round(wait * 1_000, 1) for wait in waits],
    }
    return figures, faults
