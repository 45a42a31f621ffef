"""What people do in one service stands in the audit log of another."""

from collections.abc import Callable
from typing import Any

from tests.e2e.person import Person, eventually


def test_acts_on_integrations_reach_the_audit_log(join: Callable[[], Person]) -> None:
    ada = join()
    settings = {"base_url": "https://example.com", "auth": "bearer"}
    body = {"connector": "http", "name": "ci", "settings": settings, "secrets": {"token": "canary-6f1d"}}
    made = ada.ok("POST", "/integrations", 201, json=body)
    ada.ok("PATCH", f"/integrations/{made['id']}", json={"name": "cd"})
    ada.ok("DELETE", f"/integrations/{made['id']}", 204)

    def look() -> list[Any]:
        items = ada.ok("GET", f"/audit-log?target={made['id']}")["items"]
        return items if len(items) == 3 else []

    found = sorted(eventually(look), key=lambda entry: str(entry["at"]))
    assert [entry["action"] for entry in found] == [
        "integration.created",
        "integration.changed",
        "integration.deleted",
    ]
    assert len({entry["actor"] for entry in found}) == 1
    assert found[1]["details"] == {"fields": ["name"], "secrets": []}
    assert "canary-6f1d" not in str(found)
