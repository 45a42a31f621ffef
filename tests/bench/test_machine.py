"""Targets of time on another machine: stretched by how much slower it is, and never shortened."""

import pytest

from tests.bench import machine
from tests.bench.machine import HASH_MS, VERIFICATION_US, Machine


def test_the_machine_of_reference_and_a_faster_one_keep_the_target() -> None:
    assert Machine(VERIFICATION_US, HASH_MS).factor == pytest.approx(1)
    faster = Machine(VERIFICATION_US / 3, HASH_MS / 2)
    assert faster.target("x", 131, 130) == {
        "name": "x", "value": 131, "target": 130, "reference": 130, "within_reference": False, "ok": False,
    }  # fmt: skip


def test_a_slower_machine_gets_the_mean_of_both_and_says_what_needed_it() -> None:
    slower = Machine(VERIFICATION_US * 1.6, HASH_MS * 2.5)  # twice as slow
    assert slower.factor == pytest.approx(2)
    late, prompt, failed = (slower.target("x", value, 130) for value in (259, 130, 261))
    assert (late["target"], late["reference"]) == (pytest.approx(260), 130)
    assert (late["ok"], late["within_reference"]) == (True, False)
    assert prompt["ok"]
    assert prompt["within_reference"]
    assert not failed["ok"]
    assert slower.figures()["machine"] == 2


def test_what_is_measured_is_a_verification_and_a_hash() -> None:
    found = machine.measure()
    assert 10 < found.verification_us < 10_000
    assert 1 < found.hash_ms < 2_000
