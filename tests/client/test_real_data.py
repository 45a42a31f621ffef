"""The importers on real histories, where the folder with them lies beside the repository."""

import collections
import tracemalloc

import pytest

from client.importers import open_source
from client.importers.drafts import Event, Fault
from tests.fixtures.samples import ABSENT, sample_root

DATA = sample_root()
# A hundred thousand events take too long for the tests that run at every turn.
pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not DATA.is_dir(), reason=ABSENT),
]


def read(name: str) -> tuple[list[Event], list[Fault]]:
    faults: list[Fault] = []
    return list(open_source(DATA / name, report=faults.append)), faults


def check(events: list[Event]) -> None:
    """What the API demands of every event, and ids that tell them apart."""
    assert len({(event["source"], event["id"]) for event in events}) == len(events)
    for event in events:
        assert all(0 < len(event.get(name, "x")) <= 255 for name in ("source", "type", "id", "actor"))
        assert 0 < len(event.get("subject", "x")) <= 1024
        assert "T" in event["time"]


@pytest.mark.parametrize(("name", "changes"), [("redis", 28_200), ("dispatch", 17_104), ("procrastinate", 6_234)])
def test_git_histories(name: str, changes: int) -> None:
    events, faults = read(f"git/{name}.tsv.gz")
    check(events)
    kinds = collections.Counter(event["type"] for event in events)
    assert kinds["file.changed"] == changes
    assert faults == []


def test_shell_commands() -> None:
    events, faults = read("shell/mastery_commands.csv.gz")
    check(events)
    assert len(events) > 21_000
    assert len(faults) < 20
    assert len({event["actor"] for event in events}) == 267
    kinds = collections.Counter(event["type"] for event in events)
    assert kinds["command.nmap"] > 1_500
    assert kinds["command.other"] < 0.06 * len(events)
    lines = [event["data"]["command"] for event in events]
    assert not any("BEGIN RSA" in line or "PRIVATE KEY-" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "count"),
    [("log1_segmented", 1_400), ("log2_segmented", 14_804), ("log3_segmented", 14_583), ("log4_segmented", 1_400),
     ("StudentRecord", 2_409), ("StudentRecord_preprocessed", 1_539), ("StudentRecord_segmented", 1_539)],
)  # fmt: skip
def test_recordings_of_user_interfaces(name: str, count: int) -> None:
    events, faults = read(f"ui_logs/{name}.csv")
    check(events)
    assert (len(events), faults) == (count, [])
    assert 2 <= len({event["source"] for event in events}) <= 4
    assert {event["type"] for event in events} >= {"clickButton", "paste"}
    assert sum("subject" in event for event in events) > 0.5 * count


def test_memory_does_not_grow_with_the_source() -> None:
    tracemalloc.start()
    count = sum(1 for _ in open_source(DATA / "git" / "procrastinate.tsv.gz"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count > 8_000
    assert peak < 8 * 2**20
