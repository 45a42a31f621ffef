"""A person who asks is shown everything, and a person who goes leaves nothing: not in any table of any service."""

import asyncio
from collections.abc import Callable, Set
from typing import Any
from uuid import uuid4

import asyncpg

from tests.attacks.actors import READABLE, Actor, dsn, eventually
from tests.fixtures.stack import Stack

# The audit log is never rewritten, and the feed of revocations outlives what it ends; both hold nothing but ids.
KEPT = {("auth", "audit_entry"), ("auth", "revocation")}
# Of an organisation its id stays besides in the sessions that went on in it, and in the records of its erasure.
ITS_ID = {("auth", "session"), ("events", "job"), ("workflows", "erasure")}
TABLES = """
    SELECT relname FROM pg_class
     WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND NOT relispartition
"""


async def traces(stack: Stack, *words: str) -> set[tuple[str, str]]:
    """(service, table) of every table in which a word stands; delivered messages do not count."""
    found = set()
    for service in READABLE:
        connection = await asyncpg.connect(dsn(stack, service))
        for (table,) in await connection.fetch(TABLES):
            delivered = " AND t.delivered_at IS NULL" if table == "outbox" else ""
            query = f'SELECT count(*) FROM "{table}" AS t WHERE t::text ILIKE ANY($1){delivered}'
            if await connection.fetchval(query, [f"%{word}%" for word in words]):
                found.add((service, table))
        await connection.close()
    return found - KEPT


async def left_of(stack: Stack, *words: str, but: Set[tuple[str, str]] = frozenset()) -> set[tuple[str, str]]:
    """Where the words still stand, `but` for some tables, once there was time for messages to arrive."""
    left = await traces(stack, *words) - but
    for _ in range(80):
        if not left:
            break
        await asyncio.sleep(0.5)
        left = await traces(stack, *words) - but
    return left


async def test_organization_that_ends_leaves_nothing(stack: Stack, actor: Callable[[], Actor]) -> None:
    owner = actor()
    made = owner.ok("POST", "/organizations", 201, json={"name": f"Brief {uuid4().hex}"})["id"]
    owner.switch(made)
    word = f"word{uuid4().hex}"
    owner.ok("POST", "/events", 201, json={"source": "s", "type": "t", "actor": "a", "data": {"word": word}})
    owner.ok("PUT", "/events/retention", json={"days": 30})
    owner.ok("POST", "/patterns/mine", 202)
    steps = [{"id": "wait", "type": "delay", "with": {"for": "PT1H"}}]
    body = {"name": word, "trigger": {"type": "manual"}, "steps": steps}
    workflow = owner.ok("POST", "/workflows", 201, json=body)["id"]
    owner.ok("POST", f"/workflows/{workflow}/runs", 202, json={"input": {"word": word}})
    settings = {"base_url": "https://example.com"}
    integration = owner.ok("POST", "/integrations", 201, json={"connector": "http", "name": word, "settings": settings})
    owner.ok("POST", f"/integrations/{integration['id']}/hooks", 201, json={"scheme": "github"})
    owner.ok("POST", "/webhooks", 201, json={"url": "https://example.com/hook"})
    owner.ok("POST", "/api-keys", 201, json={"name": word, "scopes": ["*"]})
    owner.ok("POST", f"{owner.organization}/invitations", 201, json={"email": f"{word}@example.com", "role": "viewer"})
    assert {service for service, _ in await traces(stack, made)} == set(READABLE)
    owner.ok("DELETE", owner.organization, 204)
    assert await left_of(stack, word) == set()
    assert await left_of(stack, made, but=ITS_ID) == set()


async def test_person_is_shown_everything_and_leaves_nothing(stack: Stack, actor: Callable[[], Actor]) -> None:
    owner = actor()
    guest = owner.invite("admin")
    user_id = guest.claims["sub"]
    word = f"word{uuid4().hex}"
    guest.ok("POST", "/events", 201, json={"source": "s", "type": "t", "actor": user_id, "data": {"word": word}})
    asked = {"id": "ask", "type": "approval", "with": {"approvers": [user_id]}}
    body = {"name": "Ask", "trigger": {"type": "manual"}, "steps": [asked]}
    workflow = guest.ok("POST", "/workflows", 201, json=body)
    run = guest.ok("POST", f"/workflows/{workflow['id']}/runs", 202, json={"input": {"by": user_id}})
    waiting = eventually(lambda: owner.ok("GET", "/approvals?status=open")["items"])
    settings = {"base_url": "https://example.com"}
    guest.ok("POST", "/integrations", 201, json={"connector": "http", "name": "mine", "settings": settings})
    guest.ok("POST", "/api-keys", 201, json={"name": "mine", "scopes": ["*"]})
    guest.ok("POST", f"{owner.organization}/invitations", 201, json={"email": "x@example.com", "role": "viewer"})

    def export() -> dict[str, Any]:
        found: dict[str, Any] = guest.ok("GET", "/users/me/export")
        told = {item["action"] for item in found["activity"]}  # what happened elsewhere is told by messages
        return found if told >= {"workflow.created", "integration.created"} else {}

    shown = eventually(export)
    assert [event["data"] for event in shown["events"]] == [{"word": word}]
    assert {item["kind"] for item in shown["workflows"]} == {"version", "run"}
    assert [item["name"] for item in shown["integrations"]] == ["mine"]

    guest.ok("DELETE", "/users/me", 204)
    assert await left_of(stack, user_id, guest.email, word) == set()
    decided = owner.ok("POST", f"/approvals/{waiting[0]['id']}", json={"decision": "approve"})
    assert decided["status"] == "approved"
    eventually(lambda: owner.ok("GET", f"/runs/{run['id']}")["status"] == "succeeded")
