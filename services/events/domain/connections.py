"""Steps of suggestions that connectors can do: through the organisation's own integrations, or told what to connect."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from services.events.clients import integrations
from shared import errors, log
from shared.service import Service

STEP_TIMEOUT = "PT30S"
_log = log.get(__name__)


async def name(service: Service, organization_id: UUID, shown: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rendered suggestions with the organisation's integrations; as the miner drafted them while nobody can say."""
    if not any(item["connections"] for item in shown):
        return list(shown)
    try:
        own = await integrations.connected(service.siblings, organization_id)
    except errors.Unavailable as problem:
        _log.warning("integrations-not-asked", problem=problem.slug)
        return list(shown)
    return [bind(item, own) for item in shown]


def bind(suggestion: Mapping[str, Any], own: Mapping[str, str]) -> dict[str, Any]:
    """A suggestion whose steps are actions of the organisation's own integrations.

    own: connector → integration. Without one the step goes on preparing the content, and the reasoning says so.
    """
    connections = [{**item, "integration": own.get(item["connector"])} for item in suggestion["connections"]]
    actions = {item["step"]: _action(item) for item in connections if item["integration"]}
    steps = [actions.get(step["id"], step) for step in suggestion["workflow"]["steps"]]
    lacking = dict.fromkeys(_advice(item) for item in connections if not item["integration"])
    return {
        **suggestion,
        "connections": connections,
        "workflow": {**suggestion["workflow"], "steps": steps},
        "reasoning": " ".join([suggestion["reasoning"], *lacking]),
    }


def missing(suggestion: Mapping[str, Any]) -> list[dict[str, str]]:
    """[{step, connector, detail}] of a bound suggestion: what to connect before it does all that it could."""
    return [
        {"step": item["step"], "connector": item["connector"], "detail": f"{_advice(item)} Then apply it again."}
        for item in suggestion["connections"]
        if not item.get("integration")
    ]


def _action(item: Mapping[str, Any]) -> dict[str, Any]:
    using = {name: item[name] for name in ("integration", "action", "input")}
    return {"id": item["step"], "type": "action", "with": using, "timeout": STEP_TIMEOUT}


def _advice(item: Mapping[str, Any]) -> str:
    return (
        f"Connect {item['app']} first (connector {item['connector']}): until then {item['step']} only prepares "
        f"what {item['action']} would take."
    )
