"""Uploads, filters, retention, erasure, export, lineage, and how the log is read."""

import asyncio
import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text

from services.events.domain import drafts, erasure, filters
from services.events.storage import log
from shared import ids
from shared.service import Service
from tests.events.processes import Process, Tenant
from tests.events.test_discovery import mine, routine
from tests.events.waiting import until

DATA = {"mail": "ada@example.com", "list": [{"k": 1}]}
EVENT = {"source": "s", "type": "t", "actor": "ada", "subject": "x", "data": DATA}


async def finished(tenant: Tenant, path: str, **options: Any) -> dict[str, Any]:
    """Starts a job by a request and waits for its end."""
    started = await tenant.client.request(options.pop("method", "POST"), path, **options)
    assert started.status_code == 202, started.text

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get(f"/api/v1/events/jobs/{started.json()['job_id']}")).json()
        return answer

    return await until(ask, lambda job: job["status"] in {"succeeded", "failed"}, 60)


async def items(tenant: Tenant, query: str = "") -> list[dict[str, Any]]:
    """One page of events."""
    found: list[dict[str, Any]] = (await tenant.client.get(f"/api/v1/events?limit=200{query}")).json()["items"]
    return found


async def test_ndjson_upload_across_many_chunks(service_worker: Service, tenant: Tenant) -> None:
    lines = [json.dumps({**EVENT, "id": str(number), "data": "x" * 700}) for number in range(2_500)]
    lines[7] = "{"
    lines.append(json.dumps({**EVENT, "id": "0"}))
    files = {"file": ("history.ndjson", "\n".join(lines).encode())}
    job = await finished(tenant, "/api/v1/events/upload", files=files)
    assert (job["status"], job["kind"]) == ("succeeded", "upload"), job
    assert (job["accepted"], job["duplicates"], job["rejected"]) == (2_499, 1, 1)
    rejected = (await tenant.client.get("/api/v1/events/rejections")).json()["items"]
    assert [(item["index"], item["job_id"]) for item in rejected] == [(7, job["id"])]


async def test_csv_upload_with_quoted_lines_and_defaults(service_worker: Service, tenant: Tenant) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([["type", "actor", "time", "note"], ["a", "ada", "2026-01-01T00:00:00Z", 'two\nlines, "q"'],
                      ["b", "", "", ""], ["c", "", "tomorrow", ""]])  # fmt: skip
    files = {"file": ("log.csv", text.getvalue().encode(), "text/csv")}
    job = await finished(tenant, "/api/v1/events/upload?source=desk", files=files)
    assert (job["accepted"], job["rejected"]) == (2, 1), job
    found = {item["type"]: item for item in await items(tenant)}
    assert found["a"]["data"] == {"note": 'two\nlines, "q"'}
    assert found["b"]["actor"] is None
    assert {item["source"] for item in found.values()} == {"desk"}


async def test_uploads_that_are_none(tenant: Tenant) -> None:
    path = "/api/v1/events/upload"
    assert (await tenant.client.post(path, files={"file": ("a.exe", b"x")})).status_code == 415
    assert (await tenant.client.post(path, json={})).status_code == 415
    form = await tenant.client.post(path, data={"a": "b"}, files={"x": (None, b"no file")})
    assert form.status_code == 422
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    assert (await tenant.client.post(path, content=b"nothing of the kind", headers=headers)).status_code in {400, 422}


async def test_filters_hold_before_storage(tenant: Tenant) -> None:
    rules = [
        {"action": "drop", "match": {"type": "secret.*"}},
        {"action": "mask", "match": {"source": "s"}, "fields": ["data.mail"]},
        {"action": "hash", "fields": ["actor", "data.list.k"]},
    ]
    put = await tenant.client.put("/api/v1/events/filters", json={"rules": rules})
    assert put.status_code == 200, put.text
    assert (await tenant.post({**EVENT, "type": "secret.read"})).json() == {
        "id": None, "position": None, "filtered": True,
    }  # fmt: skip
    batch = await tenant.client.post("/api/v1/events/batch", json=[EVENT, {**EVENT, "type": "secret.x"}])
    assert batch.json() == {"accepted": 1, "duplicates": 0, "rejected": [], "filtered": 1}
    stored = (await items(tenant))[0]
    assert stored["data"]["mail"] == "***"
    assert stored["actor"].startswith("h:")
    assert stored["data"]["list"][0]["k"].startswith("h:")
    assert len((await tenant.client.get("/api/v1/events/filters")).json()["rules"]) == 3
    assert (await tenant.as_role("member").put("/api/v1/events/filters", json={"rules": []})).status_code == 403
    bad = await tenant.client.put("/api/v1/events/filters", json={"rules": [{"action": "mask", "fields": ["id"]}]})
    assert bad.status_code == 422


def test_hashes_of_filters_need_the_deployments_key() -> None:
    """Equal within an organisation and a deployment; another's key or organisation gives others."""
    rules = [{"action": "hash", "fields": ["actor", "data.mail"]}]
    one, other = ids.new(), ids.new()

    def hashed(organization_id: UUID, key: bytes) -> tuple[str | None, str | None]:
        draft = drafts.read(EVENT, organization_id)
        found = filters.apply(rules, draft, key)
        assert found is not None
        return found.actor, found.data

    assert hashed(one, b"k") == hashed(one, b"k")
    assert len({hashed(one, b"k"), hashed(other, b"k"), hashed(one, b"l")}) == 3
    assert "ada" not in str(hashed(one, b"k"))


async def test_erasing_an_actor_leaves_what_was_never_theirs(service_worker: Service, tenant: Tenant) -> None:
    theirs = [{**event, "id": str(number)} for number, event in enumerate(routine(days=8))]
    others = [{**event, "actor": "bob"} for event in routine(days=12, seed=8)]
    for batch in (theirs, others):
        assert not (await tenant.client.post("/api/v1/events/batch", json=batch)).json()["rejected"]
    await mine(tenant)

    async def stats() -> dict[str, Any]:
        answer: dict[str, Any] = (await tenant.client.get("/api/v1/stats")).json()
        return answer

    await until(stats, lambda answer: answer["total"] == len(theirs) + len(others))
    job = await finished(tenant, "/api/v1/events?actor=ada", method="DELETE")
    assert (job["status"], job["accepted"], job["kind"]) == ("succeeded", len(theirs), "erasure"), job
    assert await items(tenant, "&actor=ada") == []
    remaining = await until(stats, lambda answer: answer["total"] == len(others))
    assert remaining["by_actor"] == [{"actor": "bob", "count": len(others)}]
    async with service_worker.database.system() as session:
        for table in ("stat", "job", "pattern", "suggestion", "event"):
            rows = await session.scalars(text(f"SELECT t::text FROM {table} AS t WHERE organization_id = :of"),
                                         {"of": tenant.organization_id})  # fmt: skip
            assert not [row for row in rows if re.search(r"\bada\b", row)], table
    for pattern in (await tenant.client.get("/api/v1/patterns")).json()["items"]:
        for event_id in pattern["evidence"]:
            assert (await tenant.client.get(f"/api/v1/events/{event_id}")).status_code == 200
    again = await tenant.post(theirs[0])
    assert again.status_code == 201
    assert (await tenant.as_role("member").delete("/api/v1/events?actor=ada")).status_code == 403
    assert (await tenant.client.delete("/api/v1/events")).status_code == 422


async def test_retention_deletes_what_is_older(
    service_worker: Service, service_events: Process, tenant: Tenant, events_urls: dict[str, str]
) -> None:
    default = (await tenant.client.get("/api/v1/events/retention")).json()
    assert default == {"days": 365}
    assert (await tenant.client.put("/api/v1/events/retention", json={"days": 20})).json() == {"days": 20}
    assert (await tenant.client.put("/api/v1/events/retention", json={"days": 0})).status_code == 422
    await tenant.post({**EVENT, "id": "kept"})
    old = datetime.now(UTC) - timedelta(days=25)
    async with service_events.service.database.system() as session:
        await log.ensure_partition(session, old)
    connection = await asyncpg.connect(events_urls["admin"])
    try:  # an event that arrived back then
        aged = await connection.fetchval("SELECT overlay(uuid_bound($1)::text placing '7' from 15)::uuid", old)
        for organization_id in (tenant.organization_id, ids.new()):
            await connection.execute(
                "INSERT INTO event (id, organization_id, epoch, xid, sequence, source, type, time, received_at) "
                "VALUES ($1, $2, 1, 3, 1, 's', 't', $3, $3)", aged, organization_id, old,
            )  # fmt: skip
            aged = UUID(int=aged.int + 1)
        await erasure.expire(service_events.service, 365)
        left = await connection.fetchval("SELECT count(*) FROM event WHERE xid = 3")
        assert left == 1
        await erasure.expire(service_events.service, 21)
        assert await connection.fetchval("SELECT count(*) FROM event WHERE xid = 3") == 0
    finally:
        await connection.close()
    assert len(await items(tenant)) == 1


async def test_export_streams_everything_in_order(tenant: Tenant) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    events = [{**EVENT, "time": (start + timedelta(seconds=number)).isoformat()} for number in range(2_100)]
    await tenant.client.post("/api/v1/events/batch", json=events)
    answer = await tenant.client.get("/api/v1/events/export?format=ndjson")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert len(lines) == 2_100
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    first = (await items(tenant, "&before=2026-01-01T00:00:01Z"))[0]
    moments = {"time": lines[0]["time"], "received_at": lines[0]["received_at"]}
    assert lines[0] == {**first, **moments}
    table = await tenant.client.get("/api/v1/events/export?format=csv&after=2026-01-01T00:34:57Z")
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [json.loads(row["data"]) for row in rows] == [EVENT["data"]] * 2


async def test_lineage_graph_next_and_export(service_worker: Service, tenant: Tenant) -> None:
    await tenant.client.post("/api/v1/events/batch", json=routine())
    await mine(tenant)
    best = (await tenant.client.get("/api/v1/suggestions")).json()["items"][0]
    lineage = (await tenant.client.get(f"/api/v1/events/{best['evidence'][0]}/lineage")).json()
    assert best["id"] in [item["id"] for item in lineage["suggestions"]]
    assert best["pattern_id"] in [item["id"] for item in lineage["patterns"]]
    assert (await tenant.client.get(f"/api/v1/events/{ids.new()}/lineage")).status_code == 404
    graph = (await tenant.client.get("/api/v1/patterns/graph")).json()
    edge = next(item for item in graph["edges"] if item["from"]["type"] == "order.received")
    assert edge["to"]["type"] == "invoice.created"
    assert edge["count"] == 48
    await tenant.post({"source": "desk", "type": "order.received", "actor": "ada", "time": "2026-03-01T00:00:00Z"})
    likely = (await tenant.client.get("/api/v1/patterns/next?actor=ada")).json()["items"]
    assert likely[0]["type"] == "invoice.created"
    assert likely[0]["probability"] > 0.5 > likely[1]["probability"]
    assert sum(item["probability"] for item in likely) <= 1.0 + 1e-9
    assert (await tenant.client.get("/api/v1/patterns/next?actor=nobody")).json() == {"items": []}
    exported = await tenant.client.get("/api/v1/patterns/export?format=csv")
    assert "order.received" in exported.text
    assert (await tenant.client.get("/api/v1/patterns/export")).json()[0]["kind"] == "sequence"


_QUERIES = {
    "list": "/api/v1/events", "filtered": "/api/v1/events?type=t&actor=ada&after=2026-01-01T00:00:00Z",
    "export": "/api/v1/events/export", "graph": "/api/v1/patterns/graph",
}  # fmt: skip


@pytest.mark.parametrize("name", _QUERIES)
async def test_no_sequential_scan_on_event(tenant: Tenant, events_urls: dict[str, str], name: str) -> None:
    """The statistics' own counters: reading through the API never scans a partition that holds rows.

    An idle backend may tell up to ten seconds late of what it did before; a scan of ours is seen each time.
    """
    await tenant.client.post("/api/v1/events/batch", json=[EVENT] * 5_000)
    connection = await asyncpg.connect(events_urls["admin"])
    scanned: list[int] = []
    try:
        await connection.execute("ANALYZE event")
        while len(scanned) < 3 and 0 not in scanned:
            before = await _scans(connection)
            assert (await tenant.client.get(_QUERIES[name])).status_code == 200
            scanned.append(await _scans(connection) - before)
    finally:
        await connection.close()
    assert 0 in scanned


async def _scans(connection: Any) -> int:
    await asyncio.sleep(1.1)  # backends report once a second
    await connection.execute("SELECT pg_stat_clear_snapshot()")
    number: int = await connection.fetchval(
        "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'event_' || to_char(now(), 'YYYY_MM')"
    )
    return number
