"""Tests of one group share what only one of them may have at a time; they must run one after the other."""

import re
import subprocess
import sys
from pathlib import Path

GROUPED = """
import pytest

@pytest.mark.xdist_group("shared")
@pytest.mark.parametrize("number", range(8))
def test_grouped(number):
    assert number >= 0
"""


def test_tests_of_one_group_meet_in_one_worker(tmp_path: Path) -> None:
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    command = [sys.executable, "-m", "pytest", "-v", "-n", "2", "--dist", "loadgroup", "-p", "no:cacheprovider"]
    told = subprocess.run([*command, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    workers = re.findall(r"^\[(gw\d)\] .*PASSED", told, re.MULTILINE)
    assert len(workers) == 8
    assert len(set(workers)) == 1
