"""Suggested steps go through the organisation's own integrations, or say what to connect first."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.events.domain import connections
from services.events.mining import catalogue
from services.events.mining.symbols import Token
from services.integrations import connectors
from services.integrations.connector import Connector
from shared import registry
from shared.service import Service
from tests.events.mining import forgotten
from tests.events.processes import Tenant
from tests.events.siblings import Workflows
from tests.events.test_discovery import mine


def builds(number: int = 60) -> list[dict[str, Any]]:
    """Each failed build is told in a channel."""
    events: list[dict[str, Any]] = []
    for build in range(number):
        moment = datetime(2026, 1, 5, 8, tzinfo=UTC) + timedelta(hours=12 * build)
        told = {"text": f"Build {build} failed"}
        for place, (source, kind, subject, data) in enumerate(
            [("ci", "build.failed", "shop", {"build": build}), ("slack", "message.posted", "#shop", told)]
        ):
            time = (moment + timedelta(seconds=30 * place)).isoformat()
            event = {"source": source, "type": kind, "subject": subject, "data": data, "time": time}
            events.append({**event, "actor": "ada"})
    return events


@pytest.fixture
async def told(service_worker: Service, tenant: Tenant) -> Tenant:
    """A tenant whose suggestion posts to Slack."""
    await tenant.client.post("/api/v1/events/batch", json=builds())
    assert (await mine(tenant))["status"] == "succeeded"
    return tenant


async def best(tenant: Tenant) -> dict[str, Any]:
    (found,) = (await tenant.client.get("/api/v1/suggestions")).json()["items"]
    assert (await tenant.client.get(f"/api/v1/suggestions/{found['id']}")).json() == found
    return dict(found)


async def test_a_step_uses_the_integration_that_is_there(told: Tenant, workflows: Workflows) -> None:
    newer = {"name": "other-slack", "connector": "slack"}
    older = {"name": "team-slack", "connector": "slack"}
    workflows.connected[str(told.organization_id)] = [newer, older, {"name": "code", "connector": "github"}]
    found = await best(told)
    (step,) = found["workflow"]["steps"]
    assert (step["type"], step["with"]["integration"]) == ("action", "team-slack")
    assert [item["integration"] for item in found["connections"]] == ["team-slack"]
    assert "Connect" not in found["reasoning"]
    applied = await told.client.post(f"/api/v1/suggestions/{found['id']}/apply")
    assert (applied.status_code, applied.json()["missing"]) == (201, [])
    assert workflows.definitions[-1] == found["workflow"]


async def test_what_is_not_connected_is_named_and_applied_all_the_same(told: Tenant, workflows: Workflows) -> None:
    found = await best(told)
    assert "Connect Slack first" in found["reasoning"]
    (connection,) = found["connections"]
    assert (connection["integration"], connection["app"]) == (None, "Slack")
    (step,) = found["workflow"]["steps"]
    assert (step["id"], step["type"]) == (connection["step"], "transform")
    path = f"/api/v1/suggestions/{found['id']}/apply"
    first = await told.client.post(path)
    (missing,) = first.json()["missing"]
    assert (first.status_code, missing["step"], missing["connector"]) == (201, connection["step"], "slack")
    assert "Connect Slack" in missing["detail"]
    workflows.connected[str(told.organization_id)] = [{"name": "shop", "connector": "slack"}]
    again = await told.client.post(path)
    assert (again.status_code, again.json()) == (200, {**first.json(), "missing": []})
    assert workflows.definitions[-1]["steps"][0]["with"]["integration"] == "shop"


async def test_suggestions_are_shown_while_integrations_cannot_be_asked(told: Tenant, workflows: Workflows) -> None:
    workflows.connected[str(told.organization_id)] = [{"name": "team-slack", "connector": "slack"}]
    workflows.failures = 1
    try:
        (found,) = (await told.client.get("/api/v1/suggestions")).json()["items"]
    finally:
        workflows.failures = 0
    assert found["workflow"]["steps"][0]["type"] == "transform"
    assert found["connections"][0]["integration"] is None


async def test_an_alert_is_posted_where_the_settings_say_and_tried_on_what_was_seen(
    service_worker: Service, tenant: Tenant, workflows: Workflows
) -> None:
    settings = {"alert_channel": "#ops", "suggestions_per_week": 50}
    assert (await tenant.client.put("/api/v1/patterns/settings", json=settings)).status_code == 200
    seen = forgotten.write(1).split()[0]
    events = [{**event, "time": datetime.fromtimestamp(event["time"], UTC).isoformat()} for event in seen]
    for start in range(0, len(events), 2_000):
        await tenant.client.post("/api/v1/events/batch", json=events[start : start + 2_000])
    assert (await mine(tenant))["status"] == "succeeded"
    workflows.connected[str(tenant.organization_id)] = [{"name": "team", "connector": "slack"}]
    found = (await tenant.client.get("/api/v1/suggestions?limit=200")).json()["items"]
    alerts = [item for item in found if "after" in item["workflow"]["trigger"]]
    assert len(alerts) >= len(forgotten.ROUTINES)
    for alert in alerts:
        applied = (await tenant.client.post(f"/api/v1/suggestions/{alert['id']}/apply")).json()
        (step,) = workflows.definitions[-1]["steps"]
        assert (step["with"]["integration"], step["with"]["input"]["channel"]) == ("team", "#ops")
        assert applied["missing"] == []
        tried = workflows.history[applied["dry_run_id"]]["event"]
        assert tried["id"] == alert["evidence"][0]
        assert tried["type"] == alert["workflow"]["trigger"]["after"]["type"]


def test_two_steps_of_one_connector() -> None:
    asked = {"app": "Slack", "connector": "slack", "action": "post_message", "input": {}}
    drafted = {
        "reasoning": "So.",
        "workflow": {"name": "n", "steps": [{"id": name, "type": "transform"} for name in ("one", "two", "three")]},
        "connections": [{"step": name, **asked} for name in ("one", "two")],
    }
    assert [item["step"] for item in connections.missing(connections.bind(drafted, {"github": "g"}))] == ["one", "two"]
    bound = connections.bind(drafted, {"slack": "s"})
    assert [step["type"] for step in bound["workflow"]["steps"]] == ["action", "action", "transform"]
    assert (bound["reasoning"], connections.missing(bound)) == ("So.", [])


KNOWN = registry.discover(connectors, "CONNECTOR", Connector)
SAYINGS = {
    "slack": ("slack", "message.posted"), "email": ("gmail", "mail.sent"), "dropbox": ("dropbox", "file.uploaded"),
    "google_drive": ("drive", "file.created"), "s3": ("s3", "object.written"), "github": ("github", "comment.created"),
}  # fmt: skip
GIVEN = {
    "subject": "/a.txt", "data.to": "a@b.example", "data.text": "t", "data.owner": "o", "data.repo": "r",
    "data.number": 3,
}  # fmt: skip


@pytest.mark.parametrize("connector", sorted(SAYINGS))
def test_what_the_catalogue_says_fits_the_connectors_own_schema(connector: str) -> None:
    source, kind = SAYINGS[connector]
    step, told = catalogue.step(Token(source, kind), "it", GIVEN)
    assert told is not None
    assert (told["step"], told["connector"]) == (step["id"], connector)
    action = KNOWN[connector].action(told["action"])
    assert action is not None
    action.input.model_validate(told["input"])
    assert catalogue.step(Token(source, kind), "it", {"subject": "x"})[1] is None


def test_every_connector_of_the_catalogue_is_covered() -> None:
    assert {one.by.connector for one in catalogue.CATALOGUE if one.by} == SAYINGS.keys()
