"""Rules, relations, habits, next actions, screen routines and the graph find what was planted, and no more."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from services.events.mining import cochange, graph, habits, routines, rules
from services.events.mining.activity import Activities, from_events
from services.events.mining.miner import mine
from services.events.mining.prediction import ROW_CAP, Ipam, Predictor
from services.events.mining.relations import Relations
from tests.bench.mining_store import Store
from tests.events.mining import planted

DAY = 86400.0


def test_a_rule_tells_when_the_next_step_is_due() -> None:
    delays = [10.0, 20.0, 30.0, 40.0] * 5
    rows = [(planted.START + day * DAY, "ann", "a") for day in range(20)]
    rows += [(planted.START + day * DAY + delay, "ann", "b") for day, delay in enumerate(delays)]
    log = planted.columns(rows)
    (rule,) = rules.find(log, mine(log))
    assert rule.kind == "rule"
    assert rule.details["median_seconds"] == 25.0
    assert rule.details["p90_seconds"] == 40.0
    assert rule.details["confidence_within_p90"] == 1.0
    assert sum(rule.details["histogram"]) == 20  # type: ignore[call-overload]


def working_days(random_: np.random.Generator, days: int = 40) -> list[planted.Row]:
    return [
        (planted.START + day * DAY + random_.uniform(8, 18) * 3600, "ann", f"n{random_.integers(12)}")
        for day in range(days)
        for _ in range(20)
    ]


def test_no_habits_in_days_of_no_order() -> None:
    logs = [planted.columns(working_days(np.random.default_rng(seed))) for seed in range(20)]
    assert sum(bool(habits.find(log)) for log in logs) <= 1


@pytest.mark.parametrize(("calendar", "kinds"), [("daily", range(7)), ("weekdays", range(5)), ("friday", (4,))])
def test_planted_habits_are_found(calendar: str, kinds: range | tuple[int, ...]) -> None:
    random_ = np.random.default_rng(8)
    rows = working_days(random_, 70)
    for day in range(70):
        if (planted.START / DAY + day + 3) % 7 in kinds:
            rows.append((planted.START + day * DAY + 9.5 * 3600 + random_.normal(0, 200), "ann", "h"))
    (habit,) = habits.find(planted.columns(rows))
    assert habit.steps[0].type == "h"
    assert habit.details["calendar"] == calendar
    assert abs(int(str(habit.details["minute_of_day"])) - 570) <= 15
    assert habit.confidence >= 0.9


def commits(seed: int) -> Activities:
    random_ = random.Random(seed)
    events = []
    for number in range(300):
        files = {f"src/f{random_.randrange(40)}.py" for _ in range(random_.randint(1, 4))}
        if number % 6 == 0:
            files |= {"src/parser.py", "tests/test_parser.py"}
        events += [
            {"source": "git", "type": "file", "actor": "ann", "subject": name, "time": number * DAY / 2}
            for name in files
        ]
    return from_events(events)


def test_files_that_change_together_are_related_and_others_are_not() -> None:
    found = cochange.find(commits(1))
    assert [{step.subject for step in pattern.steps} for pattern in found] == [
        {"src/parser.py", "tests/test_parser.py"}
    ]
    assert found[0].support == 50
    assert found[0].kind == "relation"


def test_relations_rank_the_partner_first_and_know_similar_names() -> None:
    known = Relations()
    for number in range(30):
        known.learn(["src/parser.py", "docs/parser.md"], "ann", number * DAY)
        known.learn([f"src/other{number % 3}.py", "src/parser.py"], "bob", number * DAY + 7200)
    assert known.rank("src/parser.py", 30 * DAY)[0][0] == "docs/parser.md"
    assert known.rank("tests/test_parser.py", 30 * DAY)[0][0] in {"src/parser.py", "docs/parser.md"}
    known.learn([f"big{number}.txt" for number in range(31)], "ann", 31 * DAY)
    assert known.rank("big1.txt", 31 * DAY, least=0.9) == []


def stream(seed: int) -> list[tuple[str, int]]:
    random_ = random.Random(seed)
    scripts = [[random_.randrange(30) for _ in range(6)] for _ in range(6)]
    result = []
    for _ in range(400):
        actor, script = f"u{random_.randrange(3)}", random_.choice(scripts)
        result += [(actor, action) for action in script if random_.random() < 0.9]
    return result


def hits(model: Predictor | Ipam, actions: list[tuple[str, int]]) -> float:
    found = 0
    for actor, action in actions:
        found += model.predict(actor)[:1] == [action]
        model.learn(actor, action)
    return found / len(actions)


def test_the_mixture_predicts_better_than_the_yardstick() -> None:
    assert hits(Predictor(), stream(1)) >= hits(Ipam(), stream(1)) + 0.06


def test_a_predictors_answers_are_chances_and_its_rows_bounded() -> None:
    model = Predictor()
    model.extend(("ann", number * 7 % 101) for number in range(2000))
    assert sum(model.distribution("ann").values()) == pytest.approx(1.0)
    assert max(len(row) for row in model.rows.values()) <= ROW_CAP
    assert model.predict("stranger")


def recording(seed: int, noise: float) -> tuple[list[int], list[int]]:
    """Actions and the case of each, −1 where the action is noise."""
    random_ = random.Random(seed)
    actions: list[int] = []
    cases: list[int] = []
    for case in range(120):
        for action in [0, 1, 2, 3, 4, 5, 6, 7, 8] if case % 3 else [0, 1, 2, 10, 11, 12, 8]:
            if random_.random() < noise:
                actions.append(random_.randrange(13))
                cases.append(-1)
            actions.append(action)
            cases.append(case)
    return actions, cases


@pytest.mark.parametrize(("noise", "least"), [(0.0, 0.985), (0.07, 0.95)])
def test_runs_of_a_screen_recording_are_told_apart(noise: float, least: float) -> None:
    actions, cases = recording(2, noise)
    found = routines.discover(np.array(actions), np.arange(len(actions), dtype=np.float64))
    assert {(0, 1, 2, 3, 4, 5, 6, 7, 8), (0, 1, 2, 10, 11, 12, 8)} <= {routine.steps for routine in found}
    runs = [set(run) for routine in found for run in routine.runs]
    truth = [{place for place, of in enumerate(cases) if of == case} for case in range(120)]
    scores = [max(len(run & case) / len(run | case) for run in runs) for case in truth]
    assert sum(scores) / len(scores) >= least


def interleaved() -> tuple[list[str], list[str]]:
    """Cases and actions of a stream in which many cases go on at once."""
    random_ = random.Random(4)
    return [f"c{random_.randrange(40)}" for _ in range(3000)], [f"a{random_.randrange(9)}" for _ in range(3000)]


def test_directly_follows_counts_are_those_of_a_loop() -> None:
    cases, actions = interleaved()
    expected: dict[tuple[str, str], int] = {}
    last: dict[str, str] = {}
    for case, action in zip(cases, actions, strict=True):
        if case in last:
            expected[last[case], action] = expected.get((last[case], action), 0) + 1
        last[case] = action
    frame = graph.directly_follows(pl.Series(cases), pl.Series(actions))
    assert {(source, target): count for source, target, count in frame.iter_rows()} == expected
    streamed = graph.Stream()
    for begin in range(0, 3000, 177):
        streamed.add(pl.Series(cases[begin : begin + 177]), pl.Series(actions[begin : begin + 177]))
    assert streamed.edges() == expected


def test_a_stored_stream_goes_on_where_it_was(tmp_path: Path) -> None:
    cases, actions = (pl.Series(column) for column in interleaved())
    whole = graph.Stream()
    whole.add(cases, actions)
    begin = 0
    while begin < len(cases):
        store = Store(str(tmp_path / "state.sqlite"))
        stream, begin = store.load()
        part = slice(begin, begin + 177)
        store.save(stream, *stream.add(cases[part], actions[part]), begin + 177)
        store.close()
    assert stream.edges() == whole.edges()


def test_the_graph_shows_sessions() -> None:
    rows = [
        (planted.START + day * DAY + 30.0 * place, "ann", kind) for day in range(6) for place, kind in enumerate("ab")
    ]
    shown = graph.view(planted.columns(rows))
    assert [(edge.source.type, edge.target.type, edge.count, edge.median_seconds) for edge in shown.edges] == [
        ("a", "b", 6, 30.0)
    ]
    assert {(token.type, count) for token, count in shown.nodes} == {("a", 6), ("b", 6)}
