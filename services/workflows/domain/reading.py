"""A run as it is read: its rows beside the steps that have none yet."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from services.workflows.domain.plan import Plan

MASK = "•••"
_SECRET = re.compile(r"authorization|passw(or)?d|secret|token|api[-_]?key|cookie|credential", re.IGNORECASE)


def steps(plan: Plan, status: str, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Every step in the order written, those inside others after their own; without a row a step is pending."""
    stored = {row["key"]: row for row in rows}
    shown = [_step(name, node.step.type, stored.pop(name, None)) for name, node in plan.root.nodes.items()]
    shown += [_step(key, row["type"], row) for key, row in sorted(stored.items())]
    if status == "running":
        _mark_running(plan, shown)
    return shown


def _step(key: str, kind: str, row: Mapping[str, Any] | None) -> dict[str, Any]:
    if row is None:
        return {"id": key, "type": kind, "status": "pending", "attempts": 0, "started_at": None, "finished_at": None,
                "input": None, "output": None, "error": None}  # fmt: skip
    names = ("status", "attempts", "started_at", "finished_at", "input", "output", "error")
    shown = {name: row[name] for name in names}
    return {"id": key, "type": kind, **shown, "input": mask(row["input"]), "output": mask(row["output"])}


def mask(value: Any) -> Any:
    """A value in which whatever is named like a secret is hidden; expressions go on seeing what is stored."""
    if isinstance(value, dict):
        return {name: _hide(item) if _SECRET.search(name) else mask(item) for name, item in value.items()}
    return [mask(item) for item in value] if isinstance(value, list) else value


def _hide(value: Any) -> Any:
    return MASK if isinstance(value, str) and value else mask(value)


def _mark_running(plan: Plan, shown: list[dict[str, Any]]) -> None:
    """A worker stores outcomes, not beginnings: a step whose needs have ended is the one it is busy with."""
    ended = {step["id"] for step in shown if step["status"] in {"succeeded", "failed", "skipped"}}
    for step in shown:
        node = plan.root.nodes.get(step["id"])
        if node is not None and step["status"] == "pending" and {*node.needs, *node.choosers} <= ended:
            step["status"] = "running"


def summary(row: Any) -> dict[str, Any]:
    """A run without its steps."""
    fields: Mapping[str, Any] = row if isinstance(row, Mapping) else row._mapping  # noqa: SLF001 - its public name
    return dict(fields)
