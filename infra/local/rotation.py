"""Rotation of keys on a running local stack, under load and without a failure: `python -m infra.local.rotation`."""

import argparse
import asyncio
import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from infra.local import client, environment, operator, secretfiles
from infra.local.home import ROOT, Home, from_environment, gateway_port
from infra.local.postgres import Postgres
from infra.local.valkey import Valkey
from shared import errors
from shared.testing import faults

SERVICE = "integrations"
SECRET = "credential_keys"  # noqa: S105  # the name of a file  # pragma: allowlist secret
NOT_RUNNING = 3
Keys = list[tuple[str, str]]


class Failed(Exception):
    """A stage did not come to its end; the keys in force still open everything."""


def rotate(home: Home, *, drop_old: bool) -> dict[str, Any]:
    """The credential half: {key, rewrapped, unusable, left, keys}.

    The new key is first made known to every process and only then sealed with, since what one process has sealed
    another must open. Old keys go when nothing is sealed with them any more, and only if `drop_old`.
    """
    held = read(home)
    kept = [] if faults.active("old-key-dropped") else held
    new = (_next_id(held), base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
    with _Pair(home):
        _put(home, [*kept, new], f"{new[0]} is known to every process")
        _put(home, [new, *kept], f"{new[0]} seals")
        progress = rewrap(home)
        say(f"{progress['rewrapped']} rows sealed anew, {progress['left']} left")
        if drop_old:
            drop(home, progress)
    return {"key": new[0], **progress, "keys": [key_id for key_id, _ in read(home)]}


def drop(home: Home, progress: dict[str, Any]) -> None:
    """Keep the newest key alone; raises Failed while anything is sealed with another."""
    if progress["left"]:
        raise Failed(f"{progress['left']} rows are sealed with older keys, which therefore stay; the log names them")
    _put(home, read(home)[:1], "older keys are gone")


def read(home: Home) -> Keys:
    """The credential keys, newest first."""
    pairs = (part.partition(":") for part in environment.credential_keys(home.secrets).strip().split(","))
    return [(key_id, key) for key_id, _, key in pairs]


def write(home: Home, keys: Keys) -> None:
    """Replace the secret at one stroke."""
    draft = home.secrets / f".{SECRET}.{os.getpid()}"
    secretfiles.write(draft, ",".join(f"{key_id}:{key}" for key_id, key in keys))
    draft.replace(home.secrets / SECRET)


def rewrap(home: Home) -> dict[str, Any]:
    """Seal everything with the newest key, as often as it takes; {rewrapped, unusable, left}."""
    total = 0
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "services.integrations.jobs.rotation"],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("FLOYO_")} | variables(home),
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.strip().splitlines()
        if not lines:
            raise Failed(f"the rewrapping ended with {done.returncode}: {done.stderr.strip()[-500:]}")
        progress: dict[str, Any] = json.loads(lines[-1])
        total += progress["rewrapped"]
        if not progress["left"] or not progress["rewrapped"]:
            return {**progress, "rewrapped": total}


def variables(home: Home) -> dict[str, str]:
    """The settings of one more process of the service."""
    ports = home.remembered_ports()
    passwords = environment.redis_passwords(home.secrets, [SERVICE])
    common = environment.Environment(
        home.secrets,
        [SERVICE],
        Postgres(home.folder / "postgres", ports["postgres"], ""),
        Valkey(home.folder / "valkey", ports["valkey"], passwords),
        f"http://127.0.0.1:{gateway_port()}",
        f"smtp://127.0.0.1:{ports['mail']}",
        home.siblings,
    )
    return common.of(SERVICE, "rotation")


class _Pair:
    """Two processes at least, so that one answers while the other restarts; back to one afterwards."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def __enter__(self) -> None:
        described = client.ask(self._home, {"command": "status"}, say)["status"]["processes"]
        self._alone = sum(process["name"] == SERVICE for process in described) == 1
        if self._alone:
            self._scale(2)

    def __exit__(self, *_error: object) -> None:
        if self._alone:
            self._scale(1)

    def _scale(self, count: int) -> None:
        _command(self._home, {"command": "scale", "counts": {SERVICE: count}})


def _put(home: Home, keys: Keys, meaning: str) -> None:
    """Bring keys into force in every process, one after the other."""
    write(home, keys)
    _command(home, {"command": "restart", "names": [SERVICE, f"{SERVICE}-worker"]})
    say(meaning)


def _command(home: Home, request: dict[str, Any]) -> None:
    problems = client.ask(home, request, lambda _news: None)["problems"]
    if problems:
        raise Failed(" ".join(problems))


def _next_id(held: Sequence[tuple[str, str]]) -> str:
    numbers = [int(key_id[1:]) for key_id, _ in held if key_id[:1] == "k" and key_id[1:].isdigit()]
    return f"k{max(numbers, default=len(held)) + 1}"


def say(text: str) -> None:
    """Progress, beside the result."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Rotate both kinds of keys, or one; the last line is JSON. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="./taskw keys:rotate --", description=__doc__)
    parser.add_argument("--drop-old", action="store_true", help="forget older credential keys once nothing needs them")
    parser.add_argument("--only", choices=("credentials", "tokens"), help="one kind of keys (both)")
    options = parser.parse_args(arguments)
    home = from_environment()
    if not client.locked(home):
        say(f"Floyo is not running in {home.folder}. Start it: ./taskw up")
        return NOT_RUNNING
    if "FLOYO_CREDENTIAL_KEYS" in os.environ:
        say("FLOYO_CREDENTIAL_KEYS is set and wins over the secret that would be rotated; unset it.")
        return 2
    result: dict[str, Any] = {}
    try:
        if options.only != "tokens":
            result["credentials"] = rotate(home, drop_old=options.drop_old)
        if options.only != "credentials":
            result["tokens"] = asyncio.run(operator.call(home, "POST", "/internal/signing-keys"))
            say("the next key that signs access tokens is shown, and signs in ten seconds")
    except (Failed, client.NotRunning, errors.FloyoError, OSError) as error:
        say(f"keys:rotate failed: {error}")
        return 1
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
