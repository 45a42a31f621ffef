"""What comes first: suggestions whose first step a person is likely to take next."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.domain import transitions

# A first step that comes next once in so many times doubles its suggestion's rank.
DOUBLED_AT = 20
MOST_LIKELY = 20
Chances = Mapping[tuple[str, str], float]


async def chances(session: AsyncSession, organization_id: UUID, actor: str, *, peers: bool) -> Chances:
    """How likely each (source, type) is what the actor does next; the likeliest only."""
    likely = await transitions.likely(session, organization_id, actor, MOST_LIKELY, peers=peers)
    return {(item["source"], item["type"]): item["probability"] for item in likely}


def factors(likely: Chances) -> dict[tuple[str, str], float]:
    """By how much each first step raises the rank of its suggestion; 1 for all others."""
    return {step: 1.0 + DOUBLED_AT * chance for step, chance in likely.items()}


def explain(shown: Mapping[str, Any], actor: str, likely: Chances) -> dict[str, Any]:
    """The rendered suggestion, with a sentence where its rank was raised."""
    begins = first(shown["workflow"])
    chance = likely.get(begins)
    if chance is None:
        return dict(shown)
    source, kind = begins
    told = f"Ranked higher, since {kind} in {source} is what {actor} is likely to do next ({chance:.0%})."
    return {**shown, "reasoning": f"{shown['reasoning']} {told}"}


def first(workflow: Mapping[str, Any]) -> tuple[str, str]:
    """The (source, type) of what the workflow waits for first; empty texts where the clock starts it."""
    trigger = workflow["trigger"]
    match = trigger.get("after") or trigger.get("match") or {}
    return str(match.get("source") or ""), str(match.get("type") or "")
