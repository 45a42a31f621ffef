"""All four kinds from one look, no sequences out of one moment, and replays that ask the trigger's own condition."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import cel
import numpy as np
import pytest

from client.importers import git
from services.events.domain import packing
from services.events.domain.miner_process import Session
from services.events.mining import backtest, condition, miner
from services.events.mining.activity import Activities, from_events
from services.events.mining.condition import Term
from services.events.mining.proposal import choose, propose
from tests.events.mining import planted

DAY = 86400.0


def commit(folder: Path, number: int, files: list[str], when: float) -> None:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
    moment = f"@{int(when)} +0000"
    environment = {
        "GIT_AUTHOR_DATE": moment,
        "GIT_COMMITTER_DATE": moment,
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
    }
    identity = ["-c", "user.name=Ann", "-c", "user.email=ann@example.com"]
    for command in (["add", "-A"], [*identity, "commit", "-qm", f"change {number}"]):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Activities:
    """What the importer makes of a repository: bursts of commits, a parser whose test always changes with it."""
    folder = tmp_path_factory.mktemp("history")
    subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
    random = np.random.default_rng(3)
    for number in range(60):
        files = [f"src/m{random.integers(15)}.py" for _ in range(random.integers(1, 3))]
        files += ["src/parser.py", "tests/test_parser.py"] if number % 4 == 0 else []
        commit(folder, number, files, planted.START + number // 3 * DAY + number % 3 * 240)
    return from_events(git.read(folder))


def test_a_commit_and_its_files_are_no_sequence_but_a_relation(imported: Activities) -> None:
    found = miner.survey(imported)
    assert [one for one in found if one.kind in {"sequence", "rule"}] == []
    subjects = [{step.subject for step in one.steps} for one in found if one.kind == "relation"]
    assert subjects == [{"src/parser.py", "tests/test_parser.py"}]
    (chosen,) = (one for one in choose(found) if one.kind != "habit")
    assert chosen.kind == "relation"
    report = backtest.replay(backtest.split(imported), chosen)
    assert (report.matched, report.wrong, report.missed) == (report.would_have_fired, 0, 0)
    assert report.matched >= 4


def test_steps_between_moments_are_still_seen(imported: Activities) -> None:
    """A push after each commit is a sequence, whatever the number of files."""
    commits = [row for row, kind in enumerate(imported.types) if kind == "commit.created"]
    count = len(imported)
    log = Activities(
        [*imported.actors, *[imported.actors[row] for row in commits]],
        [*imported.sources, *["shell"] * len(commits)],
        [*imported.types, *["pushed"] * len(commits)],
        [*imported.subjects, *[None] * len(commits)],
        np.append(imported.times, imported.times[commits] + 20.0),
        np.arange(count + len(commits), dtype=np.int64),
    )
    sequences = [one for one in miner.survey(log) if one.kind == "sequence"]
    assert all(len({log.times[row] for row in run}) == len(run) for one in sequences for run in one.evidence)
    assert ("commit.created", "pushed") in {tuple(step.type for step in one.steps) for one in sequences}


def everything() -> Activities:
    random = np.random.default_rng(8)
    rows = planted.noise(random, actors=2)
    rows += planted.plant(random, rows, ("order", "invoice", "mail"), 40)
    rows += [(planted.START + day * DAY + 7.5 * 3600, "actor0", "standup") for day in range(30)]
    log = planted.columns(rows)
    files = [
        (planted.START + day * DAY + 5 * 3600, name) for day in range(30) for name in ("a/x.py", "a/y.py")[day % 2 :]
    ]
    files += [(planted.START + day * DAY + 3600 * 4, f"b/z{day % 7}.py") for day in range(30)]
    times = [time for time, _ in files]
    return Activities(
        [*log.actors, *["actor1"] * len(files)],
        [*log.sources, *["git"] * len(files)],
        [*log.types, *["file.changed"] * len(files)],
        [*log.subjects, *[name for _, name in files]],
        np.append(log.times, times),
        np.arange(len(log) + len(files), dtype=np.int64),
    )


def test_one_look_finds_all_kinds_and_the_same_again() -> None:
    found = miner.survey(everything())
    assert {one.kind for one in found} == {"sequence", "rule", "relation", "habit"}
    assert found == miner.survey(everything())
    kinds = [one.kind for one in found]
    assert all(kinds.count(kind) <= most for kind, most in miner.MOST.items())
    assert "standup" in {one.steps[0].type for one in found if one.kind == "habit"}


@pytest.mark.parametrize(
    ("term", "event", "answer"),
    [
        (Term("event.data.branch", condition.PRESENT_AND_EQUALS, "main"), {"data": {"branch": "main"}}, True),
        (Term("event.data.branch", condition.PRESENT_AND_EQUALS, "main"), {"data": {"branch": "dev"}}, False),
        (Term("event.data.branch", condition.PRESENT_AND_EQUALS, "main"), {"data": {}}, False),
        (Term("event.data.n", condition.PRESENT_AND_EQUALS, 1), {"data": {"n": 1.0}}, True),
        (Term("event.data.n", condition.PRESENT_AND_EQUALS, 1), {"data": {"n": 2}}, False),
        (Term("event.data.a.b", condition.PRESENT_AND_EQUALS, True), {"data": {"a": {"b": True}}}, True),
        (Term("event.subject", condition.EQUALS, 'a "b" \u00e9'), {"subject": 'a "b" \u00e9'}, True),
        (Term("event.subject", condition.STARTS, "INV-"), {"subject": "INV-7"}, True),
        (Term("event.subject", condition.STARTS, "INV-"), {"subject": "7"}, False),
    ],
)
def test_terms_say_what_their_cel_says(term: Term, event: dict[str, Any], answer: bool) -> None:
    assert term.holds(event) is answer
    assert cel.evaluate(condition.cel([term]), {"event": event}) is answer


def test_true_is_no_number() -> None:
    assert not Term("event.data.n", condition.PRESENT_AND_EQUALS, 1).holds({"data": {"n": True}})


def builds() -> list[dict[str, Any]]:
    """A failed build on main is always told about, one on another branch never."""
    events = []
    for number in range(90):
        branch = "main" if number % 3 else "dev"
        time = planted.START + number * DAY / 2
        failed = {"source": "ci", "type": "build.failed", "actor": "ann", "time": time, "data": {"branch": branch}}
        other = {"source": "ci", "type": f"noise.{number % 5}", "actor": "ann", "time": time + 5000}
        told = {
            "source": "chat",
            "type": "message.posted",
            "actor": "ann",
            "time": time + 40,
            "data": {"text": "failed"},
        }
        events += [failed, told, other] if branch == "main" else [failed, other]
    return events


def test_a_replay_asks_the_condition_of_the_trigger() -> None:
    events = builds()
    log = from_events(events)
    (pattern,) = choose(miner.survey(log))
    begun = {run[0] for run in pattern.evidence}
    others = [event for row, event in enumerate(events) if event["type"] == "build.failed" and row not in begun]
    made = propose(pattern, [[events[row] for row in run] for run in pattern.evidence], others)
    assert made.workflow["trigger"]["match"]["where"] == condition.cel(made.conditions)
    assert "'main'" in made.workflow["trigger"]["match"]["where"].replace('"', "'")
    history = backtest.split(log)
    blind = backtest.replay(history, pattern)
    asked = backtest.replay(history, pattern, fires=lambda row: condition.holds(made.conditions, events[row]))
    assert (blind.wrong, asked.wrong) == (9, 0)
    assert asked.matched == asked.would_have_fired == blind.matched == 18
    assert asked == backtest.replay(
        backtest.split(log), pattern, fires=lambda row: condition.holds(made.conditions, events[row])
    )


def name(row: int) -> str:
    return str(UUID(int=row))


def packed(rows: Sequence[tuple[Any, ...]]) -> Sequence[packing.Row]:
    """Rows (actor, source, type, subject, data, seconds, number) as the process gets them, in two pieces of a chunk."""
    whole = [(UUID(int=row[-1]).bytes, *row) for row in rows]
    return packing.unpack(packing.pack(packing.pack(None, whole[:20]), whole[20:]))


def test_the_miners_process_replays_with_the_condition_too() -> None:
    events = builds()
    session = Session()
    rows = [
        (e["actor"], e["source"], e["type"], None, json.dumps({**e.get("data", {}), "x": "x" * 5000}), e["time"], place)
        for place, e in enumerate(events)
    ]  # fmt: skip
    session.add(packed(rows))
    found = session.mine()
    wanted = {row: {**events[row], "subject": None, "id": name(row)} for row, _ in found["wanted"]}
    (made,) = session.propose(wanted)
    report = made["backtest"]
    assert [report[figure] for figure in ("would_have_fired", "matched", "missed", "wrong")] == [18, 18, 0, 0]
    assert report["learned"]
    assert len(report["examples"]["matched"]) == backtest.MOST_EXAMPLES
    (claim,) = made["details"]["conditions"]
    assert {events[UUID(name).int]["data"]["branch"] for name in claim["evidence"]} == {"main"}
    assert {events[UUID(name).int]["data"]["branch"] for name in claim["against"]} == {"dev"}
    again = Session()
    order = random.Random(5).sample(rows, len(rows))
    again.add(packed(order[:50]))
    again.add(packed(order[50:]))
    numbers = {bytes_: row for row, bytes_ in again.mine()["wanted"]}
    (second,) = again.propose({row: wanted[UUID(bytes=bytes_).int] for bytes_, row in numbers.items()})
    assert json.dumps(second["backtest"]) == json.dumps(report)
    assert {pattern["kind"] for pattern in found["patterns"]} >= {"sequence", "rule"}
    assert len({pattern["key"] for pattern in found["patterns"]}) == len(found["patterns"])


def test_a_proposal_holds_nothing_that_another_event_names_as_a_secret() -> None:
    named, pasted, told = "correcthorse", "Staple9x", "batteryhorse"
    told_once = [f"mysql --password {named}", "-----BEGIN " + "PRIVATE KEY-----", pasted, "ls -l"]
    rows: list[tuple[Any, ...]] = [
        ("ann", "shell", "command", subject, None, planted.START + place, place)
        for place, subject in enumerate(told_once)
    ]
    for day in range(1, 31):
        data = {"typed": f"as {named}", "line": pasted, "kept": "as usual", "told": told}
        for place, kind in enumerate(("open", "shut")):
            more = {"password": told} if day == 30 and kind == "open" else {}
            time = planted.START + day * DAY + place * 20
            rows.append(("ann", "app", kind, None, json.dumps({**data, **more}), time, len(rows)))
    session = Session()
    session.add(packed(rows))
    wanted = session.mine()["wanted"]
    events = {row: {"id": name(row), "actor": "ann", "data": json.loads(rows[row][4])} for row, _ in wanted}
    made = str(session.propose(events))
    assert "as usual" in made
    assert [secret for secret in (named, pasted, told) if secret in made] == []


def test_what_a_few_days_have_in_common_is_no_condition() -> None:
    """Examples are of all times: the day that the latest were on says nothing."""
    session = Session()
    rows: list[tuple[Any, ...]] = []
    for number in range(120):
        time = planted.START + (number if number < 60 else 60 + number / 60) * DAY / 2
        data = {"day": str(int(time // DAY)), "command": "set x", "sha": f"{number:040x}"}
        kinds = ("open", "shut") if number % 4 else ("open", f"noise{number % 7}")
        rows += [
            ("ann", "app", kind, "set x" if kind == "open" else None, json.dumps(data), time + place * 20, len(rows))
            for place, kind in enumerate(kinds)
        ]
    session.add(packed(rows))
    found = session.mine()
    events = {
        row: {
            "source": "app",
            "type": rows[row][2],
            "actor": "ann",
            "subject": rows[row][3],
            "data": json.loads(rows[row][4]),
        }
        for row, _ in found["wanted"]
    }
    (made,) = session.propose(events)
    assert made["workflow"]["trigger"]["match"].get("where") == 'event.subject == "set x"'
    assert made["backtest"]["would_have_fired"] > 20
    assert rows[UUID(made["evidence"][0]).int][2] == "open"
