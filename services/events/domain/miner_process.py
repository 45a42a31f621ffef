"""The miner in a process of its own: fed with columns through stdin, asked for patterns, then for proposals.

`python -m services.events.domain.miner_process`; messages are MessagePack with a length of four bytes before each.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from hashlib import sha256
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

import msgspec
import numpy as np

from services.events.domain import packing
from services.events.mining import (
    backtest,
    catalogue,
    condition,
    deadlines,
    inference,
    miner,
    notices,
    proposal,
    redundancy,
    teams,
    tokens,
    zoning,
)
from services.events.mining.activity import Activities
from services.events.mining.backtest import Backtest
from services.events.mining.certainty import wilson
from services.events.mining.options import DEFAULT, Options
from services.events.mining.pattern import HABIT, RULE, SEQUENCE, Pattern
from services.events.mining.symbols import EXACT

T = TypeVar("T")

MAX_RUNS = 50
MAX_EXAMPLES = 20
MAX_OTHERS = 50
MAX_PROPOSALS = 50


class Session:
    """One organisation's history, and what was found in it."""

    def __init__(
        self,
        options: Options = DEFAULT,
        zone: str = "UTC",
        zones: Mapping[str, str] | None = None,
        channel: str | None = None,
    ) -> None:
        self._options, self._channel = options, channel
        self._zone, self._zones = zone, dict(zones or {})
        self._columns: dict[str, list[Any]] = {name: [] for name in ("actors", "sources", "types", "subjects")}
        self._times: list[float] = []
        self._positions: list[int] = []
        self._patterns: list[Pattern] = []
        self._chosen: list[Pattern] = []
        self._subjects: list[str | None] = []
        self._data: list[str | None] = []
        self._ids: list[bytes] = []
        self._log: Activities | None = None

    def add(self, rows: Sequence[Sequence[Any]]) -> None:
        """Takes prepared rows [id, actor, source, type, subject, data, seconds, position, detail]; see `packing`."""
        self._log = None
        for event_id, actor, source, kind, subject, data, seconds, position, detail in rows:
            for name, value in zip(self._columns, (actor, source, kind, detail), strict=True):
                self._columns[name].append(value)
            self._ids.append(event_id)
            self._times.append(seconds)
            self._positions.append(position)
            self._subjects.append(subject)
            self._data.append(data)

    def mine(self) -> dict[str, Any]:
        """{patterns, wanted, events}: what was found, the ids of the rows whose whole events proposals need, and how
        many events there were."""
        self._patterns = miner.survey(self._activities(), self._options)
        missable = deadlines.find(self._activities(), self._patterns, self._options)
        described = [one for one in self._patterns if one.kind != RULE]
        self._chosen = proposal.choose([*described, *missable])[:MAX_PROPOSALS]
        wanted = {row for pattern in self._chosen for run in _examples(pattern) for row in run}
        wanted |= {row for pattern in self._chosen for row in self._others(pattern)}
        found = []
        for pattern in self._patterns:
            cited = [row for run in pattern.evidence[-MAX_RUNS:] for row in run]
            found.append({**_describe(pattern), "evidence": self._name(cited)})
        return {
            "patterns": found,
            "wanted": [(row, self._ids[row]) for row in sorted(wanted)],
            "events": len(self._times),
        }

    def propose(self, events: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
        """A proposal for each chosen pattern whose examples still exist, with its backtest.

        What a proposed workflow can end in a person's place needs no alert.
        """
        if not self._chosen:
            return []
        log = self._activities()
        history = backtest.split(log, self._options)
        safe = inference.without_secrets(events, tokens.secrets(log))
        posts = notices.posts(log)
        answer: list[dict[str, Any]] = []
        ended: list[Pattern] = []
        for pattern in self._chosen:
            examples = [[safe[row] for row in run] for run in _examples(pattern) if all(row in safe for row in run)]
            if not examples:
                continue
            others = [safe[row] for row in self._others(pattern) if row in safe]
            person = teams.person(pattern, log)
            channel = self._channel or notices.channel(posts, pattern.actors)
            made = proposal.propose(pattern, examples, others, zone=self._zone_of(person), channel=channel)
            key = partial(self._value, made.workflow["trigger"].get("key", "event.actor"))
            judged = backtest.replay(history, pattern, self._options, partial(self._meets, made.conditions), key)
            if backtest.is_stale(pattern, judged):
                continue
            ended += [pattern] if pattern.kind == SEQUENCE and made.finishes else []
            answer.append(
                {
                    "key": _key(pattern),
                    "kind": pattern.kind,
                    "person": person,
                    "title": made.title,
                    "reasoning": made.reasoning,
                    "confidence": _certain(pattern, judged, made.confidence),
                    "minutes_per_week": made.minutes_per_week,
                    "score": pattern.score,
                    "workflow": made.workflow,
                    "evidence": self._name(self._shown(pattern, made.conditions)),
                    "backtest": self._report(judged),
                    "details": {
                        "parameters": made.parameters,
                        "conditions": made.claims,
                        "connections": made.connections,
                        "minutes": pattern.details.get("minutes", {}),
                    },
                }
            )
        needless = {_key(rule) for rule in self._chosen if rule.kind == RULE and any(_ends(one, rule) for one in ended)}
        return [item for item in answer if item["key"] not in needless]

    def _report(self, judged: Backtest) -> dict[str, Any]:
        """The back-test as the API shows it, in the same order whenever the input is the same."""
        figures = {name: getattr(judged, name) for name in ("would_have_fired", "matched", "missed", "wrong")}
        examples = {name: [self._name(run) for run in runs] for name, runs in sorted(judged.examples.items())}
        return {**figures, "learned": judged.learned, "examples": examples}

    def _name(self, rows: Iterable[int]) -> list[str]:
        return [str(UUID(bytes=self._ids[row])) for row in rows]

    def _zone_of(self, person: str | None) -> str:
        return self._zones.get(person or "", self._zone)

    def _shown(self, pattern: Pattern, terms: Sequence[condition.Term]) -> list[int]:
        """The rows of the latest runs, those first that the proposed trigger would have begun."""
        runs = sorted(pattern.evidence[-MAX_RUNS:], key=lambda run: not self._meets(terms, run[0]))
        return [row for run in runs for row in run]

    def _meets(self, terms: Sequence[condition.Term], row: int) -> bool:
        return condition.holds(terms, self._event(row))

    def _value(self, path: str, row: int) -> str:
        return str(condition.value(path, self._event(row)))

    def _event(self, row: int) -> dict[str, Any]:
        data = self._data[row]
        return {"subject": self._subjects[row], "actor": self._columns["actors"][row],
                "data": None if data is None else msgspec.json.decode(data)}  # fmt: skip

    def _activities(self) -> Activities:
        if self._log is None:
            times = np.array(self._times, dtype=np.float64)
            zones = [self._zone_of(actor) for actor in self._columns["actors"]]
            self._log = Activities(
                **self._columns,
                times=times,
                positions=np.array(self._positions, dtype=np.int64),
                offsets=zoning.offsets(times, zones),
            )
        return self._log

    def _others(self, pattern: Pattern) -> list[int]:
        """Events like the first step that began no run of the pattern, from all of its time."""
        first = pattern.steps[0]
        begun = {run[0] for run in pattern.evidence}
        columns = self._columns
        like = [
            row
            for row in range(len(self._times))
            if columns["types"][row] == first.type
            and columns["sources"][row] == first.source
            and (first.level != EXACT or columns["subjects"][row] == first.subject)
            and row not in begun
        ]
        return _spread(like, MAX_OTHERS)


def _ends(routine: Pattern, rule: Pattern) -> bool:
    return routine.steps[-1] == rule.steps[-1] and redundancy.contains(routine.steps, rule.steps)


def _examples(pattern: Pattern) -> list[tuple[int, ...]]:
    """Runs from the pattern's whole time, or what all of one day have in common would pass for its condition."""
    return _spread(pattern.evidence, MAX_EXAMPLES)


def _spread(items: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly from first to last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _key(pattern: Pattern) -> bytes:
    """The same for the same routine in every mining, so that its suggestion keeps id and status.

    A habit is one person's; what all else is belongs to the steps.
    """
    whose = list(pattern.actors) if pattern.kind == HABIT else []
    steps = [[step.source, step.type, step.subject, step.level] for step in pattern.steps]
    return sha256(msgspec.json.encode([pattern.kind, steps, *whose])).digest()


def _describe(pattern: Pattern) -> dict[str, Any]:
    steps = [asdict(step) for step in pattern.steps]
    figures = (
        "support", "confidence", "lift", "p_value", "median_gap_seconds", "minutes_per_week", "first_seen", "last_seen",
        "sessions", "days", "certainty", "window",
    )  # fmt: skip
    shown = {name: _finite(getattr(pattern, name)) for name in figures}
    people = [name for name in pattern.actors if name is not None]
    return {
        "key": _key(pattern),
        "kind": pattern.kind,
        "steps": [{name: step[name] for name in ("source", "type", "subject", "level")} for step in steps],
        "figures": {**shown, "actors": len(people), "details": pattern.details},
        "score": pattern.score,
    }


def _certain(pattern: Pattern, judged: Backtest, certainty: float) -> float:
    """A schedule fires on every day of its kind, so a habit is only as certain as its replay was right."""
    if pattern.kind != HABIT or not catalogue.entry(pattern.steps[0]).done:
        return certainty
    return round(min(certainty, wilson(judged.matched, judged.would_have_fired)), 4)


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _messages(stream: BinaryIO) -> Iterator[Any]:
    while head := stream.read(4):
        yield msgspec.msgpack.decode(stream.read(int.from_bytes(head)), strict=False)


def _write(stream: BinaryIO, answer: Any) -> None:
    body = msgspec.msgpack.encode(answer)
    stream.write(len(body).to_bytes(4) + body)
    stream.flush()


def main() -> None:
    """Answers until stdin ends; whatever a library prints goes to stderr."""
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    session = Session()
    for message in _messages(sys.stdin.buffer):
        if message["do"] == "begin":
            options = replace(DEFAULT, least_actors=message["least_actors"])
            session = Session(options, message["zone"], message["zones"], message["alert_channel"])
        elif message["do"] == "pack":
            _write(output, packing.pack(message["body"], message["rows"]))
        elif message["do"] == "load":
            session.add(packing.unpack(message["body"]))
        elif message["do"] == "mine":
            _write(output, session.mine())
        else:
            _write(output, session.propose(message["events"]))


if __name__ == "__main__":
    main()
