"""What several people do together is told only when enough of them do it, so that nobody is singled out."""

from __future__ import annotations

from collections import defaultdict

from services.events.mining.activity import Activities
from services.events.mining.options import DAY, Options
from services.events.mining.pattern import Pattern


def allowed(pattern: Pattern, activities: Activities, options: Options) -> bool:
    """Whether the pattern is one person's own routine, nobody's in particular, or a team's of enough people.

    It is somebody's own when that person's runs alone would be support enough.
    """
    people = [actor for actor in pattern.actors if actor is not None]
    if len(people) < 2 or len(people) >= options.least_actors:
        return True
    runs: dict[str | None, list[float]] = defaultdict(list)
    for rows in pattern.evidence:
        runs[activities.actors[rows[0]]].append(float(activities.local[rows[0]]))
    return any(
        len(times) >= options.min_support and len({time // DAY for time in times}) >= options.min_days
        for times in runs.values()
    )


def person(pattern: Pattern, activities: Activities) -> str | None:
    """Who has done it most often, the first by name among equals; None when nobody is named."""
    counts: dict[str, int] = defaultdict(int)
    for rows in pattern.evidence:
        actor = activities.actors[rows[0]]
        if actor is not None:
            counts[actor] += 1
    return min(counts, key=lambda name: (-counts[name], name), default=None)
