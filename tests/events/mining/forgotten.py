"""A seeded generator of work in which one step usually follows another, and is sometimes forgotten; written apart from
the miner and from the engine, with a plain reading of what an alert does."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cel

START = 1_767_571_200.0  # a Monday
DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
WEEKS, TAUGHT = 12, 8
PEOPLE = ("ada", "björn", "chiara")
Event = dict[str, Any]

# First and last step, the usual minutes between, and whether both name the same thing.
ROUTINES = (
    (("ci", "release.deployed"), ("dash", "figures.checked"), 4.0, False),
    (("shop", "order.received"), ("erp", "stock.reserved"), 12.0, True),
    (("door", "alarm.disarmed"), ("desk", "lamp.lit"), 1.0, False),
)
NOISE = tuple(("app", f"n{number}") for number in range(25))


@dataclass
class Diary:
    """Events oldest first, and the numbers of those first steps that were forgotten."""

    events: list[Event]
    forgotten: set[int]

    def split(self) -> tuple[list[Event], list[Event]]:
        """What was seen, and what comes."""
        at = START + TAUGHT * 7 * DAY
        return [event for event in self.events if event["time"] < at], [e for e in self.events if e["time"] >= at]


def write(seed: int, lapse: float = 0.08) -> Diary:
    """Twelve weeks of three people: per working day each begins every routine up to four times, among other things."""
    chance = random.Random(seed)
    events: list[Event] = []
    for day in range(WEEKS * 7):
        for person in PEOPLE if day % 7 < 5 else ():
            for routine in ROUTINES:
                moment = START + day * DAY + 8 * HOUR
                for _ in range(chance.randint(1, 4)):
                    moment += chance.uniform(0.5, 2.0) * HOUR
                    events += _one(chance, routine, person, moment, forgotten=chance.random() < lapse)
            events += _noise(chance, person, START + day * DAY + 8 * HOUR)
    events.sort(key=lambda event: float(event["time"]))
    for number, event in enumerate(events):
        event["id"] = str(number)
    return Diary(events, {number for number, event in enumerate(events) if event.pop("forgotten", False)})


def _one(chance: random.Random, routine: Any, person: str, moment: float, *, forgotten: bool) -> list[Event]:
    first, last, usual, named = routine
    subject = f"item-{chance.randint(1, 9_999)}"
    begun = _event(person, first, moment, subject)
    if forgotten:
        return [{**begun, "forgotten": True}]
    delay = usual * MINUTE * chance.lognormvariate(0, 0.4)
    between = [
        _event(person, chance.choice(NOISE), moment + chance.uniform(0, delay)) for _ in range(chance.randint(0, 2))
    ]
    return [begun, *between, _event(person, last, moment + delay, subject if named else None)]


def _noise(chance: random.Random, person: str, moment: float) -> list[Event]:
    return [_event(person, chance.choice(NOISE), moment + chance.uniform(0, 10) * HOUR) for _ in range(12)]


def _event(person: str, what: tuple[str, str], moment: float, subject: str | None = None) -> Event:
    return {"actor": person, "source": what[0], "type": what[1], "subject": subject, "time": moment, "data": {}}


def told(trigger: dict[str, Any], events: Iterable[Event]) -> list[Event]:
    """The events after which the trigger tells that nothing followed, by its documentation alone."""
    seconds = MINUTE * float(trigger["within"].removeprefix("PT").removesuffix("M"))
    waiting: dict[Any, Event] = {}
    missed: list[Event] = []
    for event in events:
        for key, begun in list(waiting.items()):
            if event["time"] - begun["time"] > seconds:
                missed.append(waiting.pop(key))
        key = cel.evaluate(trigger["key"], {"event": event})
        if _matches(trigger["match"], event):
            waiting.pop(key, None)
        if _matches(trigger["after"], event):
            waiting.setdefault(key, event)
    return missed


def _matches(match: dict[str, Any], event: Event) -> bool:
    plain = all(match.get(name) in {None, event[name]} for name in ("source", "type"))
    return plain and ("where" not in match or bool(cel.evaluate(match["where"], {"event": event})))
