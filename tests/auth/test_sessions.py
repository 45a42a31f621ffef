"""Logins, refresh tokens that rotate, and sessions that end."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from services.auth.domain import sessions
from services.auth.settings import Settings
from services.auth.storage import sessions as stored_sessions
from tests.auth.processes import Mailbox, Person, Process, running

Join = Callable[[], Awaitable[Person]]


async def _refresh(person: Person, token: str) -> tuple[int, dict[str, str]]:
    answer = await person.call("POST", "/auth/refresh", json={"refresh_token": token})
    return answer.status_code, answer.json()


async def test_login_answers_a_pair_for_the_personal_organisation(join: Join) -> None:
    person = await join()
    assert person.pair["token_type"] == "Bearer"
    assert person.pair["expires_in"] == 300
    me = await person.ok("GET", "/users/me")
    assert (me["email"], me["role"], me["organization_id"]) == (person.email, "owner", person.organization_id)


async def test_refresh_rotates(join: Join) -> None:
    person = await join()
    first = person.pair["refresh_token"]
    status, second = await _refresh(person, first)
    assert status == 200
    assert second["refresh_token"] != first
    status, third = await _refresh(person, second["refresh_token"])
    assert status == 200
    assert third["refresh_token"] not in {first, second["refresh_token"]}


async def test_immediate_parent_gets_the_same_child_in_the_grace_period(join: Join) -> None:
    person = await join()
    answers = await asyncio.gather(*(_refresh(person, person.pair["refresh_token"]) for _ in range(20)))
    assert {status for status, _ in answers} == {200}
    assert len({body["refresh_token"] for _, body in answers}) == 1


async def test_grandparent_ends_the_session_with_its_newest_token(join: Join) -> None:
    person = await join()
    _, second = await _refresh(person, person.pair["refresh_token"])
    _, third = await _refresh(person, second["refresh_token"])
    status, problem = await _refresh(person, person.pair["refresh_token"])
    assert (status, problem["type"]) == (401, "urn:floyo:problem:token-reuse")
    assert (await _refresh(person, third["refresh_token"]))[0] == 401


async def test_parent_ends_the_session_after_the_grace_period(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await join()
    _, second = await _refresh(person, person.pair["refresh_token"])
    monkeypatch.setattr(sessions, "GRACE", timedelta(0))
    assert (await _refresh(person, person.pair["refresh_token"]))[0] == 401
    assert (await _refresh(person, second["refresh_token"]))[0] == 401


@pytest.mark.parametrize("proof", ["access", "refresh"])
async def test_logout_ends_both_tokens(join: Join, service_auth: Process, proof: str) -> None:
    person = await join()
    body = {"refresh_token": person.pair["refresh_token"]} if proof == "refresh" else None
    headers = {} if proof == "access" else {"Authorization": ""}
    await person.ok("POST", "/auth/logout", 204, json=body, headers=headers)
    await service_auth.service.verifier.poll()
    assert await person.refused("GET", "/users/me", 401) == "invalid-token"
    assert (await _refresh(person, person.pair["refresh_token"]))[0] == 401


async def test_sessions_are_listed_and_ended_one_by_one(join: Join, service_auth: Process) -> None:
    person = await join()
    elsewhere = await Person(service_auth, person.email).login()
    listed = (await person.ok("GET", "/auth/sessions"))["items"]
    assert [item["current"] for item in listed] == [False, True]
    await person.ok("DELETE", f"/auth/sessions/{listed[0]['id']}", 204)
    await service_auth.service.verifier.poll()
    await elsewhere.refused("GET", "/users/me", 401)
    await person.ok("GET", "/users/me")
    assert await person.refused("DELETE", f"/auth/sessions/{listed[0]['id']}", 404) == "not-found"


async def _execute(process: Process, statement: str, **values: Any) -> list[Any]:
    async with process.service.database.system() as session:
        result: Any = await session.execute(sa.text(statement), values)
        return list(result.all()) if result.returns_rows else []


async def test_a_session_ends_however_much_it_is_used(join: Join, service_auth: Process) -> None:
    """Neither refreshing nor switching moves its end."""
    person = await join()
    mine = {"user": await person.user_id()}
    end = datetime.now(UTC) + timedelta(hours=1)
    await _execute(service_auth, "UPDATE session SET expires_at = :end WHERE user_id = :user", end=end, **mine)
    status, second = await _refresh(person, person.pair["refresh_token"])
    assert status == 200
    made = await person.ok("POST", "/organizations", 201, json={"name": "Second"})
    await person.switch(made["id"])
    ends = await _execute(
        service_auth,
        "SELECT session.expires_at, max(refresh_token.expires_at) FROM session JOIN refresh_token"
        " ON session_id = session.id WHERE user_id = :user AND used_at IS NULL GROUP BY session.id",
        **mine,
    )
    assert [tuple(row) for row in ends] == [(end, end)] * 2
    await _execute(service_auth, "UPDATE session SET expires_at = now() WHERE user_id = :user", **mine)
    for token in (second["refresh_token"], person.pair["refresh_token"]):
        status, problem = await _refresh(person, token)
        assert (status, problem["type"]) == (401, "urn:floyo:problem:invalid-token")
    assert (await person.ok("GET", "/auth/sessions"))["items"] == []


async def test_an_unused_refresh_token_expires(join: Join, service_auth: Process) -> None:
    person = await join()
    idle = "UPDATE refresh_token SET expires_at = now() FROM session WHERE session_id = session.id AND user_id = :user"
    await _execute(service_auth, idle, user=await person.user_id())
    status, problem = await _refresh(person, person.pair["refresh_token"])
    assert (status, problem["type"]) == (401, "urn:floyo:problem:invalid-token")


async def test_a_living_session_keeps_no_expired_refresh_tokens(join: Join, service_auth: Process) -> None:
    person = await join()
    for _ in range(3):
        person.pair = (await _refresh(person, person.pair["refresh_token"]))[1]
    mine = {"user": await person.user_id()}
    aged = (
        "UPDATE refresh_token SET expires_at = now() FROM session"
        " WHERE session_id = session.id AND user_id = :user AND used_at IS NOT NULL"
    )
    await _execute(service_auth, aged, **mine)
    await _execute(
        service_auth, "UPDATE session SET seen_at = now() - interval '2 minutes' WHERE user_id = :user", **mine
    )
    assert (await _refresh(person, person.pair["refresh_token"]))[0] == 200
    left = "SELECT count(*) FROM refresh_token JOIN session ON session.id = session_id WHERE user_id = :user"
    assert await _execute(service_auth, left, **mine) == [(2,)]  # the newest and its parent


async def test_what_ended_long_ago_is_forgotten_however_much_it_is(join: Join, service_auth: Process) -> None:
    person = await join()
    fill = (
        "INSERT INTO session"
        " (id, user_id, active_organization_id, user_agent, address, created_at, seen_at, expires_at, ended_at)"
        " SELECT gen_random_uuid(), :user, :organization, '', '', now(), now(), now(), now() - interval '31 days'"
        " FROM generate_series(1, 2500)"
    )
    mine = {"user": await person.user_id()}
    await _execute(service_auth, fill, organization=person.organization_id, **mine)
    await sessions.purge(service_auth.context)
    ((left,),) = await _execute(service_auth, "SELECT count(*) FROM session WHERE user_id = :user", **mine)
    assert left == 1


async def test_switch_needs_a_membership(join: Join) -> None:
    person, stranger = await join(), await join()
    await person.refused("POST", "/auth/switch", 404, json={"organization_id": stranger.organization_id})
    made = await person.ok("POST", "/organizations", 201, json={"name": "Second"})
    await person.switch(made["id"])
    assert (await person.ok("GET", f"/organizations/{made['id']}"))["role"] == "owner"
    assert {item["name"] for item in (await person.ok("GET", "/organizations"))["items"]} >= {"Second"}


async def test_unverified_address_may_not_log_in_where_verification_is_required(
    auth_settings: Callable[..., Settings], mailbox: tuple[Mailbox, str]
) -> None:
    async with running(auth_settings(require_verified_email=True), mailbox[0]) as process:
        person = Person(process)
        body = {"email": person.email, "password": person.password}
        await person.ok("POST", "/auth/register", 202, json=body)
        assert await person.refused("POST", "/auth/login", 403, json=body) == "email-not-verified"
        await process.deliver()
        await person.ok("POST", "/auth/verify-email", 204, json={"token": process.mailbox.tokens(person.email)[-1]})
        await person.login()


async def test_who_is_switched_off_while_logging_in_is_out(
    join: Join, service_auth: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The revocation comes after the look at the person's standing and before the token is made."""
    person, admin = await join(), Person(service_auth)
    body = {"email": admin.email, "password": admin.password, "admin": True}
    await service_auth.as_sibling("auth", "POST", "/internal/users", json=body)
    await admin.login()
    path, begin = f"/users/{await person.user_id()}/status", stored_sessions.log_in

    async def overtaken(*values: Any) -> Any:
        found = await begin(*values)
        await admin.ok("PUT", path, 204, json={"active": False})
        return found

    monkeypatch.setattr(stored_sessions, "log_in", overtaken)
    await person.login()
    await service_auth.service.verifier.poll()
    await person.refused("GET", "/users/me", 401)
    refused = {"refresh_token": person.pair["refresh_token"]}
    await person.refused("POST", "/auth/refresh", 401, json=refused)
