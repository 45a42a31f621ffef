"""A13, breaker: a hanging dependency is left alone, asked by one call at a time, and taken back by itself."""

import asyncio
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos import target as targets
from tests.chaos.options import Options
from tests.chaos.stand import Stand, open_stand
from tests.chaos.target import Target

HAS_SHORT = True
FAIL_MAX, RESET = 5, 10.0
# The services compute with UTC; a clock of another zone must not show in Retry-After.
ZONE = "America/New_York"


@dataclass
class Answer:
    """One action call: its status, problem, Retry-After and seconds, and when it ended."""

    status: int
    slug: str
    retry_after: str | None
    seconds: float
    at: float


@dataclass
class Figures:
    """What is measured, and what was wrong."""

    measured: dict[str, Any] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def expect(self, good: bool, fault: str) -> None:
        """Note a fault."""
        if not good:
            self.faults.append(fault)


async def run(options: Options) -> dict[str, Any]:
    """Open, half-open twice, closed again; the short form is half-open once, and healed by then."""
    return await _scenario(options, TZ=ZONE)


async def control(options: Options) -> dict[str, Any]:
    """aiobreaker alone must fail, already when it opens."""
    return await _scenario(options, closes=not options.short, FLOYO_FAULTS="bare-breaker", TZ=ZONE)


async def _scenario(options: Options, *, closes: bool = True, **variables: str) -> dict[str, Any]:
    figures = Figures()
    async with targets.listening() as target:
        allowed = f"127.0.0.1:{target.port}"
        async with open_stand(
            scale=options.scale("auth", integrations=1), sink_seconds=0, FLOYO_EGRESS_ALLOW=allowed, **variables
        ) as stand:
            action = await _connect(stand, target)
            await _open(stand, action, target, figures, options)
            if not options.short:
                await _probe(stand, action, target, figures, calls=20)
            if closes:
                await _until_reset()
                target.recover()
                await _close(stand, action, target, figures, options)
    return {**figures.measured, "faults": figures.faults}


async def _connect(stand: Stand, target: Target) -> str:
    """The path of an action at the target."""
    body = {"connector": "http", "name": "target", "settings": {"base_url": target.url}}
    _, made = await stand.call("POST", "/integrations", json=body)
    await _call(stand, f"/integrations/{made['id']}/actions/request")
    target.seen.clear()
    target.hanging.add("/")
    return f"/integrations/{made['id']}/actions/request"


async def _open(stand: Stand, action: str, target: Target, figures: Figures, options: Options) -> None:
    """Five calls time out; after that nobody is called, and the refusals are quick and say when to come back."""
    await asyncio.gather(*(_call(stand, action) for _ in range(FAIL_MAX)))
    opened = time.monotonic()
    called = len(target.calls())
    refused = [await _call(stand, action) for _ in range(25 if options.short else 100)]  # before it is half open
    more = len(target.calls()) - called
    figures.expect(more == 0, f"{more} calls reached the target while the breaker should be open")
    slow = statistics.quantiles([answer.seconds for answer in refused], n=20)
    figures.measured |= {
        "timeouts_to_open": called,
        "calls_while_open": more,
        "refused_ms_p50": round(slow[9] * 1000, 1),
        "refused_ms_p95": round(slow[18] * 1000, 1),
    }
    wrong = [answer for answer in refused if (answer.status, answer.slug) != (503, "circuit-open")]
    figures.expect(not wrong, f"{len(wrong)} calls were not refused, such as {wrong[:1]}")
    figures.expect(slow[9] < options.within(0.02), f"a refusal took {slow[9] * 1000:.0f} ms")
    off = max(abs(int(answer.retry_after or -99) - (opened + RESET - answer.at)) for answer in refused)
    figures.measured["retry_after_seconds_off"] = round(off, 1)
    figures.expect(off <= options.within(1.5), f"Retry-After is {off:.0f} s off")


async def _probe(stand: Stand, action: str, target: Target, figures: Figures, *, calls: int) -> None:
    """When it is time, one call of many asks the target, which still hangs; the others are refused at once."""
    await _until_reset()
    before = len(target.calls())
    answers = await asyncio.gather(*(_call(stand, action) for _ in range(calls)))
    probes = len(target.calls()) - before
    figures.measured["calls_half_open"] = probes
    figures.expect(probes == 1, f"{probes} calls reached the target while half open")
    refused = sum(answer.slug == "circuit-open" for answer in answers)
    figures.expect(refused == calls - 1, f"{calls - refused} of {calls} calls were not refused while half open")


async def _close(stand: Stand, action: str, target: Target, figures: Figures, options: Options) -> None:
    """The target is well again: the next calls go through, without anybody's doing."""
    began = time.monotonic()
    answer = await _call(stand, action)
    while answer.status != 200 and time.monotonic() - began < options.within(2 * RESET):
        await asyncio.sleep(0.2)
        answer = await _call(stand, action)
    figures.measured["closed_after_seconds"] = round(time.monotonic() - began, 2)
    figures.expect(time.monotonic() - began < options.within(RESET / 2), "it did not close by itself")
    before = len(target.calls())
    answers = await asyncio.gather(*(_call(stand, action) for _ in range(20)))
    good = sum(answer.status == 200 for answer in answers)
    reached = len(target.calls()) - before
    figures.expect((good, reached) == (20, 20), f"{good} of 20 calls went well after it closed")


async def _until_reset() -> None:
    await asyncio.sleep(RESET + 0.3)


async def _call(stand: Stand, action: str) -> Answer:
    began = time.monotonic()
    url = f"http://127.0.0.1:{stand.port}/api/v1{action}"
    async with stand.http.post(url, json={"input": {"path": "/"}}) as answer:
        body = await answer.json(content_type=None)
        slug = str(body.get("type", "")).rpartition(":")[2]
        ended = time.monotonic()
        return Answer(answer.status, slug, answer.headers.get("Retry-After"), ended - began, ended)
