"""Ordered sequences of two and more steps that are more frequent than chance allows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from services.events.mining.activity import Bools, Floats, Ints
from services.events.mining.chance import Chance, Trial, census, chance, tails, trial
from services.events.mining.growth import Frontier, by_value, follow
from services.events.mining.options import DEFAULT, Options
from services.events.mining.pairs import View, match, view
from services.events.mining.screening import around, screen
from services.events.mining.sessions import Sessions
from services.events.mining.significance import discoveries


@dataclass(frozen=True)
class Found:
    """A significant sequence: its token numbers, its occurrences as items (n, k), and how it compares with chance."""

    tokens: tuple[int, ...]
    items: Ints
    trials: int
    expected: float
    p_value: float
    window: float

    @property
    def support(self) -> int:
        """Occurrences that do not overlap."""
        return len(self.items)

    @property
    def lift(self) -> float:
        """Occurrences of the last step against what chance gives."""
        return self.support / self.expected if self.expected > 0 else float(self.support)


@dataclass(frozen=True)
class Lens:
    """One window on the sessions: who follows whom, by chance within blocks, and within wide neighbourhoods."""

    seen: View
    model: Chance
    wide: Chance
    options: Options


def find(sessions: Sessions, options: Options = DEFAULT, alpha: float | None = None) -> list[Found]:
    """All windows' sequences; of one found through several windows, the narrowest that keeps nearly all of it."""
    if len(sessions) < options.min_support:
        return []
    level = (options.alpha if alpha is None else alpha) / len(options.windows)
    counted = census(sessions)
    best: dict[tuple[int, ...], list[Found]] = {}
    for window in options.windows:
        model = chance(sessions, counted, sessions.blocks, window, options.max_gap)
        wide = around(sessions, options.neighbourhood_size, window, options.max_gap)
        for found in through(Lens(view(sessions, window, options.max_gap), model, wide, options), level):
            best.setdefault(found.tokens, []).append(found)
    return [_narrowest(same, options.keep_ratio) for same in best.values()]


def through(lens: Lens, level: float) -> list[Found]:
    """The sequences of one window, pairs first, then each length grown from the significant ones before it."""
    present = lens.model.census.present
    pairs = frontier = _significant_pairs(lens, level)
    known = {found.tokens for found in pairs}
    result = list(pairs)
    for length in range(3, lens.options.max_length + 1):
        tested = _judge(lens.model, list(zip(frontier, _grow(lens, frontier), strict=True)))
        p_values = np.array([found.p_value for found in tested])
        likely = np.array([found.tokens[-2:] in known for found in tested], dtype=np.bool_)
        links = sum(prefix.tokens[-1] == first for prefix in frontier for first, _ in known)
        kept = discoveries(p_values, len(frontier) * (present - length + 1), level / 2)
        kept |= _among(likely, p_values, links, level / 2)
        frontier = [found for found, keep in zip(tested, kept, strict=True) if keep]
        result += frontier
        if not frontier:
            break
    return result


def _narrowest(same: list[Found], keep: float) -> Found:
    most = max(found.support for found in same)
    return min((found for found in same if found.support >= keep * most), key=lambda found: found.window)


def _significant_pairs(lens: Lens, level: float) -> list[Found]:
    """Pairs that stand out among all, or by their order among those that keep company."""
    tested, forward, backward = _pairs(lens)
    if not tested:
        return []
    present = lens.model.census.present
    p_values = np.array([found.p_value for found in tested])
    firsts, lasts = np.array([found.tokens for found in tested]).T
    company = screen(lens.wide, (firsts, lasts), (forward, backward), level)
    ordered = np.maximum(p_values, company.tosses)
    alone = discoveries(p_values, present * (present - 1), level / 2)
    among = _among(company.company, ordered, company.hypotheses, level / 2)
    values = np.where(alone, p_values, ordered).tolist()
    return [
        replace(found, p_value=value) for found, value, keep in zip(tested, values, alone | among, strict=True) if keep
    ]


def _among(chosen: Bools, p_values: Floats, hypotheses: int, level: float) -> Bools:
    kept = np.zeros(len(chosen), dtype=np.bool_)
    kept[chosen] = discoveries(p_values[chosen], hypotheses, level)
    return kept


def _pairs(lens: Lens) -> tuple[list[Found], Ints, Ints]:
    """All pairs frequent enough, each tested, with the counts of both orders."""
    tokens, alphabet = lens.seen.sessions.tokens, lens.seen.sessions.alphabet
    starts, ends = match(lens.seen, np.arange(len(tokens), dtype=np.int64))
    keys = tokens[starts] * alphabet + tokens[ends]
    groups = [group for _, group in _frequent(lens, keys, starts, ends)]
    by_start = np.argsort(tokens, kind="stable").astype(np.int64)
    bounds = np.searchsorted(tokens[by_start], np.arange(alphabet + 1))
    first = np.array([int(tokens[group[0, 0]]) for group in groups], dtype=np.int64)
    grown: list[tuple[Found, list[Ints]]] = []
    for token in np.unique(first).tolist():
        occurrences = by_start[bounds[token] : bounds[token + 1]].reshape(-1, 1)
        alone = Found((token,), occurrences, len(occurrences), 0.0, 0.0, lens.seen.window)
        grown.append((alone, [groups[place] for place in np.flatnonzero(first == token)]))
    found = _judge(lens.model, grown)
    forward = np.array([one.support for one in found], dtype=np.int64)
    known, counts = np.unique(keys, return_counts=True)
    reverse = np.array([one.tokens[1] * alphabet + one.tokens[0] for one in found], dtype=np.int64)
    place = np.minimum(np.searchsorted(known, reverse), max(len(known) - 1, 0))
    backward = np.where(known[place] == reverse, counts[place], 0) if len(known) else forward
    return found, forward, backward.astype(np.int64)


def _grow(lens: Lens, prefixes: list[Found]) -> list[list[Ints]]:
    """For each prefix, all of one length, the occurrences (n, k + 1) of each token that follows it often enough."""
    if not prefixes:
        return []
    alphabet = lens.seen.sessions.alphabet
    items = np.concatenate([prefix.items[np.argsort(prefix.items[:, -1], kind="stable")] for prefix in prefixes])
    owners = np.repeat(np.arange(len(prefixes)), [len(prefix.items) for prefix in prefixes])
    tokens = np.array([prefix.tokens for prefix in prefixes], dtype=np.int64)
    rows, ends = follow(lens.seen, Frontier(tokens, owners, items[:, -1]))
    following = lens.seen.sessions.tokens[ends]
    fresh = (tokens[owners[rows]] != following[:, None]).all(axis=1)
    rows, ends, following = rows[fresh], ends[fresh], following[fresh]
    grown: list[list[Ints]] = [[] for _ in prefixes]
    keys = owners[rows] * alphabet + following
    for key, group in _frequent(lens, keys, items[rows], ends):
        grown[key // alphabet].append(group)
    return grown


def _frequent(lens: Lens, keys: Ints, prefixes: Ints, ends: Ints) -> list[tuple[int, Ints]]:
    """Each key that has enough occurrences on enough days, ascending, and its occurrences (n, k)."""
    if not len(keys):
        return []
    order = by_value(keys, int(keys.max()) + 1)
    begin = np.concatenate(([0], np.flatnonzero(np.diff(keys[order])) + 1))
    size = np.diff(np.append(begin, len(order)))
    enough = size >= lens.options.min_support
    items, days = np.column_stack((prefixes, ends))[order], lens.seen.sessions.days
    groups = []
    for start, count in zip(begin[enough].tolist(), size[enough].tolist(), strict=True):
        group = items[start : start + count]
        if lens.options.min_days <= 1 or len(np.unique(days[group[:, 0]])) >= lens.options.min_days:
            groups.append((int(keys[order[start]]), group))
    return groups


def _judge(model: Chance, grown: list[tuple[Found, list[Ints]]]) -> list[Found]:
    """Each prefix's grown occurrences, compared with chance."""
    grown = [(prefix, groups) for prefix, groups in grown if groups]
    tried: list[Trial] = []
    for prefix, groups in grown:
        candidates = model.sessions.tokens[np.array([group[0, -1] for group in groups])]
        tried.append(trial(model, prefix.items, groups, candidates))
    p_values = iter(tails(tried).tolist())
    return [
        Found(
            tokens=(*prefix.tokens, int(model.sessions.tokens[group[0, -1]])),
            items=group,
            trials=len(prefix.items),
            expected=expected,
            p_value=max(prefix.p_value, next(p_values)),
            window=prefix.window,
        )
        for (prefix, groups), one in zip(grown, tried, strict=True)
        for group, expected in zip(groups, one.expected.tolist(), strict=True)
    ]
