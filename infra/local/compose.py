"""The Compose stack beside the local one: `python -m infra.local.compose secrets | compare | test`."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from infra.local import composefile, composesecrets, discovery, ports
from infra.local.home import ROOT

SCALE = ("--scale", "events=2", "--scale", "workflows-worker=2")
WAIT_SECONDS = 300
TAIL_LINES = 25


class Trial:
    """One Compose project of its own, with its own port, secrets and images, that leaves nothing behind."""

    def __init__(self, secrets: Path) -> None:
        self.project = f"floyo-test-{os.getpid()}"
        self.port = ports.free()
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FLOYO_", "COMPOSE_"))},
            "FLOYO_COMPOSE_SECRETS": str(secrets),
            "FLOYO_PORT": str(self.port),
            "FLOYO_VERSION": self.project,
        }
        if socket := os.environ.get("FLOYO_DOCKER_SOCKET"):
            self._environment["FLOYO_DOCKER_SOCKET"] = socket

    def run(self) -> int:
        """Builds, starts from nothing, walks the main job, and takes everything away; returns the exit status."""
        try:
            status = self._compose("build") or self._compose("up", "--wait", *self._wait(), *SCALE)
            if status:
                self._compose("ps", "--all")
                self._compose("logs", "--no-color", "--tail", str(TAIL_LINES))
            return status or self._walk()
        finally:
            self._compose("down", "--volumes", "--remove-orphans", "--timeout", "10")
            self._docker("image", "rm", "--force", *(f"floyo/{name}:{self.project}" for name in discovery.owners()))

    def leftovers(self) -> list[str]:
        """Containers, volumes and networks of the project that still exist."""
        mine = ["--quiet", "--filter", f"label=com.docker.compose.project={self.project}"]
        kinds = (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
        return [name for kind in kinds for name in self._docker(*kind, *mine).stdout.split()]

    def _walk(self) -> int:
        gateway = f"http://127.0.0.1:{self.port}"
        print(f"The stack is up at {gateway}; walking the main job", flush=True)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "tests/e2e/test_journey.py"]
        return subprocess.run(
            command, cwd=ROOT, env={**self._environment, "FLOYO_TEST_GATEWAY": gateway}, check=False
        ).returncode

    def _compose(self, *arguments: str) -> int:
        command = ["docker", "compose", "--progress", "plain", "--project-name", self.project, *arguments]
        return subprocess.run(command, cwd=ROOT, env=self._environment, check=False).returncode

    def _docker(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return _quietly(["docker", *arguments], self._environment)

    @staticmethod
    def _wait() -> tuple[str, str]:
        return "--wait-timeout", str(WAIT_SECONDS)


def absent_engine() -> str | None:
    """Why nothing can be started here, or None when an engine with Compose answers."""
    if shutil.which("docker") is None:
        return "there is no docker command here"
    for command in (["docker", "info", "--format", "{{.ServerVersion}}"], ["docker", "compose", "version"]):
        result = _quietly(command, os.environ)
        if result.returncode:
            reason = (result.stderr or result.stdout).strip().splitlines()
            return f"`{' '.join(command[:3])}` failed: {reason[-1] if reason else 'it said nothing'}"
    return None


def _quietly(command: list[str], variables: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=ROOT, env=dict(variables), capture_output=True, text=True, check=False)


def make_secrets() -> int:
    """Makes what is missing; says where."""
    folder = composesecrets.folder()
    made = composesecrets.make(folder, discovery.owners())
    print(f"{len(made)} secrets are in {folder}")
    return 0


def compare() -> int:
    """Prints every difference between docker-compose.yml and the local stack."""
    faults = composefile.compare(composefile.read())
    for fault in faults:
        print(f"docker-compose.yml: {fault}", file=sys.stderr)
    return 1 if faults else 0


def test() -> int:
    """Runs the trial; skipped with a reason where no engine answers."""
    if reason := absent_engine():
        print(f"skipped: {reason}")
        return 0
    with tempfile.TemporaryDirectory(prefix="floyo-compose-") as name:
        composesecrets.make(Path(name), discovery.owners())
        trial = Trial(Path(name))
        status = trial.run()
    if left := trial.leftovers():
        print(f"left behind: {' '.join(left)}", file=sys.stderr)
        return 1
    return status


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.compose", description=__doc__)
    actions = {"secrets": make_secrets, "compare": compare, "test": test}
    parser.add_argument("action", choices=actions)
    return actions[parser.parse_args(arguments).action]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
