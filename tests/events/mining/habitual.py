"""A seeded generator of working days with known habits in them, written apart from the miner."""

from __future__ import annotations

import numpy as np

from services.events.mining.activity import Activities
from tests.events.mining.planted import START, Row, columns

DAY = 86400
Habits = dict[tuple[str, str], float]


def generate(seed: int, habits: int = 6, days: int = 60, actors: int = 3) -> tuple[Activities, Habits]:
    """Days without order, and habits as (actor, type) → minute of the day; kept on 70 to 100 % of their days."""
    random = np.random.default_rng(seed)
    rows: list[Row] = []
    for number in range(actors):
        hours = random.uniform(8, 10), random.uniform(15, 19)
        for day in range(days):
            times = random.uniform(*hours, size=random.poisson(20 if random.random() < 0.9 else 3)) * 3600
            rows += [(START + day * DAY + float(time), f"a{number}", f"n{random.zipf(1.5) % 25}") for time in times]
    truth: Habits = {}
    for habit in range(habits):
        actor, at = f"a{random.integers(actors)}", float(random.uniform(7, 20) * 3600)
        rows += _kept(random, actor, f"h{habit}", at, days)
        truth[actor, f"h{habit}"] = at / 60
    return columns(rows), truth


def _kept(random: np.random.Generator, actor: str, name: str, at: float, days: int) -> list[Row]:
    kind, share = random.choice(["daily", "weekdays", "weekly"]), random.uniform(0.7, 1.0)
    spread, weekday = random.choice([180, 400, 900]), int(random.integers(7))
    rows: list[Row] = []
    for day in range(days):
        which = int((START // DAY + day + 3) % 7)
        off = (kind == "weekdays" and which >= 5) or (kind == "weekly" and which != weekday)
        if not off and random.random() < share:
            rows.append((START + day * DAY + at + random.normal(0, spread), actor, name))
    strays = random.integers(days, size=int(random.integers(0, 4))).tolist()
    rows += [(START + day * DAY + random.uniform(8, 18) * 3600, actor, name) for day in strays]
    return rows
