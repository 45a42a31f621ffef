"""Every promise A1 to A25 has its scenario with a negative control, under its own name."""

import inspect

import pytest

from shared.testing import faults
from tests.architecture.sources import all_sources
from tests.chaos.__main__ import main
from tests.chaos.catalogue import scenarios
from tests.chaos.options import SHORT_PATIENCE, Options

PROMISES = (
    "ingest", "workers", "failpoints", "zombies", "queue-loss", "redis-outage", "global-limit", "fanout",
    "rolling-restart", "instance-crash", "overload", "retry-storm", "breaker", "pool", "probes", "idempotency",
    "refresh-race", "inbound-hooks", "outbound-hooks", "timers", "migration", "key-rotation", "restore", "read-only",
    "soak",
)  # fmt: skip
QUICK = ("ingest", "workers", "fanout", "breaker", "probes", "idempotency", "refresh-race")


@pytest.mark.parametrize(("number", "name"), list(enumerate(PROMISES, 1)))
def test_a_promise_has_its_scenario(number: int, name: str) -> None:
    scenario = scenarios()[name]
    assert scenario.promise == f"A{number}"
    for part in ("run", "control"):
        assert inspect.iscoroutinefunction(getattr(scenario.module, part))


def test_there_are_no_others() -> None:
    assert set(scenarios()) == set(PROMISES)


def test_the_soak_goes_by_name_alone_and_the_quick_ones_have_a_short_form() -> None:
    found = scenarios()
    assert [name for name, one in found.items() if not one.belongs(short=False)] == ["soak"]
    assert all(found[name].belongs(short=True) for name in QUICK)


def test_only_short_forms_have_wider_times_and_fewer_processes() -> None:
    full, short = Options(seed=1, short=False), Options(seed=1, short=True)
    assert (full.within(5), short.within(5)) == (5, 5 * SHORT_PATIENCE)
    assert full.scale("auth", workflows_worker=4) == {"workflows-worker": 4}
    scale = short.scale("auth", workflows_worker=4)
    assert {name: count for name, count in scale.items() if count} == {"auth": 1, "workflows-worker": 4}
    assert set(scale) >= {"events", "events-worker", "integrations"}


def test_an_unknown_name_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nothing"]) == 2
    assert "nothing" in capsys.readouterr().err


def test_faults_are_asked_for_where_they_are_switched_on() -> None:
    """A control that switches on a fault which no code asks for would prove nothing."""
    asked = {
        text
        for source in all_sources()
        if source.path.parts[0] in {"shared", "services"}
        for text in source.text.split('"')[1::2]
    }
    switched = {
        name
        for source in all_sources()
        if source.path.parts[:2] == ("tests", "chaos")
        for part in source.text.split('FLOYO_FAULTS="')[1:]
        for name in part.partition('"')[0].split(",")
    }
    assert len(switched) >= 8
    assert switched <= asked
    assert not any(faults.active(name) for name in switched)
