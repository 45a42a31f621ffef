"""A circuit breaker: aiobreaker keeps states and counters, this wrapper supplies what it lacks."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, Literal, TypeVar

from aiobreaker.circuitbreaker import CircuitBreaker
from aiobreaker.state import CircuitBreakerError, CircuitBreakerState

from shared import errors

T = TypeVar("T")
State = Literal["closed", "open", "half_open"]
Observer = Callable[[str, State, State], None]
Judge = Callable[[Exception], bool]

_STATES: Final[dict[CircuitBreakerState, State]] = {
    CircuitBreakerState.CLOSED: "closed",
    CircuitBreakerState.OPEN: "open",
    CircuitBreakerState.HALF_OPEN: "half_open",
}
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
# aiobreaker's own deadline mixes two clocks, so it is put out of reach and ours decides.
_NEVER: Final = timedelta(days=36_500)


def blames_dependency(error: Exception) -> bool:
    """Tell whether an error says that the dependency is ill: `retryable` decides, then a status outside 4xx."""
    retryable = getattr(error, "extensions", {}).get("retryable")
    if isinstance(retryable, bool):
        return retryable
    status = getattr(error, "status", None)
    return not (isinstance(status, int) and _CLIENT_ERROR <= status < _SERVER_ERROR)


class Breaker:
    """Opens after `fail_max` failures in a row, and after `reset` seconds lets exactly one probe through.

    `timeout` (seconds; None where the work bounds itself) bounds every call and counts as a failure. `blames` picks
    the errors that count. `observer` hears (name, old state, new state). One breaker serves one event loop.
    """

    def __init__(
        self,
        name: str,
        *,
        fail_max: int = 5,
        reset: float = 30.0,
        timeout: float | None = 10.0,
        blames: Judge = blames_dependency,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._reset = reset
        self._timeout = timeout
        self._blames = blames
        self._clock = clock
        self._reopens_at = 0.0
        self._probing = False
        self._era = 0
        self._observer = observer
        self._inner: Any = CircuitBreaker(fail_max=fail_max, timeout_duration=_NEVER)

    @property
    def state(self) -> State:
        """The state as of the last call: an open breaker turns half-open only when somebody calls."""
        return _STATES[self._inner.current_state]

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return int(self._inner.fail_counter)

    def retry_after(self) -> int:
        """Whole seconds until a probe may pass, at least one."""
        return max(1, math.ceil(self._reopens_at - self._clock()))

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run the work, or refuse it at once.

        Raises Unavailable `circuit-open` with Retry-After while open or while another probe is under way,
        TimeoutError when the work takes too long, and otherwise whatever the work raises.
        """
        probe = self._admit()
        era = self._era
        try:
            async with asyncio.timeout(self._timeout):
                result = await work()
        except Exception as error:
            # An answer that blames only the caller is no failure, yet it proves to a probe that the target is well.
            if self._blames(error):
                self._record(era, error)
            elif probe:
                self._record(era, None)
            raise
        else:
            self._record(era, None)
            return result
        finally:
            # Also on cancellation, which aiobreaker never sees: the next caller then becomes the probe.
            if probe:
                self._probing = False

    def _admit(self) -> bool:
        """Refuse, or tell whether this call is the probe."""
        if self.state == "closed":
            return False
        if self._probing or (self.state == "open" and self._clock() < self._reopens_at):
            raise errors.Unavailable(
                "circuit-open",
                "The target keeps failing and is left alone for a while.",
                retry_after=self.retry_after(),
                extensions={"retryable": True},
            )
        self._probing = True
        if self.state == "open":
            self._inner.half_open()
            self._changed("open")
        return True

    def _record(self, era: int, error: Exception | None) -> None:
        """Tell aiobreaker an outcome, unless the state has changed since the call began."""
        if era != self._era or (error is None and self.state == "closed" and not self.failures):
            return

        def outcome() -> None:
            if error is not None:
                raise error

        before = self.state
        with contextlib.suppress(CircuitBreakerError, *([type(error)] if error else [])):
            self._inner.call(outcome)
        if self.state != before:
            self._changed(before)

    def _changed(self, before: State) -> None:
        self._era += 1
        if self.state == "open":
            self._reopens_at = self._clock() + self._reset
        if self._observer:
            self._observer(self.name, before, self.state)
