"""One more try within a call, where it may help at once: never more than a tenth of a host's calls, so that an ill host
is not asked more often for being ill. Longer waits are the caller's, who has a schedule of its own.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from shared.egress import Response, TargetFailed
from shared.testing import faults

SHARE: Final = 0.1
RESERVE: Final = 10.0
SPREAD: Final = (0.05, 0.25)
LONGEST_WAIT: Final = 2.0
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_BUSY: Final = frozenset({429, 502, 503, 504})
_LAYERS: Final = 9


class Budget:
    """What a host may be asked again: each call earns a tenth of a retry, and no more than ten are kept."""

    def __init__(self) -> None:
        self._reserve = 0.0

    def earn(self) -> None:
        """A call is made."""
        self._reserve = min(RESERVE, self._reserve + SHARE)

    def spend(self) -> bool:
        """Whether one more is affordable, which is then paid."""
        if self._reserve < 1:
            return False
        self._reserve -= 1
        return True


def is_repeatable(method: str, headers: object) -> bool:
    """A call that changes nothing, or one whose key tells the target that it is the same one."""
    names = {str(name).lower() for name in headers} if isinstance(headers, dict) else set()
    return method in _SAFE or "idempotency-key" in names


async def request(once: Callable[[float], Awaitable[Response]], budget: Budget, seconds: float) -> Response:
    """Call `once` with the seconds it has, and a second time if it failed at once and the budget has room for it."""
    if faults.active("two-retry-layers"):
        return await _storm(once, seconds)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    budget.earn()
    failed: TargetFailed | None = None
    answer: Response | None = None
    try:
        answer = await once(seconds)
        wait = _wait(answer)
    except TargetFailed as problem:
        failed, wait = problem, (_spread() if problem.slug == "target-unreachable" else None)
    if wait is None or loop.time() + wait >= deadline or not budget.spend():
        if answer is None:
            raise failed or AssertionError
        return answer
    await asyncio.sleep(wait)
    return await once(deadline - loop.time())


def _wait(answer: Response) -> float | None:
    """Seconds until another try, if one may help within this call: `Retry-After` is honoured, or there is none."""
    if answer.status not in _BUSY:
        return None
    given = answer.headers.get("retry-after")
    if given is None:
        return _spread()
    return int(given) + _spread() if given.isdigit() and int(given) <= LONGEST_WAIT else None


def _spread() -> float:
    """Not all at the same moment."""
    return random.uniform(*SPREAD)  # noqa: S311  # no secret


async def _storm(once: Callable[[float], Awaitable[Response]], seconds: float) -> Response:
    """Two layers that both try three times: the negative control of the chaos test `retry-storm`."""
    answer = await once(seconds)
    for _ in range(_LAYERS - 1):
        if answer.status in _BUSY:
            answer = await once(seconds)
    return answer
