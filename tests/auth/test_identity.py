"""What siblings learn from auth: keys, API keys, revocations, flags."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from services.auth.domain import signingkeys
from services.auth.domain.identity import LocalIdentity
from services.auth.settings import Settings
from shared import crypto, errors, metrics
from shared.flags import REGISTRATION, Flag, Flags, Override, bucket
from shared.identity import Verifier
from tests.auth.processes import PUBLIC_URL, Mailbox, Person, Process, running

Join = Callable[[], Awaitable[Person]]


async def test_processes_share_one_first_key(
    service_auth: Process, auth_settings: Callable[..., Settings], mailbox: tuple[Mailbox, str]
) -> None:
    async with running(auth_settings(instance="auth-2"), mailbox[0]) as other:
        assert (await other.context.keys.current()).kid == (await service_auth.context.keys.current()).kid


async def test_rotated_key_is_shown_before_it_signs(service_auth: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (await service_auth.context.keys.current()).kid
    answer = await service_auth.as_sibling("auth", "POST", "/internal/signing-keys")
    assert answer.status_code == 201
    shown = {key["kid"] for key in (await service_auth.internal_keys())["keys"]}
    assert shown >= {before, answer.json()["kid"]}
    assert (await service_auth.context.keys.current()).kid == before
    monkeypatch.setattr(signingkeys, "ANNOUNCED", signingkeys.ANNOUNCED * 0)
    immediate = await service_auth.context.keys.rotate()
    assert (await service_auth.context.keys.current()).kid == immediate
    document = (await service_auth.public.get("http://floyo.example:8080/.well-known/jwks.json")).json()
    assert {key["kid"] for key in document["keys"]} >= {before, immediate}
    assert all(set(key) == {"kty", "crv", "use", "alg", "kid", "x"} for key in document["keys"])
    service_auth.service.verifier._keys_at = float("-inf")  # what this test hurried, the next ones need not wait for


async def test_siblings_may_not_rotate(service_auth: Process) -> None:
    assert (await service_auth.as_sibling("events", "POST", "/internal/signing-keys")).status_code == 403
    assert (await service_auth.as_sibling("events", "POST", "/internal/users", json={})).status_code == 403


async def test_api_key_is_found_by_digest_until_it_is_deleted(join: Join, service_auth: Process) -> None:
    person = await join()
    made = await person.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["events:write"]})
    path = f"/internal/api-keys/{crypto.digest(made['key']).hex()}"
    found = (await service_auth.as_sibling("events", "GET", path)).json()["api_key"]
    assert found == {
        "id": made["id"], "organization_id": person.organization_id, "scopes": ["events:write"], "expires_at": None,
    }  # fmt: skip
    with_key = {"headers": {"Authorization": f"Bearer {made['key']}"}}
    await person.refused("GET", "/api-keys", 403, **with_key)
    assert await person.refused("GET", "/users/me", 403, **with_key) == "user-required"
    await person.ok("DELETE", f"/api-keys/{made['id']}", 204)
    assert (await service_auth.as_sibling("events", "GET", path)).json() == {"api_key": None}
    await service_auth.service.verifier.poll()
    await person.refused("GET", "/organizations", 401, **with_key)
    assert (await person.ok("GET", "/api-keys"))["items"] == []


async def test_api_key_ends_at_its_time_in_processes_that_know_it(join: Join, service_auth: Process) -> None:
    person = await join()
    end = datetime.now(UTC) + timedelta(seconds=1.5)
    body = {"name": "short", "scopes": ["*"], "expires_at": end.isoformat()}
    made = await person.ok("POST", "/api-keys", 201, json=body)
    headers = {"Authorization": f"Bearer {made['key']}"}
    await person.ok("GET", "/organizations", headers=headers)
    await asyncio.sleep((end - datetime.now(UTC)).total_seconds() + 0.01)
    await person.refused("GET", "/organizations", 401, headers=headers)
    fresh = Verifier(LocalIdentity(service_auth.context), PUBLIC_URL)
    with pytest.raises(errors.Unauthorized):
        await fresh.verify(made["key"])


async def test_last_use_of_a_key_is_shown(join: Join, service_auth: Process) -> None:
    person, verifier = await join(), service_auth.service.verifier
    made, idle = [await person.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["*"]}) for _ in range(2)]
    for _ in range(3):
        await person.ok("GET", "/organizations", headers={"Authorization": f"Bearer {made['key']}"})
    verifier._told_at = float("-inf")  # it tells every twenty seconds
    await verifier.poll()
    used = {item["id"]: item["used_at"] for item in (await person.ok("GET", "/api-keys"))["items"]}
    assert used[idle["id"]] is None
    assert used[made["id"]] is not None
    body = {"ids": [idle["id"], str(uuid4())]}
    assert (await service_auth.as_sibling("events", "POST", "/internal/api-keys/uses", json=body)).status_code == 204
    shown = await person.ok("GET", f"/api-keys/{idle['id']}")
    assert shown["used_at"] is not None


@pytest.mark.parametrize(
    "body",
    [
        {"scopes": ["everything"]}, {"scopes": []}, {"scopes": ["members:write"]}, {"name": ""},
        {"expires_at": "2001-01-01T00:00:00Z"}, {"expires_at": "2100-01-01T00:00:00"}, {"organization_id": "x"},
    ],
)  # fmt: skip
async def test_api_key_with_wrong_fields_is_refused(join: Join, body: dict[str, Any]) -> None:
    person = await join()
    await person.refused("POST", "/api-keys", 422, json={"name": "k", "scopes": ["*"], **body})


async def test_revocations_are_read_from_a_position(join: Join, service_auth: Process) -> None:
    async def read(after: int) -> Any:
        return (await service_auth.as_sibling("events", "GET", "/internal/revocations", params={"after": after})).json()

    start = (await read(-1))["next"]
    person = await join()
    await person.ok("DELETE", "/auth/sessions", 204)
    answer = await read(start)
    assert [item["kind"] for item in answer["items"]] == ["session"]
    assert (await read(answer["next"])) == {"items": [], "next": answer["next"]}
    remembered = await read(-1)
    assert answer["items"][0] in remembered["items"]


async def test_created_user_is_verified_and_may_be_administrator(service_auth: Process) -> None:
    person = Person(service_auth)
    body = {"email": person.email, "password": person.password, "admin": True}
    answer = await service_auth.as_sibling("auth", "POST", "/internal/users", json=body)
    assert answer.status_code == 201
    await person.login()
    me = await person.ok("GET", "/users/me")
    assert (me["id"], me["email_verified"], me["platform_admin"]) == (answer.json()["user_id"], True, True)
    key: dict[str, Any] = {"headers": {"Authorization": f"Bearer {answer.json()['api_key']}"}}
    assert [item["id"] for item in (await person.ok("GET", "/organizations", **key))["items"]] == [
        me["organization_id"]
    ]
    again = await service_auth.as_sibling("auth", "POST", "/internal/users", json=body)
    assert (again.status_code, again.json()["type"]) == (409, "urn:floyo:problem:email-taken")


async def test_administrators_set_flags_and_switch_people_off(join: Join, service_auth: Process) -> None:
    admin, person = Person(service_auth), await join()
    body = {"email": admin.email, "password": admin.password, "admin": True}
    await service_auth.as_sibling("auth", "POST", "/internal/users", json=body)
    await admin.login()
    await person.refused("PUT", "/flags/registration", 403, json={"enabled": False})
    await admin.refused("PUT", "/flags/unknown", 404, json={"enabled": False})
    shown = await admin.ok("PUT", "/flags/registration", json={"enabled": False})
    assert (shown["enabled"], shown["override"]["percentage"]) == (False, 100)
    slug = await person.refused(
        "POST", "/auth/register", 403, json={"email": "x@example.com", "password": "xyzzy xyzzy"}
    )
    assert slug == "registration-closed"
    await admin.ok("PUT", "/flags/registration", json={"enabled": True})
    path = f"/users/{await person.user_id()}/status"
    await person.refused("PUT", path, 403, json={"active": False})
    await admin.ok("PUT", path, 204, json={"active": False})
    await service_auth.service.verifier.poll()
    await person.refused("GET", "/users/me", 401)
    await person.refused("POST", "/auth/login", 401, json={"email": person.email, "password": person.password})
    await admin.ok("PUT", path, 204, json={"active": True})
    await person.login()
    await person.ok("GET", "/users/me")


def test_roll_out_takes_a_stable_share() -> None:
    flag, other = Flag("flag", "One."), Flag("other", "Another.")
    some = Override(True, 30, frozenset(), frozenset())
    subjects = [f"organisation-{number}" for number in range(4_000)]
    chosen = {subject for subject in subjects if some.decide(flag, subject, None)}
    assert 0.27 < len(chosen) / len(subjects) < 0.33
    more = Override(True, 60, frozenset(), frozenset())
    assert chosen < {subject for subject in subjects if more.decide(flag, subject, None)}
    assert chosen != {subject for subject in subjects if some.decide(other, subject, None)}
    assert bucket("flag", "organisation-1") == 4_033  # the same in every process, release and year
    assert not Override(False, 100, frozenset(subjects), frozenset()).decide(flag, subjects[0], None)
    assert Override(True, 0, frozenset(), frozenset({"somebody"})).decide(flag, None, "somebody")
    assert Override(True, 0, frozenset({"firm"}), frozenset()).decide(flag, "firm", "anybody")


def test_roll_out_goes_by_organisation_or_by_person() -> None:
    half = Override(True, 50, frozenset(), frozenset())
    firm, people = "one-organisation", [f"person-{number}" for number in range(1_000)]
    together = {half.decide(Flag("flag", "By organisation."), firm, person) for person in people}
    assert len(together) == 1
    alone = [half.decide(Flag("flag", "By person.", by_user=True), firm, person) for person in people]
    assert 430 < sum(alone) < 570
    elsewhere = [half.decide(Flag("flag", "By person.", by_user=True), "another", person) for person in people]
    assert alone == elsewhere


async def test_flags_speak_openfeature() -> None:
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.exception import FlagNotFoundError

    from shared.flags import FloyoProvider

    item = {"name": "registration", "enabled": False, "percentage": 100, "organizations": [], "users": []}

    async def fetch() -> list[dict[str, Any]]:
        return [item]

    def counted() -> list[float]:
        return [metrics.FLAGS.labels("registration", decision)._value.get() for decision in ("true", "false")]

    flags, before = Flags(fetch), counted()
    provider = FloyoProvider(flags)
    assert provider.resolve_boolean_details("registration", False, EvaluationContext()).value is True
    await flags.load()
    assert provider.resolve_boolean_details("registration", False, EvaluationContext()).value is False
    assert flags.enabled(REGISTRATION) is False
    assert [after - early for after, early in zip(counted(), before, strict=True)] == [1, 2]
    with pytest.raises(FlagNotFoundError):
        provider.resolve_boolean_details("unknown", False)
