"""Integrations by API: made, found, changed, used and removed, with their secrets kept to themselves."""

from typing import Any

import pytest
import sqlalchemy as sa

from services.integrations.storage.tables import integration as table
from shared import ids
from shared.service import Service
from tests.fixtures.pools import most_in_use
from tests.integrations.conftest import Ask, Enter, Person
from tests.shared.outbound import Canary, http

SECRET = "canary-secret-3f9a1c"


async def connect(person: Person, canary: Canary, **more: Any) -> Any:
    return await person.create("http", {"base_url": canary.url, "auth": "bearer"}, {"token": SECRET}, **more)


async def test_the_catalogue_describes_every_connector(admin: Person) -> None:
    items = (await admin.api.get("/connectors")).json()["items"]
    found = {item["id"]: item for item in items}
    assert {"http", "webhook"} <= set(found)
    assert found["http"]["settings_schema"]["properties"]["base_url"]
    assert found["http"]["actions"][0]["id"] == "request"
    assert found["webhook"]["secrets"][0]["required"] is True


async def test_created_found_listed_changed_removed(admin: Person, canary: Canary) -> None:
    made = await connect(admin, canary, name="ci")
    assert made["secret_names"] == ["token"]
    path = f"/integrations/{made['id']}"
    assert (await admin.api.get(path)).json() == made
    changed = await admin.api.patch(path, json={"name": "builds", "settings": {"test_path": "/ping"}})
    assert changed.status_code == 200, changed.text
    assert changed.json()["settings"] == {**made["settings"], "test_path": "/ping"}
    assert (changed.json()["name"], changed.json()["revision"]) == ("builds", 2)
    assert [item["id"] for item in (await admin.api.get("/integrations")).json()["items"]] == [made["id"]]
    assert (await admin.api.delete(path)).status_code == 204
    assert (await admin.api.get(path)).status_code == 404
    assert (await admin.api.delete(path)).status_code == 404


async def test_lists_page_from_new_to_old(admin: Person, canary: Canary) -> None:
    made = [(await connect(admin, canary))["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(3):
        answer = await admin.api.get("/integrations", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
        seen += [item["id"] for item in answer.json()["items"]]
        cursor = answer.json()["next_cursor"]
    assert (seen, cursor) == (made[::-1], None)
    assert (await admin.api.get("/integrations", params={"cursor": "nonsense"})).status_code == 400


async def test_names_are_unique_within_an_organisation(admin: Person, enter: Enter, canary: Canary) -> None:
    made = await connect(admin, canary, name="ci")
    other = await connect(admin, canary, name="cd")
    body = {"connector": "http", "name": "ci", "settings": {"base_url": canary.url}}
    assert (await admin.api.post("/integrations", json=body)).json()["type"].endswith(":name-taken")
    renamed = await admin.api.patch(f"/integrations/{other['id']}", json={"name": "ci"})
    assert renamed.status_code == 409
    assert (await admin.api.patch(f"/integrations/{made['id']}", json={"name": "ci"})).status_code == 200
    assert (await (await enter("admin")).api.post("/integrations", json=body)).status_code == 201


async def test_the_same_key_makes_one_integration(admin: Person, canary: Canary) -> None:
    body = {"connector": "http", "name": "once", "settings": {"base_url": canary.url}, "secrets": {"token": SECRET}}
    answers = [await admin.api.post("/integrations", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    other = await admin.api.post("/integrations", json={**body, "name": "two"}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 422


async def test_a_hundred_requests_with_one_key_leave_the_pool_to_others(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    body = {"connector": "http", "name": "once", "settings": {"base_url": canary.url}, "secrets": {"token": SECRET}}
    posts = [admin.api.post("/integrations", json=body, headers={"Idempotency-Key": "k"}) for _ in range(100)]
    answers, most = await most_in_use(service_integrations.database, posts)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert most <= 2


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"connector": "nothing"}, "/connector"),
        ({"settings": {}}, "/settings/base_url"),
        ({"settings": {"base_url": "file:///etc"}}, "/settings/base_url"),
        ({"settings": {"base_url": "http://a@b/"}}, "/settings/base_url"),
        ({"settings": {"base_url": "https://a.example", "x": 1}}, "/settings/x"),
        ({"secrets": {"other": "x"}}, "/secrets/other"),
        ({"secrets": {"token": ""}}, "/secrets/token"),
        ({"name": "../etc"}, "/name"),
        ({"name": "a\u0001"}, "/name"),
        ({"name": "%2E%2e"}, "/name"),
        ({"name": "018f3c00-0000-7000-8000-000000000000"}, "/name"),
        ({"id": "mine"}, "/id"),
        ({"organization_id": "018f3c00-0000-7000-8000-000000000000"}, "/organization_id"),
    ],
)
async def test_wrong_fields_are_named(admin: Person, body: dict[str, Any], pointer: str) -> None:
    whole = {"connector": "http", "name": "n", "settings": {"base_url": "https://api.example.com"}, **body}
    answer = await admin.api.post("/integrations", json=whole)
    assert answer.status_code == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_b69_a_secret_is_never_answered_nor_stored_plain(
    admin: Person, canary: Canary, service_integrations: Service, capfd: pytest.CaptureFixture[str]
) -> None:
    made = await connect(admin, canary)
    path = f"/integrations/{made['id']}"
    canary.answers = [http(b"no", "401 Unauthorized"), http(b"no", "401 Unauthorized")]
    answers = [
        await admin.api.get(path),
        await admin.api.get("/integrations"),
        await admin.api.patch(path, json={"secrets": {"token": SECRET}}),
        await admin.api.post(f"{path}/test"),
        await admin.api.post(f"{path}/actions/request", json={"input": {"path": "/x", "nonsense": 1}}),
        await admin.api.patch(path, json={"secrets": {"token": SECRET, "wrong": SECRET}}),
    ]
    assert all(SECRET not in answer.text for answer in answers)
    assert f"Bearer {SECRET}".encode() in canary.requests[0]
    async with service_integrations.database.system() as session:
        whole = sa.text("SELECT integration::text FROM integration WHERE id = :id")
        row = (await session.execute(whole, {"id": made["id"]})).scalar_one()
        sealed = (await session.execute(sa.select(table.c.sealed).where(table.c.id == made["id"]))).scalar_one()
    assert SECRET not in row
    assert SECRET.encode() not in bytes(sealed)
    out, err = capfd.readouterr()
    assert SECRET not in out + err


async def test_b70_a_new_host_asks_for_the_secret_again(admin: Person, canary: Canary) -> None:
    made = await connect(admin, canary)
    path = f"/integrations/{made['id']}"
    for url in ["http://evil.example", f"https://127.0.0.1:{canary.port + 1}", "https://127.0.0.1"]:
        answer = await admin.api.patch(path, json={"settings": {"base_url": url}})
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:floyo:problem:secret-required")
    assert (await admin.api.get(path)).json()["settings"]["base_url"] == canary.url
    change = {"settings": {"base_url": "https://new.example"}, "secrets": {"token": "another"}}
    assert (await admin.api.patch(path, json=change)).status_code == 200
    assert canary.connections == 0


@pytest.mark.parametrize(
    ("connector", "given", "secret", "weaker"),
    [
        (
            "http",
            {"base_url": "https://h.example:8443", "auth": "bearer"},
            "token",
            {"base_url": "http://h.example:8443"},
        ),
        ("email", {"host": "h.example", "sender": "a@b.example"}, "password", {"security": "none"}),
        ("postgres", {"host": "h.example", "database": "d", "user": "u"}, "password", {"tls": "none"}),
        ("redis", {"host": "h.example"}, "password", {"tls": False}),
    ],
)
async def test_b70_a_stored_secret_does_not_travel_in_the_open(
    admin: Person, connector: str, given: dict[str, Any], secret: str, weaker: dict[str, Any]
) -> None:
    """The same host without encryption is a new target; back to encryption it may go as it is."""
    path = f"/integrations/{(await admin.create(connector, given, {secret: 's'}))['id']}"
    refused = await admin.api.patch(path, json={"settings": weaker})
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:floyo:problem:secret-required")
    assert (await admin.api.patch(path, json={"settings": weaker, "secrets": {secret: "t"}})).status_code == 200
    assert (await admin.api.patch(path, json={"settings": given})).status_code == 200


async def test_b75_names_are_data(admin: Person) -> None:
    """Markup in a name is JSON text of an answer that no browser takes for a page."""
    name = "<script>alert(1)</script>"
    made = await admin.create("http", {"base_url": "https://api.example.com"}, {}, name=name)
    answer = await admin.api.get(f"/integrations/{made['id']}")
    assert answer.json()["name"] == name
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path", ["@evil.example/", "/../x", "/a/%2e%2e/x", "/\\evil.example", "http://evil.example/", "", ".evil.example/"]
)
async def test_b71_a_credential_stays_on_its_host(admin: Person, canary: Canary, path: str) -> None:
    made = await connect(admin, canary)
    answer = await admin.api.post(f"/integrations/{made['id']}/actions/request", json={"input": {"path": path}})
    assert answer.status_code == 422
    assert canary.connections == 0


async def test_b71_two_slashes_are_a_path_and_no_host(admin: Person, canary: Canary) -> None:
    made = await connect(admin, canary)
    given = {"input": {"path": "//evil.example/"}}
    assert (await admin.api.post(f"/integrations/{made['id']}/actions/request", json=given)).status_code == 200
    assert canary.requests[0].startswith(b"GET //evil.example/ HTTP/1.1")


async def test_b72_a_sealed_secret_moved_to_another_row_does_not_open(
    admin: Person, enter: Enter, canary: Canary, service_integrations: Service
) -> None:
    mine, stranger = await connect(admin, canary), await enter("admin")
    theirs = await connect(stranger, canary)
    async with service_integrations.database.system() as session:
        stolen = (await session.execute(sa.select(table.c.sealed).where(table.c.id == theirs["id"]))).scalar_one()
        await session.execute(sa.update(table).where(table.c.id == mine["id"]).values(sealed=stolen))
    answer = await admin.api.post(f"/integrations/{mine['id']}/actions/request", json={"input": {}})
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:floyo:problem:credential-unusable")
    assert canary.connections == 0
    again = await admin.api.patch(f"/integrations/{mine['id']}", json={"secrets": {"token": "fresh"}})
    assert again.status_code == 200
    assert (await admin.api.post(f"/integrations/{mine['id']}/actions/request", json={})).status_code == 200


async def test_b23_foreign_integrations_are_missing(admin: Person, enter: Enter, canary: Canary, ask: Ask) -> None:
    made = await connect(admin, canary)
    stranger = await enter("owner")
    path = f"/integrations/{made['id']}"
    answers = [
        await stranger.api.get(path),
        await stranger.api.patch(path, json={"name": "mine"}),
        await stranger.api.delete(path),
        await stranger.api.post(f"{path}/test"),
        await stranger.api.post(f"{path}/actions/request", json={}),
    ]
    assert [answer.status_code for answer in answers] == [404] * 5
    body = {"organization_id": str(stranger.organization_id), "integration": made["id"], "action": "request"}
    assert (await ask("/internal/actions", body)).status_code == 422
    assert canary.connections == 0


async def test_row_level_security_stands_behind_the_queries(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    await connect(admin, canary)
    await connect(admin, canary)
    for organization_id in (None, ids.new()):
        async with service_integrations.database.session(organization_id) as session:
            assert (await session.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() == 0
    async with service_integrations.database.session(admin.organization_id) as session:
        assert (await session.execute(sa.select(sa.func.count()).select_from(table))).scalar_one() == 2


@pytest.mark.parametrize(
    ("role", "expected"), [("viewer", (200, 403, 403)), ("member", (200, 403, 200)), ("owner", (200, 201, 200))]
)
async def test_roles(enter: Enter, admin: Person, canary: Canary, role: str, expected: tuple[int, int, int]) -> None:
    made = await connect(admin, canary)
    person = await enter(role, admin.organization_id)
    body = {"connector": "http", "name": "new", "settings": {"base_url": canary.url}}
    answers = (
        await person.api.get(f"/integrations/{made['id']}"),
        await person.api.post("/integrations", json=body),
        await person.api.post(f"/integrations/{made['id']}/actions/request", json={}),
    )
    assert tuple(answer.status_code for answer in answers) == expected


async def test_an_action_runs(admin: Person, canary: Canary) -> None:
    made = await connect(admin, canary)
    canary.answers = [http(b'{"minutes": 12}', Content_Type="application/json")]
    given = {"method": "POST", "path": "/builds", "query": {"a": "1"}, "body": {"n": 1}}
    answer = await admin.api.post(
        f"/integrations/{made['id']}/actions/request", json={"input": given}, headers={"Idempotency-Key": "run:1"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["output"]["body"] == {"minutes": 12}
    head = canary.requests[0]
    assert head.startswith(b"POST /builds?a=1 ")
    assert b"Idempotency-Key: run:1" in head
    assert (await admin.api.post(f"/integrations/{made['id']}/actions/fly", json={})).status_code == 422


async def test_a_dry_run_calls_nobody_and_opens_nothing(
    admin: Person, canary: Canary, service_integrations: Service
) -> None:
    made = await connect(admin, canary)
    async with service_integrations.database.system() as session:
        await session.execute(sa.update(table).where(table.c.id == made["id"]).values(key_id="gone"))
    path = f"/integrations/{made['id']}/actions/request"
    answer = await admin.api.post(path, json={"input": {"path": "/x"}, "dry_run": True})
    assert answer.json() == {"output": {"status": 200, "headers": {}, "body": None}}
    wrong = await admin.api.post(path, json={"input": {"method": "FLY"}, "dry_run": True})
    assert wrong.status_code == 422
    assert canary.connections == 0


async def test_testing_a_credential(admin: Person, canary: Canary) -> None:
    made = await connect(admin, canary)
    path = f"/integrations/{made['id']}/test"
    canary.answers = [http(b"ok"), http(b"", "401 Unauthorized"), http(b"", "503 Service Unavailable")]
    assert (await admin.api.post(path)).json() == {"ok": True, "problem": None}
    refused = (await admin.api.post(path)).json()["problem"]
    assert (refused["type"], refused["retryable"]) == ("urn:floyo:problem:credential-refused", False)
    assert (await admin.api.post(path)).json()["problem"]["retryable"] is True


async def test_an_older_state_is_not_overwritten(admin: Person, canary: Canary) -> None:
    made = await admin.create("http", {"base_url": canary.url}, {})
    path = f"/integrations/{made['id']}"
    first = (await admin.api.get(path)).headers["ETag"]
    changed = await admin.api.patch(path, json={"name": "b"}, headers={"If-Match": first})
    assert (changed.status_code, changed.headers["ETag"] != first) == (200, True)
    for method, body in (("PATCH", {"name": "c"}), ("DELETE", None)):
        late = await admin.api.request(method, path, json=body, headers={"If-Match": first})
        assert (late.status_code, late.json()["type"]) == (412, "urn:floyo:problem:version-changed")
    assert (await admin.api.get(path)).json()["name"] == "b"
    assert (await admin.api.delete(path, headers={"If-Match": changed.headers["ETag"]})).status_code == 204
