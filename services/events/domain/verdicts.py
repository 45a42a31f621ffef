"""What people make of suggestions, and what follows from it: honest confidence, and no more than they can bear."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.events.mining import calibration
from services.events.mining.pattern import RULE, SEQUENCE
from services.events.mining.symbols import Token, alike
from services.events.storage import suggestions, verdicts

APPLIED, DISMISSED, SWITCHED_ON, SWITCHED_OFF = "applied", "dismissed", "switched_on", "switched_off"
TELLING = (APPLIED, DISMISSED, SWITCHED_ON, SWITCHED_OFF)
KEPT = frozenset({APPLIED, SWITCHED_ON})
WEEK = timedelta(days=7)

Steps = Sequence[Mapping[str, Any]]


async def calibrate(
    session: AsyncSession, organization_id: UUID, proposals: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The proposals with the confidence that earlier decisions teach; what the miner claimed stays in `details`."""
    decided = await verdicts.latest(session, organization_id, TELLING)
    taught = calibration.fit((certainty, verdict in KEPT) for certainty, verdict in decided)
    return [
        {
            **item,
            "confidence": round(taught.confidence(item["confidence"]), 4),
            "details": {**item["details"], "kind": item["kind"], "certainty": item["confidence"]},
        }
        for item in proposals
    ]


async def respect(
    session: AsyncSession, organization_id: UUID, proposals: Sequence[dict[str, Any]], steps: Mapping[bytes, Steps]
) -> list[dict[str, Any]]:
    """The proposals without new ones that were dismissed before, under a name of another level; steps: by key."""
    known = await verdicts.known(session, organization_id)
    refused = await verdicts.refused(session, organization_id)
    routines = [(kind, _tokens(told)) for kind, told in refused if kind in {SEQUENCE, RULE}]

    def again(item: dict[str, Any]) -> bool:
        own = _tokens(steps[item["key"]])
        return any(kind == item["kind"] and alike(own, other) for kind, other in routines)

    return [item for item in proposals if item["pattern_id"] in known or not again(item)]


def _tokens(steps: Steps) -> list[Token]:
    return [Token(step["source"], step["type"], step["subject"], step["level"]) for step in steps]


async def ration(
    session: AsyncSession, organization_id: UUID, proposals: Sequence[dict[str, Any]], weekly: int, now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """The proposals to offer, and how many wait: of new ones the best, so many a person in any seven days."""
    known = await verdicts.known(session, organization_id)
    spent = await verdicts.offered(session, organization_id, now - WEEK)
    offered = []
    for item in sorted(proposals, key=lambda item: (-item["score"], item["key"])):
        if item["pattern_id"] not in known:
            if spent.get(item["person"], 0) >= weekly:
                continue
            spent[item["person"]] = spent.get(item["person"], 0) + 1
        offered.append(item)
    return offered, len(proposals) - len(offered)


async def follow(
    session: AsyncSession, organization_id: UUID, workflow_id: UUID, *, active: bool, at: datetime
) -> None:
    """Notes that the workflow of a suggestion was switched on, or off after it had been on."""
    made = await suggestions.of_workflow(session, organization_id, workflow_id)
    if made is None:
        return
    switches = [verdict for verdict in await verdicts.of(session, made.id) if verdict in {SWITCHED_ON, SWITCHED_OFF}]
    before = switches[-1] if switches else SWITCHED_OFF
    verdict = SWITCHED_ON if active else SWITCHED_OFF
    if verdict != before:
        await verdicts.add(session, made, verdict, None, at)
