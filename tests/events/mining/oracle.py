"""The definitions of a significant sequence once more, slowly, in plain loops, as the miner's judge."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import comb, inf

from services.events.mining.activity import Activities
from services.events.mining.options import Options

Item = tuple[str, str, float, float, int, int]  # actor, token, start, end, session, day
Groups = list[int]
Key = tuple[str, ...]
Ones = list[tuple[int, ...]]
Grown = dict[Key, tuple[Ones, float]]


def items_of(log: Activities, options: Options) -> list[Item]:
    rows = sorted(range(len(log)), key=lambda row: (str(log.actors[row]), log.times[row], log.positions[row]))
    items: list[Item] = []
    session, before = -1, None
    for row in rows:
        actor, token, time = str(log.actors[row]), log.types[row], float(log.times[row])
        fresh = before is None or before[0] != actor or time - before[1] > options.session_gap
        session += fresh
        if not fresh and items[-1][1] == token:
            actor, token, start, _, number, day = items[-1]
            items[-1] = (actor, token, start, time, number, day)
        else:
            items.append((actor, token, time, time, session, int(time // 86400)))
        before = (actor, time)
    return items


def blocks_of(items: list[Item], options: Options) -> Groups:
    blocks: Groups = []
    for session in sorted({item[4] for item in items}):
        size = sum(item[4] == session for item in items)
        parts = -(-size // options.block_size)
        blocks += [session * 10**6 + place * parts // size for place in range(size)]
    return blocks


def neighbourhoods_of(items: list[Item], options: Options) -> Groups:
    groups: Groups = []
    for place, item in enumerate(items):
        same = [other for other in range(place) if items[other][0] == item[0]]
        number = len(same) // options.neighbourhood_size
        groups.append([other[0] for other in items].index(item[0]) * 10**6 + number)
    return groups


def near(items: list[Item], left: int, right: int, window: float) -> bool:
    return right < len(items) and items[left][4] == items[right][4] and items[right][2] - items[left][3] <= window


def matched(items: list[Item], starts: list[int], token: str, window: float, options: Options) -> list[tuple[int, int]]:
    taken_starts: set[int] = set()
    taken_ends: set[int] = set()
    result = []
    for gap in range(1, options.max_gap + 1):
        for start in starts:
            end = start + gap
            if start in taken_starts or end in taken_ends:
                continue
            if not near(items, start, end, window) or items[end][1] != token:
                continue
            taken_starts.add(start)
            taken_ends.add(end)
            result.append((start, end))
    return sorted(result)


def shares_of(tokens: list[str]) -> tuple[dict[str, float], float]:
    observed = {token: tokens.count(token) / len(tokens) for token in sorted(set(tokens))}
    shares = {token: min(share, 0.9) for token, share in observed.items()}
    for _ in range(30):
        raised = {token: observed[token] / (1 - shares[token]) for token in observed}
        shares = {token: min(value / sum(raised.values()), 0.95) for token, value in raised.items()}
    crowding = sum(share / (1 - share) for share in shares.values())
    for token, share in observed.items():
        if share >= 0.4 and len(tokens) >= 6:
            shares[token] = 1.0
    return shares, crowding


def expected(
    items: list[Item], groups: Groups, reach: list[int], occurrences: Ones, *, token: str
) -> tuple[int, float]:
    """Trials and the mean chance."""
    trials, total = 0, 0.0
    inside = [one for one in occurrences if groups[one[0]] == groups[one[-1]]]
    for group in {groups[one[0]] for one in inside}:
        members = [place for place in range(len(items)) if groups[place] == group]
        tokens = [items[place][1] for place in members]
        if token not in tokens:
            continue
        here = [one for one in inside if groups[one[0]] == group]
        inner = {place for one in here for place in one[:-1]}
        reaches = [reach[place] for place in members if place not in inner]
        shares, crowding = shares_of(tokens)
        share = shares[token]
        rate = 1.0 if share >= 1 else share * (crowding - share / (1 - share)) / (1 - share)
        pool = len(members) - len(here) * len(here[0])
        hit = 0.0
        for number in reaches:
            miss = 1.0
            for place in range(number):
                miss *= min(1.0, max(0.0, 1 - max(tokens.count(token) / max(pool - place, 1), rate)))
            hit += (1 - miss) / len(reaches)
        trials += len(here)
        total += len(here) * hit
    return trials, total / max(trials, 1)


def tail(hits: int, trials: int, chance: float) -> float:
    if hits <= trials * chance or hits == 0:
        return 1.0
    if chance <= 0:
        return 0.0
    exact = Fraction(chance)
    return float(sum(comb(trials, k) * exact**k * (1 - exact) ** (trials - k) for k in range(hits, trials + 1)))


def accepted(p_values: dict[tuple[str, ...], float], hypotheses: float, level: float) -> set[tuple[str, ...]]:
    ranked = sorted(p_values.values())
    limit = max((p for rank, p in enumerate(ranked, 1) if p <= level * rank / hypotheses), default=-inf)
    return {key for key, p in p_values.items() if p <= limit}


class Oracle:
    """One log and window; `find` answers each significant sequence with its support and p-value."""

    def __init__(self, log: Activities, window: float, options: Options) -> None:
        self.options, self.window = options, window
        self.items = items_of(log, options)
        self.blocks = blocks_of(self.items, options)
        self.wide = neighbourhoods_of(self.items, options)
        self.tokens = sorted({item[1] for item in self.items})
        places, gaps = range(len(self.items)), range(1, options.max_gap + 1)
        followers = [[place + gap for gap in gaps if near(self.items, place, place + gap, window)] for place in places]
        self.in_session = [len(ends) for ends in followers]
        self.in_block = [sum(self.blocks[end] == self.blocks[place] for end in followers[place]) for place in places]

    def grown(self, prefix: Ones, token: str) -> Ones:
        by_last = {one[-1]: one for one in prefix}
        pairs = matched(self.items, sorted(by_last), token, self.window, self.options)
        return [(*by_last[start], end) for start, end in pairs]

    def enough(self, occurrences: Ones) -> bool:
        days = {self.items[one[0]][5] for one in occurrences}
        return len(occurrences) >= self.options.min_support and len(days) >= self.options.min_days

    def p_value(self, prefix: Ones, grown: Ones, token: str) -> float:
        trials, chance = expected(self.items, self.blocks, self.in_block, prefix, token=token)
        hits = sum(self.blocks[one[0]] == self.blocks[one[-1]] for one in grown)
        return tail(min(hits, trials), trials, chance)

    def together(self, one: str, other: str) -> tuple[int, int, float]:
        """Matches in both orders, trials, and the mean chance within neighbourhoods."""
        counts, trials, total = 0, 0, 0.0
        for first, last in ((one, other), (other, one)):
            starts: Ones = [(place,) for place, item in enumerate(self.items) if item[1] == first]
            counts += len(self.grown(starts, last))
            tried, chance = expected(self.items, self.wide, self.in_session, starts, token=last)
            trials += tried
            total += tried * chance
        return counts, trials, total / max(trials, 1)

    def find(self, level: float) -> dict[tuple[str, ...], tuple[int, float]]:
        size = len(self.tokens)
        singles: dict[str, Ones] = {
            token: [(p,) for p, item in enumerate(self.items) if item[1] == token] for token in self.tokens
        }
        occurrences: dict[Key, Ones] = {
            (a, b): self.grown(singles[a], b) for a in self.tokens for b in self.tokens if a != b
        }
        tested = {pair: found for pair, found in occurrences.items() if self.enough(found)}
        p_values = {pair: self.p_value(singles[pair[0]], found, pair[1]) for pair, found in tested.items()}
        company_p: dict[Key, float] = {}
        for pair in tested:
            counts, trials, chance = self.together(*sorted(pair))
            company_p[tuple(sorted(pair))] = tail(min(counts, trials), trials, chance)
        company = accepted(company_p, size * (size - 1) / 2, level)
        ordered: dict[Key, float] = {}
        for pair, p_value in p_values.items():
            both = len(occurrences[pair]) + len(occurrences[pair[::-1]])
            if tuple(sorted(pair)) in company:
                ordered[pair] = max(p_value, tail(len(occurrences[pair]), both, 0.5))
        alone = accepted(p_values, size * (size - 1), level / 2)
        among = accepted(ordered, 2 * len(company) or 1, level / 2)
        values = ordered | {pair: p_values[pair] for pair in alone}
        found: Grown = {pair: (occurrences[pair], values[pair]) for pair in alone | among}
        return {key: (len(ones), p) for key, (ones, p) in self.longer(found, level).items()}

    def longer(self, pairs: Grown, level: float) -> Grown:
        result, frontier = dict(pairs), dict(pairs)
        for length in range(3, self.options.max_length + 1):
            tested = {}
            for prefix, (ones, before) in frontier.items():
                for token in set(self.tokens) - set(prefix):
                    grown = self.grown(ones, token)
                    if self.enough(grown):
                        tested[(*prefix, token)] = (grown, max(before, self.p_value(ones, grown, token)))
            p_values = {key: p for key, (_, p) in tested.items()}
            likely = {key: p for key, p in p_values.items() if key[-2:] in pairs}
            links = sum(prefix[-1] == pair[0] for prefix in frontier for pair in pairs)
            kept = accepted(p_values, len(frontier) * (len(self.tokens) - length + 1) or 1, level / 2)
            kept |= accepted(likely, links or 1, level / 2)
            frontier = {key: tested[key] for key in kept}
            result |= frontier
            if not frontier:
                break
        return result


def repeats(log: Activities) -> bool:
    """Whether any token repeats at once, which the tests want to see covered."""
    return any(left == right for left, right in pairwise(log.types))


def frequent(items: list[Item], window: float, options: Options, least: int) -> dict[Key, int]:
    """Every sequence of different tokens with at least so many occurrences, by plain loops."""
    tokens = sorted({item[1] for item in items})
    frontier: dict[Key, list[int]] = {
        (token,): [place for place, item in enumerate(items) if item[1] == token] for token in tokens
    }
    found: dict[Key, int] = {}
    for _ in range(2, options.max_length + 1):
        grown: dict[Key, list[int]] = {}
        for prefix, ends in frontier.items():
            for token in set(tokens) - set(prefix):
                pairs = matched(items, sorted(ends), token, window, options)
                if len(pairs) >= least:
                    grown[(*prefix, token)] = [end for _, end in pairs]
        found |= {key: len(ends) for key, ends in grown.items()}
        frontier = grown
    return found
