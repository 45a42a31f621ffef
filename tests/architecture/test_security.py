"""SECURITY.md keeps its word: every proof that it names exists, and every row about operations has a test."""

import ast
import re

import pytest

from tests.architecture.sources import ROOT, all_sources

TEXT = (ROOT / "SECURITY.md").read_text()
PROOFS = sorted(set(re.findall(r"`((?:tests|infra)/[\w/]+\.py)(?:::(\w+))?`", TEXT)))
ROWS = range(86, 99)


def names(path: str) -> set[str]:
    """The functions of one file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("path", "function"), PROOFS)
def test_a_proof_exists(path: str, function: str) -> None:
    assert not function or function in names(path)


def test_every_old_fault_has_a_proof() -> None:
    table = TEXT.partition("| Fault | Proof |")[2]
    rows = [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("|---")]
    assert len(rows) >= 12
    assert all(re.search(r"`(tests|infra)/\w+", row) for row in rows)


def test_the_threat_model_has_ten_lines() -> None:
    assert re.findall(r"^(\d+)\. ", TEXT, re.MULTILINE) == [str(number) for number in range(1, 11)]


@pytest.mark.parametrize("row", ROWS)
def test_rows_of_gateway_operations_and_siblings_have_tests(row: int) -> None:
    found = [node.name for source in all_sources() if source.is_test for node in source.functions]
    assert [name for name in found if name.startswith(f"test_b{row}_")]
