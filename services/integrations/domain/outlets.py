"""Guarded ways out: the egress client behind one circuit breaker for each organisation and target."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

from aiobreaker.state import CircuitBreakerError

from services.integrations.domain import retries
from services.integrations.domain.retries import Budget
from shared import errors, log, metrics
from shared.breaker import Breaker, State
from shared.destinations import Ports, parse_url
from shared.egress import Egress, Response, Socket
from shared.testing import faults

T = TypeVar("T")
FAIL_MAX: Final = 5
RESET_SECONDS: Final = 10.0
_KEPT: Final = 10_000

_log = log.get(__name__)


class Outlets:
    """One process's breakers in front of its egress client."""

    def __init__(self, egress: Egress, *, reset: float = RESET_SECONDS) -> None:
        self.egress = egress
        self._reset = reset
        self._breakers: OrderedDict[str, Breaker] = OrderedDict()
        self._budgets: OrderedDict[tuple[str, int], Budget] = OrderedDict()

    def outlet(self, organization_id: UUID) -> "OrganizationOutlet":
        """The way out for one organisation; what it does to a target shuts nobody else out."""
        return OrganizationOutlet(self, organization_id)

    def breaker(self, organization_id: UUID, host: str, port: int) -> Breaker:
        """The breaker of a target, whose calls bound themselves; the least recently used are forgotten."""
        name = f"{organization_id}/{host}:{port}"
        found = self._breakers.get(name)
        if found is None:
            kind = _BareBreaker if faults.active("bare-breaker") else Breaker
            found = kind(name, fail_max=FAIL_MAX, reset=self._reset, timeout=None, observer=_report)
            self._breakers[name] = found
            if len(self._breakers) > _KEPT:
                self._breakers.popitem(last=False)
        self._breakers.move_to_end(name)
        return found

    def budget(self, host: str, port: int) -> Budget:
        """What a host may be asked again, whoever asks; the least recently used are forgotten."""
        found = self._budgets.setdefault((host, port), Budget())
        self._budgets.move_to_end((host, port))
        if len(self._budgets) > _KEPT:
            self._budgets.popitem(last=False)
        return found

    def figures(self) -> dict[str, int]:
        """How many breakers are in which state."""
        counts = {"closed": 0, "open": 0, "half_open": 0}
        for breaker in self._breakers.values():
            counts[breaker.state] += 1
        return counts

    async def describe(self) -> dict[str, Any]:
        """{status, closed, open, half_open}; `open` while a target of anybody is left alone."""
        counts = self.figures()
        return {"status": "ok" if counts["closed"] == sum(counts.values()) else "open", **counts}


class OrganizationOutlet:
    """What a connector's call is given."""

    def __init__(self, outlets: Outlets, organization_id: UUID) -> None:
        self._outlets = outlets
        self._organization_id = organization_id

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str] | None,
        body: bytes | None,
        ports: Ports,
        hosts: Iterable[str] | None,
        timeout: float,  # noqa: ASYNC109  # bounded and reported by the egress client
        limit: int,
    ) -> Response:
        """As `Egress.request`, perhaps tried twice; raises Unavailable `circuit-open` too."""
        parsed = parse_url(url)
        host, port = parsed.raw_host or "", parsed.port or 0

        async def once(seconds: float) -> Response:
            work = partial(
                self._outlets.egress.request,
                method,
                url,
                headers=headers,
                query=query,
                body=body,
                ports=ports,
                hosts=hosts,
                timeout=seconds,
                limit=limit,
            )
            return await self._guarded(host, port, work)

        if not retries.is_repeatable(method, headers):
            return await once(timeout)
        return await retries.request(once, self._outlets.budget(host, port), timeout)

    async def connect(
        self,
        host: str,
        port: int,
        *,
        ports: Ports,
        timeout: float,  # noqa: ASYNC109  # bounded and reported by the egress client
    ) -> Socket:
        """As `Egress.connect`; raises Unavailable `circuit-open` too."""

        async def work() -> Socket:
            return await self._outlets.egress.connect(host, port, ports=ports, timeout=timeout)

        return await self._guarded(host, port, work)

    async def _guarded(self, host: str, port: int, work: Callable[[], Awaitable[T]]) -> T:
        return await self._outlets.breaker(self._organization_id, host, port).call(work)


class _BareBreaker(Breaker):
    """aiobreaker by itself: the negative control of the chaos test `breaker`."""

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Any number of probes, and a time that depends on the zone."""
        self._inner.timeout_duration = timedelta(seconds=self._reset)
        try:
            result: T = await self._inner.call_async(work)
        except CircuitBreakerError as refused:
            seconds = int(refused.time_remaining.total_seconds())
            raise errors.Unavailable("circuit-open", "The target keeps failing.", retry_after=seconds) from None
        return result


def _report(name: str, before: State, after: State) -> None:
    metrics.BREAKERS.labels("target", after).inc()
    _log.warning("breaker-changed", target=name, before=before, after=after)
