"""Rows on recorded activity: next actions, companions of files, runs on screens, days at home, and shuffled orders."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from infra.local.quality import kinds, made, screens
from infra.local.quality.sources import Damage
from infra.local.quality.target import Target
from infra.local.quality.yardsticks import Ranker, Rose
from services.events.mining.activity import Activities
from services.events.mining.miner import mine
from services.events.mining.prediction import Ipam, Predictor
from services.events.mining.relations import LARGEST_SET, Relations
from tests.events.mining import planted

# Of a longer history the first events of each person count, as many as come to this.
MOST_COMMANDS = 150_000
SHUFFLES = 20
MOST_SHUFFLED = 400_000
# A share of fewer days than these says nothing.
LEAST_DAYS = 20
MODELS: tuple[tuple[str, Callable[[], Ranker]], ...] = (("ours", Relations), ("ROSE", Rose))


def shells(folder: Path, damage: Damage) -> Iterator[Target]:
    """The first words of shell histories, predicted one by one; and nothing found once their order is drawn."""
    found = [(name, _shortened(rows)) for name, rows in kinds.shells(folder, damage)]
    if not found:
        yield from _nothing(("next action @1 over IPAM", 0.06), ("next action @5 over IPAM", 0.05))
        yield Target("shuffled shell histories with any pattern, share", None, 0.05, most=True)
    for name, rows in found:
        numbers: dict[str, int] = {}
        words = [(user, (line.split() or [""])[0]) for user, _, line in rows]
        stream = [(user, numbers.setdefault(word, len(numbers))) for user, word in words]
        ours, yardstick = _predicted(Predictor(), stream), _predicted(Ipam(), stream)
        print(f"  {name}, {len(rows)} commands of {len({row[0] for row in rows})} people: mixture "
              f"{ours[0]:.3f}/{ours[1]:.3f}, IPAM {yardstick[0]:.3f}/{yardstick[1]:.3f}")  # fmt: skip
        yield Target(f"next action @1 over IPAM, {name}", ours[0] - yardstick[0], 0.06)
        yield Target(f"next action @5 over IPAM, {name}", ours[1] - yardstick[1], 0.05)
        yield _shuffled(name, rows)


def _nothing(*targets: tuple[str, float]) -> Iterator[Target]:
    return (Target(name, None, target) for name, target in targets)


def _shortened(rows: list[kinds.Typed]) -> list[kinds.Typed]:
    """At most so many, as many of each person as can be."""
    people: dict[str, int] = {}
    places = []
    for row in rows:
        people[row[0]] = people.get(row[0], 0) + 1
        places.append(people[row[0]])
    allowed = sorted(places)[:MOST_COMMANDS][-1] if rows else 0
    return [row for row, place in zip(rows, places, strict=True) if place <= allowed]


def _shuffled(name: str, rows: list[kinds.Typed]) -> Target:
    users, times, lines = zip(*rows, strict=True)
    words = [(line.split() or [""])[0] for line in lines]
    size = len(rows)
    log = Activities(users, ["shell"] * size, words, [None] * size, np.array(times), np.arange(size))
    print(f"  {name}: {len(mine(log))} patterns as recorded")
    rounds = int(np.clip(MOST_SHUFFLED // size, 2, SHUFFLES))
    bad = sum(bool(mine(planted.shuffled(log, seed))) for seed in range(rounds))
    return Target(f"shuffled {name} with any pattern, share of {rounds}", bad / rounds, 0.05, most=True)


def _predicted(model: Predictor | Ipam, stream: list[tuple[str, int]]) -> tuple[float, float]:
    first = five = 0
    for actor, action in stream:
        told = model.predict(actor)
        first, five = first + (told[:1] == [action]), five + (action in told)
        model.learn(actor, action)
    return first / len(stream), five / len(stream)


def cochange(folder: Path, damage: Damage) -> Iterator[Target]:
    """Companions in the last fifth of each repository's commits, ten a file, against ROSE."""
    rows = []
    for name, commits in kinds.repositories(folder, damage):
        figures = [_companions(make(), commits) for _, make in MODELS]
        shown = "; ".join(
            f"{label} MAP {one[0]:.3f} precision {one[1]:.3f} recall {one[2]:.3f}"
            for (label, _), one in zip(MODELS, figures, strict=True)
        )
        print(f"  {name}, {len(commits)} commits: {shown}")
        if np.isfinite(figures).all():
            rows.append(figures)
    names = (("MAP", 1.10), ("precision", 1.0), ("recall", 1.05))
    if not rows:
        yield from _nothing(*((f"co-change {name} ÷ ROSE", target) for name, target in names))
        return
    ours, rose = np.array(rows).mean(axis=0)
    for place, (name, target) in enumerate(names):
        yield Target(f"co-change {name} ÷ ROSE", float(ours[place] / max(rose[place], 1e-9)), target)


def _companions(model: Ranker, commits: list[kinds.Commit]) -> tuple[float, float, float]:
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
    figures = np.array(scores).reshape(-1, 3)
    known = figures[~np.isnan(figures[:, 1]), 1]
    if not len(known):
        return np.nan, np.nan, np.nan
    return float(figures[:, 0].mean()), float(known.mean()), float(figures[:, 2].mean())


def recordings(folder: Path, damage: Damage) -> Iterator[Target]:
    """Runs and routines in screen recordings, as recorded and with a tenth of the events disturbed."""
    logs = list(kinds.recordings(folder, damage))
    for label, rate, least in (("clean", 0.0, (0.98, 0.985, 0.98)), ("10 % noise", 0.1, (0.95, 0.96, 0.88))):
        names = [(f"screen routines, {label}: {name}", one) for name, one in zip(screens.NAMES, least, strict=True)]
        longest = f"screen routines, {label}: longest CPU seconds"
        if not logs:
            yield from _nothing(*names)
            yield Target(longest, None, 1.0, most=True)
            continue
        figures = []
        for log in logs:
            begin = time.process_time()
            told = screens.judge(kinds.disturbed(log, rate, seed=1) if rate else log)
            figures.append((*told, time.process_time() - begin))
            print(f"  {log.name}, {len(log.codes)} events, {label}: " + " ".join(f"{one:.3f}" for one in figures[-1]))
        means = np.array(figures).mean(axis=0)
        yield from (Target(name, float(means[place]), one) for place, (name, one) in enumerate(names))
        yield Target(longest, max(one[-1] for one in figures), 1.0, most=True)


def days(folder: Path, damage: Damage) -> Iterator[Target]:
    """Habits learned from the first 70 % of days at home, kept in the rest; none where days were drawn at random."""
    kept: list[bool] = []
    for name, rows in kinds.diaries(folder, damage):
        times, names = zip(*rows, strict=True)
        size = len(rows)
        log = Activities(["home"] * size, ["adl"] * size, names, [None] * size, np.array(times), np.arange(size))
        found = made.held(log)
        kept += found
        print(f"  {name}: {len(found)} later days of habits")
        if 0 < len(kept) < LEAST_DAYS:
            print(f"  held-out days at home: {np.mean(kept):.3f}, of {len(kept)} days, too few to judge by")
    judged = len(kept) >= LEAST_DAYS
    yield Target("habits: held-out days at home", float(np.mean(kept)) if judged else None, 0.70)


ROWS: tuple[Callable[[Path, Damage], Iterator[Target]], ...] = (shells, cochange, recordings, days)
