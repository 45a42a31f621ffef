"""A seeded generator of activity with known routines in it, written apart from the miner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.events.mining.activity import Activities

START = 1_700_000_000 - 1_700_000_000 % 604800
Row = tuple[float, str, str]


@dataclass(frozen=True)
class Log:
    """Activities and the routines planted in them with the number of runs each."""

    activities: Activities
    routines: dict[tuple[str, ...], int]


def columns(rows: list[Row]) -> Activities:
    """Activities of (time, actor, type) rows, in random-free order of time."""
    rows = sorted(rows)
    return Activities(
        [row[1] for row in rows],
        ["app"] * len(rows),
        [row[2] for row in rows],
        [None] * len(rows),
        np.array([row[0] for row in rows], dtype=np.float64),
        np.arange(len(rows), dtype=np.int64),
    )


def noise(
    random: np.random.Generator, actors: int = 4, days: int = 30, alphabet: int = 40, skew: float = 0.8
) -> list[Row]:
    """Work without any routine: sessions with a mood of their own, skewed tokens, pauses of any length."""
    popularity = 1.0 / np.arange(1, alphabet + 1) ** skew
    rows: list[Row] = []
    for actor in range(actors):
        for day in range(days):
            if day % 7 >= 5:
                continue
            for _ in range(random.integers(1, 4)):
                time = START + day * 86400 + random.uniform(8, 17) * 3600
                mood = popularity * random.gamma(1.0, 1.0, alphabet)
                for token in random.choice(alphabet, size=random.integers(5, 50), p=mood / mood.sum()):
                    time += random.lognormal(3.0, 1.3)
                    rows.append((time, f"actor{actor}", f"n{token}"))
    return rows


def plant(random: np.random.Generator, rows: list[Row], steps: tuple[str, ...], runs: int) -> list[Row]:
    """Runs of one routine dropped at random moments of the actors' work; now and then something comes between."""
    planted: list[Row] = []
    anchors = random.choice(len(rows), size=runs, replace=False)
    for anchor in anchors:
        time, actor, _ = rows[int(anchor)]
        time += random.uniform(0.5, 3.0)
        for step in steps:
            planted.append((time, actor, step))
            if random.random() < 0.15:
                planted.append((time + 0.5, actor, rows[int(random.integers(len(rows)))][2]))
            time += random.lognormal(2.3, 0.6) + 1.0
    return planted


def generate(seed: int, routines: int = 8, reused: float = 0.3) -> Log:
    """A log with planted routines of two to five steps and 6 to 60 runs; some steps are also everyday tokens."""
    random = np.random.default_rng(seed)
    rows = noise(random)
    planted: list[Row] = []
    truth: dict[tuple[str, ...], int] = {}
    for routine in range(routines):
        length, runs = int(random.integers(2, 6)), int(random.integers(6, 60))
        steps = tuple(
            f"n{random.integers(15, 40)}" if random.random() < reused else f"r{routine}s{step}"
            for step in range(length)
        )
        if len(set(steps)) < length:
            continue
        truth[steps] = runs
        planted += plant(random, rows, steps, runs)
    return Log(columns(rows + planted), truth)


def empty(seed: int) -> Activities:
    """A log without any routine."""
    return columns(noise(np.random.default_rng(seed)))


def shuffled(activities: Activities, seed: int, gap: float = 1800.0) -> Activities:
    """The same sessions with the order of what was done in each drawn at random."""
    random = np.random.default_rng(seed)
    types = np.array(activities.types, dtype=object)
    order = np.lexsort((activities.positions, activities.times, np.array(activities.actors, dtype=str)))
    actors, times = np.array(activities.actors, dtype=str)[order], activities.times[order]
    breaks = np.flatnonzero((actors[1:] != actors[:-1]) | (np.diff(times) > gap)) + 1
    for rows in np.split(order, breaks):
        types[rows] = types[random.permutation(rows)]
    return Activities(
        activities.actors,
        activities.sources,
        types.tolist(),
        activities.subjects,
        activities.times,
        activities.positions,
    )
