"""The Compose stack beside the local one: `python -m infra.local.compose secrets | compare | test`."""

import argparse
import os
import shutil
import signal
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
        self._environment["FLOYO_DOCKER_SOCKET"] = str(composesecrets.engine_socket())
        self._environment["FLOYO_GATEWAY_USER"] = composesecrets.gateway_user()
        self._outside = {
            **self._environment,
            "FLOYO_TEST_GATEWAY": f"https://127.0.0.1:{self.port}",
            "FLOYO_TEST_CA": str(secrets / "gateway_certificate"),
        }

    def run(self) -> int:
        """Builds, starts from nothing, walks the main job, and takes everything away; returns the exit status."""
        try:
            status = self._compose("build") or self._compose("up", "--wait", *self._wait(), *SCALE)
            if status:
                self._compose("ps", "--all")
                self._compose("logs", "--no-color", "--tail", str(TAIL_LINES))
            return status or self._walk() or self._survive()
        finally:
            self._compose("down", "--volumes", "--remove-orphans", "--timeout", "10")
            self._docker("image", "rm", "--force", *(f"floyo/{name}:{self.project}" for name in discovery.owners()))

    def leftovers(self) -> list[str]:
        """Containers, volumes and networks of the project that still exist."""
        mine = ["--quiet", "--filter", f"label=com.docker.compose.project={self.project}"]
        kinds = (["ps", "--all"], ["volume", "ls"], ["network", "ls"])
        return [name for kind in kinds for name in self._docker(*kind, *mine).stdout.split()]

    def _walk(self) -> int:
        print(f"The stack is up at {self._outside['FLOYO_TEST_GATEWAY']}; walking the main job", flush=True)
        return self._python("-m", "pytest", "-q", "-p", "no:randomly", "tests/e2e/test_journey.py")

    def _survive(self) -> int:
        """Kills the process of every container in turn; the main job passes again soon, with nobody's help."""
        email = f"{self.project}@example.com"
        if self._python("-m", "tests.e2e.pulse", "--register", self._outside["FLOYO_TEST_GATEWAY"], email):
            return 1
        for name, pid in self._running():
            print(f"killing {name}: the main job passes again after these seconds:", end=" ", flush=True)
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError) as error:
                print(f"skipped, the engine's processes are not ours to kill here ({error})")
                return 0
            if self._python("-m", "tests.e2e.pulse", self._outside["FLOYO_TEST_GATEWAY"], email):
                return 1
        return 0

    def _running(self) -> list[tuple[str, int]]:
        """One container of each service, by its process on this machine: `docker kill` would count as wanted."""
        mine = ["--quiet", "--filter", f"label=com.docker.compose.project={self.project}"]
        form = '{{index .Config.Labels "com.docker.compose.service"}} {{.State.Pid}}'
        told = self._docker("inspect", "--format", form, *self._docker("ps", *mine).stdout.split()).stdout
        return sorted({name: int(pid) for name, pid in (line.split() for line in told.splitlines())}.items())

    def _python(self, *arguments: str) -> int:
        return subprocess.run([sys.executable, *arguments], cwd=ROOT, env=self._outside, check=False).returncode

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
    if composesecrets.name_gateway_user(ROOT / ".env"):
        print(f"The gateway's user, {composesecrets.gateway_user()}, is in {ROOT / '.env'}")
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
