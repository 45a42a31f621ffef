"""Organisations, members, invitations, and the last owner."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import sqlalchemy as sa

from tests.auth.processes import Person, Process

Join = Callable[[], Awaitable[Person]]
Colleague = Callable[..., Awaitable[Person]]


async def test_invited_person_joins_with_the_role(join: Join, colleague: Colleague) -> None:
    owner = await join()
    viewer = await colleague(owner, "viewer")
    assert (await viewer.ok("GET", f"/organizations/{owner.organization_id}"))["role"] == "viewer"
    listed = (await owner.ok("GET", f"/organizations/{owner.organization_id}/members"))["items"]
    assert {(item["email"], item["role"]) for item in listed} == {(owner.email, "owner"), (viewer.email, "viewer")}


async def test_invitation_can_be_withdrawn(join: Join, service_auth: Process) -> None:
    owner, guest = await join(), await join()
    path = f"/organizations/{owner.organization_id}/invitations"
    made = await owner.ok("POST", path, 201, json={"email": guest.email})
    await service_auth.deliver()
    token = service_auth.mailbox.tokens(guest.email)[-1]
    await owner.ok("DELETE", f"{path}/{made['id']}", 204)
    slug = await guest.refused("POST", "/organizations/invitations/accept", 400, json={"token": token})
    assert slug == "invalid-token"
    assert (await owner.ok("GET", path))["items"] == []


async def test_invitation_expires(join: Join, service_auth: Process) -> None:
    owner, guest = await join(), await join()
    path = f"/organizations/{owner.organization_id}/invitations"
    made = await owner.ok("POST", path, 201, json={"email": guest.email})
    await service_auth.deliver()
    token = service_auth.mailbox.tokens(guest.email)[-1]
    async with service_auth.service.database.system() as session:
        await session.execute(sa.text("UPDATE invitation SET expires_at = now() WHERE id = :id"), {"id": made["id"]})
    slug = await guest.refused("POST", "/organizations/invitations/accept", 400, json={"token": token})
    assert slug == "invalid-token"


async def test_new_role_holds_for_tokens_that_were_issued_before(
    join: Join, colleague: Colleague, service_auth: Process
) -> None:
    owner = await join()
    admin = await colleague(owner, "admin")
    path = f"/organizations/{owner.organization_id}/members/{await admin.user_id()}"
    await admin.ok("GET", "/audit-log")
    await owner.ok("PATCH", path, json={"role": "viewer"})
    await service_auth.service.verifier.poll()
    assert await admin.refused("GET", "/audit-log", 403) == "forbidden"
    await owner.ok("PATCH", path, json={"role": "admin"})
    await service_auth.service.verifier.poll()
    await admin.ok("GET", "/audit-log")


async def test_removed_member_is_out_within_a_poll(join: Join, colleague: Colleague, service_auth: Process) -> None:
    owner = await join()
    member = await colleague(owner, "member")
    await owner.ok("DELETE", f"/organizations/{owner.organization_id}/members/{await member.user_id()}", 204)
    await service_auth.service.verifier.poll()
    await member.refused("GET", "/users/me", 401)
    await member.refused("POST", "/auth/refresh", 401, json={"refresh_token": member.pair["refresh_token"]})
    await member.login()
    await member.refused("POST", "/auth/switch", 404, json={"organization_id": owner.organization_id})


async def test_admin_cannot_touch_owners(join: Join, colleague: Colleague) -> None:
    owner = await join()
    admin, other = await colleague(owner, "admin"), await colleague(owner, "owner")
    path = f"/organizations/{owner.organization_id}/members/{await other.user_id()}"
    await admin.refused("PATCH", path, 403, json={"role": "member"})
    await admin.refused("DELETE", path, 403)
    invitations = f"/organizations/{owner.organization_id}/invitations"
    await admin.refused("POST", invitations, 403, json={"email": "new@example.com", "role": "owner"})


async def test_last_owner_stays(join: Join, colleague: Colleague) -> None:
    owner = await join()
    await colleague(owner, "member")
    path = f"/organizations/{owner.organization_id}/members/{await owner.user_id()}"
    assert await owner.refused("DELETE", path, 409) == "last-owner"
    assert await owner.refused("PATCH", path, 409, json={"role": "admin"}) == "last-owner"
    assert await owner.refused("DELETE", "/users/me", 409) == "last-owner"


async def test_owners_who_demote_each_other_at_once_leave_one(join: Join, colleague: Colleague) -> None:
    for _ in range(5):
        first = await join()
        second = await colleague(first, "owner")
        base = f"/organizations/{first.organization_id}/members"
        paths = [f"{base}/{await second.user_id()}", f"{base}/{await first.user_id()}"]
        answers = await asyncio.gather(first.call("DELETE", paths[0]), second.call("DELETE", paths[1]))
        assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_ownership_is_transferred(join: Join, colleague: Colleague, service_auth: Process) -> None:
    owner = await join()
    admin = await colleague(owner, "admin")
    body = {"user_id": await admin.user_id()}
    await owner.ok("POST", f"/organizations/{owner.organization_id}/transfer", 204, json=body)
    await service_auth.service.verifier.poll()
    listed = (await admin.ok("GET", f"/organizations/{owner.organization_id}/members"))["items"]
    assert {item["email"]: item["role"] for item in listed} == {owner.email: "admin", admin.email: "owner"}
    await owner.refused("POST", f"/organizations/{owner.organization_id}/transfer", 403, json=body)


async def test_ownership_is_transferred_once_however_many_try_at_once(join: Join, colleague: Colleague) -> None:
    owner = await join()
    heirs = [await colleague(owner, "member") for _ in range(4)]
    path = f"/organizations/{owner.organization_id}"
    bodies = [{"user_id": await heir.user_id()} for heir in heirs]
    answers = await asyncio.gather(*(owner.call("POST", f"{path}/transfer", json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [204, 403, 403, 403]
    members = (await heirs[0].ok("GET", f"{path}/members"))["items"]
    assert sorted(member["role"] for member in members) == ["admin", "member", "member", "member", "owner"]


async def test_deleted_organisation_is_gone_everywhere(join: Join, service_auth: Process) -> None:
    person = await join()
    made = await person.ok("POST", "/organizations", 201, json={"name": "Short-lived"})
    await person.switch(made["id"])
    key = (await person.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["*"]}))["key"]
    with_key: dict[str, Any] = {"headers": {"Authorization": f"Bearer {key}"}}
    await person.ok("GET", "/organizations", **with_key)
    await person.ok("DELETE", f"/organizations/{made['id']}", 204)
    await service_auth.service.verifier.poll()
    await person.refused("GET", "/organizations", 401, **with_key)
    await person.refused("GET", "/users/me", 401)
    await person.login()
    assert await person.refused("DELETE", f"/organizations/{person.organization_id}", 409) == "personal-organization"


async def test_members_are_paged(join: Join, colleague: Colleague) -> None:
    owner = await join()
    people = [owner, await colleague(owner, "viewer"), await colleague(owner, "viewer")]
    path = f"/organizations/{owner.organization_id}/members"
    seen, cursor = [], None
    for _ in people:
        query = {"limit": 1, **({"cursor": cursor} if cursor else {})}
        page = await owner.ok("GET", path, params=query)
        seen += [item["email"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert cursor is None
    assert sorted(seen) == sorted(person.email for person in people)
    assert await owner.refused("GET", path, 400, params={"cursor": "bm9uc2Vuc2U"}) == "invalid-cursor"
