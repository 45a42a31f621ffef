"""What the scaffold writes passes at once: style, types of tests, and the contract it inherits."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import scaffold
from infra.local.home import ROOT


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the parts that a scaffold touches, so that no other test sees it."""
    for name in ("shared", "services", "tests", "infra"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The folders alone, with one connector."""
    for name in ("services/integrations/connectors", "tests/integrations/connectors"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "services/integrations/connectors/slack.py").touch()
    return tmp_path


@pytest.mark.integration
def test_what_it_writes_passes_at_once(copy: Path) -> None:
    written = [
        *scaffold.write("connector", "paper_mill", "Paper Mill", copy),
        *scaffold.write("step", "echo_often", root=copy),
    ]
    paths = [str(path.relative_to(copy)) for path in written]
    for check in (["ruff", "check", "-q"], ["ruff", "format", "-q", "--check"]):
        style = subprocess.run(
            [sys.executable, "-m", *check, *paths], cwd=copy, capture_output=True, text=True, check=False
        )
        assert style.returncode == 0, style.stdout
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", paths[1], paths[3]]
    result = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "failed" not in result.stdout


@pytest.mark.parametrize("name", ["Paper", "paper-mill", "../paper", "", "class", "_x", "a" * 41, "slack"])
def test_a_name_that_cannot_be_is_refused_and_nothing_written(bare: Path, name: str) -> None:
    with pytest.raises(scaffold.Refused):
        scaffold.write("connector", name, root=bare)
    assert [path.name for path in bare.rglob("*.py")] == ["slack.py"]


def test_nothing_is_written_when_only_the_test_exists(bare: Path) -> None:
    test = bare / "tests/integrations/connectors/test_paper_mill.py"
    test.write_text("")
    with pytest.raises(scaffold.Refused, match="exists"):
        scaffold.write("connector", "paper_mill", root=bare)
    assert not (bare / "services/integrations/connectors/paper_mill.py").exists()
