"""Where steps stand: the run's own list, and the branches at work inside foreach and parallel. No I/O at all."""

from collections.abc import Iterator, Mapping
from typing import Any

from services.workflows.domain.plan import Node, Plan
from services.workflows.domain.rows import ENDED, Place, Row

Rows = Mapping[str, Row]


def every(plan: Plan, rows: Rows) -> Iterator[Place]:
    """Every list of steps that is at work."""
    pending = [Place("", plan.root, {})]
    while pending:
        place = pending.pop()
        yield place
        for node in place.scope.nodes.values() if place.scope.nests else ():
            row = rows.get(place.prefix + node.id)
            if node.scopes and row is not None and row.status == "waiting" and row.state:
                pending.extend(branches(rows, place, node, row))


def branches(rows: Rows, place: Place, node: Node, row: Row) -> list[Place]:
    """The branches of a step at work: as many as may go at a time, in order."""
    opened = []
    for inside in inner(place, node, row):
        if ended(rows, inside) is None:
            opened.append(inside)
        if len(opened) >= row.state["limit"]:
            break
    return opened


def inner(place: Place, node: Node, row: Row) -> Iterator[Place]:
    """Every branch of a step, in order."""
    for index, branch in enumerate(row.state["branches"]):
        names = {**place.names, **branch["names"]}
        yield Place(f"{row.key}[{index}].", node.scopes[branch["scope"]], names, place)


def ended(rows: Rows, place: Place) -> str | None:
    """How a list of steps has ended: `failed` or `succeeded`; None while it has not."""
    found = [rows.get(place.prefix + name) for name in place.scope.nodes]
    if any(row is not None and row.status == "failed" and not lets_pass(row, place) for row in found):
        return "failed"
    return "succeeded" if all(row is not None and row.status in ENDED for row in found) else None


def lets_pass(row: Row, place: Place) -> bool:
    """Whether what comes after a step may go."""
    if row.status == "failed":
        return place.scope.nodes[row.step_id].definition.on_error != "fail"
    return row.status in ENDED


def reason(rows: Rows, place: Place) -> tuple[str, str]:
    """Why a list of steps has failed: type and detail."""
    for name in place.scope.nodes:
        row = rows.get(place.prefix + name)
        if row is not None and row.status == "failed" and not lets_pass(row, place):
            error: dict[str, Any] = row.error or {}
            return str(error.get("type")), f"{row.key}: {error.get('detail')}"
    return "failed", place.prefix


def between(place: Place, name: str, target: str) -> list[str]:
    """The steps that a jump from one to a later one leaves out: those before the target that come of the first."""
    names = list(place.scope.nodes)
    left: set[str] = {name}
    for other in names[names.index(name) + 1 : names.index(target)]:
        node = place.scope.nodes[other]
        if left & {*node.needs, *node.choosers, *node.catches}:
            left.add(other)
    return [other for other in names if other in left and other != name]
