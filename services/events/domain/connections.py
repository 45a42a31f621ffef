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

    own: connector → integration. Of several connections of a step the first that is there is used. Without one the step
    goes on preparing the content, and the reasoning says so.
    """
    connections = [{**item, "integration": _through(item, own)} for item in suggestion["connections"]]
    actions = {item["step"]: _action(item) for item in reversed(connections) if item["integration"]}
    steps = [actions.get(step["id"], step) for step in suggestion["workflow"]["steps"]]
    lacking = dict.fromkeys(map(_advice, _unconnected(connections)))
    return {
        **suggestion,
        "connections": connections,
        "workflow": {**suggestion["workflow"], "steps": steps},
        "reasoning": " ".join([suggestion["reasoning"], *lacking]),
    }


def missing(suggestion: Mapping[str, Any]) -> list[dict[str, str]]:
    """[{step, connector, detail}] of a bound suggestion: what to connect before it does all that it could."""
    return [
        {"step": ways[0]["step"], "connector": ways[0]["connector"], "detail": f"{_advice(ways)} Then apply it again."}
        for ways in _unconnected(suggestion["connections"])
    ]


def _through(item: Mapping[str, Any], own: Mapping[str, str]) -> str | None:
    return None if item.get("lacks") else own.get(item["connector"])


def _unconnected(connections: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The connections of each step that has several or one, and none of them connected."""
    by_step: dict[str, list[Mapping[str, Any]]] = {}
    for item in connections:
        by_step.setdefault(item["step"], []).append(item)
    return [ways for ways in by_step.values() if not any(way.get("integration") for way in ways)]


def _action(item: Mapping[str, Any]) -> dict[str, Any]:
    using = {name: item[name] for name in ("integration", "action", "input")}
    return {"id": item["step"], "type": "action", "with": using, "timeout": STEP_TIMEOUT}


def _advice(ways: Sequence[Mapping[str, Any]]) -> str:
    apps = " or ".join(f"{way['app']} (with {way['lacks']})" if way.get("lacks") else way["app"] for way in ways)
    connectors, actions = (" or ".join(str(way[name]) for way in ways) for name in ("connector", "action"))
    return (
        f"Connect {apps} first (connector {connectors}): until then {ways[0]['step']} only prepares "
        f"what {actions} would take."
    )
