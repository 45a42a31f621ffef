"""Posting events: one by one, in batches, again, and wrongly."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from services.events.storage import history
from services.events.storage.log import Position
from tests.events.processes import Process, Tenant, sibling_headers

EVENT = {"source": "git", "type": "commit.pushed", "actor": "ada", "subject": "main", "data": {"n": 1}}


async def test_an_event_is_stored_and_read_back(tenant: Tenant) -> None:
    answer = await tenant.post({**EVENT, "id": "c1", "time": "2026-03-01T10:00:00+02:00"})
    assert answer.status_code == 201, answer.text
    assert set(answer.json()) == {"id", "position"}
    stored = (await tenant.client.get(f"/api/v1/events/{answer.json()['id']}")).json()
    assert stored == {
        "id": answer.json()["id"], "external_id": "c1", "source": "git", "type": "commit.pushed", "actor": "ada",
        "subject": "main", "time": "2026-03-01T08:00:00Z", "received_at": stored["received_at"],
        "position": answer.json()["position"], "data": {"n": 1}, "extensions": None,
    }  # fmt: skip


async def test_no_actor_is_null_and_time_defaults_to_arrival(tenant: Tenant) -> None:
    answer = await tenant.post({"source": "s", "type": "t"})
    stored = (await tenant.client.get(f"/api/v1/events/{answer.json()['id']}")).json()
    assert stored["actor"] is None
    assert stored["data"] is None
    assert stored["time"] == stored["received_at"]


async def test_the_same_source_and_id_again_is_the_first(tenant: Tenant) -> None:
    first = await tenant.post({**EVENT, "id": "same"})
    second = await tenant.post({**EVENT, "id": "same", "data": "other"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert second.json() == {**first.json(), "duplicate": True}
    other = await tenant.post({**EVENT, "id": "same", "source": "elsewhere"})
    assert other.status_code == 201


async def test_a_replayed_key_gets_the_very_answer(tenant: Tenant) -> None:
    first = await tenant.post(EVENT, **{"Idempotency-Key": "k"})
    again = await tenant.post(EVENT, **{"Idempotency-Key": "k"})
    assert (again.status_code, again.content) == (201, first.content)
    other = await tenant.post({**EVENT, "type": "other"}, **{"Idempotency-Key": "k"})
    assert other.status_code == 422
    assert other.json()["type"] == "urn:floyo:problem:idempotency-mismatch"
    assert len((await tenant.client.get("/api/v1/events")).json()["items"]) == 1


async def test_batch_keeps_the_good_ones(tenant: Tenant) -> None:
    items = [
        {**EVENT, "id": "1"}, {"source": "s"}, {**EVENT, "id": "1"}, 7, {**EVENT, "extra": 1},
        {**EVENT, "time": "10000-01-01T00:00:00Z"}, {**EVENT, "id": "2"},
    ]  # fmt: skip
    answer = await tenant.client.post("/api/v1/events/batch", json=items)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["accepted"], body["duplicates"]) == (2, 1)
    assert [item["index"] for item in body["rejected"]] == [1, 3, 4, 5]
    assert all(item["type"] == "urn:floyo:problem:invalid" and item["detail"] for item in body["rejected"])
    kept = (await tenant.client.get("/api/v1/events/rejections")).json()["items"]
    assert sorted(item["index"] for item in kept) == [1, 3, 4, 5]


@pytest.mark.parametrize(
    "bad", ['{"source":"s","type":"t","data":NaN}', '{"source":"s","type":"t","data":1e400}',
            '{"source":"s","type":"t","data":"\\u0000"}', '{"source":"s","type":"t","data":"\\ud800"}',
            '{"source":"s","type":"t","data":' + "[" * 100 + "]" * 100 + "}", '{"source":"s","source":"s","type":"t"}'],
)  # fmt: skip
async def test_an_unstorable_item_spoils_itself_alone(tenant: Tenant, bad: str) -> None:
    good = json.dumps(EVENT)
    headers = {"Content-Type": "application/json"}
    answer = await tenant.client.post("/api/v1/events/batch", content=f"[{good},{bad},{good}]", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 2
    assert [item["index"] for item in answer.json()["rejected"]] == [1]


async def test_ndjson_rejects_a_malformed_line_alone(tenant: Tenant) -> None:
    body = "\n".join([json.dumps(EVENT), "{", "", json.dumps(EVENT)])
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await tenant.client.post("/api/v1/events/batch", content=body, headers=headers)
    assert answer.json()["accepted"] == 2
    assert [item["index"] for item in answer.json()["rejected"]] == [1]


@pytest.mark.parametrize(
    ("body", "status"),
    [("[", 400), ("{}", 400), ("[1,]", 400), ("[] x", 400), ("[]", 200), (b"\xff", 400),
     ("[" + "0," * 5_000 + "0]", 413), ('["' + "x" * 8 * 1024 * 1024 + '"]', 413)],
)  # fmt: skip
async def test_malformed_or_oversized_batches(tenant: Tenant, body: str | bytes, status: int) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await tenant.client.post("/api/v1/events/batch", content=body, headers=headers)
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json() == {"accepted": 0, "duplicates": 0, "rejected": []}


async def test_a_whole_batch_fits(tenant: Tenant) -> None:
    items = [{**EVENT, "id": str(number)} for number in range(5_000)]
    answer = await tenant.client.post("/api/v1/events/batch", json=items)
    assert answer.json() == {"accepted": 5_000, "duplicates": 0, "rejected": []}


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/events/batch"])
async def test_gzip_is_read_up_to_the_cap(tenant: Tenant, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    event: Any = EVENT if path.endswith("events") else [EVENT]
    answer = await tenant.client.post(path, content=gzip.compress(json.dumps(event).encode()), headers=headers)
    assert answer.status_code in {200, 201}, answer.text
    bomb = gzip.compress(b"[" + b" " * 100_000_000)
    assert (await tenant.client.post(path, content=bomb, headers=headers)).status_code == 413
    assert (await tenant.client.post(path, content=b"no gzip", headers=headers)).status_code == 400
    headers["Content-Encoding"] = "br"
    assert (await tenant.client.post(path, content=b"x", headers=headers)).status_code == 415


async def test_lists_are_newest_first_and_page_by_signed_cursor(tenant: Tenant) -> None:
    for minute in (3, 1, 2, 5, 4):
        await tenant.post({**EVENT, "time": f"2026-01-01T00:0{minute}:00Z", "type": f"t{minute % 2}"})
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await tenant.client.get(f"/api/v1/events?limit=2{cursor}")).json()
        seen += [item["time"][15:16] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == ["5", "4", "3", "2", "1"]
    odd = (await tenant.client.get("/api/v1/events?type=t1&after=2026-01-01T00:01:00Z")).json()["items"]
    assert [item["time"][15:16] for item in odd] == ["5", "3"]


async def test_another_organisation_sees_nothing(tenant: Tenant, service_events: Process) -> None:
    posted = (await tenant.post({**EVENT, "id": "mine"})).json()
    stranger = Tenant(service_events)
    answer = await stranger.client.get(f"/api/v1/events/{posted['id']}")
    missing = await stranger.client.get(f"/api/v1/events/{stranger.organization_id}")
    assert answer.status_code == missing.status_code == 404
    assert {**answer.json(), "trace_id": ""} == {**missing.json(), "trace_id": ""}
    assert (await stranger.client.get("/api/v1/events")).json() == {"items": [], "next_cursor": None}
    assert (await stranger.post({**EVENT, "id": "mine"})).status_code == 201


async def test_siblings_append_for_an_organisation(tenant: Tenant, service_events: Process) -> None:
    path = "/internal/events"
    body = {"organization_id": str(tenant.organization_id), "events": [EVENT, {"source": "s"}]}
    async with service_events.client(internal=True) as client:
        answer = await client.post(path, json=body, headers=sibling_headers("workflows", "POST", path))
        assert answer.json()["accepted"] == 1
        assert answer.json()["rejected"][0]["index"] == 1
        refused = await client.post(path, json=body, headers=sibling_headers("auth", "POST", path))
        assert refused.status_code == 403
        assert (await client.post(path, json=body)).status_code == 401


async def test_an_emitted_event_tells_its_run(tenant: Tenant, service_events: Process) -> None:
    path, run = "/internal/events", "0190a0a0-0000-7000-8000-000000000001"
    body = {"organization_id": str(tenant.organization_id), "events": [EVENT], "cause": {"run_id": run, "depth": 3}}
    async with service_events.client(internal=True) as client:
        answer = await client.post(path, json=body, headers=sibling_headers("workflows", "POST", path))
        assert answer.json()["accepted"] == 1
        wrong = {**body, "cause": {"run_id": run, "depth": -1}}
        answer = await client.post(path, json=wrong, headers=sibling_headers("workflows", "POST", path))
        assert answer.status_code == 422
    (event,) = (await tenant.client.get("/api/v1/events")).json()["items"]
    assert event["extensions"] == {"floyorun": run, "floyodepth": 3}
    async with service_events.service.database.session(tenant.organization_id) as session:
        assert await history.after(session, tenant.organization_id, Position(0, 0, 0), 10) == []


async def test_a_hundred_at_once_with_one_key_are_one_event_and_one_answer(tenant: Tenant) -> None:
    answers = await asyncio.gather(*(tenant.post(EVENT, **{"Idempotency-Key": "at once"}) for _ in range(100)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert len((await tenant.client.get("/api/v1/events")).json()["items"]) == 1
