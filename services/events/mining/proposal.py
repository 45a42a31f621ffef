"""From a pattern and its examples to an automation that can be applied as it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.events.mining import (
    alerts,
    catalogue,
    condition,
    deadlines,
    inference,
    notices,
    parameters,
    slots,
    timetable,
    words,
)
from services.events.mining.condition import Term
from services.events.mining.inference import Flat
from services.events.mining.options import DAY, WEEK
from services.events.mining.pattern import HABIT, RELATION, RULE, SEQUENCE, Pattern
from services.events.mining.redundancy import contains
from services.events.mining.symbols import TYPE, Token

Event = Mapping[str, Any]
LONGEST_NAME = 120
SAME_ROUTINE = 0.7
# A reminder that is wrong more often than right only disturbs.
SURE_RELATION = 0.5
# A parameter or condition cites at most this many events for each thing it claims.
MOST_CITED = 5


@dataclass(frozen=True)
class Proposal:
    """A suggestion as the API shows it; `workflow` is a complete definition, `evidence` the pattern's input indexes.

    parameters: [{step, path, kind, value, evidence}] with kind constant, variable, text, branch or unknown;
    claims: [{path, operator, value, evidence, against}] for each condition; evidence and against are ids of events;
    connections: [{step, app, connector, action, input}] for each step that a connector could do, several where one of
    them is enough; one that `lacks` something cannot yet.
    """

    title: str
    reasoning: str
    confidence: float
    minutes_per_week: float
    workflow: dict[str, Any]
    evidence: tuple[tuple[int, ...], ...]
    left_out: tuple[str, ...] = field(default=())
    conditions: tuple[Term, ...] = field(default=())
    parameters: tuple[dict[str, Any], ...] = field(default=())
    claims: tuple[dict[str, Any], ...] = field(default=())
    connections: tuple[dict[str, Any], ...] = field(default=())

    @property
    def finishes(self) -> bool:
        """Whether a connector could do the last step in a person's place."""
        return any(way["step"] == self.workflow["steps"][-1]["id"] for way in self.connections)


def choose(patterns: Sequence[Pattern]) -> list[Pattern]:
    """The patterns worth proposing, best first, one a routine: sequences that save time, relations that mostly hold,
    habits of steps that belong to neither, and rules with a deadline.
    """
    able = [one for one in patterns if one.score > 0 and _proposable(one)]
    told = {(step.source, step.type) for one in able if one.kind != HABIT for step in one.steps}
    able = [one for one in able if one.kind != HABIT or _is_news(one, told)]
    return [one for one in able if not any(_part_of(one, other) for other in able)]


def _is_news(habit: Pattern, told: set[tuple[str, str]]) -> bool:
    """Whether no other proposal has the habit's step, and a workflow could do it or miss it."""
    step = habit.steps[0]
    useful = catalogue.entry(step).done or timetable.deadline(habit) is not None
    return useful and (step.source, step.type) not in told


def _proposable(one: Pattern) -> bool:
    if one.kind == SEQUENCE:
        return len(one.steps) > 1
    if one.kind == RULE:
        return deadlines.known(one)
    return one.kind == HABIT or (one.kind == RELATION and one.certainty >= SURE_RELATION)


def _part_of(one: Pattern, other: Pattern) -> bool:
    """Whether another proposal covers it; no other tells what is missing, as a rule does."""
    return (
        one.kind != RULE
        and len(other.steps) > len(one.steps)
        and contains(other.steps, one.steps)
        and other.support >= SAME_ROUTINE * one.support
    )


def propose(
    pattern: Pattern,
    examples: Sequence[Sequence[Event]],
    others: Sequence[Event] = (),
    zone: str = "UTC",
    channel: str | None = None,
) -> Proposal:
    """examples: runs of the routine, each the events of its steps in order (one at least), without secrets; others:
    first events that nothing followed, likewise, from which conditions are inferred; zone: by whose clock a habit is
    kept; channel: of a chat, where alerts are told.
    """
    if pattern.kind == RULE:
        return _watch(pattern, examples, others, channel)
    habit = pattern.kind == HABIT
    # Nothing happens before a habit that its step could repeat; what is constant in it is all there is.
    triggers = [{} if habit else inference.flatten(run[0]) for run in examples]
    rest = [inference.flatten(event) for event in others]
    terms = [] if habit else _conditions(pattern, triggers, rest)
    where = condition.cel(terms)
    overdue = timetable.deadline(pattern) if habit and not catalogue.entry(pattern.steps[0]).done else None
    steps, found, connections = _steps(pattern, examples, triggers)
    if overdue:
        steps = [timetable.alert(pattern)]
        lasts = [inference.flatten(run[-1]) for run in examples]
        missing = f"Missing: {words.of(pattern.steps[0])}"
        connections = notices.ways(missing, f"{timetable.overdue(pattern)} The last was at", lasts, channel)
    left_out = [f"{item['step']}: {item['path']}" for item in found if item["kind"] == parameters.UNKNOWN]
    title = _title(pattern)
    definition = {
        "name": title[:LONGEST_NAME],
        "trigger": overdue or (timetable.schedule(pattern, zone) if habit else _trigger(pattern, where)),
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
        parameters=tuple(found),
        claims=tuple(_claim(term, [run[0] for run in examples], others) for term in terms),
        connections=tuple(connections),
    )


def _watch(
    pattern: Pattern, examples: Sequence[Sequence[Event]], others: Sequence[Event], channel: str | None
) -> Proposal:
    """The proposal of a rule: nothing is done, somebody is told when its last step does not come in time."""
    firsts, lasts = ([inference.flatten(run[place]) for run in examples] for place in (0, -1))
    terms = _conditions(pattern, firsts, [inference.flatten(event) for event in others])
    answer = condition.cel([*alerts.whose(pattern), *_about(pattern.steps[-1], lasts)])
    where = condition.cel([*alerts.whose(pattern), *terms])
    told, by = (words.of(pattern.steps[0]), words.of(pattern.steps[-1])), alerts.key(firsts, lasts)
    title = alerts.title(pattern, *told)
    definition = {
        "name": title[:LONGEST_NAME],
        "trigger": alerts.trigger(pattern, where, answer, by),
        "timeout": "PT10M",
        "steps": [alerts.step(pattern, *told)],
    }
    return Proposal(
        title=title,
        reasoning=alerts.explain(pattern, *told, by),
        confidence=round(float(str(pattern.details["alert_confidence"])), 4),
        minutes_per_week=round(pattern.minutes_per_week, 2),
        workflow=definition,
        evidence=pattern.evidence,
        conditions=tuple(terms),
        claims=tuple(_claim(term, [run[0] for run in examples], others) for term in terms),
        connections=tuple(alerts.ways(pattern, told, firsts, channel)),
    )


def _trigger(pattern: Pattern, where: str) -> dict[str, Any]:
    match = {"source": pattern.steps[0].source, "type": pattern.steps[0].type}
    return {"type": "event", "match": {**match, **({"where": where} if where else {})}}


def _claim(term: Term, followed: Sequence[Event], others: Sequence[Event]) -> dict[str, Any]:
    """A condition with events that meet it and were followed, and such as do not and were not."""
    return {
        "path": term.path,
        "operator": term.operator,
        "value": term.value,
        "evidence": _cite(event for event in followed if term.holds(event)),
        "against": _cite(event for event in others if not term.holds(event)),
    }


def _cite(events: Iterable[Event]) -> list[str]:
    """The ids of the first few events."""
    found = (str(event["id"]) for event in events if event.get("id"))
    return list(dict.fromkeys(itertools.islice(found, MOST_CITED)))


def _steps(
    pattern: Pattern, examples: Sequence[Sequence[Event]], triggers: list[Flat]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """The workflow's steps, every parameter that was looked for, with its evidence, and what connectors do of it."""
    steps: list[dict[str, Any]] = []
    told: list[dict[str, Any]] = []
    connections: list[dict[str, Any]] = []
    begin = 0 if pattern.kind == HABIT else 1
    fields = slots.enrich(triggers)
    for place, token in enumerate(pattern.steps[begin:], start=begin):
        name = _identifier(token, {step["id"] for step in steps})
        flats = [inference.flatten(run[place]) for run in examples]
        known: dict[str, Any] = {}
        for path in sorted({path for flat in flats for path in flat if path != "event.actor" and '"' not in path}):
            found = parameters.infer(path.removeprefix("event."), [flat.get(path) for flat in flats], fields)
            if found.value is not None:
                known[found.path] = found.value
            cited = (event for run in found.runs for event in _witnesses(examples[run], place, found.kind))
            shown = {"path": found.path, "kind": found.kind, "value": found.value}
            told.append({"step": name, **shown, "evidence": _cite(cited)})
        step, connection = catalogue.step(token, name, known)
        steps.append(step)
        connections += [connection] if connection else []
    return steps, told, connections


def _witnesses(run: Sequence[Event], place: int, kind: str) -> list[Event]:
    """The event whose value it is, and for what is taken from the first event, that one too."""
    return [run[place]] if kind == parameters.CONSTANT else [run[0], run[place]]


def _identifier(token: Token, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", token.type.lower()).strip("_")[:40] or "step"
    name = name if name[0].isalpha() else f"step_{name}"
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(other for other in numbered if other not in taken)


def _conditions(pattern: Pattern, followed: list[Flat], others: list[Flat]) -> list[Term]:
    """What admits the examples: on the subject, and on data that tells followed events from others."""
    terms = _about(pattern.steps[0], followed)
    if pattern.kind == RELATION:
        return terms
    found = inference.discriminating(followed, others).items()
    return terms + [Term(path, condition.PRESENT_AND_EQUALS, value) for path, value in found]


def _about(token: Token, flats: list[Flat]) -> list[Term]:
    """What a step's subject has in common in all examples."""
    if token.level == TYPE or token.subject is None:
        return []
    subjects = {str(flat.get("event.subject")) for flat in flats if "event.subject" in flat}
    start = re.split(r"[{*]", token.subject)[0]
    if len(subjects) == 1:
        return [Term("event.subject", condition.EQUALS, subjects.pop())]
    common = start and subjects and all(subject.startswith(start) for subject in subjects)
    return [Term("event.subject", condition.STARTS, start)] if common else []


def _title(pattern: Pattern) -> str:
    first, last = pattern.steps[0], pattern.steps[-1]
    if pattern.kind == HABIT and not catalogue.entry(last).done:
        return f"Tell when {words.of(last)} is missing, which is done {timetable.when(pattern)}"
    if pattern.kind == HABIT:
        return f"{timetable.when(pattern).capitalize()}, {words.chore(last)}"
    if pattern.kind == RELATION:
        return f"When {first.subject} changes, think of {last.subject} ({first.source})"
    return f"{words.when(first)}, {words.chores(pattern.steps[1:])}"


def _reasoning(pattern: Pattern, where: str, left_out: Sequence[str]) -> str:
    days = max(1, round((pattern.last_seen - pattern.first_seen) / DAY))
    chance = pattern.support / pattern.lift if pattern.lift else 0.0
    people = len([actor for actor in pattern.actors if actor is not None])
    if pattern.kind == HABIT:
        return timetable.explain(pattern, words.of(pattern.steps[0]), left_out)
    who = f"by {people} {'person' if people == 1 else 'people'} " if people else ""
    certain = f"in {pattern.confidence:.0%} of the cases (with 95 % certainty in at least {pattern.certainty:.0%})"
    if pattern.kind == RELATION:
        first, last = (step.subject for step in pattern.steps)
        seen = f"{first} and {last} changed together {pattern.support} times, {who}on {pattern.days} of {days} days."
        followed = f"Where the first changed the second did {certain}; chance alone would give about {chance:.0f}."
    else:
        route = ", then ".join(words.of(step) for step in pattern.steps)
        seen = f"{route}: seen {pattern.support} times {who}on {pattern.days} of {days} days."
        usual = f"usually {words.span(pattern.median_gap_seconds)} a step"
        followed = f"The last step followed {certain}, {usual}; chance alone would give about {chance:.0f}."
    parts = [seen, followed, f"Estimate: {words.minutes(pattern.minutes_per_week)} a week, at {_per_week(pattern)}."]
    if where:
        parts.append(f"It runs only where {where}.")
    if left_out:
        parts.append(f"Left out, as it changes each time in no visible way: {', '.join(left_out)}.")
    return " ".join(parts)


def _per_week(pattern: Pattern) -> str:
    weeks = max((pattern.last_seen - pattern.first_seen) / WEEK, 1.0)
    return f"{pattern.support / weeks:.1f} runs"
