"""Hostile input to the events service, by its number in the list of attacks; both ways in must answer alike."""

import json
from typing import Any

import pytest

from tests.events.processes import Process, Tenant

EVENTS = "/api/v1/events"
BATCH = "/api/v1/events/batch"
JSON = {"Content-Type": "application/json"}
WAYS: list[dict[str, str]] = [{}, {"Idempotency-Key": "k"}]  # the quick way in, and the documented one


def event(data: str = "1", more: str = "") -> str:
    """The JSON text of an event."""
    return f'{{"source":"s","type":"t"{more},"data":{data}}}'


async def post(tenant: Tenant, content: Any, way: dict[str, str], path: str = EVENTS) -> tuple[int, str]:
    """Status and slug of the answer."""
    answer = await tenant.client.post(path, content=content, headers={**JSON, **way})
    slug = answer.json().get("type", "").removeprefix("urn:floyo:problem:")
    return answer.status_code, slug


async def _chunks(size: int) -> Any:
    yield b'{"source":"s","type":"t","data":"'
    for _ in range(size // 65_536 + 1):
        yield b"x" * 65_536
    yield b'"}'


@pytest.mark.parametrize("way", WAYS)
async def test_b31_too_large(tenant: Tenant, way: dict[str, str]) -> None:
    assert (await post(tenant, event('"' + "x" * 1_048_576 + '"'), way))[0] == 413
    assert (await post(tenant, _chunks(1_048_576), way))[0] == 413
    assert (await post(tenant, _chunks(8 * 1_048_576), way, BATCH))[0] == 413


async def test_b31_a_file_that_says_to_be_too_large(tenant: Tenant) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(2**30 + 1)}
    answer = await tenant.client.post(f"{EVENTS}/upload", content=_chunks(0), headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:floyo:problem:content-too-large")


@pytest.mark.parametrize("way", WAYS)
async def test_b32_too_deep(tenant: Tenant, way: dict[str, str]) -> None:
    for depth in (100, 1_000, 100_000):
        assert (await post(tenant, event("[" * depth + "]" * depth), way))[0] == 422


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("data", ["NaN", "-Infinity", "1e400", '"\\ud800"', '"a\\u0000b"', '{"\\u0000":1}', "1" * 400])
async def test_b33_what_is_no_json_value(tenant: Tenant, way: dict[str, str], data: str) -> None:
    assert (await post(tenant, event(data), way))[0] == 422


@pytest.mark.parametrize("way", WAYS)
async def test_b34_duplicate_names(tenant: Tenant, way: dict[str, str]) -> None:
    assert await post(tenant, event("1", ',"type":"u"'), way) == (400, "malformed-json")
    answer = await tenant.client.post(EVENTS, content=event('{"a":1,"a":2}'), headers={**JSON, **way})
    assert answer.status_code == 201
    assert (await tenant.client.get(f"{EVENTS}/{answer.json()['id']}")).json()["data"] == {"a": 2}


async def test_b35_json_as_text(tenant: Tenant) -> None:
    for path in (EVENTS, BATCH, "/api/v1/events/upload"):
        assert (await tenant.client.post(path, content="{}", headers={"Content-Type": "text/plain"})).status_code == 415


@pytest.mark.parametrize("limit", ["-1", "0", "1000000000", "x", "201"])
async def test_b37_limits(tenant: Tenant, limit: str) -> None:
    for path in (EVENTS, "/api/v1/events/rejections", "/api/v1/patterns", "/api/v1/suggestions"):
        assert (await tenant.client.get(f"{path}?limit={limit}")).status_code == 422


async def test_b38_cursors_of_others(tenant: Tenant, service_events: Process) -> None:
    for number in range(3):
        await tenant.post({"source": "s", "type": str(number)})
    cursor = (await tenant.client.get(f"{EVENTS}?limit=1")).json()["next_cursor"]
    assert (await tenant.client.get(f"{EVENTS}?limit=1&cursor={cursor}")).status_code == 200
    assert (await tenant.client.get(f"{EVENTS}?limit=1&type=1&cursor={cursor}")).status_code == 400
    for wrong in (cursor[:-2] + "AA", "A" + cursor[1:], "x", ""):
        assert (await tenant.client.get(f"{EVENTS}?cursor={wrong}")).status_code == 400, wrong
    foreign = await Tenant(service_events).client.get(f"{EVENTS}?cursor={cursor}")
    assert (foreign.status_code, foreign.json()["type"]) == (400, "urn:floyo:problem:invalid-cursor")


async def test_b39_sql_in_filters(tenant: Tenant) -> None:
    await tenant.post({"source": "s", "type": "t"})
    injected = "t' OR '1'='1"
    assert (await tenant.client.get(EVENTS, params={"type": injected})).json()["items"] == []
    assert (await tenant.client.get(EVENTS, params={"after": injected})).status_code == 422
    assert (await tenant.client.get("/api/v1/patterns", params={"kind": injected})).status_code == 422
    assert (await tenant.client.get("/api/v1/suggestions", params={"status": injected})).status_code == 422


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "time",
    ["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z",
     "2026-01-01T00:00:00", "1767225600", ""],
)  # fmt: skip
async def test_b40_times_that_are_none(tenant: Tenant, way: dict[str, str], time: str) -> None:
    assert (await post(tenant, event("1", f',"time":"{time}"'), way))[0] == 422
    assert (await tenant.client.get(EVENTS, params={"after": time})).status_code == 422


async def test_b41_idempotency_keys(tenant: Tenant) -> None:
    assert await post(tenant, event(), {"Idempotency-Key": "k" * 256}) == (422, "idempotency-mismatch")
    assert (await post(tenant, event("1"), {"Idempotency-Key": "a"}))[0] == 201
    assert await post(tenant, event("2"), {"Idempotency-Key": "a"}) == (422, "idempotency-mismatch")


async def test_b43_control_characters_are_stored(tenant: Tenant) -> None:
    text = "a\r\nb\x1b[31mred"
    answer = await tenant.post({"source": text, "type": "t", "data": text})
    stored = (await tenant.client.get(f"{EVENTS}/{answer.json()['id']}")).json()
    assert (stored["source"], stored["data"]) == (text, text)


async def test_b44_a_parameter_twice(tenant: Tenant) -> None:
    assert (await tenant.client.get(f"{EVENTS}?type=a&type=b")).status_code == 422


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("field", ["organization_id", "received_at", "position", "x"])
async def test_unknown_fields_are_refused(tenant: Tenant, way: dict[str, str], field: str) -> None:
    assert (await post(tenant, event("1", f',"{field}":"x"'), way))[0] == 422
    batch = await tenant.client.post(BATCH, content=f"[{event('1', f',{json.dumps(field)}:1')}]", headers=JSON)
    assert batch.json()["accepted"] == 0


@pytest.mark.parametrize("way", WAYS)
async def test_who_may_write(tenant: Tenant, service_events: Process, way: dict[str, str]) -> None:
    async with service_events.client() as nobody:
        assert (await nobody.post(EVENTS, content=event(), headers={**JSON, **way})).status_code == 401
    async with service_events.client("garbage") as stranger:
        assert (await stranger.post(EVENTS, content=event(), headers={**JSON, **way})).status_code == 401
    viewer = tenant.as_role("viewer")
    assert (await viewer.post(EVENTS, content=event(), headers={**JSON, **way})).status_code == 403
