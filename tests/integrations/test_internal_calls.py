"""What workflows ask for: actions by id or name, plain requests, dry runs, and problems that say `retryable`."""

import time
from typing import Any

import pytest

from services.integrations.domain import integrations
from shared import errors, ids
from shared.service import Service
from tests.integrations.conftest import Ask, Enter, Person
from tests.shared.outbound import Canary, http


def request(canary: Canary, **more: Any) -> dict[str, Any]:
    return {"organization_id": str(ids.new()), "method": "GET", "url": canary.url, **more}


async def test_a_request_is_sent(ask: Ask, canary: Canary) -> None:
    canary.answers = [http(b'{"a": [1]}', "201 Created", Content_Type="application/json; charset=utf-8")]
    body = request(canary, method="POST", query={"n": 1, "b": True, "z": None}, body={"x": 1}, idempotency_key="r:s")
    answer = await ask("/internal/http", body)
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["body"]) == (201, {"a": [1]})
    head = canary.requests[0]
    assert head.startswith(b"POST /?n=1&b=true HTTP/1.1")
    assert b"Idempotency-Key: r:s\r\n" in head
    assert b"Content-Type: application/json\r\n" in head


async def test_bodies_that_are_not_json(ask: Ask, canary: Canary) -> None:
    canary.answers = [http(b"plain"), http(b"\xff\xfe"), http(b""), http(b"{", Content_Type="application/json")]
    bodies = [(await ask("/internal/http", request(canary))).json()["body"] for _ in range(4)]
    assert bodies == ["plain", {"base64": "//4="}, None, {"base64": "ew=="}]


@pytest.mark.parametrize("status", ["404 Not Found", "429 Too Many Requests", "500 Internal Server Error"])
async def test_any_status_is_an_answer(ask: Ask, canary: Canary, status: str) -> None:
    canary.answers = [http(b"", status)]
    assert (await ask("/internal/http", request(canary))).json()["status"] == int(status[:3])


async def test_problems_say_whether_later_may_be_better(ask: Ask, canary: Canary) -> None:
    refused = await ask("/internal/http", request(canary, url=f"http://127.0.0.1:{canary.port + 1}/"))
    assert (refused.status_code, refused.json()["retryable"]) == (422, False)
    assert refused.json()["type"] == "urn:floyo:problem:destination-forbidden"
    await canary.stop()
    gone = await ask("/internal/http", request(canary))
    assert (gone.status_code, gone.json()["retryable"]) == (424, True)


async def test_b65_the_rendered_url_is_checked(ask: Ask, canary: Canary) -> None:
    for url in ["http://169.254.169.254/latest", "http://2130706433/", "http://localhost/", "file:///etc/passwd"]:
        assert (await ask("/internal/http", request(canary, url=url))).status_code == 422
    assert canary.connections == 0


async def test_a_dry_run_sends_nothing_and_still_judges(ask: Ask, canary: Canary) -> None:
    answer = await ask("/internal/http", request(canary, dry_run=True))
    assert answer.json() == {"status": 200, "headers": {}, "body": None}
    faults: list[dict[str, Any]] = [{"url": "http://127.0.0.1/"}, {"headers": {"Host": "x"}}]
    for wrong in faults:
        assert (await ask("/internal/http", request(canary, dry_run=True, **wrong))).status_code == 422
    assert canary.connections == 0


async def test_actions_by_id_and_by_name(ask: Ask, admin: Person, canary: Canary) -> None:
    made = await admin.create("http", {"base_url": canary.url}, {}, name="ci")
    for reference in (made["id"], "ci"):
        body = {
            "organization_id": str(admin.organization_id), "integration": reference, "action": "request",
            "input": {"path": "/x"}, "idempotency_key": "run:step", "timeout_seconds": 5,
        }  # fmt: skip
        answer = await ask("/internal/actions", body)
        assert answer.json()["output"]["status"] == 200, answer.text
    unknown = await ask("/internal/actions", {**body, "integration": "cd"})
    assert (unknown.status_code, unknown.json()["type"]) == (422, "urn:floyo:problem:integration-unknown")
    rehearsed = await ask("/internal/actions", {**body, "dry_run": True})
    assert rehearsed.json()["output"]["status"] == 200
    assert canary.connections == 2


async def test_b48_actions_carry_the_run_that_they_come_from(ask: Ask, admin: Person, canary: Canary) -> None:
    await admin.create("http", {"base_url": canary.url}, {}, name="ci")
    run, claim = ids.new(), {"FLOYO-cause": "run=x;depth=0"}
    body = {
        "organization_id": str(admin.organization_id), "integration": "ci", "action": "request",
        "input": {"path": "/x", "headers": claim}, "cause": f"run={run};depth=7",
    }  # fmt: skip
    assert (await ask("/internal/actions", body)).status_code == 200
    head = canary.requests[0]
    assert head.count(f"Floyo-Cause: run={run};depth=7\r\n".encode()) == 1
    assert head.lower().count(b"floyo-cause") == 1
    for wrong in ("run=x;depth=1", f"run={run};depth=7\r\nX: y", f"run={run};depth=9999"):
        assert (await ask("/internal/actions", {**body, "cause": wrong})).status_code == 422
    assert canary.connections == 1


async def test_the_quick_reading_reads_one_organisation_alone(
    admin: Person, enter: Enter, service_integrations: Service
) -> None:
    """Row-level security stands behind this reading too: the pool's connections keep no organisation."""
    made = await admin.create("http", {"base_url": "https://api.example.com"}, {}, name="quick")
    stranger = await enter("owner")
    database = service_integrations.database
    for reference in (made["id"], "quick"):
        found = await integrations.resolve(database, admin.organization_id, reference)
        assert (str(found.id), found.settings["base_url"]) == (made["id"], "https://api.example.com")
        with pytest.raises(errors.Invalid):
            await integrations.resolve(database, stranger.organization_id, reference)
    everything = "SELECT count(*) AS rows FROM integration"
    assert (await database.glance(everything))["rows"] == 0


async def test_b96_only_workflows_may_ask(ask: Ask, canary: Canary) -> None:
    for caller in ("events", "auth"):
        assert (await ask("/internal/http", request(canary), caller=caller)).status_code == 403
        assert (await ask("/internal/actions", {}, caller=caller)).status_code == 403
    assert canary.connections == 0


async def test_an_ill_target_is_left_alone(ask: Ask, canary: Canary) -> None:
    """Five failures open the breaker of this organisation; the refusal is quick and says when to come again."""
    await canary.stop()
    body = request(canary)
    for _ in range(5):
        assert (await ask("/internal/http", body)).status_code == 424
    started = time.perf_counter()
    refused = await ask("/internal/http", body)
    assert time.perf_counter() - started < 0.1
    assert (refused.status_code, refused.json()["retryable"]) == (503, True)
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert (await ask("/internal/http", {**body, "organization_id": str(ids.new())})).status_code == 424


async def test_a_hanging_target_is_left_alone(ask: Ask, admin: Person, canary: Canary) -> None:
    """Actions that run out of time count against their target as requests do."""
    made = await admin.create("http", {"base_url": canary.url}, {})
    canary.hanging_seconds = 5
    body = {
        "organization_id": str(admin.organization_id), "integration": made["id"], "action": "request",
        "input": {}, "timeout_seconds": 0.2,
    }  # fmt: skip
    for _ in range(5):
        answer = await ask("/internal/actions", body)
        assert (answer.status_code, answer.json()["type"]) == (424, "urn:floyo:problem:timeout")
    refused = await ask("/internal/actions", body)
    assert (refused.status_code, refused.json()["type"]) == (503, "urn:floyo:problem:circuit-open")
    assert canary.connections == 5
