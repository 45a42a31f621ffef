"""Rows 23 and 24: every route of every service, called by everybody, with objects that are not theirs."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from infra.local import sample
from shared.policy import ROLES, SCOPES
from tests.attacks import policy
from tests.attacks.actors import Actor, eventually
from tests.attacks.applications import Operation, operations
from tests.fixtures.stack import Stack

Join = Callable[[], Actor]
# These end what other cases stand on: their refusals are tested here, their effects beside the service.
DESTRUCTIVE = {
    "auth DELETE /api/v1/users/me", "auth DELETE /api/v1/auth/sessions", "auth POST /api/v1/auth/logout",
    "events DELETE /api/v1/events",
}  # fmt: skip
ROOTED = {"auth GET /.well-known/jwks.json"}
callable_operations = [operation for operation in operations() if operation.name not in ROOTED]
every_operation = pytest.mark.parametrize("operation", callable_operations, ids=lambda operation: operation.name)


def test_b24_policy_file_names_every_route_and_no_other() -> None:
    assert set(policy.read()) == {operation.name for operation in operations()}


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.name)
def test_b24_routes_declare_what_the_policy_file_says(operation: Operation) -> None:
    assert policy.declared(operation) == policy.read()[operation.name]


@pytest.fixture(scope="session")
def callers(wired: Stack, admin: Actor) -> dict[str, Actor]:
    """Members of one organisation by role, a key of it with every scope, one with a single scope, and others."""
    owner = Actor(wired).join()
    people: dict[str, Actor] = {role: owner.invite(role) for role in ROLES if role != "owner"}
    return {
        **people,
        "owner": owner,
        "key": owner.key("*"),
        "narrow": owner.key("live:read"),
        "anonymous": Actor(wired),
        "platform": admin,
    }


def _call(operation: Operation, actor: Actor, **ids: str) -> int:
    path = operation.path.removeprefix("/api/v1")
    for name in operation.parameters:
        path = path.replace(f"{{{name}}}", ids.get(name) or _missing(name))
    body: dict[str, Any] = {"json": {}} if operation.method in {"POST", "PUT", "PATCH"} else {}
    return actor.call(operation.method, path, **body).status_code


def _missing(name: str) -> str:
    return str(uuid4()) if name.endswith("_id") else "missing"


@every_operation
def test_b24_route_admits_exactly_whom_the_policy_names(operation: Operation, callers: dict[str, Actor]) -> None:
    """Admitted is whoever is answered neither 401 nor 403; bodies are empty, so that admitted calls change nothing."""
    admitted = policy.read()[operation.name]
    wanted = {name: name in admitted for name in callers if name not in {"narrow", "platform"}}
    wanted["narrow"] = "key" in admitted and (operation.permission is None or operation.permission == "live:read")
    if "platform" in admitted:
        wanted["platform"] = True
    if operation.name in DESTRUCTIVE:
        wanted = {name: False for name, admit in wanted.items() if not admit}
    organization = callers["owner"].claims["org"]
    if "anonymous" in admitted:
        assert _call(operation, callers["anonymous"]) not in {403, 500}
        return
    found = {name: _call(operation, callers[name], organization_id=organization) for name in wanted}
    assert {name: status not in {401, 403} for name, status in found.items()} == wanted, found
    assert all(status < 500 for status in found.values()), found
    assert found.get("anonymous", 401) == 401


@pytest.mark.parametrize("scope", sorted(SCOPES - {"*"}))
def test_b24_key_reaches_only_its_scope(callers: dict[str, Actor], scope: str) -> None:
    key = callers["owner"].key(scope)
    for operation in callable_operations:
        if operation.permission is None or operation.name in DESTRUCTIVE:
            continue
        status = _call(operation, key, organization_id=callers["owner"].claims["org"])
        assert (status != 403) == (operation.permission == scope), f"{operation.name}: {status}"


@pytest.fixture(scope="session")
def objects(victim: Actor) -> dict[str, str]:
    """One object of the victim for every name that stands in a path."""
    organization = victim.claims["org"]
    guest = {"email": f"{uuid4().hex}@example.com", "role": "viewer"}
    return {
        "organization_id": organization,
        "user_id": victim.claims["sub"],
        "session_id": victim.claims["sid"],
        "key_id": victim.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["*"]})["id"],
        "invitation_id": victim.ok("POST", f"/organizations/{organization}/invitations", 201, json=guest)["id"],
        **_mined(victim),
        **_run(victim),
        **_integrated(victim),
    }


def _mined(victim: Actor) -> dict[str, str]:
    """An event, the job that mined it with others, a pattern and a suggestion."""
    events = list(sample.generate(until=datetime.now(UTC)))
    assert victim.ok("POST", "/events/batch", json=events)["rejected"] == []
    job = victim.ok("POST", "/patterns/mine", 202)["job_id"]
    eventually(lambda: victim.ok("GET", f"/events/jobs/{job}")["status"] == "succeeded", seconds=60)
    kinds = {"event_id": "events", "pattern_id": "patterns", "suggestion_id": "suggestions"}
    return {"job_id": job, **{name: victim.ok("GET", f"/{kind}")["items"][0]["id"] for name, kind in kinds.items()}}


def _run(victim: Actor) -> dict[str, str]:
    """A workflow, a run of it, and the approval that the run waits for."""
    ask = [{"id": "ask", "type": "approval", "with": {"approvers": [victim.claims["sub"]]}}]
    workflow = victim.ok("POST", "/workflows", 201, json={**WORKFLOW, "steps": ask})["id"]
    run = victim.ok("POST", f"/workflows/{workflow}/runs", 202, json={})["id"]
    waiting = eventually(lambda: victim.ok("GET", "/approvals?status=open")["items"])
    return {"workflow_id": workflow, "run_id": run, "approval_id": waiting[0]["id"]}


def _integrated(victim: Actor) -> dict[str, str]:
    """An integration, a hook of it, a webhook and one of its deliveries."""
    integration = victim.ok("POST", "/integrations", 201, json=INTEGRATION)["id"]
    webhook = victim.ok("POST", "/webhooks", 201, json={"url": "https://example.com/hook", "types": ["floyo.test"]})[
        "id"
    ]
    return {
        "integration_id": integration,
        "action": "request",
        "hook_id": victim.ok("POST", f"/integrations/{integration}/hooks", 201, json={"scheme": "github"})["id"],
        "webhook_id": webhook,
        "delivery_id": victim.ok("POST", f"/webhooks/{webhook}/test", 202)["delivery_id"],
    }


WORKFLOW: dict[str, Any] = {
    "name": "Stand still",
    "trigger": {"type": "manual"},
    "steps": [{"id": "one", "type": "transform", "with": {"output": 1}}],
}
INTEGRATION: dict[str, Any] = {"connector": "http", "name": "http", "settings": {"base_url": "https://example.com"}}
# Bodies that a route must find good before it looks for the object.
BODIES: dict[str, Any] = {
    "PATCH /api/v1/organizations/{organization_id}": {"name": "taken over"},
    "POST /api/v1/organizations/{organization_id}/transfer": {"user_id": str(uuid4())},
    "PATCH /api/v1/organizations/{organization_id}/members/{user_id}": {"role": "viewer"},
    "POST /api/v1/organizations/{organization_id}/invitations": {"email": "evil@example.com"},
    "PUT /api/v1/workflows/{workflow_id}": WORKFLOW,
    "POST /api/v1/workflows/{workflow_id}/rollback": {"version": 1},
    "POST /api/v1/approvals/{approval_id}": {"decision": "approve"},
    "PATCH /api/v1/integrations/{integration_id}": {"name": "taken over"},
    "POST /api/v1/integrations/{integration_id}/actions/{action}": {"input": {}},
    "POST /api/v1/integrations/{integration_id}/authorize": {"redirect_uri": "{gateway}/oauth/callback"},
    "POST /api/v1/integrations/{integration_id}/authorize/complete": {"state": "s" * 43, "code": "c"},
    "PATCH /api/v1/webhooks/{webhook_id}": {"url": "https://example.com/other"},
}
QUERIES = {"GET /api/v1/workflows/{workflow_id}/diff": {"from": 1, "to": 1}}
addressed = [
    operation
    for operation in operations()
    if any(name.endswith("_id") for name in operation.parameters)
    and not {"anonymous", "platform"} & set(policy.read().get(operation.name, []))
]


@pytest.fixture(scope="session")
def stranger(wired: Stack) -> Actor:
    """The owner of another organisation."""
    return Actor(wired).join()


@pytest.mark.parametrize("operation", addressed, ids=lambda operation: operation.name)
def test_b23_foreign_object(operation: Operation, objects: dict[str, str], stranger: Actor) -> None:
    """Foreign objects answer 404, exactly like missing ones, to somebody who may do everything at home."""
    assert set(operation.parameters) <= set(objects), "the victim has no such object, so that this would prove nothing"
    name = f"{operation.method} {operation.path}"
    options: dict[str, Any] = {"params": QUERIES.get(name)}
    if operation.method in {"POST", "PUT", "PATCH"}:
        body = json.dumps(BODIES.get(name, {})).replace("{gateway}", stranger.stack.gateway)
        options["json"] = json.loads(body)
    answers = []
    for ids in (objects, {}):
        path = operation.path.removeprefix("/api/v1")
        for parameter in operation.parameters:
            path = path.replace(f"{{{parameter}}}", ids.get(parameter) or _missing(parameter))
        answer = stranger.call(operation.method, path, **options)
        assert answer.status_code == 404, f"{path}: {answer.status_code} {answer.text}"
        content = {key: value for key, value in answer.json().items() if key != "trace_id"}
        answers.append(json.dumps(content, sort_keys=True).replace(path, ""))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    "operation",
    [operation for operation in addressed if operation.method == "GET"],
    ids=lambda operation: operation.name,
)
def test_b23_whose_object_it_is_finds_it(operation: Operation, objects: dict[str, str], victim: Actor) -> None:
    """Or the objects of the test above would be as missing as the missing ones."""
    path = operation.path.removeprefix("/api/v1")
    for parameter in operation.parameters:
        path = path.replace(f"{{{parameter}}}", objects[parameter])
    answer = victim.call("GET", path, params=QUERIES.get(f"GET {operation.path}"))
    assert answer.status_code == 200, answer.text
