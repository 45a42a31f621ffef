"""A25, soak: half an hour of load that keeps the cores busy for sixty per cent, and nothing grows.

Neither memory nor descriptors, nor what a request waits and works. A machine's speed drifts: waiting stands beside a
bare answer behind the same gateway, work beside that of whoever asks. `./taskw chaos -- soak --minutes 5` is a shorter
one; it goes only by name.
"""

import asyncio
import gc
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import psutil

from infra.local import discovery
from tests.bench import beside, spending
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.traffic import Answer, Traffic, percentile

ONLY_BY_NAME = True
SHARE, FIRST_RATE, TRIALS = 0.6, 60.0, 2
TRIAL_SECONDS, WARM_UP_SECONDS, LOOK_SECONDS, CONTROL_SECONDS = 20.0, 60.0, 5.0, 90.0
MEMORY, WAITING, WORK, DESCRIPTORS = 1.05, 1.10, 1.10, 8
BARE, BARE_RATE = "bare", 10.0


@dataclass(frozen=True)
class Look:
    """One look at a process: when, its proportional memory in MiB, and its open descriptors."""

    at: float
    memory: float
    descriptors: int


@dataclass(frozen=True)
class Spent:
    """Seconds of CPU used up to a moment: by the stack, and by whoever asks."""

    at: float
    stack: float
    load: float


@dataclass(frozen=True)
class Period:
    """A part of the time by the monotonic clock; the first and the last one are held against each other."""

    begins: float
    ends: float

    def of(self, things: Sequence[Any]) -> list[Any]:
        """Those of it."""
        return [thing for thing in things if self.begins <= thing.at < self.ends]

    def waiting(self, answers: Sequence[Answer]) -> float:
        """Seconds: the median of its minutes' 99th percentiles, for one bad minute is not growth."""
        return median(percentile([answer.seconds for answer in minute.of(answers)], 0.99) for minute in self.minutes())

    def work(self, spent: Sequence[Spent], answers: Sequence[Answer]) -> tuple[float, float]:
        """Milliseconds of CPU a request: the stack's, and of whoever asks."""
        inside = self.of(spent)
        first, last = inside[0], inside[-1]
        count = len(Period(first.at, last.at).of(answers)) / 1_000
        return (last.stack - first.stack) / count, (last.load - first.load) / count

    def minutes(self) -> "list[Period]":
        """In parts of about a minute."""
        count = max(1, round((self.ends - self.begins) / 60))
        step = (self.ends - self.begins) / count
        return [Period(self.begins + step * number, self.begins + step * (number + 1)) for number in range(count)]


@dataclass(frozen=True)
class Seen:
    """What a soak was: the looks by process, and everything asked, of the stack and of a bare answer."""

    looks: dict[str, list[Look]]
    spent: list[Spent]
    answers: Sequence[Answer]
    bare: Sequence[Answer]


async def run(options: Options) -> dict[str, Any]:
    """So many minutes after a warm-up."""
    return await _scenario(options.minutes * 60)


async def control(_options: Options) -> dict[str, Any]:
    """A planted leak must show within a minute and a half."""
    return await _scenario(CONTROL_SECONDS, FLOYO_FAULTS="leak")


async def _scenario(seconds: float, **variables: str) -> dict[str, Any]:
    async with open_stand(scale={}, sink_seconds=0, **variables) as stand, beside.serving(stand, {BARE: 1}) as servers:
        await beside.route(stand, servers)
        rate = await _rate(stand)
        traffic = Traffic(stand, rate)
        bare = Traffic(stand, BARE_RATE, ("/events",), ("/events",), base=f"/bench-{BARE}")
        seen = Seen({}, [], traffic.answers, bare.answers)
        async with traffic, bare:
            await asyncio.sleep(WARM_UP_SECONDS)
            began = time.monotonic()
            while time.monotonic() < began + seconds:
                await _look(stand, seen)
                gc.freeze()  # the answers stay, and whoever asks does not look through them again and again
                await asyncio.sleep(LOOK_SECONDS)
    figures, faults = _judge(seen, Period(began, began + seconds))
    load = {"rate": round(rate, 1), "minutes": round(seconds / 60, 1)}
    return {**load, **figures, "faults": faults}


async def _rate(stand: Stand) -> float:
    """Requests a second that keep the cores busy for their share of the time, each trial nearer to it."""
    rate = FIRST_RATE
    for _ in range(TRIALS):
        async with Traffic(stand, rate):
            await asyncio.sleep(TRIAL_SECONDS / 2)
            before = _spent(stand)
            await asyncio.sleep(TRIAL_SECONDS)
            rate *= SHARE / _busy(before, _spent(stand))
    return rate


def _busy(before: Spent, after: Spent) -> float:
    """The share of the cores' time that was spent between two moments."""
    used = after.stack + after.load - before.stack - before.load
    return used / (after.at - before.at) / (os.cpu_count() or 1)


def _spent(stand: Stand) -> Spent:
    found = spending.of_stack(stand)
    load = found.pop("load")
    return Spent(time.monotonic(), sum(found.values()), load)


async def _look(stand: Stand, seen: Seen) -> None:
    seen.spent.append(await asyncio.to_thread(_spent, stand))
    for name in discovery.process_names():
        for process in await asyncio.to_thread(stand.processes, name):
            found = psutil.Process(process["pid"])
            memory = found.memory_full_info().pss / 2**20
            seen.looks.setdefault(process["instance"], []).append(Look(time.monotonic(), memory, found.num_fds()))


def _judge(seen: Seen, whole: Period) -> tuple[dict[str, Any], list[str]]:
    """The last quarter beside the first one, which begins after the warm-up."""
    length = (whole.ends - whole.begins) / 4
    first, last = Period(whole.begins, whole.begins + length), Period(whole.ends - length, whole.ends)
    early = {name: median(look.memory for look in first.of(found)) for name, found in seen.looks.items()}
    late = {name: median(look.memory for look in last.of(found)) for name, found in seen.looks.items()}
    more = {name: round(median(look.descriptors for look in last.of(found))
                        - median(look.descriptors for look in first.of(found)))
            for name, found in seen.looks.items()}  # fmt: skip
    memory = sum(late.values()) / sum(early.values())
    waits, bare = ([quarter.waiting(those) for quarter in (first, last)] for those in (seen.answers, seen.bare))
    works = [quarter.work(seen.spent, seen.answers) for quarter in (first, last)]
    waiting, drift = waits[1] / waits[0], max(1.0, bare[1] / bare[0])
    work, slower = works[1][0] / works[0][0], max(1.0, works[1][1] / works[0][1])
    answers = whole.of(seen.answers)
    failed = [answer for answer in answers if answer.status >= 500 or not answer.status]
    faults = [f"memory grew by {memory - 1:.1%}"] if memory >= MEMORY else []
    faults += [f"{name} has {count} descriptors more" for name, count in more.items() if count > DESCRIPTORS]
    faults += [f"p99 grew {waiting:.2f} times, a bare answer's {drift:.2f}"] if waiting >= WAITING * drift else []
    faults += [f"work grew {work:.2f} times, an asker's {slower:.2f}"] if work >= WORK * slower else []
    faults += [f"{len(failed)} requests failed, such as {failed[0]}"] if failed else []
    figures = {
        "requests": len(answers),
        "busy": round(_busy(seen.spent[0], seen.spent[-1]), 3),
        "memory_mib": [round(sum(early.values()), 1), round(sum(late.values()), 1)],
        "memory_growth": round(memory - 1, 4),
        "grown_most": max(((round(late[name] / early[name] - 1, 4), name) for name in late), default=None),
        "descriptors_more": max(((count, name) for name, count in more.items()), default=None),
        "p99_ms": _milliseconds(waits),
        "bare_p99_ms": _milliseconds(bare),
        "p99_ms_by_minute": _milliseconds([minute.waiting(answers) for minute in whole.minutes()]),
        "work_ms_a_request": [round(stack, 2) for stack, _ in works],
        "load_ms_a_request": [round(load, 2) for _, load in works],
        "within_reference": waiting < WAITING,
    }
    return figures, faults


def _milliseconds(seconds: Sequence[float]) -> list[float]:
    return [round(one * 1_000, 1) for one in seconds]
