"""Every route that changes something says what the audit log holds of it, and its service says so too."""

from functools import cache
from pathlib import Path

import pytest

from infra.local.home import ROOT
from tests.attacks.applications import operations
from tests.attacks.audited import ACTS, OUTSIDE, SILENT


@cache
def sources(service: str) -> str:
    """The code of a service, as text."""
    return "".join(path.read_text() for path in Path(ROOT, "services", service).rglob("*.py"))


def test_every_route_that_changes_something_has_a_line() -> None:
    lines = [*ACTS, *OUTSIDE, *SILENT]
    assert len(lines) == len(set(lines))
    changing = {operation.name for operation in operations() if operation.method != "GET"}
    assert {line for line in lines if " GET " not in line} == changing
    assert set(lines) <= {operation.name for operation in operations()}


@pytest.mark.parametrize("name", [*ACTS, *OUTSIDE])
def test_an_act_is_one_that_its_service_writes_down(name: str) -> None:
    assert f'"{(ACTS | OUTSIDE)[name]}"' in sources(name.partition(" ")[0])


def test_acts_outside_are_written_down_beside_their_service() -> None:
    text = "".join(path.read_text() for path in Path(ROOT, "tests/integrations").glob("test_*.py"))
    assert [action for action in OUTSIDE.values() if f'"{action}"' not in text] == []
