"""One more try within a call: only where it may help, only what may be repeated, and never more than a tenth."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.integrations.domain.outlets import Outlets
from shared import destinations, ids
from shared.destinations import WEB
from shared.egress import MAX_BYTES, Egress, Response, TargetFailed
from tests.shared.outbound import Canary, http

KEY = {"Idempotency-Key": "k"}
BUSY = "503 Service Unavailable"


@pytest.fixture
async def outlets(canary: Canary) -> AsyncIterator[Outlets]:
    egress = Egress(destinations.Policy(allow=frozenset({("127.0.0.1", canary.port)})))
    yield Outlets(egress)
    await egress.close()


async def send(outlets: Outlets, canary: Canary, method: str = "GET", **headers: str) -> Response:
    outlet = outlets.outlet(ids.new())
    options: dict[str, Any] = {"query": None, "body": None, "ports": WEB, "hosts": None, "timeout": 5.0}
    return await outlet.request(method, canary.url, headers=headers, limit=MAX_BYTES, **options)


def earn(outlets: Outlets, canary: Canary, calls: int) -> None:
    for _ in range(calls):
        outlets.budget("127.0.0.1", canary.port).earn()


@pytest.mark.parametrize(("method", "headers", "calls"), [("GET", {}, 2), ("POST", KEY, 2), ("POST", {}, 1)])
async def test_only_what_may_be_repeated(
    outlets: Outlets, canary: Canary, method: str, headers: dict[str, str], calls: int
) -> None:
    earn(outlets, canary, 10)
    canary.answers = [http(b"", BUSY), http(b"ok")]
    answer = await send(outlets, canary, method, **headers)
    assert (answer.status, canary.connections) == (200 if calls == 2 else 503, calls)


@pytest.mark.parametrize("status", ["500 Internal Server Error", "404 Not Found", "409 Conflict"])
async def test_only_where_it_may_help(outlets: Outlets, canary: Canary, status: str) -> None:
    earn(outlets, canary, 10)
    canary.answers = [http(b"", status), http(b"ok")]
    assert (await send(outlets, canary)).status == int(status[:3])


async def test_a_tenth_at_most(outlets: Outlets, canary: Canary) -> None:
    canary.answers = [http(b"", BUSY) for _ in range(500)]
    for _ in range(5):
        await asyncio.gather(*(send(outlets, canary) for _ in range(20)))
    assert 105 <= len(canary.requests) <= 110
    earn(outlets, canary, 10_000)
    before = len(canary.requests)
    await asyncio.gather(*(send(outlets, canary) for _ in range(30)))
    assert len(canary.requests) - before <= 30 + 10 + 3, "no more than ten are kept for later"


@pytest.mark.parametrize(("given", "calls"), [("1", 2), ("60", 1), ("soon", 1)])
async def test_retry_after_is_honoured(outlets: Outlets, canary: Canary, given: str, calls: int) -> None:
    earn(outlets, canary, 10)
    canary.answers = [http(b"", BUSY, Retry_After=given), http(b"ok")]
    began = time.monotonic()
    await send(outlets, canary)
    assert len(canary.requests) == calls
    assert calls == 1 or time.monotonic() - began >= 1


async def test_what_cannot_be_reached_is_tried_again(outlets: Outlets, canary: Canary) -> None:
    earn(outlets, canary, 10)
    await canary.stop()
    with pytest.raises(TargetFailed):
        await send(outlets, canary)
    assert not outlets.budget("127.0.0.1", canary.port).spend()


async def test_a_timeout_has_used_its_time(outlets: Outlets, canary: Canary) -> None:
    earn(outlets, canary, 20)
    canary.hanging_seconds = 5
    outlet = outlets.outlet(ids.new())
    options: dict[str, Any] = {"query": None, "body": None, "ports": WEB, "hosts": None, "timeout": 0.3}
    with pytest.raises(TargetFailed):
        await outlet.request("GET", canary.url, headers={}, limit=MAX_BYTES, **options)
    assert canary.connections == 1


async def test_a_call_has_its_own_seconds_whatever_the_target_s_first_call_had(
    outlets: Outlets, canary: Canary
) -> None:
    outlet = outlets.outlet(ids.new())
    options: dict[str, Any] = {"headers": {}, "query": None, "body": None, "ports": WEB, "hosts": None}
    await outlet.request("GET", canary.url, timeout=0.2, limit=MAX_BYTES, **options)
    canary.hanging_seconds = 1.5
    answer = await outlet.request("GET", canary.url, timeout=5.0, limit=MAX_BYTES, **options)
    assert answer.status == 200
