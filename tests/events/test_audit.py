"""What people decide about events is told to the audit log with the change itself."""

import sqlalchemy as sa

from services.events.messages import AuditRecorded
from services.events.storage.tables import outbox_message
from tests.events.processes import Process, Tenant


async def test_decisions_about_events_are_told(service_events: Process, tenant: Tenant) -> None:
    client = tenant.client
    rule = {"action": "drop", "match": {"actor": "canary-77"}}
    assert (await client.put("/api/v1/events/filters", json={"rules": [rule]})).status_code == 200
    assert (await client.put("/api/v1/events/retention", json={"days": 30})).status_code == 200
    job = (await client.delete("/api/v1/events?actor=canary-78")).json()
    assert (await client.get("/api/v1/events/export?format=csv")).status_code == 200
    assert (await tenant.as_role("viewer").put("/api/v1/events/retention", json={"days": 1})).status_code == 403
    body = outbox_message.c.body
    statement = sa.select(body).where(body["organization_id"].as_string() == str(tenant.organization_id))
    async with service_events.service.database.system() as session:
        rows = (await session.scalars(statement.order_by(outbox_message.c.position))).all()
    told = [AuditRecorded.model_validate(row) for row in rows]
    assert [(item.action, item.details) for item in told] == [
        ("filters.changed", {"rules": 1}), ("retention.changed", {"days": 30}),
        ("events.erased", {"job_id": job["job_id"]}), ("events.exported", {"format": "csv"}),
    ]  # fmt: skip
    assert {item.address for item in told} == {"127.0.0.1"}
    assert "canary" not in str(told)
