"""The directly-follows graph, and what an actor is likely to do next."""

from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.storage import transitions

MOST_NODES = 500
MOST_EDGES = 2_000
# An actor's own habit counts as much as this many observations of all actors together.
PEERS_WEIGHT = 2.0


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
    """[{source, type, probability}] after the actor's latest event, most likely first: own habit, backed by peers'.

    Without `peers` an actor who never did anything after such an event has no likely next action.
    """
    last = await transitions.last_of(session, organization_id, actor)
    if last is None:
        return []
    rows = await transitions.followers(session, organization_id, actor, last)
    own = sum(row.own for row in rows)
    everybody = sum(row.everybody for row in rows)
    weight = PEERS_WEIGHT if peers else 0.0
    chances = [
        {
            "source": row.source,
            "type": row.type,
            "probability": (row.own + weight * row.everybody / everybody) / (own + weight),
        }
        for row in rows
        if peers or row.own
    ]
    return sorted(chances, key=lambda item: (-item["probability"], item["source"], item["type"]))[:limit]
