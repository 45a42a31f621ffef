"""Attacks inside and between organisations, rows 25 to 30; others stand in `test_policy.py` and `test_tenancy.py`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest

from tests.attacks.actors import Actor

Join = Callable[[], Actor]


def test_b25_viewer_retries_a_run(actor: Join) -> None:
    owner = actor()
    viewer = owner.invite("viewer")
    steps = [{"id": "one", "type": "transform", "with": {"output": 1}}]
    body = {"name": "Once", "trigger": {"type": "manual"}, "steps": steps}
    workflow = owner.ok("POST", "/workflows", 201, json=body)["id"]
    run = owner.ok("POST", f"/workflows/{workflow}/runs", 202, json={})["id"]
    viewer.ok("GET", f"/runs/{run}")
    assert viewer.refused("POST", f"/runs/{run}/retry", 403, json={}) == "forbidden"
    assert viewer.refused("POST", f"/runs/{run}/cancel", 403, json={}) == "forbidden"


@pytest.mark.parametrize("role", ["viewer", "member", "admin"])
def test_b26_self_promotion(actor: Join, role: str) -> None:
    owner = actor()
    climber = owner.invite(role)
    own = f"{owner.organization}/members/{climber.claims['sub']}"
    climber.refused("PATCH", own, 403, json={"role": "owner"})
    climber.refused("POST", f"{owner.organization}/transfer", 403, json={"user_id": climber.claims["sub"]})
    invitation = {"email": f"{uuid4().hex}@example.com", "role": "owner"}
    climber.refused("POST", f"{owner.organization}/invitations", 403, json=invitation)
    listed = owner.ok("GET", f"{owner.organization}/members")["items"]
    assert {item["role"] for item in listed if item["user_id"] == climber.claims["sub"]} == {role}


BODIES: dict[str, dict[str, Any]] = {
    "/events": {"source": "attack", "type": "seen"},
    "/workflows": {
        "name": "Mine",
        "trigger": {"type": "manual"},
        "steps": [{"id": "one", "type": "transform", "with": {"output": 1}}],
    },
    "/api-keys": {"name": "k", "scopes": ["*"]},
    "/organizations": {"name": "Mine"},
    "/integrations": {"connector": "http", "name": "mine", "settings": {}, "secrets": {}},
}


@pytest.mark.parametrize("name", ["org_id", "organization_id"])
def test_b27_foreign_tenant_named_in_a_request(actor: Join, victim: Actor, name: str) -> None:
    person, foreign = actor(), victim.claims["org"]
    for path, body in BODIES.items():
        person.refused("POST", path, 422, json={**body, name: foreign})
    for path in ("/events", "/workflows", "/integrations", "/api-keys", "/stats", "/runs"):
        person.refused("GET", path, 422, params={name: foreign})
    person.refused("POST", "/auth/switch", 404, json={"organization_id": foreign})
    victim.ok("POST", "/events", 201, json={"source": "victim", "type": "secret"})
    headers = {"X-Org-Id": foreign, "X-Organization-Id": foreign, "X-User-Id": victim.claims["sub"]}
    assert person.ok("GET", "/events", headers=headers)["items"] == []


def test_b29_invitation_used_by_another_and_twice(actor: Join) -> None:
    owner, guest, other = actor(), actor(), actor()
    body = {"email": guest.email, "role": "member"}
    owner.ok("POST", f"{owner.organization}/invitations", 201, json=body)
    accept = {"token": guest.mailed("invitations")}
    assert other.refused("POST", "/organizations/invitations/accept", 403, json=accept) == "other-address"
    guest.ok("POST", "/organizations/invitations/accept", json=accept)
    assert guest.refused("POST", "/organizations/invitations/accept", 409, json=accept) == "invitation-used"


def _remove(actor: Actor, other: Actor) -> int:
    return actor.call("DELETE", f"{actor.organization}/members/{other.claims['sub']}").status_code


def test_b30_owners_remove_each_other_at_once(actor: Join) -> None:
    for _ in range(3):
        first = actor()
        second = first.invite("owner")
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(_remove, (first, second), (second, first)))
        assert sorted(answers) == [204, 409]
