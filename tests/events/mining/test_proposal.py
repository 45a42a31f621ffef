"""Proposals are complete, valid, explained, and repeat what people did with the right values."""

from __future__ import annotations

import json
import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import cel
import jmespath
import pytest

from infra.local import sample
from services.events.mining import backtest
from services.events.mining.activity import from_events
from services.events.mining.inference import flatten, parameter, without_secrets
from services.events.mining.miner import mine
from services.events.mining.pattern import Pattern
from services.events.mining.proposal import Proposal, choose, propose
from services.events.mining.symbols import Token

UNTIL = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
Event = dict[str, Any]


def proposals(events: list[Event]) -> list[tuple[Pattern, Proposal]]:
    result = []
    for pattern in choose(mine(from_events(events))):
        first, led = pattern.steps[0], {rows[0] for rows in pattern.evidence}
        others = [
            event
            for row, event in enumerate(events)
            if (event["source"], event["type"]) == (first.source, first.type) and row not in led
        ]
        runs = [[events[row] for row in rows] for rows in pattern.evidence]
        result.append((pattern, propose(pattern, runs, others)))
    return result


def rendered(value: Any, event: Event) -> Any:
    """What the engine makes of a parameter."""
    if isinstance(value, dict):
        return {key: rendered(item, event) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    scope = {"event": event}
    whole = re.fullmatch(r"\{\{(.*?)\}\}", value)
    if whole:
        return jmespath.search(whole[1].strip(), scope)
    return re.sub(r"\{\{(.*?)\}\}", lambda match: str(jmespath.search(match[1].strip(), scope)), value)


def check_definition(definition: dict[str, Any]) -> None:
    assert definition["name"]
    assert definition["trigger"]["type"] == "event"
    assert set(definition["trigger"]["match"]) <= {"source", "type", "where"}
    identifiers = [step["id"] for step in definition["steps"]]
    assert identifiers
    assert len(set(identifiers)) == len(identifiers)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in identifiers)
    assert {step["type"] for step in definition["steps"]} <= {"transform", "condition", "delay", "http", "action"}
    for expression in re.findall(r"\{\{(.*?)\}\}", json.dumps(definition)):
        jmespath.compile(expression.replace('\\"', '"').strip())


def admits(definition: dict[str, Any], event: Event) -> bool:
    where = definition["trigger"]["match"].get("where")
    return where is None or bool(cel.evaluate(where, {"event": event}))


def test_the_sample_is_the_same_again_and_small_enough() -> None:
    events = sample.generate(UNTIL)
    assert events == sample.generate(UNTIL)
    assert events != sample.generate(UNTIL, seed=1)
    assert 1000 <= len(events) <= 2000
    assert UNTIL - timedelta(days=4) < datetime.fromisoformat(events[-1]["time"]) < UNTIL
    assert len({event["id"] for event in events}) == len(events)
    assert {type(event["data"]) for event in events} == {dict}


@pytest.mark.parametrize("days", range(0, 28, 3))
def test_the_samples_routines_are_found_whenever_it_ends(days: int) -> None:
    events = sample.generate(UNTIL + timedelta(days=days, hours=5 * days))
    steps = [tuple(step.type for step in pattern.steps) for pattern, _ in proposals(events)]
    assert steps[0] == ("build.failed", "page.viewed", "message.posted")
    assert ("export.created", "file.opened", "message.sent") in steps
    assert ("tag.created", "file.saved", "message.posted") in steps
    assert len(steps) <= 6


def test_the_best_proposal_repeats_what_people_did() -> None:
    events = sample.generate(UNTIL)
    pattern, best = proposals(events)[0]
    check_definition(best.workflow)
    for rows in pattern.evidence:
        first, *others = (events[row] for row in rows)
        assert admits(best.workflow, first)
        for step, event in zip(best.workflow["steps"], others, strict=True):
            output = rendered(step["with"]["output"], first)
            assert {key: output[key] for key in ("source", "type", "subject")} == {
                key: event[key] for key in ("source", "type", "subject")
            }
            assert output["data"] == event["data"]
    side = [event for event in events if event["type"] == "build.failed" and event["data"]["branch"] != "main"]
    assert side
    assert not any(admits(best.workflow, event) for event in side)


def test_every_proposal_is_complete() -> None:
    for pattern, proposal in proposals(sample.generate(UNTIL)):
        check_definition(proposal.workflow)
        assert str(pattern.support) in proposal.reasoning
        assert 0 < proposal.confidence <= pattern.confidence
        assert proposal.minutes_per_week > 0
        assert proposal.evidence == pattern.evidence


def test_a_connector_could_do_the_last_step() -> None:
    events = sample.generate(UNTIL)
    pattern = choose(mine(from_events(events)))[0]
    made = propose(pattern, [[events[row] for row in rows] for rows in pattern.evidence])
    (told,) = made.connections
    assert told == {
        "step": made.workflow["steps"][-1]["id"],
        "app": "Slack",
        "connector": "slack",
        "action": "post_message",
        "input": {"channel": "#team-shop", "text": "Build {{ event.data.build }} failed on main"},
    }


def test_slots_are_right_on_planted_templates() -> None:
    chance = random.Random(3)
    right = total = 0
    shapes: list[tuple[str, Any]] = [
        ("order {a} for {b}", "order {{{{ event.data.a }}}} for {{{{ event.data.b }}}}"),
        ("{a}", "{{{{ event.data.a }}}}"),
        ("see https://x.example/{c}/edit", "see https://x.example/{{{{ event.data.inner.c }}}}/edit"),
        ("always the same", "always the same"),
        ("{s}: done", "{{{{ event.subject }}}}: done"),
        ("{r}", None),
    ]
    for _ in range(20):
        triggers, texts = [], []
        for _ in range(12):
            values = {name: f"{name}{chance.randint(100, 99999)}" for name in "abcsr"}
            data = {"a": values["a"], "b": values["b"], "inner": {"c": values["c"]}}
            triggers.append(flatten({"subject": values["s"], "data": data}))
            texts.append(values)
        for shape, expected in shapes:
            found = parameter([shape.format(**values) for values in texts], triggers)
            right += found == (expected and expected.format())
            total += 1
    assert right / total >= 0.95


def test_numbers_keep_their_type_and_secrets_stay_out() -> None:
    events = {count: {"data": {"count": count, "password": "hunter22"}} for count in range(10, 20)}
    triggers = [flatten(event) for event in without_secrets(events, set()).values()]
    assert parameter(list(range(10, 20)), triggers) == "{{ event.data.count }}"
    assert parameter([3] * 10, triggers) == 3
    assert not any("hunter22" in str(flat) for flat in triggers)
    assert parameter(["{secret}"] * 10, triggers) is None


def pattern_of(*types: str) -> Pattern:
    steps = tuple(Token("app", kind) for kind in types)
    return Pattern("sequence", steps, 5, 5, 2.0, 0.0, ("ann",), 5, 5, 10.0, (10.0,), 1.0, 0.0, 1.0, 60.0, ())


def test_backtest_counts_equal_the_ground_truth() -> None:
    rows: list[tuple[float, str]] = []
    for day in range(70):
        rows += [(day * 86400.0 + place * 20, kind) for place, kind in enumerate("abc")]
    for day, kinds in enumerate(["abc"] * 12 + ["axy"] * 5 + ["bc"] * 4 + ["xy"] * 9, start=70):
        rows += [(day * 86400.0 + place * 20, kind) for place, kind in enumerate(kinds)]
    log = from_events([{"source": "app", "type": kind, "actor": "ann", "time": time} for time, kind in rows])
    history = backtest.split(log)
    report = backtest.replay(history, pattern_of("a", "b", "c"))
    assert (report.would_have_fired, report.matched, report.missed, report.wrong) == (17, 12, 4, 5)
    assert report.learned
    assert report == backtest.replay(backtest.split(log), pattern_of("a", "b", "c"))
    assert report.examples["matched"][0] == tuple(range(210, 213))
    assert not backtest.replay(history, pattern_of("x", "y")).learned
