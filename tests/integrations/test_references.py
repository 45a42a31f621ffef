"""What workflows name is judged by the connector's own model, without a secret and without a connection."""

from typing import Any

from shared import ids
from tests.integrations.conftest import Ask, Enter, Person

PATH = "/internal/references"


def reference(integration: str, action: str = "request", **given: Any) -> dict[str, Any]:
    return {"integration": integration, "action": action, "input": given}


async def faults(ask: Ask, person: Person, *references: dict[str, Any]) -> list[tuple[int, str, list[Any], str]]:
    """(index, field, path, kind) of each fault."""
    answer = await ask(PATH, {"organization_id": str(person.organization_id), "references": list(references)})
    assert answer.status_code == 200, answer.text
    return [(item["index"], item["field"], item["path"], item["kind"]) for item in answer.json()["faults"]]


async def test_what_is_there_and_fits_has_no_fault(ask: Ask, admin: Person) -> None:
    made = await admin.create("http", {"base_url": "https://api.example.com"}, {}, name="ci")
    assert await faults(ask, admin, reference("ci", path="/x"), reference(made["id"], path="/y")) == []
    assert await faults(ask, admin) == []


async def test_each_fault_names_its_place(ask: Ask, admin: Person) -> None:
    await admin.create("http", {"base_url": "https://api.example.com"}, {}, name="ci")
    found = await faults(
        ask, admin, reference("ci"), reference("cd"), reference("ci", "launch"), reference("ci", colour="red", path=5)
    )
    assert found[:2] == [(1, "integration", [], ""), (2, "action", [], "")]
    assert {(index, field, *path) for index, field, path, _ in found[2:]} == {
        (3, "input", "colour"), (3, "input", "path"),
    }  # fmt: skip
    assert (3, "input", ["colour"], "extra_forbidden") in found


async def test_b54_anothers_integrations_are_not_there(ask: Ask, admin: Person, enter: Enter) -> None:
    made = await admin.create("http", {"base_url": "https://api.example.com"}, {}, name="ci")
    stranger = await enter("owner")
    found = await faults(ask, stranger, reference("ci"), reference(made["id"]))
    assert [(index, field) for index, field, _, _ in found] == [(0, "integration"), (1, "integration")]


async def test_b96_only_workflows_ask(ask: Ask) -> None:
    answer = await ask(PATH, {"organization_id": str(ids.new()), "references": []}, caller="events")
    assert answer.status_code == 403
