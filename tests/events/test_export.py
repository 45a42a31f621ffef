"""Exports of any size: streamed in pieces, with memory that does not grow with them; and what erasure leaves."""

import asyncio
import mmap
import subprocess
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.local import binaries
from shared import ids
from shared.service import Service
from tests.events.processes import Process, Tenant, mint
from tests.events.test_management import finished

ROWS = 60_000
MIB = 2**20
# Positions below every cursor: nothing but the export is to read them.
_FILL = """
INSERT INTO event (id, organization_id, source, type, actor, time, received_at, epoch, xid, sequence, data)
SELECT uuidv7(), $1, 'bulk', 'row', 'ada', now() - number * interval '1 second', now(), 0, 1, number,
       jsonb_build_object('n', number, 'text', repeat('x', 200))
FROM generate_series(1, $2::int) AS number
"""


@pytest.mark.parametrize("form", ["ndjson", "csv"])
async def test_a_large_export_needs_no_memory_of_its_size(
    service_events: Process, events_urls: dict[str, str], form: str
) -> None:
    organization_id = ids.new()
    connection = await asyncpg.connect(events_urls["admin"])
    await connection.execute(_FILL, organization_id, ROWS)
    size = lines = most = 0
    messages: list[Any] = []
    try:
        base = _resident()

        async def send(message: MutableMapping[str, Any]) -> None:
            nonlocal size, lines, most
            body: bytes = message.get("body", b"")
            size += len(body)
            lines += body.count(b"\n")
            messages.append(message.get("status"))
            if len(messages) % 20 == 0:
                most = max(most, _resident() - base)

        await service_events.public(_scope(form, mint(organization_id)), _receive, send)
    finally:
        await connection.execute("DELETE FROM event WHERE organization_id = $1", organization_id)
        await connection.close()
    assert messages[0] == 200
    assert lines == ROWS + (form == "csv")
    assert size > 20 * MIB
    assert most < 16 * MIB, f"{most / MIB:.1f} MiB for {size / MIB:.0f} MiB"


async def test_erasure_leaves_nothing_in_a_dump(
    service_worker: Service, tenant: Tenant, events_urls: dict[str, str]
) -> None:
    canary = f"canary-{ids.new().hex}"
    events = [{"source": "s", "type": "t", "actor": canary, "id": f"{canary}-{n}", "subject": canary,
               "data": {"mail": canary}} for n in range(30)]  # fmt: skip
    assert (await tenant.client.post("/api/v1/events/batch", json=events)).json()["accepted"] == 30
    assert canary in _dump(events_urls["admin"])
    job = await finished(tenant, f"/api/v1/events?actor={canary}", method="DELETE")
    assert (job["status"], job["accepted"]) == ("succeeded", 30), job
    left = [line for line in _dump(events_urls["admin"]).splitlines() if canary in line]
    assert left == []


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


def _scope(form: str, token: str) -> dict[str, object]:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/api/v1/events/export", "raw_path": b"/api/v1/events/export", "root_path": "", "state": {},
        "query_string": f"format={form}".encode(), "headers": [(b"authorization", f"Bearer {token}".encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip


async def _receive() -> dict[str, object]:
    """Nobody says anything, nor goes away."""
    await asyncio.Event().wait()
    return {}


def _dump(url: str) -> str:
    """Every row of the database, as its owner could take it away."""
    command = [str(binaries.postgres("pg_dump")), "--data-only", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
