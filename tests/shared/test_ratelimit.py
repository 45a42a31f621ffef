"""Limits: exact over processes, counted together, announced on every answer, and kept up without Redis."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import httpx2
import pytest
import redis.asyncio
from fastapi import FastAPI

from infra.local.valkey import Valkey
from shared import deps, errors, ids, limits, ratelimit, settings, webapp
from shared.identity import Principal
from shared.limits import Gate, kind_of, network_of
from shared.ratelimit import EXACT_QUOTA, Limit, Limiter, Standing
from shared.service import Service

NOWHERE = "redis://127.0.0.1:1/0"
Open = Callable[..., Limiter]


@pytest.fixture
async def limiter(valkey: Valkey) -> AsyncIterator[Open]:
    """Opens limiters of as many processes as are wanted."""
    opened: list[Limiter] = []

    def opener(url: str | None = None) -> Limiter:
        opened.append(Limiter(url or valkey.url("events"), f"test-{len(opened)}"))
        return opened[-1]

    yield opener
    for one in opened:
        await one.close()


def fresh(quota: int, *, strict: bool = False) -> Limit:
    return Limit(f"test-{os.urandom(4).hex()}", quota, 60, strict=strict)


async def admitted(calls: list[Awaitable[Standing]]) -> list[Any]:
    return list(await asyncio.gather(*calls, return_exceptions=True))


@pytest.mark.parametrize("quota", [100, EXACT_QUOTA + 100])
async def test_exactly_the_quota_is_admitted_over_processes(limiter: Open, quota: int) -> None:
    processes, limit = [limiter() for _ in range(4)], fresh(quota)
    answers = await admitted([processes[number % 4].take(limit, "ada") for number in range(quota + 300)])
    good = [answer for answer in answers if isinstance(answer, Standing)]
    refused = [answer for answer in answers if isinstance(answer, errors.TooManyRequests)]
    assert (len(good), len(refused)) == (quota, 300)
    assert {answer.slug for answer in refused} == {"too-many-requests"}
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert (await processes[0].take(limit, "grace")).remaining == quota - 1, "others have their own"


async def test_hits_of_one_turn_are_one_command(limiter: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    one, limit = limiter(), fresh(1_000_000)
    commands: list[str] = []
    ask = one._common.ask

    async def counted(*command: Any) -> Any:
        commands.append(command[0])
        return await ask(*command)

    await one.take(limit, "grace")
    monkeypatch.setattr(one._common, "ask", counted)
    asked = [one.take(limit, "ada") for _ in range(50)] + [one.take(fresh(10), str(n)) for n in range(50)]
    standings = await asyncio.gather(*asked)
    assert commands == ["EVALSHA"]
    assert standings[0].remaining == 1_000_000 - 50
    assert [standing.remaining for standing in standings[50:]] == [9] * 50


async def test_who_comes_while_others_are_counted_is_joined_by_more(
    limiter: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, limit = limiter(), fresh(1_000_000)
    commands: list[int] = []
    count = one._common.count

    async def counted(asked: Any) -> Any:
        commands.append(sum(asked.values()))
        return await count(asked)

    monkeypatch.setattr(one._common, "count", counted)
    monkeypatch.setattr(ratelimit, "GATHER_SECONDS", 0.05)
    waiting = [one.ask(limit, "ada")]
    await asyncio.sleep(0)
    waiting.append(one.ask(limit, "ada"))
    await waiting[0]
    waiting += [one.ask(limit, "ada") for _ in range(3)]
    await asyncio.gather(*waiting)
    assert commands == [1, 4]
    async with asyncio.timeout(0.04):
        await one.take(limit, "ada")
    assert commands == [1, 4, 1], "who comes alone waits for nobody"


async def test_who_only_looks_is_told_with_those_who_take(limiter: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    one, large, small = limiter(), fresh(100), fresh(2)
    commands: list[str] = []
    ask = one._common.ask

    async def counted(*command: Any) -> Any:
        commands.append(command[0])
        return await ask(*command)

    await one.take(large, "grace")
    monkeypatch.setattr(one._common, "ask", counted)
    looking = [one.look(small, "ada"), one.look(large, "ada")]
    taken = [one.ask(large, "ada"), one.ask(large, "ada")]
    seen = [(await one_of).remaining for one_of in (*looking, *taken)]
    assert commands == ["EVALSHA"]
    assert seen == [2, 98, 98, 98], "looking uses none"
    await one.take(small, "ada")
    await one.take(small, "ada")
    for _ in range(2):
        with pytest.raises(errors.TooManyRequests):
            await one.look(small, "ada")


async def test_a_refusal_that_nobody_waits_for_is_no_error(limiter: Open) -> None:
    one, limit = limiter(), fresh(1)
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    await one.take(limit, "ada")
    one.look(limit, "ada")
    await asyncio.sleep(0)
    await one.take(limit, "grace")  # counted after the look, by the same task
    gc.collect()
    asyncio.get_running_loop().set_exception_handler(None)
    assert complaints == []


async def test_one_used_up_limit_leaves_the_others_of_a_request_alone(limiter: Open) -> None:
    one, key, organization = limiter(), fresh(3), fresh(1_000_000)
    answers = await admitted([one.ask_all(((key, "ada"), (organization, "acme"))) for _ in range(5)])
    standings = [answer for answer in answers if isinstance(answer, Standing)]
    assert [(standing.limit.name, standing.remaining) for standing in standings] == [(key.name, 0)] * 3
    assert [answer.headers["RateLimit-Policy"] for answer in answers[3:]] == [f'"{key.name}";q=3;w=60'] * 2
    assert (await one.take(organization, "acme")).remaining == 1_000_000 - 3 - 1


@pytest.mark.parametrize("quota", [5, EXACT_QUOTA + 5])
async def test_a_window_slides(limiter: Open, quota: int) -> None:
    seconds = 1 + quota // 1_000  # long enough to ask for far more than is admitted, on a busy machine too
    one, limit = limiter(), Limit(f"test-{os.urandom(4).hex()}", quota, seconds)
    loop, good = asyncio.get_running_loop(), 0
    end = loop.time() + 2.5 * seconds
    while loop.time() < end:
        answers = await admitted([one.take(limit, "ada") for _ in range(quota // 4 + 50)])
        good += sum(isinstance(answer, Standing) for answer in answers)
    assert 2 * quota <= good <= 3 * quota


async def test_counting_survives_a_closed_connection_and_forgotten_scripts(limiter: Open, valkey: Valkey) -> None:
    one, limit = limiter(), fresh(10)
    await one.take(limit, "ada")
    async with redis.asyncio.Redis.from_url(valkey.url()) as administrator:
        await administrator.script_flush()
        assert (await one.take(limit, "ada")).remaining == 8
        for client in await administrator.client_list():
            if client["user"] == "events":
                await administrator.client_kill_filter(_id=client["id"])
    assert (await one.take(limit, "ada")).remaining == 7
    assert one.backend == "redis"


async def test_who_goes_away_while_waiting_disturbs_nobody(limiter: Open) -> None:
    one, limit = limiter(), fresh(10)
    gone = asyncio.ensure_future(one.ask(limit, "ada"))
    staying = one.ask(limit, "ada")
    gone.cancel()
    assert (await staying).remaining == 8


async def test_headers_follow_the_draft() -> None:
    standing = Standing(Limit("burst", 100, 60), 50, 30)
    assert standing.headers == {"RateLimit-Policy": '"burst";q=100;w=60', "RateLimit": '"burst";r=50;t=30'}


async def test_without_redis_each_process_admits_its_share(limiter: Open) -> None:
    one, limit = limiter(NOWHERE), fresh(100)
    one._instances = 4
    answers = await admitted([one.take(limit, "ada") for _ in range(100)])
    assert sum(isinstance(answer, Standing) for answer in answers) == 25
    assert await one.describe() == {"status": "degraded", "backend": "memory", "instances": 4}


async def test_without_redis_a_strict_limit_refuses_everything(limiter: Open) -> None:
    one, limit = limiter(NOWHERE), fresh(100, strict=True)
    for call in (one.take, one.check):
        with pytest.raises(errors.Unavailable) as refused:
            await call(limit, "ada")
        assert refused.value.slug == "limiter-unavailable"


async def test_processes_find_each_other_and_redis_again(limiter: Open) -> None:
    first, second = limiter(), limiter()
    first.backend = "memory"
    beating = [asyncio.create_task(one.beat()) for one in (first, second, first)]
    await asyncio.sleep(0.3)
    for task in beating:
        task.cancel()
    await asyncio.gather(*beating, return_exceptions=True)
    assert first.backend == "redis"
    assert first._instances >= 2


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "/api/v1/runs", "read"),
        ("PATCH", "/api/v1/users/me", "write"),
        ("POST", "/api/v1/workflows", "write"),
        ("POST", "/api/v1/events", "ingest"),
        ("POST", "/api/v1/events/batch", "ingest"),
        ("POST", "/api/v1/hooks/{hook_id}", "ingest"),
        ("POST", "/api/v1/workflows/{workflow_id}/runs", "run"),
        ("POST", "/api/v1/integrations/{integration_id}/actions/{action}", "run"),
        ("POST", "/api/v1/auth/login", "auth"),
    ],
)
def test_routes_have_classes(method: str, path: str, kind: str) -> None:
    assert kind_of(method, path) == kind


def test_an_address_is_what_one_subscriber_holds() -> None:
    assert network_of("192.0.2.7") == network_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2::3") == network_of("2001:db8:1:2:ffff::1") != network_of("2001:db8:1:3::3")
    assert network_of("testclient") == "testclient"


def test_settings_refuse_limits_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ('{"write-planet": 5}', '{"write-key": 0}'):
        monkeypatch.setenv("FLOYO_LIMITS", value)
        with pytest.raises(settings.SettingsError, match="FLOYO_LIMITS"):
            settings.load(settings.Settings)


class Verifier:
    """Knows organisations by number."""

    async def verify(self, token: str) -> Principal:
        """The principal; 401 for what is no number."""
        try:
            return Principal("api_key", UUID(int=1), frozenset({"events:read"}), 2**40, 0.0, key_id=UUID(token))
        except ValueError:
            raise errors.Unauthorized("invalid-token", "No.") from None


@pytest.fixture
async def client(process: Service) -> AsyncIterator[httpx2.AsyncClient]:
    """A public application with one route for callers and one for anybody."""
    router = webapp.router()

    @router.get("/mine")
    async def mine(_: Annotated[Principal, deps.allow("events:read")]) -> str:
        return "mine"

    @router.post("/auth/anybody")
    async def anybody() -> str:
        return "anybody's"

    process.verifier = Verifier()  # type: ignore[assignment]
    process.gate = Gate(process.gate.limiter, {"read-key": 5, "auth-address": 7})
    app: FastAPI = webapp.public_app("events", [router], process.settings)
    app.state.service = process
    address = f"2001:db8:{os.urandom(2).hex()}:{os.urandom(2).hex()}::1"
    transport = httpx2.ASGITransport(app, client=(address, 1))
    async with httpx2.AsyncClient(transport=transport, base_url="http://floyo/api/v1") as opened:
        yield opened


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOYO_LIMITS", raising=False)


async def test_every_answer_tells_the_callers_standing(client: httpx2.AsyncClient) -> None:
    headers = {"Authorization": f"Bearer {ids.new()}"}
    answers = [await client.get("/mine", headers=headers) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    assert answers[0].headers["RateLimit-Policy"] == '"read-key";q=5;w=60'
    assert [answer.headers["RateLimit"].split(";")[1] for answer in answers] == [
        "r=4",
        "r=3",
        "r=2",
        "r=1",
        "r=0",
        "r=0",
    ]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["type"] == "urn:floyo:problem:too-many-requests"
    other = await client.get("/mine", headers={"Authorization": f"Bearer {ids.new()}"})
    assert other.status_code == 200, "another key has its own"


async def test_strangers_and_guesses_are_counted_by_address(client: httpx2.AsyncClient) -> None:
    answers = [await client.post("/auth/anybody", headers={"X-Forwarded-For": f"10.0.0.{n}"}) for n in range(4)]
    answers += [await client.get("/mine", headers={"Authorization": "Bearer guess"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4 + [401] * 3 + [429]
    assert answers[0].headers["RateLimit-Policy"] == '"auth-address";q=7;w=60'


def test_policies_are_complete() -> None:
    assert len(limits.NAMES) == len(limits.PER_MINUTE) * len(limits.SCOPES)


async def test_a_redis_that_hangs_delays_one_batch_and_no_more(limiter: Open) -> None:
    released = asyncio.Event()

    async def hang(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await released.wait()
        writer.close()

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    one, limit = limiter(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"), fresh(100)
    loop = asyncio.get_running_loop()
    waits = []
    for _ in range(3):
        began = loop.time()
        await one.take(limit, "ada")
        waits.append(loop.time() - began)
    assert waits[0] < 1
    assert max(waits[1:]) < 0.05
    released.set()
    await one.close()
    server.close()
    await asyncio.sleep(0.05)
