"""Every security-relevant act in every service stands in the audit log, under the trace of its request."""

import json
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import asyncpg
import httpx2
import pyotp

from shared.flags import PEER_HABITS
from tests.attacks.actors import PASSWORD, Actor, dsn, eventually
from tests.attacks.audited import ACTS
from tests.fixtures.stack import Stack

Join = Callable[[], Actor]
OTHER = "another long password 9"
STEPS = [{"id": "one", "type": "transform", "with": {"output": 1}}]
WORKFLOW: dict[str, Any] = {"name": "Once", "trigger": {"type": "manual"}, "steps": STEPS}


class Deeds:
    """Calls by the names of operations, and the traces they left."""

    def __init__(self) -> None:
        self.traces: dict[str, str] = {}

    def do(self, actor: Actor, name: str, /, **options: Any) -> Any:
        """One call that must be good; the decoded body. Names in braces come from the options."""
        _, method, path = name.split(" ")
        for parameter in re.findall(r"\{(\w+)\}", path):
            path = path.replace(f"{{{parameter}}}", str(options.pop(parameter)))
        answer: httpx2.Response = actor.call(method, path.removeprefix("/api/v1"), **options)
        assert answer.status_code < 300, f"{name}: {answer.status_code} {answer.text}"
        self.traces[name] = answer.headers["X-Trace-Id"]
        return answer.json() if answer.content and answer.headers["content-type"] == "application/json" else None


async def test_every_act_stands_in_the_log(stack: Stack, wired: Stack, actor: Join, admin: Actor) -> None:
    deeds = Deeds()
    _live_through_an_account(deeds, wired)
    _run_an_organization(deeds, actor, admin)
    _decide_about_events(deeds, actor())
    _change_workflows(deeds, actor())
    _change_integrations(deeds, actor())
    assert set(deeds.traces) == set(ACTS)
    missing = await _missing(stack, deeds.traces)
    deadline = time.monotonic() + 15
    while missing and time.monotonic() < deadline:  # other services tell by message
        missing = await _missing(stack, deeds.traces)
    assert missing == {}


async def _missing(stack: Stack, traces: dict[str, str]) -> dict[str, str]:
    connection = await asyncpg.connect(dsn(stack, "auth"))
    query = "SELECT trace_id, action FROM audit_entry WHERE trace_id = ANY($1)"
    found = {(row["trace_id"], row["action"]) for row in await connection.fetch(query, [*traces.values()])}
    await connection.close()
    return {name: ACTS[name] for name, trace in traces.items() if (trace, ACTS[name]) not in found}


def _live_through_an_account(deeds: Deeds, wired: Stack) -> None:
    me = Actor(wired)
    body = {"email": me.email, "password": PASSWORD}
    deeds.do(me, "auth POST /api/v1/auth/register", json=body)
    deeds.do(me, "auth POST /api/v1/auth/verify-email", json={"token": me.mailed("verify-email")})
    deeds.do(me, "auth POST /api/v1/auth/login", json=body)
    deeds.do(me, "auth POST /api/v1/auth/forgot-password", json={"email": me.email})
    token = me.mailed("reset-password")
    deeds.do(me, "auth POST /api/v1/auth/reset-password", json={"token": token, "password": OTHER})
    me.password = OTHER
    me.login()
    other = Actor(wired, me.email)
    other.password = OTHER
    other.login()
    deeds.do(me, "auth DELETE /api/v1/auth/sessions/{session_id}", session_id=other.claims["sid"])
    address = {"email": f"{uuid4().hex}@example.com", "current_password": OTHER}
    deeds.do(me, "auth PATCH /api/v1/users/me", json=address)
    change = {"current_password": OTHER, "new_password": PASSWORD}
    deeds.do(me, "auth POST /api/v1/users/me/password", json=change)
    me.password = PASSWORD
    _use_a_second_factor(deeds, me)
    deeds.do(me, "auth GET /api/v1/users/me/export")
    deeds.do(me, "auth POST /api/v1/auth/logout", json={})
    deeds.do(me.login(), "auth DELETE /api/v1/auth/sessions")
    deeds.do(me.login(), "auth DELETE /api/v1/users/me")


def _use_a_second_factor(deeds: Deeds, me: Actor) -> None:
    proof = {"current_password": PASSWORD}
    secret = me.ok("POST", "/users/me/totp", json=proof)["secret"]
    deeds.do(me, "auth PUT /api/v1/users/me/totp", json={"code": pyotp.TOTP(secret).now()})
    deeds.do(me, "auth POST /api/v1/users/me/recovery-codes", json=proof)
    deeds.do(me, "auth DELETE /api/v1/users/me/totp", json=proof)


def _run_an_organization(deeds: Deeds, actor: Join, admin: Actor) -> None:
    owner, guest = actor(), actor()
    place = "auth {} /api/v1/organizations/{{organization_id}}"
    made = deeds.do(owner, "auth POST /api/v1/organizations", json={"name": "Acts"})["id"]
    deeds.do(owner, "auth POST /api/v1/auth/switch", json={"organization_id": made})
    owner.switch(made)
    here = {"organization_id": made}
    deeds.do(owner, place.format("PATCH"), json={"name": "Deeds"}, **here)
    invitations = place.format("POST") + "/invitations"
    spare = deeds.do(owner, invitations, json={"email": f"{uuid4().hex}@example.com", "role": "viewer"}, **here)["id"]
    deeds.do(owner, place.format("DELETE") + "/invitations/{invitation_id}", invitation_id=spare, **here)
    deeds.do(owner, invitations, json={"email": guest.email, "role": "member"}, **here)
    token = guest.mailed("invitations")
    deeds.do(guest, "auth POST /api/v1/organizations/invitations/accept", json={"token": token})
    member = {"user_id": guest.claims["sub"], **here}
    deeds.do(owner, place.format("PATCH") + "/members/{user_id}", json={"role": "admin"}, **member)
    key = deeds.do(owner, "auth POST /api/v1/api-keys", json={"name": "k", "scopes": ["*"]})["id"]
    deeds.do(owner, "auth DELETE /api/v1/api-keys/{key_id}", key_id=key)
    deeds.do(owner, place.format("POST") + "/transfer", json={"user_id": guest.claims["sub"]}, **here)
    guest.switch(made)
    leaver = {"user_id": owner.claims["sub"], **here}
    deeds.do(guest, place.format("DELETE") + "/members/{user_id}", **leaver)
    deeds.do(guest, place.format("DELETE"), **here)
    deeds.do(admin, "auth PUT /api/v1/flags/{name}", name=PEER_HABITS.name, json={"enabled": True})
    off, bystander = {"json": {"active": False}}, actor()
    deeds.do(admin, place.format("PUT") + "/status", organization_id=bystander.claims["org"], **off)
    deeds.do(admin, "auth PUT /api/v1/users/{user_id}/status", user_id=bystander.claims["sub"], **off)


def _decide_about_events(deeds: Deeds, owner: Actor) -> None:
    owner.ok("POST", "/events", 201, json={"source": "s", "type": "t", "actor": "a"})
    deeds.do(owner, "events GET /api/v1/events/export")
    deeds.do(owner, "events PUT /api/v1/events/filters", json={"rules": []})
    deeds.do(owner, "events PUT /api/v1/events/retention", json={"days": 30})
    deeds.do(owner, "events DELETE /api/v1/events", params={"actor": "a"})


def _change_workflows(deeds: Deeds, owner: Actor) -> None:
    made = deeds.do(owner, "workflows POST /api/v1/workflows", json=WORKFLOW)["id"]
    one = "workflows {} /api/v1/workflows/{{workflow_id}}"
    deeds.do(owner, one.format("PUT"), workflow_id=made, json={**WORKFLOW, "name": "Twice"})
    deeds.do(owner, one.format("POST") + "/rollback", workflow_id=made, json={"version": 1})
    deeds.do(owner, one.format("POST") + "/deactivate", workflow_id=made)
    deeds.do(owner, one.format("POST") + "/activate", workflow_id=made)
    headers = {"Content-Type": "application/yaml"}
    deeds.do(owner, one.format("DELETE"), workflow_id=made)
    document = json.dumps({**WORKFLOW, "name": "From a file"})
    deeds.do(owner, "workflows POST /api/v1/workflows/import", content=document, headers=headers)
    other = owner.invite("admin")  # nobody decides what they have started
    ask = [{"id": "ask", "type": "approval", "with": {"approvers": [other.claims["sub"]]}}]
    asking = owner.ok("POST", "/workflows", 201, json={**WORKFLOW, "steps": ask})["id"]
    owner.ok("POST", f"/workflows/{asking}/runs", 202, json={})
    (waiting,) = eventually(lambda: owner.ok("GET", "/approvals?status=open")["items"])
    decision = {"decision": "approve"}
    deeds.do(other, "workflows POST /api/v1/approvals/{approval_id}", approval_id=waiting["id"], json=decision)


def _change_integrations(deeds: Deeds, owner: Actor) -> None:
    body = {"connector": "http", "name": "ci", "settings": {"base_url": "https://example.com"}}
    made = deeds.do(owner, "integrations POST /api/v1/integrations", json=body)["id"]
    one = "integrations {} /api/v1/integrations/{{integration_id}}"
    deeds.do(owner, one.format("PATCH"), integration_id=made, json={"name": "cd"})
    hook = deeds.do(owner, one.format("POST") + "/hooks", integration_id=made, json={"scheme": "github"})["id"]
    here = {"integration_id": made, "hook_id": hook}
    deeds.do(owner, one.format("POST") + "/hooks/{hook_id}/secret", json={}, **here)
    deeds.do(owner, one.format("DELETE") + "/hooks/{hook_id}", **here)
    deeds.do(owner, one.format("DELETE"), integration_id=made)
    url = {"url": "https://example.com/hook"}
    webhook = deeds.do(owner, "integrations POST /api/v1/webhooks", json=url)["id"]
    one = "integrations {} /api/v1/webhooks/{{webhook_id}}"
    deeds.do(owner, one.format("PATCH"), webhook_id=webhook, json={"types": ["run.finished"]})
    deeds.do(owner, one.format("POST") + "/secret", webhook_id=webhook)
    sent = deeds.do(owner, one.format("POST") + "/test", webhook_id=webhook)["delivery_id"]
    replay = one.format("POST") + "/deliveries/{delivery_id}/replay"
    deeds.do(owner, replay, webhook_id=webhook, delivery_id=sent)
    deeds.do(owner, one.format("DELETE"), webhook_id=webhook)
