"""Installs the locked dependencies into .venv with the standard library alone; `install.py uv ARGS…` runs uv itself."""

import ast
import fcntl
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".venv"
TOOLS = ROOT / ".tools"
LOCK = ROOT / "requirements" / "dev.lock"
STAMP = ENVIRONMENT / "installed.lock"
PASSED_TO_UV = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "find-links": "UV_FIND_LINKS"}


class Failed(Exception):
    """The installation cannot go on; the sentence says why and what to do."""


def main(arguments: list[str]) -> int:
    """Install unless it is done; two at once take turns."""
    TOOLS.mkdir(exist_ok=True)
    try:
        if arguments[:1] == ["uv"]:
            return subprocess.run([_uv(), *arguments[1:]], env=_environment(), check=False).returncode
        with (TOOLS / "lock").open("w") as lock:
            _wait(lock.fileno())
            if not _current():
                _install()
    except Failed as error:
        print(f"Floyo could not install its dependencies: {error}", file=sys.stderr)
        return 1
    return 0


def side_environment(name: str) -> Path:
    """The interpreter of an environment beside ours, made once from requirements/NAME.lock, for what conflicts."""
    home, lock = TOOLS / name, ROOT / "requirements" / f"{name}.lock"
    stamp = home / "installed.lock"
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / f"{name}.turn").open("w") as turn:
        _wait(turn.fileno())
        if not (stamp.exists() and stamp.read_bytes() == lock.read_bytes()):
            shutil.rmtree(home, ignore_errors=True)
            uv, python = _uv(), str(home / "bin" / "python")
            _run([uv, "venv", "-q", "--python", sys.executable, str(home)])
            _run([uv, "pip", "sync", "-q", "--python", python, "--require-hashes", str(lock)])
            shutil.copyfile(lock, stamp)
    return home / "bin" / "python"


def _wait(descriptor: int) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another installation in this folder to end …", file=sys.stderr)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _current() -> bool:
    python = ENVIRONMENT / "bin" / "python"
    return python.exists() and STAMP.exists() and STAMP.read_bytes() == LOCK.read_bytes()


def _install() -> None:
    started = time.monotonic()
    print(f"Installing Floyo's dependencies into {ENVIRONMENT} (once) …", file=sys.stderr)
    STAMP.unlink(missing_ok=True)
    uv = _uv()
    if not (ENVIRONMENT / "bin" / "python").exists():
        shutil.rmtree(ENVIRONMENT, ignore_errors=True)
        _run([uv, "venv", "-q", "--python", sys.executable, "--prompt", "floyo", str(ENVIRONMENT)])
    python = str(ENVIRONMENT / "bin" / "python")
    sync = [uv, "pip", "sync", "-q", "--python", python, "--require-hashes", "--compile-bytecode", str(LOCK)]
    if subprocess.run(sync, env=_environment(), cwd=ROOT, check=False).returncode:
        print("uv did not succeed; trying again with pip, which reads other settings …", file=sys.stderr)
        _run([python, "-Im", "ensurepip", "-q"])
        _run([python, "-m", "pip", "install", "-q", "--require-hashes", "-r", str(LOCK)])
    shutil.copyfile(LOCK, STAMP.with_suffix(".new"))
    STAMP.with_suffix(".new").replace(STAMP)
    print(f"Installed in {time.monotonic() - started:.0f} s.", file=sys.stderr)


def _uv() -> str:
    """uv from the path when it works, else our own copy, with hashes, in a private environment."""
    if found := shutil.which("uv"):
        works = subprocess.run([found, "pip", "sync", "--help"], capture_output=True, check=False)
        if works.returncode == 0 and b"--require-hashes" in works.stdout:
            return found
    private = TOOLS / "uv"
    if not (private / "bin" / "uv").exists():
        shutil.rmtree(private, ignore_errors=True)
        try:
            venv.create(private, with_pip=True, symlinks=True)
        except (subprocess.CalledProcessError, OSError) as error:
            raise Failed(
                f"{sys.executable} cannot make a virtual environment ({error}). On Debian or Ubuntu: "
                f"apt install python{sys.version_info.major}.{sys.version_info.minor}-venv; or install uv."
            ) from error
        requirements = ROOT / "requirements" / "tools.lock"
        pip = [str(private / "bin" / "python"), "-m", "pip", "install", "-q", "--require-hashes", "-r"]
        _run([*pip, str(requirements)])
    return str(private / "bin" / "uv")


def _environment() -> dict[str, str]:
    """Our environment; what pip was told about indexes is told to uv as well, which does not read pip's settings."""
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    translated = {PASSED_TO_UV[name]: value for name, value in _pip_settings().items() if name in PASSED_TO_UV}
    if translated:
        environment = {"UV_INDEX_STRATEGY": "unsafe-best-match", **translated, **environment}
    return environment


def _pip_settings() -> Mapping[str, str]:
    command = [sys.executable, "-m", "pip", "config", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    settings = {}
    for line in result.stdout.splitlines() if result.returncode == 0 else ():
        name, _, value = line.partition("=")
        settings[name.split(".")[-1]] = " ".join(str(ast.literal_eval(value)).split())
    return settings


def _run(command: list[str]) -> None:
    if subprocess.run(command, env=_environment(), cwd=ROOT, check=False).returncode:
        raise Failed(
            f"`{' '.join(command[:4])} …` failed, as shown above. The first run downloads packages, so it needs the "
            "network or a mirror (PIP_INDEX_URL); run the same command again once that works."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
