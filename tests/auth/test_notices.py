"""Notices of other services become letters to those who can do something about them."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest

from shared import ids
from tests.auth.processes import PUBLIC_URL, Person, Process


def notice(organization_id: str, kind: str) -> dict[str, Any]:
    body = {
        "organization_id": organization_id,
        "kind": kind,
        "target": str(ids.new()),
        "name": "{link} & Co",
        "at": "x",
    }
    return {"id": str(uuid4()), "type": "notice.raised", "version": 1, "trace_id": "t" * 32, "body": body}


@pytest.mark.parametrize(
    ("kind", "page"),
    [("webhook-failing", "webhooks"), ("webhook-gone", "webhooks"), ("authorization-refused", "integrations")],
)
async def test_owners_and_admins_get_one_letter(
    service_auth: Process,
    join: Callable[[], Awaitable[Person]],
    colleague: Callable[..., Awaitable[Person]],
    kind: str,
    page: str,
) -> None:
    owner = await join()
    admin, member = await colleague(owner, "admin"), await colleague(owner, "member")
    told = notice(owner.organization_id, kind)
    for applied in (True, False):
        answer = await service_auth.as_sibling("workflows", "POST", "/internal/messages", json=told)
        assert answer.json() == {"applied": applied}, answer.text
    await service_auth.deliver()
    link = f"{PUBLIC_URL}/{page}/{told['body']['target']}"
    found = [to for to, text in service_auth.mailbox.letters if link in text]
    assert sorted(found) == sorted([owner.email, admin.email])
    assert member.email not in found


async def test_a_kind_of_tomorrow_is_no_error(service_auth: Process, join: Callable[[], Awaitable[Person]]) -> None:
    told = notice((await join()).organization_id, "something-new")
    assert (await service_auth.as_sibling("workflows", "POST", "/internal/messages", json=told)).status_code == 200


async def test_an_approval_is_asked_of_those_who_may_decide(
    service_auth: Process, join: Callable[[], Awaitable[Person]], colleague: Callable[..., Awaitable[Person]]
) -> None:
    owner = await join()
    admin, viewer = await colleague(owner, "admin"), await colleague(owner, "viewer")
    expected = {
        (): [owner.email, admin.email],
        ("admin",): [admin.email],
        (await viewer.user_id(),): [viewer.email],
        ("admin", "owner"): [owner.email, admin.email],
    }
    for approvers, people in expected.items():
        await _check_asked(service_auth, owner, approvers, None, people)
    await _check_asked(service_auth, owner, (), f"user:{await owner.user_id()}", [admin.email])


async def _check_asked(
    service_auth: Process, owner: Person, approvers: tuple[str, ...], requested_by: str | None, people: list[str]
) -> None:
    approval = str(ids.new())
    body = {"organization_id": owner.organization_id, "approval_id": approval, "step": "ask {link}",
            "approvers": list(approvers), "requested_by": requested_by}  # fmt: skip
    told = {"id": str(uuid4()), "type": "approval.requested", "version": 1, "trace_id": "t" * 32, "body": body}
    answer = await service_auth.as_sibling("workflows", "POST", "/internal/messages", json=told)
    assert answer.json() == {"applied": True}, answer.text
    await service_auth.deliver()
    link = f"{PUBLIC_URL}/api/v1/approvals/pages/{approval}"
    assert sorted(to for to, text in service_auth.mailbox.letters if link in text) == sorted(people)
