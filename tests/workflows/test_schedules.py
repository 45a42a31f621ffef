"""Schedules: which moment comes next in a zone whose clocks change, and what is made up for after an outage."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from services.workflows.domain import schedules

OSLO = {"type": "schedule", "cron": "30 2 * * *", "timezone": "Europe/Oslo"}
HOURLY = {"type": "schedule", "cron": "0 * * * *", "timezone": "UTC"}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def upcoming(spec: dict[str, str], begin: datetime, count: int) -> list[datetime]:
    found = []
    moment = begin
    for _ in range(count):
        following = schedules.following(spec, begin, moment)
        assert following is not None
        found.append(moment := following)
    return found


def test_the_zone_counts_in_winter_and_summer() -> None:
    nine = {**OSLO, "cron": "0 9 * * *"}
    assert schedules.first(nine, at("2026-01-15")) == at("2026-01-15T08:00")
    assert schedules.first(nine, at("2026-07-15")) == at("2026-07-15T07:00")


def test_a_time_that_is_left_out_comes_right_after() -> None:
    assert upcoming(OSLO, at("2026-03-28T12:00"), 2) == [at("2026-03-29T01:00"), at("2026-03-30T00:30")]


def test_a_time_that_is_repeated_comes_once() -> None:
    assert upcoming(OSLO, at("2026-10-24T12:00"), 2) == [at("2026-10-25T00:30"), at("2026-10-26T01:30")]


def test_an_hourly_schedule_never_pauses_over_a_change_of_clocks() -> None:
    hourly = {**HOURLY, "timezone": "Europe/Oslo"}
    found = upcoming(hourly, at("2026-10-24T22:30"), 6)
    assert {later - earlier for earlier, later in itertools.pairwise(found)} == {timedelta(hours=1)}


def test_intervals_keep_to_their_anchor() -> None:
    spec = {"type": "interval", "every": "PT5M"}
    anchor = at("2026-01-01T00:01")
    assert schedules.following(spec, anchor, at("2026-01-01T00:12")) == at("2026-01-01T00:16")
    assert schedules.following(spec, anchor, at("2026-01-01T00:16")) == at("2026-01-01T00:21")


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("none", []),
        ("one", [at("2026-01-01T05:00")]),
        ("all", [at(f"2026-01-01T0{hour}:00") for hour in range(1, 6)]),
    ],
)
def test_missed_slots_follow_the_policy(policy: str, expected: list[datetime]) -> None:
    spec = {**HOURLY, "catch_up": policy}
    due = at("2026-01-01T01:00")
    assert list(schedules.slots(spec, due, due, at("2026-01-01T05:30"))) == expected


def test_a_slot_that_is_only_just_late_is_not_missed() -> None:
    due = at("2026-01-01T01:00")
    assert list(schedules.slots(HOURLY, due, due, due + timedelta(seconds=20))) == [due]


def test_years_of_missed_seconds_are_quick() -> None:
    spec = {"type": "interval", "every": "PT1S"}
    due = at("2020-01-01")
    now = at("2026-01-01T00:00:00.5")
    assert list(schedules.slots(spec, due, due, now)) == [at("2026-01-01")]
    minutely = {**HOURLY, "cron": "* * * * *", "catch_up": "one"}
    assert list(schedules.slots(minutely, due, due, now)) == [at("2026-01-01")]


def test_all_goes_a_hundred_at_a_time() -> None:
    due = at("2026-01-01")
    found = list(schedules.slots({**HOURLY, "catch_up": "all"}, due, due, at("2026-02-01")))
    assert len(found) == 100
