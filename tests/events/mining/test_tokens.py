"""Names of activities: templates, slots, levels and fallback."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from services.events.mining import tokens
from services.events.mining.activity import from_events, seconds
from services.events.mining.options import Options
from services.events.mining.sessions import collapse, order
from services.events.mining.templating import template


@pytest.mark.parametrize(
    ("text", "expected", "slots"),
    [
        ("build-4711", "build-{n}", ("n",)),
        ("reports/2026/weekly-17.xlsx", "reports/{n}/*.xlsx", ("n",)),
        ("report 2026-11-23.pdf", "report {date}.pdf", ("date",)),
        ("https://example.com/a/17?token=x", "https://example.com/a/{n}", ("n",)),
        ("ping 10.0.0.7", "ping {ip}", ("ip",)),
        ("0190a6f2-1c2d-7abc-8def-0123456789ab", "{id}", ("id",)),
        ("fix 3f2a9bc", "fix {hash}", ("hash",)),
        ("cat /tmp/x81kq", "cat /tmp/{temp}", ("temp",)),
        ("v1.20.3", "{version}", ("version",)),
        ("Weekly report", "Weekly report", ()),
        ("at 10:45", "at {time}", ("time",)),
    ],
)
def test_changing_parts_become_slots(text: str, expected: str, slots: tuple[str, ...]) -> None:
    assert template(text) == (expected, slots)


def log(subjects: Sequence[str | None]) -> list[dict[str, object]]:
    return [
        {"source": "ci", "type": "build", "actor": "ann", "subject": subject, "time": float(place)}
        for place, subject in enumerate(subjects)
    ]


def names(subjects: Sequence[str | None], level: str) -> set[str | None]:
    codings = tokens.encode(from_events(log(subjects)), Options())
    return {token.subject for coding in codings if coding.level == level for token in coding.tokens}


def test_recurring_labels_are_tokens_of_their_own_and_rare_ones_are_not() -> None:
    assert names(["page 1"] * 6 + ["page 2"] * 6, "exact") == {"page 1", "page 2"}
    assert names([f"build {n}" for n in range(12)], "exact") == {"build {n}"}
    assert names(["deploy"] * 6 + ["odd"], "exact") == {"deploy", None}


def test_levels_that_say_the_same_are_one() -> None:
    assert [coding.level for coding in tokens.encode(from_events(log([None] * 5)))] == ["exact"]


def test_the_most_telling_field_stands_in_for_a_subject() -> None:
    event = {"source": "shell", "type": "command", "time": 0.0, "data": {"exit": 0, "command": "make test"}}
    assert from_events([event]).subjects == ["make test"]


def test_repeats_are_one_item_and_pauses_end_sessions() -> None:
    events = [
        {"source": "s", "type": kind, "actor": actor, "time": time}
        for kind, actor, time in [
            ("a", "x", 0),
            ("a", "x", 5),
            ("b", "x", 6),
            ("a", "y", 7),
            ("a", "x", 1807),
            ("a", "x", 1806),
        ]
    ]
    log_ = from_events(events)
    coding = tokens.plain(log_)
    items = collapse(log_, coding.codes, len(coding.tokens), order(log_))
    assert items.sessions.tolist() == [0, 0, 0, 1]
    assert items.lengths.tolist() == [2, 1, 2, 1]
    assert items.ends.tolist() == [5.0, 6.0, 1807.0, 7.0]
    assert items.first_rows.tolist() == [0, 2, 5, 3]


def test_times_in_every_notation() -> None:
    assert seconds("1970-01-01T00:01:00Z") == seconds("1970-01-01T01:01:00+01:00") == seconds(60) == 60.0
    assert np.isclose(seconds("1970-01-01T00:00:00.5Z"), 0.5)
