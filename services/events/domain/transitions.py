"""The directly-follows graph, and what an actor is likely to do next."""

import asyncio
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.mining.prediction import TABLES, Predictor
from services.events.storage import transitions

MOST_NODES = 500
MOST_EDGES = 2_000
# The latest events that a prediction learns from: of the actor, and as many of everybody.
MOST_LEARNED = 1_000


async def graph(session: AsyncSession, organization_id: UUID) -> dict[str, Any]:
    """{nodes: [{source, type, count}], edges: [{from, to, count, median_gap_seconds}]} of the latest events."""
    nodes = await transitions.nodes(session, organization_id, MOST_NODES)
    edges = await transitions.edges(session, organization_id, MOST_EDGES)
    return {
        "nodes": [{"source": row.source, "type": row.type, "count": row.number} for row in nodes],
        "edges": [
            {
                "from": {"source": row.before_source, "type": row.before_type},
                "to": {"source": row.source, "type": row.type},
                "count": row.number,
                "median_gap_seconds": row.median,
            }
            for row in edges
        ],
    }


async def likely(
    session: AsyncSession, organization_id: UUID, actor: str, limit: int, *, peers: bool
) -> list[dict[str, Any]]:
    """[{source, type, probability}], most likely first: a mixture of contexts, learned from the latest events.

    It reads the actor's own and, with `peers`, everybody's; of whom nothing is known nothing is likely.
    """
    rows = await transitions.latest(session, organization_id, actor, MOST_LEARNED)
    if peers and rows:
        rows = _merged(rows, await transitions.latest(session, organization_id, None, MOST_LEARNED))
    return (await asyncio.to_thread(_predict, rows, actor, peers))[:limit] if rows else []


def _merged(own: list[Any], everybody: list[Any]) -> list[Any]:
    """Both, each event once, oldest first."""
    known = {row.id: row for row in (*own, *everybody)}
    return sorted(known.values(), key=lambda row: (row.time, row.id))


def _predict(rows: list[Any], actor: str, peers: bool) -> list[dict[str, Any]]:
    model = Predictor(TABLES if peers else tuple(table for table in TABLES if not table.peers))
    numbers: dict[tuple[str, str], int] = {}
    for row in rows:
        # Events without an actor are nobody's habit.
        if row.actor is not None:
            model.learn(row.actor, numbers.setdefault((row.source, row.type), len(numbers)))
    names = list(numbers)
    told = model.distribution(actor)
    ranked = sorted(((-chance, *names[number]) for number, chance in told.items()), key=lambda item: item)
    return [{"source": source, "type": kind, "probability": min(-chance, 1.0)} for chance, source, kind in ranked]
