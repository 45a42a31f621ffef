"""The audit log: every security-relevant act of auth, with who, what, from where and the trace."""

from collections.abc import Awaitable, Callable
from typing import Any

import pyotp
import sqlalchemy as sa

from services.auth.domain import audit
from services.auth.storage.tables import audit_entry
from tests.auth.processes import PASSWORD, Person, Process

Join = Callable[[], Awaitable[Person]]
OTHER = "another long password 9"


async def entries(person: Person, **filters: str) -> list[dict[str, Any]]:
    """The newest first."""
    found: list[dict[str, Any]] = (await person.ok("GET", "/audit-log", params={"limit": 200, **filters}))["items"]
    return found


async def test_acts_on_an_account_are_written_down(join: Join, service_auth: Process) -> None:
    person = await join()
    secret = (await person.ok("POST", "/users/me/totp", json={"current_password": PASSWORD}))["secret"]
    await person.ok("PUT", "/users/me/totp", json={"code": pyotp.TOTP(secret).now()})
    await person.ok("POST", "/users/me/recovery-codes", json={"current_password": PASSWORD})
    await person.ok("DELETE", "/users/me/totp", 204, json={"current_password": PASSWORD})
    body = {"email": person.email, "password": "not the password"}
    await person.refused("POST", "/auth/login", 401, json=body, headers={"Authorization": ""})
    other = Person(service_auth, person.email)
    await other.login()
    change = {"current_password": PASSWORD, "new_password": OTHER}
    await person.ok("POST", "/users/me/password", 204, json=change)
    made = await person.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["*"]})
    await person.ok("DELETE", f"/api-keys/{made['id']}", 204)
    await service_auth.settled()
    found = await entries(person)
    assert {entry["action"] for entry in found} == {
        "account.registered", "session.started", "second_factor.enabled", "recovery_codes.renewed",
        "second_factor.disabled", "login.failed", "password.changed", "session.ended", "api_key.created",
        "api_key.deleted",
    }  # fmt: skip
    assert {entry["address"] for entry in found} == {"127.0.0.1"}
    assert all(len(entry["trace_id"]) == 32 for entry in found)
    assert {entry["actor"] for entry in found} == {f"user:{await person.user_id()}"}
    (ended,) = await entries(person, action="session.ended")
    assert ended["details"] == {"reason": "password-changed"}
    for word in (PASSWORD, OTHER, "not the password", secret, made["key"]):
        assert word not in str(found)


async def test_what_strangers_and_owners_begin_is_written_down(join: Join, service_auth: Process) -> None:
    person = await join()
    await person.ok("POST", "/auth/forgot-password", 202, json={"email": person.email})
    change = {"email": f"new-{person.email}", "current_password": PASSWORD}
    await person.ok("PATCH", "/users/me", json=change)
    found = [entry["action"] for entry in await entries(person)]
    assert found[:2] == ["email.change_requested", "password.reset_requested"]
    user_id = await person.user_id()
    await person.ok("DELETE", "/users/me", 204)
    statement = sa.select(audit_entry).where(audit_entry.c.target == user_id, audit_entry.c.action == "account.deleted")
    async with service_auth.service.database.system() as session:
        row = (await session.execute(statement)).one()
    assert (row.organization_id, row.actor, row.details) == (audit.PLATFORM, f"user:{user_id}", {})


async def test_a_replayed_refresh_token_is_written_down(join: Join) -> None:
    person = await join()
    first = person.pair["refresh_token"]
    second = await person.ok("POST", "/auth/refresh", json={"refresh_token": first})
    await person.ok("POST", "/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert await person.refused("POST", "/auth/refresh", 401, json={"refresh_token": first}) == "token-reuse"
    await person.login()
    acts = {entry["action"]: entry for entry in await entries(person)}
    assert acts["session.reuse_detected"]["address"] == "127.0.0.1"
    assert acts["session.ended"]["details"] == {"reason": "token-reuse"}


async def test_what_the_operator_does_is_written_down(service_auth: Process) -> None:
    kid = (await service_auth.as_sibling("auth", "POST", "/internal/signing-keys")).json()["kid"]
    statement = sa.select(audit_entry).where(audit_entry.c.target == kid)
    async with service_auth.service.database.system() as session:
        row = (await session.execute(statement)).one()
    assert (row.organization_id, row.actor, row.action) == (audit.PLATFORM, "operator", "signing_key.rotated")
    assert row.address is None
