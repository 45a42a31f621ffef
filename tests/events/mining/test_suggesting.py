"""What a suggestion claims: branches, the clock, overdue steps, teams, and confidence that comes true."""

from __future__ import annotations

import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import jmespath
import numpy as np
import pytest

from services.events.mining import backtest, calibration, habits, miner, parameters, teams, timetable, zoning
from services.events.mining.activity import Activities, from_events
from services.events.mining.inference import flatten
from services.events.mining.options import DAY, DEFAULT, HOUR, Options
from services.events.mining.pattern import Pattern
from services.events.mining.proposal import choose, propose
from services.events.mining.symbols import Token
from tests.events.mining import planted

OSLO = ZoneInfo("Europe/Oslo")
Event = dict[str, Any]


def rendered(value: str, event: Event) -> Any:
    return jmespath.search(value[3:-3], {"event": event})


def test_a_branch_is_found_and_renders_as_people_did() -> None:
    chance = random.Random(1)
    data = [{"severity": chance.choice(["high", "low"]), "n": number} for number in range(30)]
    values = ["#alarm" if item["severity"] == "high" else "#quiet" for item in data]
    triggers = [flatten({"data": item}) for item in data]
    found = parameters.infer("data.channel", values, triggers)
    assert found.kind == "branch"
    assert found.runs == tuple(range(30))
    for item, value in zip(data, values, strict=True):
        assert rendered(found.value, {"data": item}) == value
    assert rendered(found.value, {"data": {"severity": "new"}}) is None
    numbers = parameters.infer("data.page", [7 if value == "#alarm" else 0 for value in values], triggers)
    assert {rendered(numbers.value, {"data": item}) for item in data} == {7, 0}


@pytest.mark.parametrize("value", ["it's", "a`b", "x\\y", "{{ input }}", ""])
def test_what_cannot_be_quoted_is_no_branch(value: str) -> None:
    triggers = [flatten({"data": {"kind": kind}}) for kind in ("a", "b")] * 6
    assert parameters.infer("p", [value, "other"] * 6, triggers).kind == "unknown"


def test_every_parameter_cites_events_that_agree() -> None:
    events: list[Event] = []
    for day in range(30):
        level = "high" if day % 3 else "low"
        start = {"source": "ci", "type": "build.failed", "data": {"level": level, "build": 100 + day}}
        told = {"room": "#alarm" if level == "high" else "#quiet", "text": f"Build {100 + day} failed", "icon": "boom"}
        for place, part in enumerate((start, {"source": "chat", "type": "message.posted", "data": told})):
            moment = planted.START + day * DAY + place * 30
            events.append({**part, "id": f"e{day}-{place}", "actor": "ann", "time": moment, "subject": None})
    (pattern,) = (one for one in choose(miner.survey(from_events(events))) if one.kind == "sequence")
    made = propose(pattern, [[events[row] for row in run] for run in pattern.evidence])
    found = {item["path"]: item for item in made.parameters}
    assert {path: item["kind"] for path, item in found.items()} == {
        "data.room": "branch", "data.text": "text", "data.icon": "constant",
    }  # fmt: skip
    by_id = {event["id"]: event for event in events}
    assert all(item["evidence"] and set(item["evidence"]) <= by_id.keys() for item in found.values())
    assert {by_id[name]["type"] for name in found["data.icon"]["evidence"]} == {"message.posted"}
    assert {by_id[name]["type"] for name in found["data.text"]["evidence"]} == {"build.failed", "message.posted"}
    terms = pattern.details["minutes"]
    assert isinstance(terms, dict)
    told = (
        terms["seconds_by_hand"] - terms["seconds_to_confirm"] - terms["share_to_repair"] * terms["seconds_to_repair"]
    )
    assert pattern.minutes_per_week == pytest.approx(terms["runs_per_week"] * told / 60)


def habitual(kind: str, days: int = 60, *, without: frozenset[int] = frozenset(), seed: int = 4) -> list[Event]:
    """Somebody in Oslo does a thing at 09:00 by the clock there, around the change of clocks, among other things."""
    chance = random.Random(seed)
    events = []
    for day in range(days):
        morning = datetime(2026, 3, 2, 9, tzinfo=OSLO) + timedelta(days=day)
        if day not in without:
            moment = morning + timedelta(minutes=chance.uniform(-4, 4))
            events.append({"source": "ops", "type": kind, "time": moment.astimezone(UTC).isoformat()})
        for _ in range(20):
            moment = morning + timedelta(hours=chance.uniform(-1, 8))
            events.append(
                {"source": "desk", "type": f"n{chance.randrange(9)}", "time": moment.astimezone(UTC).isoformat()}
            )
    return [{**event, "actor": "ann"} for event in events]


def in_oslo(events: list[Event]) -> Activities:
    log = from_events(events)
    offsets = zoning.offsets(log.times, ["Europe/Oslo"] * len(log))
    return Activities(log.actors, log.sources, log.types, log.subjects, log.times, log.positions, offsets)


def habit_of(log: Activities, kind: str) -> Pattern:
    return next(one for one in habits.find(log) if one.steps[0].type == kind)


def test_a_habit_keeps_its_hour_when_clocks_change() -> None:
    events = habitual("mail.sent")
    log = in_oslo(events)
    habit = habit_of(log, "mail.sent")
    made = propose(
        habit, [[{**events[row], "id": str(row)} for row in run] for run in habit.evidence], zone="Europe/Oslo"
    )
    trigger = made.workflow["trigger"]
    minute, hour, *rest = trigger["cron"].split()
    assert (trigger["type"], trigger["timezone"], rest) == ("schedule", "Europe/Oslo", ["*", "*", "*"])
    assert abs(int(hour) * 60 + int(minute) - 9 * 60) <= 5
    assert made.title.startswith("Every day at ")
    report = backtest.replay(backtest.split(log), habit)
    assert report.learned
    assert report.matched >= 0.9 * report.would_have_fired >= 15
    assert (report.missed, report.wrong) == (0, report.would_have_fired - report.matched)


def test_offsets_follow_the_zone() -> None:
    times = np.array([datetime(2026, month, 1, tzinfo=UTC).timestamp() for month in (1, 7, 1)])
    found = zoning.offsets(times, ["Europe/Oslo", "Europe/Oslo", "Asia/Kolkata"])
    assert found is not None
    assert found.tolist() == [HOUR, 2 * HOUR, 5.5 * HOUR]
    assert zoning.offsets(times, ["UTC"] * 3) is None


def test_an_overdue_step_is_told_and_nothing_else() -> None:
    """Planted misses: at least 95 of 100 are told, and at most one false alert a week."""
    told = missing = false = 0
    weeks = 0.0
    for seed in range(10):
        chance = random.Random(seed)
        gone = frozenset(chance.sample(range(45, 98, 3), 10))
        events = habitual("backup.ended", 100, without=gone, seed=seed)
        log = in_oslo(events)
        habit = habit_of(log.select(np.flatnonzero(log.times < log.times.min() + 44 * DAY)), "backup.ended")
        made = propose(habit, [[events[row] for row in run] for run in habit.evidence], channel="#ops")
        trigger = made.workflow["trigger"]
        assert trigger["type"] == "absence"
        (chat,) = made.connections
        assert (chat["step"], chat["input"]["channel"]) == (made.workflow["steps"][0]["id"], "#ops")
        assert chat["input"]["text"].startswith(made.workflow["steps"][0]["with"]["output"]["text"])
        assert trigger["match"]["where"] == 'event.actor == "ann"'
        within = timedelta(minutes=int(trigger["within"][2:-1]))
        seen = sorted(datetime.fromisoformat(event["time"]) for event in events if event["type"] == "backup.ended")
        alerts = [one + within for one, after in itertools.pairwise(seen) if after - one > within]
        due = {datetime(2026, 3, 2, 9, tzinfo=OSLO).date() + timedelta(days=day) for day in gone}
        days = [alert.astimezone(OSLO).date() for alert in alerts]
        told += len(due & set(days))
        false += len([day for day in days if day not in due])
        missing, weeks = missing + len(due), weeks + 100 / 7
    assert told >= 0.95 * missing
    assert false <= weeks


def test_a_replayed_alert_counts_silences() -> None:
    events = habitual("backup.ended", without=frozenset({50, 54}))
    log = in_oslo(events)
    habit = habit_of(log, "backup.ended")
    report = backtest.replay(backtest.split(log), habit)
    assert (report.would_have_fired, report.matched, report.wrong) == (2, 2, 0)
    assert timetable.within(habit) == 24 * 60 + 2 * int(str(habit.details["plus_minus_minutes"]))


def shared(people: list[str], runs: int) -> Activities:
    rows, chance = [], random.Random(2)
    for day in range(runs):
        actor = people[day % len(people)]
        rows += [(planted.START + day * DAY + place * 20, actor, kind) for place, kind in enumerate(("open", "sign"))]
        rows += [(planted.START + day * DAY + 4 * HOUR + n * 400, actor, f"n{chance.randrange(30)}") for n in range(12)]
    return planted.columns(rows)


@pytest.mark.parametrize(
    ("people", "runs", "least", "shown"),
    [
        (["a", "b"], 8, 3, False), (["a", "b"], 8, 2, True), (["a", "b", "c"], 9, 3, True), (["a"], 8, 3, True),
        (["a", "b"], 24, 3, True), (["a", "b", "c"], 9, 4, False),
    ],
)  # fmt: skip
def test_a_team_is_of_enough_people(people: list[str], runs: int, least: int, shown: bool) -> None:
    log = shared(people, runs)
    opened = [row for row, kind in enumerate(log.types) if kind == "open"]
    evidence = tuple((row, row + 1) for row in opened)
    steps = (Token("app", "open"), Token("app", "sign"))
    figures = (runs, runs, 2.0, 0.0, tuple(people), runs, runs, 20.0, (20.0,), 1.0, 0.0, 1.0, 60.0)
    pattern = Pattern("sequence", steps, *figures, evidence)
    assert teams.allowed(pattern, log, Options(least_actors=least)) is shown


def test_the_person_is_who_does_it_most() -> None:
    log = shared(["a", "b", "b"], 24)
    pattern = next(one for one in miner.survey(log) if [step.type for step in one.steps] == ["open", "sign"])
    assert teams.person(pattern, log) == "b"
    assert teams.allowed(pattern, log, DEFAULT)


def test_without_decisions_a_claim_is_what_it_was() -> None:
    taught = calibration.fit([])
    assert [taught.confidence(claim / 20) for claim in range(21)] == pytest.approx([claim / 20 for claim in range(21)])


@pytest.mark.parametrize("truth", [lambda claim: claim**2, lambda claim: 0.3, lambda claim: min(1.0, claim + 0.25)])
def test_confidence_comes_true_after_enough_decisions(truth: Any) -> None:
    errors, raw = [], []
    for seed in range(10):
        chance = random.Random(seed)

        def decide(chance: random.Random = chance) -> tuple[float, bool]:
            claim = chance.uniform(0.3, 1.0)
            return claim, chance.random() < truth(claim)

        taught = calibration.fit(decide() for _ in range(400))
        later = [decide() for _ in range(2_000)]
        errors.append(calibration.error([(taught.confidence(claim), kept) for claim, kept in later]))
        raw.append(calibration.error(later))
    assert np.mean(errors) <= 0.1
    assert np.mean(errors) < np.mean(raw)


def test_one_decision_does_not_swing_the_claim() -> None:
    assert calibration.fit([(0.85, False)]).confidence(0.85) == pytest.approx(0.85 * 5 / 6)
    assert calibration.fit([(0.85, True)]).confidence(0.85) == pytest.approx((1 + 0.85 * 5) / 6)
    assert json.dumps(calibration.fit([(1.0, True)]).decided) == json.dumps([0] * 9 + [1])
