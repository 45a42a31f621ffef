"""Growing all sequences at once gives what growing them one by one gives, and what plain loops give."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from services.events.mining import growth
from services.events.mining.options import Options
from services.events.mining.pairs import View, match, view
from services.events.mining.sessions import collapse, order
from tests.events.mining import oracle, planted

OPTIONS = Options(windows=(60.0,), max_length=4)
events = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["ann", "bob"]), st.sampled_from([0, 1, 20, 50, 90, 4000])),
    min_size=1,
    max_size=60,
)


def through(rows: list[tuple[str, str, int]]) -> tuple[View, list[oracle.Item], list[str]]:
    time, log_rows = 0.0, []
    for token, actor, pause in rows:
        time += pause
        log_rows.append((time, actor, token))
    log = planted.columns(log_rows)
    names = sorted(set(log.types))
    codes = np.array([names.index(name) for name in log.types], dtype=np.int64)
    sessions = collapse(log, codes, len(names), order(log, OPTIONS), OPTIONS)
    return view(sessions, 60.0, OPTIONS.max_gap), oracle.items_of(log, OPTIONS), names


@settings(max_examples=150, deadline=None, derandomize=True)
@given(events)
def test_all_at_once_is_one_by_one(rows: list[tuple[str, str, int]]) -> None:
    seen, _, _ = through(rows)
    grown = growth.singles(seen)
    found, items = growth.follow(seen, grown)
    for owner in range(len(grown.tokens)):
        mine = np.flatnonzero(grown.owners == owner)
        starts, ends = match(seen, grown.ends[mine])
        own = np.isin(found, mine)
        assert grown.ends[found[own]].tolist() == starts.tolist()
        assert items[own].tolist() == ends.tolist()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(events, st.integers(1, 3))
def test_the_frequent_ones_are_those_of_plain_loops(rows: list[tuple[str, str, int]], least: int) -> None:
    seen, items, names = through(rows)
    found = growth.frequent(seen, 4, least)
    named = {tuple(names[token] for token in tokens): count for tokens, count in found.items()}
    assert named == oracle.frequent(items, 60.0, OPTIONS, least)
