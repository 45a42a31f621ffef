"""The circuit breaker under failures, concurrency, cancellation and odd clocks."""

import asyncio

import pytest

from shared import breaker, errors


class Clock:
    """A monotonic clock moved by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Target:
    """A dependency that fails as told and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> str:
        self.calls += 1
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        return "fine"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def target() -> Target:
    return Target()


async def fail(subject: breaker.Breaker, target: Target, times: int) -> None:
    target.error = ConnectionError("down")
    for _ in range(times):
        with pytest.raises(ConnectionError):
            await subject.call(target)


async def test_opens_after_the_fifth_failure_and_then_calls_nothing(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=5, reset=30, clock=clock)
    await fail(subject, target, 5)
    assert subject.state == "open"
    clock.seconds += 0.5
    for _ in range(10):
        with pytest.raises(errors.Unavailable) as caught:
            await subject.call(target)
        assert caught.value.slug == "circuit-open"
        assert caught.value.headers["Retry-After"] == "30"
        assert caught.value.extensions["retryable"] is True
    assert target.calls == 5


async def test_a_success_resets_the_count(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=3, clock=clock)
    await fail(subject, target, 2)
    target.error = None
    assert await subject.call(target) == "fine"
    await fail(subject, target, 2)
    assert subject.state == "closed"


async def test_client_errors_neither_count_nor_reset(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=3, clock=clock)
    await fail(subject, target, 2)
    target.error = errors.Invalid("wrong", "The caller is wrong.")
    for _ in range(10):
        with pytest.raises(errors.Invalid):
            await subject.call(target)
    assert subject.failures == 2
    await fail(subject, target, 1)
    assert subject.state == "open"


async def test_half_open_lets_exactly_one_probe_through(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=1, reset=30, clock=clock)
    await fail(subject, target, 1)
    clock.seconds += 30
    target.error, target.gate, target.calls = None, asyncio.Event(), 0
    probe = asyncio.create_task(subject.call(target))
    await asyncio.sleep(0)
    others = await asyncio.gather(*(subject.call(target) for _ in range(20)), return_exceptions=True)
    assert all(isinstance(other, errors.Unavailable) for other in others)
    assert subject.state == "half_open"
    target.gate.set()
    assert await probe == "fine"
    assert (target.calls, subject.state) == (1, "closed")


async def test_a_failed_probe_opens_again_for_the_whole_time(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=1, reset=30, clock=clock)
    await fail(subject, target, 1)
    clock.seconds += 31
    await fail(subject, target, 1)
    assert (subject.state, subject.retry_after()) == ("open", 30)


async def test_a_cancelled_probe_gives_its_permit_back(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=1, reset=30, clock=clock)
    await fail(subject, target, 1)
    clock.seconds += 30
    target.error, target.gate = None, asyncio.Event()
    probe = asyncio.create_task(subject.call(target))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    target.gate.set()
    assert await subject.call(target) == "fine"
    assert subject.state == "closed"


async def test_a_probe_answered_with_a_client_error_closes(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=1, reset=30, clock=clock)
    await fail(subject, target, 1)
    clock.seconds += 30
    target.error = errors.NotFound()
    with pytest.raises(errors.NotFound):
        await subject.call(target)
    assert subject.state == "closed"


async def test_the_timeout_counts_as_a_failure(target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=2, timeout=0.01)
    target.gate = asyncio.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            await subject.call(target)
    assert subject.state == "open"


async def test_a_late_success_from_before_does_not_close_an_open_breaker(clock: Clock, target: Target) -> None:
    subject = breaker.Breaker("t", fail_max=1, reset=30, clock=clock)
    slow = Target()
    slow.gate = asyncio.Event()
    late = asyncio.create_task(subject.call(slow))
    await asyncio.sleep(0)
    await fail(subject, target, 1)
    slow.gate.set()
    assert await late == "fine"
    assert subject.state == "open"


async def test_transitions_are_reported(clock: Clock, target: Target) -> None:
    seen: list[tuple[str, str, str]] = []
    subject = breaker.Breaker("crm", fail_max=1, reset=5, clock=clock, observer=lambda *change: seen.append(change))
    await fail(subject, target, 1)
    clock.seconds += 5
    target.error = None
    await subject.call(target)
    assert seen == [("crm", "closed", "open"), ("crm", "open", "half_open"), ("crm", "half_open", "closed")]


async def test_the_wall_clock_and_its_time_zone_play_no_part(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, target: Target
) -> None:
    monkeypatch.setenv("TZ", "America/New_York")
    subject = breaker.Breaker("t", fail_max=1, reset=10, clock=clock)
    await fail(subject, target, 1)
    clock.seconds += 9
    with pytest.raises(errors.Unavailable) as caught:
        await subject.call(target)
    assert caught.value.headers["Retry-After"] == "1"
    clock.seconds += 1
    target.error = None
    assert await subject.call(target) == "fine"
