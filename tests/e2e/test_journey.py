"""The main job through the gateway: recorded activity, pattern, suggestion, workflow, durable run."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from websockets.sync.client import ClientConnection

from infra.local import sample
from tests.e2e.person import PASSWORD, Person, eventually

pytestmark = pytest.mark.e2e
Join = Callable[[], Person]
ENDED = {"succeeded", "failed", "cancelled"}

DEFINITION: dict[str, Any] = {
    "name": "Greet",
    "trigger": {"type": "manual"},
    "steps": [
        {"id": "shape", "type": "transform", "with": {"output": {"greeting": "Hello {{ input.name }}"}}},
        {"id": "pause", "type": "delay", "with": {"for": "PT0.2S"}},
        {
            "id": "long",
            "type": "condition",
            "with": {"when": "steps.shape.output.greeting.size() > 3", "then": ["end"]},
        },
        {"id": "end", "type": "transform", "with": {"output": "{{ steps.shape.output.greeting }}!"}},
    ],
}


def test_from_recorded_activity_to_a_finished_run(join: Join) -> None:
    person = join()
    events = list(sample.generate(until=datetime.now(UTC)))
    for start in range(0, len(events), 500):
        answer = person.ok("POST", "/events/batch", json=events[start : start + 500])
        assert answer["rejected"] == []
    job = person.ok("POST", "/patterns/mine", 202)["job_id"]
    eventually(lambda: person.ok("GET", f"/events/jobs/{job}")["status"] == "succeeded", seconds=60)

    assert person.ok("GET", "/patterns")["items"]
    best = max(person.ok("GET", "/suggestions")["items"], key=lambda item: item["confidence"])
    assert best["evidence"]
    assert {"would_have_fired", "matched", "missed", "wrong"} <= set(best["backtest"])

    applied = person.ok("POST", f"/suggestions/{best['id']}/apply", 201)
    again = person.ok("POST", f"/suggestions/{best['id']}/apply", 200)
    assert again == applied
    assert person.ok("GET", f"/workflows/{applied['workflow_id']}")["active"] is False
    rehearsal = eventually(lambda: ended(person, applied["dry_run_id"]), seconds=20)
    assert (rehearsal["status"], rehearsal["dry_run"]) == ("succeeded", True)
    person.ok("POST", f"/workflows/{applied['workflow_id']}/activate")

    example = person.ok("GET", f"/events/{best['evidence'][0]}")
    with person.live("runs") as socket:
        started = eventually(lambda: fire(person, applied["workflow_id"], example), seconds=20, pause=0.5)
        seen = until_ended(socket, started["id"])
    finished = eventually(lambda: ended(person, started["id"]), seconds=20)
    assert finished["status"] == seen == "succeeded", finished
    assert {step["status"] for step in finished["steps"]} <= {"succeeded", "skipped"}
    story = person.ok("GET", f"/events/{best['evidence'][0]}/lineage")
    assert best["pattern_id"] in {item["id"] for item in story["patterns"]}
    told = {run["id"]: run for run in story["runs"]}
    assert {applied["dry_run_id"], started["id"]} <= told.keys()  # firing is repeated until it is heard
    assert {(run["suggestion_id"], run["version"]) for run in told.values()} == {(best["id"], 1)}


def test_an_event_tells_what_came_of_it_and_an_effect_where_it_came_from(join: Join) -> None:
    person = join()
    emit = {
        "id": "tell",
        "type": "emit",
        "with": {"source": "floyo", "type": "echo", "data": {"n": "{{ event.data.n }}"}},
    }
    for name, source, steps in (
        ("First", "outside", [emit]),
        ("Second", "floyo", [{"id": "look", "type": "transform", "with": {"output": "{{ event.data.n }}"}}]),
    ):
        trigger = {"type": "event", "match": {"source": source}}
        person.ok("POST", "/workflows", 201, json={"name": name, "trigger": trigger, "steps": steps})

    def tell() -> list[dict[str, Any]]:
        event = {"source": "outside", "type": "begun", "id": str(uuid4()), "data": {"n": 7}}
        person.ok("POST", "/events", 201, json=event)
        echoes: list[dict[str, Any]] = person.ok("GET", "/events", params={"type": "echo"})["items"]
        return echoes

    echo = eventually(tell, seconds=20, pause=0.5)[-1]
    whole = eventually(lambda: _whole(person, echo["id"]), seconds=20)
    first, second = (whole["runs"][0], whole["runs"][1])
    assert whole["cause"] == first["id"] == echo["extensions"]["floyorun"]
    assert (first["version"], first["effects"]) == (1, [{"step": "tell", "type": "emit", "event_id": echo["id"]}])
    assert (second["cause"]["id"], second["cause"]["run"]) == (echo["id"], first["id"])
    begun = person.ok("GET", f"/events/{first['cause']['id']}/lineage")
    assert begun["cause"] is None
    assert [run["id"] for run in begun["runs"]] == [first["id"], second["id"]]


def _whole(person: Person, event_id: str) -> dict[str, Any] | None:
    found: dict[str, Any] = person.ok("GET", f"/events/{event_id}/lineage")
    return found if len(found["runs"]) == 2 and found["complete"] else None


def fire(person: Person, workflow: str, example: dict[str, Any]) -> dict[str, Any] | None:
    moment = datetime.now(UTC).isoformat()
    event = {name: example[name] for name in ("source", "type", "actor", "subject", "data")}
    person.ok("POST", "/events", 201, json={**event, "id": str(uuid4()), "time": moment})
    runs = person.ok("GET", "/runs", params={"workflow_id": workflow})["items"]
    return next((run for run in runs if not run["dry_run"]), None)


def until_ended(socket: ClientConnection, run: str) -> str:
    """The status that the live socket tells last of a run."""
    while True:
        message = json.loads(socket.recv(timeout=20))
        if message["type"] == "message" and message["data"]["id"] == run and message["data"]["status"] in ENDED:
            return str(message["data"]["status"])


def ended(person: Person, run: str) -> dict[str, Any] | None:
    found: dict[str, Any] = person.ok("GET", f"/runs/{run}")
    return found if found["status"] in ENDED else None


def test_a_manual_run_is_waited_for(join: Join) -> None:
    person = join()
    workflow = person.ok("POST", "/workflows", 201, json=DEFINITION)
    assert workflow["version"] == 1
    person.ok("POST", f"/workflows/{workflow['id']}/activate")
    run = person.ok("POST", f"/workflows/{workflow['id']}/runs?wait=20", 200, json={"input": {"name": "world"}})
    assert run["status"] == "succeeded"
    assert run["output"] == "Hello world!"
    assert [step["id"] for step in run["steps"]] == ["shape", "pause", "long", "end"]


def test_the_same_key_starts_one_run(join: Join) -> None:
    person = join()
    workflow = person.ok("POST", "/workflows", 201, json=DEFINITION)
    person.ok("POST", f"/workflows/{workflow['id']}/activate")
    headers = {"Idempotency-Key": "once"}
    first, second = (
        person.ok("POST", f"/workflows/{workflow['id']}/runs", 202, json={"input": {"name": "a"}}, headers=headers)
        for _ in range(2)
    )
    assert first["id"] == second["id"]
    assert len(person.ok("GET", "/runs")["items"]) == 1


def test_the_same_event_is_recorded_once(join: Join) -> None:
    person = join()
    event = {"source": "ci", "type": "build.failed", "id": "build-7", "data": {"branch": "main"}}
    first = person.ok("POST", "/events", 201, json=event)
    again = person.ok("POST", "/events", 200, json=event)
    assert again == {**first, "duplicate": True}
    assert [item["external_id"] for item in person.ok("GET", "/events")["items"]] == ["build-7"]


def test_an_api_key_outlives_the_session_that_made_it(join: Join) -> None:
    person = join()
    key = person.ok("POST", "/api-keys", 201, json={"name": "ci", "scopes": ["events:write"]})["key"]
    assert key.startswith("floyo_")
    person.ok("POST", "/auth/logout", 204, json={"refresh_token": person.pair["refresh_token"]})
    person.http.headers["Authorization"] = f"Bearer {key}"
    person.ok("POST", "/events", 201, json={"source": "ci", "type": "build.done"})
    assert person.call("GET", "/events").status_code == 403


def test_organisations_cannot_see_each_other(join: Join) -> None:
    owner, stranger = join(), join()
    workflow = owner.ok("POST", "/workflows", 201, json=DEFINITION)
    event = owner.ok("POST", "/events", 201, json={"source": "ci", "type": "build.done"})
    missing = stranger.call("GET", f"/workflows/{uuid4()}").json()
    for path in (f"/workflows/{workflow['id']}", f"/events/{event['id']}"):
        answer = stranger.call("GET", path)
        assert answer.status_code == 404
        assert {**answer.json(), "trace_id": ""} == {**missing, "trace_id": ""}


def test_refreshing_rotates_and_a_replay_ends_the_family(join: Join) -> None:
    person = join()
    first = person.pair["refresh_token"]
    second = person.ok("POST", "/auth/refresh", json={"refresh_token": first})["refresh_token"]
    third = person.ok("POST", "/auth/refresh", json={"refresh_token": second})["refresh_token"]
    replay = person.call("POST", "/auth/refresh", json={"refresh_token": first})
    assert (replay.status_code, replay.json()["type"]) == (401, "urn:floyo:problem:token-reuse")
    assert person.call("POST", "/auth/refresh", json={"refresh_token": third}).status_code == 401


def test_registering_tells_nobody_who_is_known(join: Join) -> None:
    person = join()
    known = person.call("POST", "/auth/register", json={"email": person.email, "password": PASSWORD})
    unknown = person.call("POST", "/auth/register", json={"email": f"{uuid4().hex}@example.com", "password": PASSWORD})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, known.content)


@pytest.mark.parametrize(
    "path", ["/internal/jwks", "/metrics", "/health/detailed", "/api/v1/internal/jwks", "/api/v2/x"]
)
def test_b90_the_inside_is_not_routed(join: Join, gateway: str, path: str) -> None:
    person = join()
    assert person.http.get(f"{gateway}{path}").status_code == 404
