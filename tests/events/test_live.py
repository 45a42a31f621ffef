"""Live sockets: admission, order without gaps, resumption, limits, revocation."""

import asyncio
import json
import logging
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from services.events.domain import events, positions, signals
from services.events.domain.feeds import Feed
from services.events.domain.live import WATCH_SECONDS, Hub
from services.events.domain.sockets import MAX_PENDING, TOO_SLOW, Client
from services.events.domain.tail import SWEEP_SECONDS
from services.events.storage import log
from shared import ids, server
from shared.identity import Principal
from tests.events.processes import Process, Tenant, mint
from tests.events.waiting import until


@pytest.fixture(scope="session")
async def live_url(service_events: Process) -> AsyncIterator[str]:
    """The address of /live of a process that listens on loopback."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    listening = server.build_server(service_events.public, service_events.service.settings)
    serving = asyncio.create_task(listening.serve(sockets=[bound]))
    yield f"ws://127.0.0.1:{bound.getsockname()[1]}/api/v1/live"
    listening.should_exit = True
    await serving
    assert isinstance(listening, uvicorn.Server)


@asynccontextmanager
async def opened(url: str, token: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """A socket with a token in its headers."""
    headers = {"Authorization": f"Bearer {token}", **options.pop("headers", {})}
    async with connect(url, additional_headers=headers, **options) as connection:
        yield connection


async def ask(connection: ClientConnection, *channels: str, **after: str) -> None:
    """Subscribes."""
    await connection.send(json.dumps({"type": "subscribe", "channels": channels, "after": after}))


async def receive(connection: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    """The next frame."""
    frame: dict[str, Any] = json.loads(await asyncio.wait_for(connection.recv(), seconds))
    return frame


async def closed(connection: ClientConnection, seconds: float = 10) -> int:
    """The code with which the other side closes."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                await connection.recv()
            except ConnectionClosed as end:
                return 1006 if end.rcvd is None else end.rcvd.code


async def test_events_arrive_in_order_with_positions_and_resume(live_url: str, tenant: Tenant) -> None:
    token = mint(tenant.organization_id)
    async with opened(live_url, token) as connection:
        await ask(connection, "events")
        subscribed = await receive(connection)
        assert (subscribed["type"], subscribed["channel"], subscribed["epoch"]) == ("subscribed", "events", 1)
        posted = [(await tenant.post({"source": "s", "type": "t", "data": n})).json() for n in range(5)]
        got = [await receive(connection) for _ in posted]
        assert [frame["data"]["data"] for frame in got] == [0, 1, 2, 3, 4]
        assert [frame["position"] for frame in got] == [item["position"] for item in posted]
        stored = (await tenant.client.get(f"/api/v1/events/{posted[0]['id']}")).json()
        assert got[0]["data"] == stored
    missed = (await tenant.post({"source": "s", "type": "t", "data": 5})).json()
    async with opened(live_url, token) as connection:
        await ask(connection, "events", events=posted[2]["position"])
        assert (await receive(connection))["position"] == posted[2]["position"]
        numbers = [(await receive(connection))["data"]["data"] for _ in range(3)]
        assert numbers == [3, 4, 5]
        await tenant.post({"source": "s", "type": "t", "data": 6})
        assert (await receive(connection))["data"]["data"] == 6
    async with opened(live_url, token) as connection:
        await ask(connection, "events", events=missed["position"])
        assert (await receive(connection))["type"] == "subscribed"
        assert (await receive(connection))["data"]["data"] == 6


async def test_joining_while_others_write_leaves_no_gap(live_url: str, tenant: Tenant) -> None:
    async def write() -> None:
        for number in range(60):
            await tenant.post({"source": "s", "type": "t", "data": number})

    start = (await tenant.post({"source": "s", "type": "t", "data": -1})).json()["position"]
    writing = asyncio.create_task(write())

    async def listen(delay: float) -> list[int]:
        await asyncio.sleep(delay)
        async with opened(live_url, mint(tenant.organization_id)) as connection:
            await ask(connection, "events", events=start)
            assert (await receive(connection))["type"] == "subscribed"
            return [(await receive(connection, 20))["data"]["data"] for _ in range(60)]

    heard = await asyncio.gather(*(listen(0.03 * index) for index in range(6)))
    await writing
    assert all(numbers == list(range(60)) for numbers in heard)


def texts(frames: bytes) -> Iterator[bytes]:
    """What each frame says; none is longer than 64 KiB here."""
    while frames:
        size, start = (frames[1], 2) if frames[1] < 126 else (int.from_bytes(frames[2:4]), 4)
        yield frames[start : start + size]
        frames = frames[start + size :]


class Heard:
    """A socket that keeps the numbers of the events that it is sent."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.puts = 0

    def put(self, frames: bytes) -> int:
        self.puts += 1
        for text in texts(frames):
            told = json.loads(text)
            if told["type"] == "message":
                self.numbers.append(told["data"]["data"])
        return 0

    async def ready(self) -> None:
        return

    def finish(self, code: int, reason: str) -> None:
        raise AssertionError((code, reason))


class Stalled(Heard):
    """One that reads nothing, and leaves when it is cut."""

    def __init__(self, feed: Feed) -> None:
        super().__init__()
        self.feed = feed
        self.client: Client | None = None

    def put(self, frames: bytes) -> int:
        super().put(frames)
        return MAX_PENDING + 1 if self.numbers else 0

    def finish(self, code: int, reason: str) -> None:
        assert code == TOO_SLOW
        assert self.client is not None
        self.feed.leave(self.client)


async def test_who_has_seen_more_elsewhere_hears_nothing_twice(tenant: Tenant, service_events: Process) -> None:
    """As where a process dies that had read on, and another that lags takes its sockets."""
    service = service_events.service
    feed = Feed("events", log.between, events.render_raw)
    who = Principal("user", tenant.organization_id, frozenset(), expires_at=0, issued_at=0)
    behind, ahead = Heard(), Heard()
    await feed.follow(service, Client(who, "", behind), None)
    posted = [(await tenant.post({"source": "s", "type": "t", "data": n})).json() for n in range(4)]
    await feed.follow(service, Client(who, "", ahead), positions.parse(posted[1]["position"]))
    await feed._read_on(service.database, frozenset({tenant.organization_id}))
    assert (behind.numbers, ahead.numbers) == ([0, 1, 2, 3], [2, 3])
    assert behind.puts == 2, "the confirmation, then all that was read at once"


async def test_whoever_is_cut_disturbs_nobody(tenant: Tenant, service_events: Process) -> None:
    service = service_events.service
    feed = Feed("events", log.between, events.render_raw)
    who = Principal("user", tenant.organization_id, frozenset(), expires_at=0, issued_at=0)
    readers = [Heard(), Stalled(feed), Heard(), Stalled(feed), Heard()]
    for reader in readers:
        client = Client(who, "", reader)
        if isinstance(reader, Stalled):
            reader.client = client
        await feed.follow(service, client, None)
    for number in range(2):
        await tenant.post({"source": "s", "type": "t", "data": number})
        await feed._read_on(service.database, frozenset({tenant.organization_id}))
    assert [reader.numbers for reader in readers] == [[0, 1], [0], [0, 1], [0], [0, 1]]


async def test_a_position_that_cannot_be_filled_is_a_reset(live_url: str, tenant: Tenant) -> None:
    for unknown in ("7-1-1", "1-fffffffff-1", "nonsense"):
        async with opened(live_url, mint(tenant.organization_id)) as connection:
            await ask(connection, "events", events=unknown)
            assert (await receive(connection))["type"] == "subscribed"
            assert await receive(connection) == {"type": "reset", "channel": "events"}
            await tenant.post({"source": "s", "type": "after"})
            assert (await receive(connection))["data"]["type"] == "after"


async def test_a_process_without_sockets_is_not_woken_by_events(
    live_url: str, tenant: Tenant, service_events: Process
) -> None:
    redis = service_events.service.redis

    async def listeners() -> int:
        return int((await redis.pubsub_numsub(signals.EVENTS))[0][1])

    await asyncio.sleep(WATCH_SECONDS * 1.5)
    others = await listeners()
    for _ in range(2):
        async with opened(live_url, mint(tenant.organization_id)) as connection:
            await ask(connection, "events")
            await receive(connection)
            assert await listeners() == others + 1
            began = time.monotonic()
            await tenant.post({"source": "s", "type": "t"})
            assert (await receive(connection))["type"] == "message"
            assert time.monotonic() - began < SWEEP_SECONDS
        await until(listeners, lambda found: found == others)


async def test_nobody_hears_another_organisation(live_url: str, tenant: Tenant, service_events: Process) -> None:
    stranger = Tenant(service_events)
    async with opened(live_url, mint(stranger.organization_id)) as connection:
        await ask(connection, "events", "suggestions", "runs")
        assert {(await receive(connection))["channel"] for _ in range(3)} == {"events", "suggestions", "runs"}
        await tenant.post({"source": "s", "type": "t"})
        await stranger.post({"source": "s", "type": "own"})
        assert (await receive(connection))["data"]["type"] == "own"


async def test_runs_are_heard_as_their_latest_state(live_url: str, tenant: Tenant, service_events: Process) -> None:
    run = {"id": str(ids.new()), "organization_id": str(tenant.organization_id), "workflow_id": str(ids.new())}
    async with opened(live_url, mint(tenant.organization_id)) as connection:
        await ask(connection, "runs")
        assert (await receive(connection))["type"] == "subscribed"
        for status in ("queued", "running", "succeeded"):
            hint = json.dumps([{**run, "status": status}])
            await service_events.service.redis.publish("floyo:runs", hint)
        frame = await receive(connection)
        while frame["data"]["status"] != "succeeded":
            frame = await receive(connection)
        assert frame["data"] == {**run, "status": "succeeded"}
    async with opened(live_url, mint(tenant.organization_id)) as connection:
        await ask(connection, "runs", runs="x")
        assert [(await receive(connection))["type"] for _ in range(2)] == ["subscribed", "reset"]


@pytest.mark.parametrize("where", ["nothing", "query", "garbage"])
async def test_b81_no_token_no_upgrade(
    live_url: str, tenant: Tenant, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    token = mint(tenant.organization_id)
    url = live_url + (f"?token={token}" if where == "query" else "")
    headers = {"Authorization": "Bearer garbage"} if where == "garbage" else {}
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, additional_headers=headers)
    assert caught.value.response.status_code == 401
    assert json.loads(caught.value.response.body)["type"] == "urn:floyo:problem:invalid-token"
    assert token not in caplog.text


async def test_b82_a_foreign_origin_no_upgrade(live_url: str, tenant: Tenant, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with opened(live_url, mint(tenant.organization_id), headers={"Origin": "https://evil.example"}):
            pass
    assert caught.value.response.status_code == 403
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_too_many_sockets_no_upgrade(
    live_url: str, tenant: Tenant, service_events: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.events.domain.live import Hub

    monkeypatch.setattr(service_events.service.part(Hub), "_capacity_each", 1)
    async with opened(live_url, mint(tenant.organization_id)):
        with pytest.raises(InvalidStatus) as caught:
            async with opened(live_url, mint(tenant.organization_id)):
                pass
        assert caught.value.response.status_code == 429
        assert caught.value.response.headers["Retry-After"]


async def test_the_token_may_come_as_subprotocol(live_url: str, tenant: Tenant) -> None:
    protocols: Any = ["floyo.v1", f"bearer.{mint(tenant.organization_id)}"]
    async with connect(live_url, subprotocols=protocols) as connection:
        assert connection.subprotocol == "floyo.v1"


@pytest.mark.parametrize("channel", ["nothing", "events:0190a0a0-0000-7000-8000-000000000001"])
async def test_b83_a_foreign_channel_is_refused(live_url: str, tenant: Tenant, channel: str) -> None:
    async with opened(live_url, mint(tenant.organization_id)) as connection:
        await ask(connection, channel)
        assert (await receive(connection))["type"] == "error"
        assert await closed(connection) == 4403


async def test_b84_large_frames_and_floods_end(live_url: str, tenant: Tenant) -> None:
    async with opened(live_url, mint(tenant.organization_id), max_size=None) as connection:
        await connection.send("x" * (1_048_576 + 1))
        assert await closed(connection) == 1009
    async with opened(live_url, mint(tenant.organization_id)) as connection:
        for _ in range(200):
            try:
                await connection.send("{}")
            except ConnectionClosed:
                break
        assert await closed(connection) == 1008


async def test_b85_expiry_and_revocation_end_a_socket(live_url: str, tenant: Tenant, service_events: Process) -> None:
    async with opened(live_url, mint(tenant.organization_id, seconds=1)) as connection:
        assert await closed(connection) == 4401
    session_id = ids.new()
    async with opened(live_url, mint(tenant.organization_id, session_id=session_id)) as connection:
        item = {"position": 1, "kind": "session", "id": str(session_id), "at": time.time() + 1}
        service_events.identity.revoked.append(item)
        await service_events.service.verifier.poll()
        assert await closed(connection, 5) == 4401


async def test_a_newer_token_goes_on_but_not_for_another_organisation(live_url: str, tenant: Tenant) -> None:
    async with opened(live_url, mint(tenant.organization_id, seconds=2)) as connection:
        renewal = {"type": "authenticate", "token": mint(tenant.organization_id)}
        await connection.send(json.dumps(renewal))
        assert (await receive(connection))["type"] == "authenticated"
        await asyncio.sleep(3)
        await ask(connection, "events")
        assert (await receive(connection))["type"] == "subscribed"
        await connection.send(json.dumps({**renewal, "token": mint(ids.new())}))
        assert await closed(connection) == 4403


async def test_a_slow_reader_is_cut_at_a_mebibyte(live_url: str, tenant: Tenant, service_events: Process) -> None:
    """What the kernel and this library hold comes on top of the mebibyte; beyond it the server lets go."""
    async with opened(live_url, mint(tenant.organization_id), max_queue=1) as stalled:
        await ask(stalled, "events")
        stalled.transport.pause_reading()
        hub = service_events.service.part(Hub)
        for number in range(400):
            event = {"source": "s", "type": "t", "data": {"number": number, "text": "x" * 60_000}}
            assert (await tenant.post(event)).status_code == 201
            if not hub.connected(tenant.organization_id):
                break
        assert number < 399
        assert number * 60_000 > MAX_PENDING
