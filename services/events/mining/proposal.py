"""From a pattern and its examples to an automation that can be applied as it is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.events.mining import catalogue, condition, inference
from services.events.mining.condition import Term
from services.events.mining.options import DAY, WEEK
from services.events.mining.pattern import RELATION, SEQUENCE, Pattern
from services.events.mining.redundancy import contains
from services.events.mining.tokens import TYPE, Token

Event = Mapping[str, Any]
LONGEST_NAME = 120
SAME_ROUTINE = 0.7
# A reminder that is wrong more often than right only disturbs.
SURE_RELATION = 0.5


@dataclass(frozen=True)
class Proposal:
    """A suggestion as the API shows it; `workflow` is a complete definition, `evidence` the pattern's input indexes."""

    title: str
    reasoning: str
    confidence: float
    minutes_per_week: float
    workflow: dict[str, Any]
    evidence: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...] = field(default=())
    conditions: tuple[Term, ...] = field(default=())


def choose(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The patterns worth proposing, best first: one a routine, with at least two steps and time to save.

    Relations are proposed where they mostly hold; rules and habits only describe.
    """
    able = [one for one in patterns if _proposable(one) and len(one.steps) > 1 and one.score > 0]
    return [one for one in able if not any(_part_of(one, other) for other in able)]


def _proposable(one: Pattern) -> bool:
    return one.kind == SEQUENCE or (one.kind == RELATION and one.certainty >= SURE_RELATION)


def _part_of(one: Pattern, other: Pattern) -> bool:
    return (
        len(other.steps) > len(one.steps)
        and contains(other.steps, one.steps)
        and other.support >= SAME_ROUTINE * one.support
    )


def propose(
    pattern: Pattern,
    examples: Sequence[Sequence[Event]],
    others: Sequence[Event] = (),
    integrations: Mapping[str, str] | None = None,
) -> Proposal:
    """examples: runs of the routine, each the events of its steps in order (one at least); others: first events that
    nothing followed, from which conditions are inferred; integrations: connector → integration to use for its actions.
    """
    triggers = [inference.flatten(run[0]) for run in examples]
    terms = _conditions(pattern, triggers, [inference.flatten(event) for event in others])
    where = condition.cel(terms)
    steps, left_out = _steps(pattern, examples, triggers, dict(integrations or {}))
    title = _title(pattern)
    match = {"source": pattern.steps[0].source, "type": pattern.steps[0].type}
    definition = {
        "name": title[:LONGEST_NAME],
        "trigger": {"type": "event", "match": {**match, **({"where": where} if where else {})}},
        "timeout": "PT10M",
        "steps": steps,
    }
    return Proposal(
        title=title,
        reasoning=_reasoning(pattern, where, left_out),
        confidence=round(pattern.certainty, 4),
        minutes_per_week=round(pattern.minutes_per_week, 2),
        workflow=definition,
        evidence=pattern.evidence,
        left_out=tuple(left_out),
        conditions=tuple(terms),
    )


def _steps(
    pattern: Pattern, examples: Sequence[Sequence[Event]], triggers: list[inference.Flat], integrations: dict[str, str]
) -> tuple[list[dict[str, Any]], list[str]]:
    steps: list[dict[str, Any]] = []
    left_out: list[str] = []
    for place, token in enumerate(pattern.steps[1:], start=1):
        name = _identifier(token, {step["id"] for step in steps})
        flats = [inference.flatten(run[place]) for run in examples]
        parameters: dict[str, Any] = {}
        for path in sorted({path for flat in flats for path in flat if path != "event.actor" and '"' not in path}):
            value = inference.parameter([flat.get(path) for flat in flats], triggers)
            parameters[path.removeprefix("event.")] = value
            if value is None:
                left_out.append(f"{name}: {path.removeprefix('event.')}")
        known = {path: value for path, value in parameters.items() if value is not None}
        steps.append(catalogue.step(token, name, known, integrations))
    return steps, left_out


def _identifier(token: Token, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", token.type.lower()).strip("_")[:40] or "step"
    name = name if name[0].isalpha() else f"step_{name}"
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _conditions(pattern: Pattern, followed: list[inference.Flat], others: list[inference.Flat]) -> list[Term]:
    """What admits the examples: on the subject, and on data that tells followed events from others."""
    terms, token = [], pattern.steps[0]
    if token.level != TYPE and token.subject is not None:
        subjects = {str(flat.get("event.subject")) for flat in followed if "event.subject" in flat}
        start = re.split(r"[{*]", token.subject)[0]
        if len(subjects) == 1:
            terms.append(Term("event.subject", condition.EQUALS, subjects.pop()))
        elif start and all(subject.startswith(start) for subject in subjects) and subjects:
            terms.append(Term("event.subject", condition.STARTS, start))
    if pattern.kind == RELATION:
        return terms
    found = inference.discriminating(followed, others).items()
    return terms + [Term(path, condition.PRESENT_AND_EQUALS, value) for path, value in found]


def _words(token: Token) -> str:
    name = re.sub(r"[^\w]+|_", " ", token.type).strip()
    return f"{name} in {token.source}" + (f" ({token.subject})" if token.subject else "")


def _title(pattern: Pattern) -> str:
    first, last = pattern.steps[0], pattern.steps[-1]
    if pattern.kind == RELATION:
        return f"When {first.subject} changes, think of {last.subject} ({first.source})"
    subject = f" {last.subject}" if last.subject and "{" not in last.subject else ""
    does = catalogue.entry(last).does
    name = re.sub(r"[^\w]+|_", " ", first.type).strip()
    return f"When {name} in {first.source}, {does}{f' for{subject}' if subject else ''} ({last.source})"


def _reasoning(pattern: Pattern, where: str, left_out: Sequence[str]) -> str:
    days = max(1, round((pattern.last_seen - pattern.first_seen) / DAY))
    chance = pattern.support / pattern.lift if pattern.lift else 0.0
    people = len([actor for actor in pattern.actors if actor is not None])
    related = pattern.kind == RELATION
    route = (", together with " if related else ", then ").join(_words(step) for step in pattern.steps)
    who = f"by {people} {'person' if people == 1 else 'people'} " if people else ""
    certain = f"in {pattern.confidence:.0%} of the cases (with 95 % certainty in at least {pattern.certainty:.0%})"
    usual = "at the same time" if related else f"usually {_duration(pattern.median_gap_seconds)} a step"
    parts = [
        f"{route}: seen {pattern.support} times {who}on {pattern.days} of {days} days.",
        f"The last step followed {certain}, {usual}; chance alone would give about {chance:.0f}.",
        f"Estimate: {pattern.minutes_per_week:.1f} minutes a week, at {_per_week(pattern)}.",
    ]
    if where:
        parts.append(f"It runs only where {where}.")
    if left_out:
        parts.append(f"Left out, as it changes each time in no visible way: {', '.join(left_out)}.")
    return " ".join(parts)


def _per_week(pattern: Pattern) -> str:
    weeks = max((pattern.last_seen - pattern.first_seen) / WEEK, 1.0)
    return f"{pattern.support / weeks:.1f} runs"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 90 else f"{seconds / 60:.0f} minutes"
