"""What a suggestion would have done: learned on the first part of the history, replayed on the rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from services.events.mining import catalogue, cochange, deadlines, habits, matching, timetable
from services.events.mining.activity import Activities, Bools, Ints
from services.events.mining.cochange import Burst, bursts
from services.events.mining.deadlines import Key
from services.events.mining.matching import Levels
from services.events.mining.miner import mine
from services.events.mining.options import DAY, DEFAULT, MINUTE, Options
from services.events.mining.pattern import HABIT, RELATION, RULE, SEQUENCE, Pattern
from services.events.mining.sessions import Sessions, acts, collapse, order
from services.events.mining.symbols import Token

TRAINING = 0.7
MOST_EXAMPLES = 5
MOST_WRONG = 2
Fires = Callable[[int], bool]


@dataclass(frozen=True)
class Backtest:
    """would_have_fired = matched + wrong: first steps in the rest of the history, followed by the routine or not;
    missed: the routine's other steps done without the first; learned: whether the first part alone shows the pattern.

    examples: up to five runs (input indexes) of each outcome.
    """

    would_have_fired: int
    matched: int
    missed: int
    wrong: int
    learned: bool
    examples: dict[str, tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class History:
    """A log cut by time (seconds): what the first part teaches, and the rows of the rest, read once for all replays."""

    cut: float
    learned: frozenset[tuple[Token, ...]]
    rest: Ints
    log: Activities
    levels: Levels
    together: list[Burst]

    @property
    def ends(self) -> set[tuple[Token, Token]]:
        """First and last steps of what was learned."""
        return {(steps[0], steps[-1]) for steps in self.learned}


def split(activities: Activities, options: Options = DEFAULT, share: float = TRAINING) -> History:
    """Mines the first share of the time."""
    times = activities.times
    cut = float(times.min() + share * (times.max() - times.min())) if len(times) else 0.0
    first = np.flatnonzero(times <= cut)
    taught = activities.select(first)
    families = (mine(taught, options), habits.find(taught, options), cochange.find(taught, options))
    learned = frozenset(pattern.steps for found in families for pattern in found)
    rest = np.flatnonzero(times > cut)
    log = activities.select(rest)
    levels = matching.levels(log)
    return History(cut, learned, rest, log, levels, bursts(log, levels[0]))


@dataclass(frozen=True)
class _Walk:
    """One replay: the items, for each step those that are it, how far a step may reach, and the items already used."""

    sessions: Sessions
    masks: list[Bools]
    window: float
    max_gap: int
    used: set[int]


def replay(
    history: History,
    pattern: Pattern,
    options: Options = DEFAULT,
    fires: Fires | None = None,
    key: Key | None = None,
) -> Backtest:
    """Counts over the rest of the history; the same input gives the same answer.

    fires: whether the trigger's condition holds for the event of an input index; without it every event does; key: what
    keeps the waits of a rule's alert apart, the actor without it.
    """
    if pattern.kind == HABIT:
        alerts = not catalogue.entry(pattern.steps[0]).done
        outcomes = _overdue(history, pattern) if alerts else _kept(history, pattern)
    elif pattern.kind == RELATION:
        outcomes = _together(history, pattern)
    elif pattern.kind == RULE:
        outcomes = _unanswered(history, pattern, fires, key)
    else:
        outcomes = _runs(history, pattern, options, fires)
    return Backtest(
        would_have_fired=len(outcomes["matched"]) + len(outcomes["wrong"]),
        matched=len(outcomes["matched"]),
        missed=len(outcomes["missed"]),
        wrong=len(outcomes["wrong"]),
        learned=pattern.steps in history.learned or (pattern.kind == RULE and _ends(pattern) in history.ends),
        examples={
            name: tuple(tuple(history.rest[list(rows)].tolist()) for rows in found if rows)[:MOST_EXAMPLES]
            for name, found in outcomes.items()
        },
    )


def is_stale(pattern: Pattern, judged: Backtest) -> bool:
    """Whether its condition holds no more, neither thing has changed for long, or a rule was not there before.

    Nor is a routine offered that is begun far more often than gone through: it would be wrong most of the time.
    """
    if pattern.kind == RULE:
        return not judged.learned
    if pattern.kind == SEQUENCE and judged.wrong > MOST_WRONG * max(judged.matched, 1):
        return True
    return not judged.would_have_fired and bool(judged.missed or pattern.kind == RELATION)


def _kept(history: History, pattern: Pattern) -> dict[str, list[tuple[int, ...]]]:
    """Days on which the schedule would have fired, by whether the habit was kept; and days when it was done otherwise.

    The schedule fires on every day of its kind, whether or not the person was there.
    """
    outcomes: dict[str, list[tuple[int, ...]]] = {"matched": [], "missed": [], "wrong": []}
    if not len(history.log):
        return outcomes
    calendar, middle, reach = (pattern.details[name] for name in ("calendar", "minute_of_day", "plus_minus_minutes"))
    rows = _own(history, pattern)
    local = history.log.local
    days = np.floor(local / DAY).astype(np.int64)
    away = np.abs(local % DAY - MINUTE * float(str(middle)))
    near = rows[away[rows] <= MINUTE * float(str(reach)) + habits.SLOT]
    kept = {int(days[row]): (int(row),) for row in near[::-1]}
    kinds = dict(habits.CALENDARS)[str(calendar)]
    fired = [
        day for day in range(int(days.min()) + 1, int(days.max()) + 1) if (day + habits.EPOCH_WEEKDAY) % 7 in kinds
    ]
    for day in fired:
        outcomes["matched" if day in kept else "wrong"].append(kept.get(day, ()))
    otherwise = {int(days[row]): (int(row),) for row in rows[::-1] if not (days[row] in kept and days[row] in fired)}
    outcomes["missed"] = [otherwise[day] for day in sorted(otherwise) if day > int(days.min())]
    return outcomes


def _overdue(history: History, pattern: Pattern) -> dict[str, list[tuple[int, ...]]]:
    """Silences after which an alert would have told that the step is missing, each as the event before it.

    matched: the step was not done on the day when it was due; wrong: it was done that day, only later than usual.
    """
    outcomes: dict[str, list[tuple[int, ...]]] = {"matched": [], "missed": [], "wrong": []}
    limit = MINUTE * float(timetable.within(pattern) or np.inf)
    rows = _own(history, pattern)
    rows = rows[np.argsort(history.log.times[rows], kind="stable")]
    times, days = history.log.times[rows], np.floor(history.log.local[rows] / DAY)
    following = np.append(times[1:], history.log.times.max(initial=0.0))
    due = days + round((limit - limit % DAY) / DAY) if np.isfinite(limit) else days
    for row, silence, day in zip(rows.tolist(), (following - times).tolist(), due.tolist(), strict=True):
        if silence > limit:
            outcomes["wrong" if day in days else "matched"].append((row,))
    return outcomes


def _unanswered(
    history: History, pattern: Pattern, fires: Fires | None, key: Key | None
) -> dict[str, list[tuple[int, ...]]]:
    """First steps after which an alert would have told that the last is missing.

    matched: it did not come at all; wrong: it came, only later than usual.
    """
    firsts, lasts = (matching.fits(history.levels, step) for step in _ends(pattern))
    if fires is not None:
        rows = np.flatnonzero(firsts)
        firsts[rows] = [fires(row) for row in history.rest[rows].tolist()]
    limit = MINUTE * deadlines.minutes(pattern)
    local = (lambda row: key(int(history.rest[row]))) if key else None
    waits = deadlines.waits(history.log, (firsts, lasts), limit, deadlines.only(pattern), local)
    alerts = [wait for wait in waits if not wait.answered(limit)]
    return {
        "matched": [(wait.row,) for wait in alerts if wait.answer is None],
        "missed": [],
        "wrong": [(wait.row,) for wait in alerts if wait.answer is not None],
    }


def _ends(pattern: Pattern) -> tuple[Token, Token]:
    return pattern.steps[0], pattern.steps[-1]


def _own(history: History, pattern: Pattern) -> Ints:
    """Rows on which the person that the habit is of did its step."""
    mine_ = np.array([actor == pattern.actors[0] for actor in history.log.actors], dtype=np.bool_)
    return np.flatnonzero(mine_ & matching.fits(history.levels, pattern.steps[0])).astype(np.int64)


def _together(history: History, pattern: Pattern) -> dict[str, list[tuple[int, ...]]]:
    """Bursts by what they hold of a relation: both things, the second alone, the first alone."""
    tokens = history.levels[0].tokens
    first, last = (tokens.index(step) if step in tokens else -1 for step in pattern.steps)
    outcomes: dict[str, list[tuple[int, ...]]] = {"matched": [], "missed": [], "wrong": []}
    for burst in history.together:
        held = tuple(burst.things[thing] for thing in (first, last) if thing in burst.things)
        if held:
            outcome = "matched" if len(held) == len(pattern.steps) else "wrong" if first in burst.things else "missed"
            outcomes[outcome].append(held)
    return outcomes


def _runs(
    history: History, pattern: Pattern, options: Options, fires: Fires | None
) -> dict[str, list[tuple[int, ...]]]:
    """Input rows of runs that the first step began and that ended, were never begun, or were never ended."""
    log, coding = history.log, history.levels[0]
    firsts, *others = (matching.fits(history.levels, step) for step in pattern.steps)
    idle = np.zeros(len(log), dtype=np.bool_)
    if fires is not None:
        idle[firsts] = [not fires(row) for row in history.rest[firsts].tolist()]
    # An event that the condition keeps out is another thing than one that it lets in.
    codes = np.where(idle, coding.codes + len(coding.tokens), coding.codes)
    told = acts(log, codes, order(log, options), np.logical_or.reduce([firsts & ~idle, *others]))
    sessions = collapse(log, codes, 2 * len(coding.tokens), told, options)
    masks = [fit[sessions.first_rows] for fit in (firsts & ~idle, *others)]
    walk = _Walk(sessions, masks, pattern.window, options.max_gap, set())
    fired = np.flatnonzero(masks[0] & ~_repeats(masks[0], sessions)).tolist()
    runs = [(start, *_follow(walk, start, 1)) for start in fired]
    unled = [start for start in np.flatnonzero(masks[1]).tolist() if start not in walk.used]
    tails = [(start, *_follow(walk, start, 2)) for start in unled]
    length = len(pattern.steps)
    found = {
        "matched": [run for run in runs if len(run) == length],
        "missed": [tail for tail in tails if len(tail) == length - 1],
        "wrong": [run for run in runs if len(run) < length],
    }
    return {name: [tuple(sessions.first_rows[list(run)].tolist()) for run in rows] for name, rows in found.items()}


def _repeats(mask: Bools, sessions: Sessions) -> Bools:
    """Whether the item before is the same step in the same session."""
    result = np.zeros(len(mask), dtype=np.bool_)
    result[1:] = mask[:-1] & (sessions.sessions[1:] == sessions.sessions[:-1])
    return result


def _follow(walk: _Walk, start: int, first: int) -> tuple[int, ...]:
    """The items of the steps from `first` on, each the nearest free one in reach; empty unless all are there."""
    run: list[int] = []
    here = start
    for mask in walk.masks[first:]:
        near = range(here + 1, min(here + walk.max_gap + 1, len(walk.sessions)))
        step = next((item for item in near if mask[item] and item not in walk.used and _within(walk, here, item)), None)
        if step is None:
            return ()
        run.append(step)
        here = step
    walk.used.update(run)
    return tuple(run)


def _within(walk: _Walk, here: int, there: int) -> bool:
    sessions = walk.sessions
    same = bool(sessions.sessions[here] == sessions.sessions[there])
    return same and float(sessions.starts[there] - sessions.ends[here]) <= walk.window
