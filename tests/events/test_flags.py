"""The flags of the events service: what is switched off goes its other way, for those it is off for."""

from typing import Any

import jwt
import pytest

from services.events.domain.ingest import Committer
from shared.flags import INGEST_FAST, PEER_HABITS
from tests.events.processes import Process, Tenant, mint
from tests.fixtures.switches import evaluations, switched


@pytest.fixture
def grouped(service_events: Process, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What passes through the group commit, which only the quick way uses."""
    group, seen = service_events.service.part(Committer).group, []
    enter = group.enter

    def listen(items: Any) -> Any:
        seen.extend(items)
        return enter(items)

    monkeypatch.setattr(group, "enter", listen)
    return seen


async def test_the_quick_way_in_is_switched_off_for_all(
    tenant: Tenant, service_events: Process, grouped: list[Any]
) -> None:
    event = {"source": "s", "type": "t", "id": "1", "data": {"n": 1}}
    counted = evaluations(INGEST_FAST, enabled=False)
    async with switched(service_events.service, INGEST_FAST, enabled=False):
        made, again = await tenant.post(event), await tenant.post(event)
        bad = await tenant.post({"source": "", "type": "t"})
        batch = await tenant.client.post("/api/v1/events/batch", json=[event, {"source": "s", "type": "u"}])
    assert (grouped, evaluations(INGEST_FAST, enabled=False) - counted) == ([], 4)
    assert (made.status_code, again.status_code, bad.status_code) == (201, 200, 422)
    assert again.json() == {**made.json(), "duplicate": True}
    assert (batch.status_code, batch.json()["accepted"], batch.json()["duplicates"]) == (200, 1, 1)
    assert (await tenant.post(event)).json() == again.json()
    assert len(grouped) == 1


async def test_the_quick_way_in_is_rolled_out_by_organisation(service_events: Process, grouped: list[Any]) -> None:
    chosen, other = Tenant(service_events), Tenant(service_events)
    async with switched(service_events.service, INGEST_FAST, percentage=0, organizations=[chosen.organization_id]):
        for tenant in (chosen, other):
            assert (await tenant.post({"source": "s", "type": "t"})).status_code == 201
    assert [draft.organization_id for draft in grouped] == [chosen.organization_id]


async def test_the_other_way_in_counts_no_request_twice(tenant: Tenant, service_events: Process) -> None:
    left = []
    async with switched(service_events.service, INGEST_FAST, enabled=False):
        for _ in range(2):
            answer = await tenant.post({"source": "s", "type": "t"})
            left.append(int(answer.headers["RateLimit"].partition("r=")[2].partition(";")[0]))
    assert left[0] - left[1] == 1


async def test_colleagues_habits_are_rolled_out_by_person(tenant: Tenant, service_events: Process) -> None:
    day = "2026-03-01T0{}:00:00Z"
    for hour in range(5):
        for actor, kind, minute in (("ada", "opened", "00"), ("ada", "closed", "05")):
            time = f"2026-03-01T0{hour}:{minute}:00Z"
            await tenant.post({"source": "desk", "type": kind, "actor": actor, "time": time})
    await tenant.post({"source": "desk", "type": "opened", "actor": "bob", "time": day.format(9)})
    tokens = [mint(tenant.organization_id) for _ in range(2)]
    people = [jwt.decode(token, options={"verify_signature": False})["sub"] for token in tokens]

    async def ask(token: str, actor: str) -> list[dict[str, Any]]:
        answer = await service_events.client(token).get("/api/v1/patterns/next", params={"actor": actor})
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    assert (await ask(tokens[0], "bob"))[0]["type"] == "closed"
    async with switched(service_events.service, PEER_HABITS, percentage=0, users=[people[0]]):
        assert (await ask(tokens[0], "bob"))[0]["type"] == "closed"
        assert [item["type"] for item in await ask(tokens[1], "bob")] == ["opened"]
        assert await ask(tokens[1], "nobody") == []
        assert (await ask(tokens[1], "ada"))[0]["type"] == "opened"
    await tenant.post({"source": "desk", "type": "opened", "actor": "ada", "time": day.format(9)})
    async with switched(service_events.service, PEER_HABITS, enabled=False):
        assert (await ask(tokens[0], "ada"))[0]["type"] == "closed"
