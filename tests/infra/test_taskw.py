"""The first command on a fresh machine: what it needs, what it says, and that it is instant later."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
import yaml

from infra.local.home import ROOT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with `taskw` and a lock, but nothing installed."""
    shutil.copy(ROOT / "taskw", tmp_path / "taskw")
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "dev.lock").write_text("something==1\n")
    return tmp_path


def run(
    clone: Path, *arguments: str, path: str = os.defpath, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": path, "HOME": str(clone), **variables}
    command = [str(clone / "taskw"), *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, check=False)


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_python_that_is_too_old(clone: Path) -> None:
    tools = clone / "tools"
    script(tools / "python3", 'case "$1" in --version) echo "Python 3.9.2";; *) exit 1;; esac')
    for name in ("sh", "dirname", "cmp"):
        (tools / name).symlink_to(shutil.which(name) or name)
    result = run(clone, "up", path=str(tools))
    assert result.returncode == 1
    assert "3.11" in result.stderr
    assert "Python 3.9.2" in result.stderr
    assert "FLOYO_PYTHON=" in result.stderr


def test_installed_before_means_no_installation(clone: Path) -> None:
    script(clone / ".venv" / "bin" / "python", "exit 9")
    script(clone / ".venv" / "bin" / "task", 'printf "%s|" "$@"; exit 7')
    shutil.copy(clone / "requirements" / "dev.lock", clone / ".venv" / "installed.lock")
    result = run(clone, "up", "--", "--json", "two words")
    assert result.returncode == 7
    assert result.stdout == f"--dir|{clone}|--exit-code|up|--|--json|two words|"


def test_bytecode_is_kept_whatever_the_caller_has_set(clone: Path) -> None:
    script(clone / ".venv" / "bin" / "python", "exit 9")
    script(clone / ".venv" / "bin" / "task", 'printf "%s" "${PYTHONDONTWRITEBYTECODE-kept}"')
    shutil.copy(clone / "requirements" / "dev.lock", clone / ".venv" / "installed.lock")
    assert run(clone, "up", variables={"PYTHONDONTWRITEBYTECODE": "1"}).stdout == "kept"


def test_changed_lock_installs_again(clone: Path) -> None:
    script(clone / ".venv" / "bin" / "python", "exit 9")
    script(clone / ".venv" / "bin" / "task", "exit 0")
    (clone / ".venv" / "installed.lock").write_text("something==0\n")
    (clone / "infra" / "local").mkdir(parents=True)
    (clone / "infra" / "local" / "install.py").write_text("import sys; sys.exit('installing')")
    result = run(clone, "up", path=os.environ["PATH"])
    assert result.returncode == 1
    assert "installing" in result.stderr


def test_every_task_says_what_it_does() -> None:
    tasks = yaml.safe_load((ROOT / "Taskfile.yml").read_text())["tasks"]
    silent = [name for name, task in tasks.items() if not task.get("desc") and not task.get("internal")]
    assert silent == []
    assert {"up", "down", "status", "logs", "scale", "test", "test:unit", "check"} <= set(tasks)


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "./taskw test" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert os.access(ROOT / "taskw", os.X_OK)
