"""Measures mining quality: `python -m infra.local.quality --data DIR`; the last line is one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from infra.local.quality_data import Commit, Recording, disturbed, histories, recordings, shells
from services.events.mining import habits, routines
from services.events.mining.activity import Activities
from services.events.mining.miner import mine
from services.events.mining.pattern import Pattern
from services.events.mining.prediction import Ipam, Predictor
from services.events.mining.redundancy import contains
from services.events.mining.relations import LARGEST_SET, Relations
from tests.events.mining import habitual, planted

OFTEN = 18


@dataclass(frozen=True)
class Target:
    """One figure against its target; at least, unless `most` says at most."""

    name: str
    value: float
    target: float
    most: bool = False

    @property
    def ok(self) -> bool:
        """Whether the target is met."""
        return self.value <= self.target if self.most else self.value >= self.target


class Ranker(Protocol):
    """What learns commits and ranks companions."""

    def learn(self, things: Sequence[str], actor: str, time: float) -> None:
        """Takes in one commit."""

    def rank(self, thing: str, time: float, count: int = 10) -> list[tuple[str, float]]:
        """The likeliest companions."""


@dataclass
class Rose:
    """Zimmermann's ROSE (2005), the yardstick: confidence of one file for another, at least .1."""

    together: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    alone: Counter[str] = field(default_factory=Counter)

    def learn(self, things: Sequence[str], actor: str, time: float) -> None:  # noqa: ARG002 - the shape of a Ranker
        """Takes in one commit."""
        members = set(things)
        if len(members) > LARGEST_SET:
            return
        for thing in members:
            self.alone[thing] += 1
            self.together[thing].update(members - {thing})

    def rank(self, thing: str, time: float, count: int = 10) -> list[tuple[str, float]]:  # noqa: ARG002
        """The likeliest companions."""
        rules = [(other, found / self.alone[thing]) for other, found in self.together[thing].items()]
        good = [rule for rule in rules if rule[1] >= 0.1]
        return sorted(good, key=lambda rule: (-rule[1], -self.together[thing][rule[0]], rule[0]))[:count]


def noise(_: Path) -> Iterator[Target]:
    """Logs without routines, and logs whose order was drawn at random."""
    empty = sum(bool(mine(planted.empty(seed))) for seed in range(20))
    yield Target("null logs with any pattern, of 20", empty, 1, most=True)
    logs = [planted.shuffled(planted.generate(seed).activities, seed) for seed in range(20)]
    yield Target("shuffled logs with any pattern, of 20", sum(bool(mine(log)) for log in logs), 1, most=True)


def planted_routines(_: Path) -> Iterator[Target]:
    """Precision and recall on planted routines."""
    right = wrong = 0
    hits: list[tuple[int, bool]] = []
    for seed in range(400, 420):
        log = planted.generate(seed)
        found = [tuple(step.type for step in pattern.steps) for pattern in mine(log.activities)]
        good = sum(any(contains(routine, steps) for routine in log.routines) for steps in found)
        right, wrong = right + good, wrong + len(found) - good
        hits += [(runs, routine in found) for routine, runs in log.routines.items()]
    yield Target("planted routines: precision", right / max(right + wrong, 1), 0.98)
    yield Target("planted routines: recall", float(np.mean([hit for _, hit in hits])), 0.75)
    yield Target(
        f"planted routines: recall from {OFTEN} runs", float(np.mean([h for n, h in hits if n >= OFTEN])), 0.85
    )


def planted_habits(_: Path) -> Iterator[Target]:
    """Precision, recall, and how often the habits found in 70 % of the time hold in the rest."""
    empty = sum(bool(habits.find(habitual.generate(seed, habits=0)[0])) for seed in range(6))
    yield Target("logs without habits with any, of 6", empty, 0, most=True)
    right = wrong = planted_ = 0
    held: list[bool] = []
    for seed in range(30, 38):
        log, truth = habitual.generate(seed)
        planted_ += len(truth)
        cut = float(log.times.min() + 0.7 * np.ptp(log.times))
        for habit in habits.find(log):
            key = (str(habit.actors[0]), habit.steps[0].type)
            near = abs(truth.get(key, np.inf) - float(str(habit.details["minute_of_day"])))
            good = near <= float(str(habit.details["plus_minus_minutes"]))
            right, wrong = right + good, wrong + (not good)
        for habit in habits.find(log.select(np.flatnonzero(log.times <= cut))):
            held += _held(log, habit, cut)
    yield Target("habits: precision", right / max(right + wrong, 1), 0.94)
    yield Target("habits: recall", right / planted_, 0.68)
    yield Target("habits: held-out days", float(np.mean(held)), 0.70)


def _held(log: Activities, habit: Pattern, cut: float) -> list[bool]:
    """For each later day of the habit's kind on which the actor did anything, whether the habit was kept."""
    kinds = dict(habits.CALENDARS)[str(habit.details["calendar"])]
    middle, reach = (60 * float(str(habit.details[name])) for name in ("minute_of_day", "plus_minus_minutes"))
    mine_ = np.array([actor == habit.actors[0] for actor in log.actors]) & (log.times > cut)
    days = np.floor(log.times / 86400)
    hit = mine_ & np.array([kind == habit.steps[0].type for kind in log.types])
    kept = set(days[hit & (np.abs(log.times % 86400 - middle) <= reach + habits.SLOT)].tolist())
    return [day in kept for day in np.unique(days[mine_]).tolist() if (day + habits.EPOCH_WEEKDAY) % 7 in kinds]


def next_actions(folder: Path) -> Iterator[Target]:
    """The first words of shell histories, predicted one by one."""
    for name, rows in shells(folder):
        numbers: dict[str, int] = {}
        words = [(user, (line.split() or [""])[0]) for user, _, line in rows]
        stream = [(user, numbers.setdefault(word, len(numbers))) for user, word in words]
        ours, yardstick = _predicted(Predictor(), stream), _predicted(Ipam(), stream)
        print(f"  {name}: mixture {ours[0]:.3f}/{ours[1]:.3f}, IPAM {yardstick[0]:.3f}/{yardstick[1]:.3f}")
        yield Target(f"next action @1 over IPAM, {name}", ours[0] - yardstick[0], 0.06)
        yield Target(f"next action @5 over IPAM, {name}", ours[1] - yardstick[1], 0.05)


def _predicted(model: Predictor | Ipam, stream: list[tuple[str, int]]) -> tuple[float, float]:
    first = five = 0
    for actor, action in stream:
        told = model.predict(actor)
        first, five = first + (told[:1] == [action]), five + (action in told)
        model.learn(actor, action)
    return first / len(stream), five / len(stream)


def shuffled_shells(folder: Path) -> Iterator[Target]:
    """Real histories with the order inside each session drawn at random."""
    for name, rows in shells(folder):
        users, times, lines = zip(*rows, strict=True)
        words = [(line.split() or [""])[0] for line in lines]
        size = len(rows)
        log = Activities(users, ["shell"] * size, words, [None] * size, np.array(times), np.arange(size))
        print(f"  {name}: {len(mine(log))} patterns as recorded")
        bad = sum(bool(mine(planted.shuffled(log, seed))) for seed in range(5))
        yield Target(f"shuffled {name} with any pattern, of 5", bad, 0.25, most=True)


def cochange(folder: Path) -> Iterator[Target]:
    """Companions in the last fifth of each repository's commits, ten a file, against ROSE."""
    figures = {
        kind: np.array([_companions(make(), commits) for _, commits in histories(folder)]) for kind, make in MODELS
    }
    if not len(figures["ours"]):
        return
    ours, rose = figures["ours"].mean(axis=0), figures["rose"].mean(axis=0)
    print(f"  ours: MAP {ours[0]:.3f} precision {ours[1]:.3f} recall {ours[2]:.3f}")
    print(f"  ROSE: MAP {rose[0]:.3f} precision {rose[1]:.3f} recall {rose[2]:.3f}")
    for place, name, target in ((0, "MAP", 1.10), (1, "precision", 1.0), (2, "recall", 1.05)):
        yield Target(f"co-change {name} ÷ ROSE", float(ours[place] / rose[place]), target)


MODELS: tuple[tuple[str, Callable[[], Ranker]], ...] = (("ours", Relations), ("rose", Rose))


def _companions(model: Ranker, commits: list[Commit]) -> tuple[float, float, float]:
    scores: list[tuple[float, float, float]] = []
    for number, (author, moment, paths) in enumerate(commits):
        files = set(paths)
        if number >= 0.8 * len(commits) and 2 <= len(files) <= LARGEST_SET:
            for file in sorted(files):
                wanted = files - {file}
                hits = [other in wanted for other, _ in model.rank(file, moment)]
                gains = [sum(hits[: place + 1]) / (place + 1) for place, hit in enumerate(hits) if hit]
                precision = sum(hits) / len(hits) if hits else np.nan
                scores.append((sum(gains) / min(len(wanted), 10), precision, sum(hits) / len(wanted)))
        model.learn(paths, author, moment)
    figures = np.nanmean(np.array(scores), axis=0)
    return float(figures[0]), float(figures[1]), float(figures[2])


def screens(folder: Path) -> Iterator[Target]:
    """Runs and routines in screen recordings, as recorded and with a tenth of the events disturbed."""
    logs = list(recordings(folder))
    for label, rate, least in (("clean", 0.0, (0.98, 0.985, 0.98)), ("10 % noise", 0.1, (0.95, 0.96, 0.88))):
        figures = np.array([_segmented(disturbed(log, rate, seed=1) if rate else log) for log in logs])
        if not len(figures):
            return
        for place, name in enumerate(("mean J", "case J", "coverage")):
            yield Target(f"screen routines, {label}: {name}", float(figures[:, place].mean()), least[place])
        yield Target(f"screen routines, {label}: longest seconds", float(figures[:, 3].max()), 1.0, most=True)


def _segmented(log: Recording) -> tuple[float, float, float, float]:
    begin = time.perf_counter()
    found = routines.discover(log.codes, log.times)
    took = time.perf_counter() - begin
    runs = [set(run) for routine in found for run in routine.runs]
    owner = {place: number for number, run in enumerate(runs) for place in run}
    truth: dict[int, set[int]] = {}
    for place, case in enumerate(log.cases.tolist()):
        if case >= 0:
            truth.setdefault(case, set()).add(place)
    variants = {frozenset(log.codes[sorted(case)].tolist()) for case in truth.values()}
    by_case = [
        max((_jaccard(case, runs[number]) for number in {owner[p] for p in case if p in owner}), default=0.0)
        for case in truth.values()
    ]
    by_routine = [max(_jaccard(set(routine.steps), set(variant)) for variant in variants) for routine in found] or [0.0]
    covered = len(owner.keys() & {place for case in truth.values() for place in case}) / sum(map(len, truth.values()))
    return float(np.mean(by_routine)), float(np.mean(by_case)), covered, took


def _jaccard(left: set[int], right: set[int]) -> float:
    return len(left & right) / len(left | right)


ROWS: tuple[Callable[[Path], Iterator[Target]], ...] = (
    noise,
    planted_routines,
    planted_habits,
    shuffled_shells,
    next_actions,
    cochange,
    screens,
)


def main() -> int:
    """Prints each row and ends with the JSON line; the status is 0 if every target is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    folder = parser.parse_args().data
    targets: list[Target] = []
    for row in ROWS:
        for target in row(folder):
            targets.append(target)
            sign = "≤" if target.most else "≥"
            print(
                f"{'ok  ' if target.ok else 'FAIL'} {target.name}: {target.value:.3f} ({sign} {target.target})",
                flush=True,
            )
    ok = all(target.ok for target in targets)
    shown = [{"name": t.name, "value": round(t.value, 4), "target": t.target, "ok": t.ok} for t in targets]
    print(json.dumps({"quality": "mining", "ok": ok, "targets": shown}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
