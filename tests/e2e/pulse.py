"""`python -m tests.e2e.pulse GATEWAY EMAIL [--within SECONDS]`: the main job in one beat, until it passes.

Signs in, records an event, sees it, saves a workflow that an event fires, fires it, and sees its run succeed. Prints
the seconds that it took to pass once; ends with 1 when it does not within the time, and prints what was in its way.
"""

import argparse
import sys
import time
from typing import Any
from uuid import uuid4

import httpx2

from tests.e2e.person import PASSWORD, Person, trusted

CALL_SECONDS, RUN_SECONDS = 5.0, 8.0


class Missed(Exception):
    """One beat has failed, and the sentence says where."""


def beat(gateway: str, email: str) -> None:
    """Everything once; raises Missed."""
    tls = trusted(gateway)
    with httpx2.Client(base_url=f"{gateway}/api/v1", timeout=CALL_SECONDS, trust_env=False, verify=tls or True) as http:
        pair = _ok(http, "POST", "/auth/login", {"email": email, "password": PASSWORD})
        http.headers["Authorization"] = f"Bearer {pair['access_token']}"
        kind = f"pulse-{uuid4().hex}"
        _ok(http, "GET", "/integrations")
        steps = [{"id": "only", "type": "transform", "with": {"output": 1}}]
        trigger = {"type": "event", "match": {"type": kind}}
        saved = _ok(http, "POST", "/workflows", {"name": kind, "trigger": trigger, "steps": steps})
        _ok(http, "POST", f"/workflows/{saved['id']}/activate")
        _fire(http, kind, saved["id"])


def _fire(http: httpx2.Client, kind: str, workflow: str) -> None:
    """Events until a subscription has heard one; then the run ends well."""
    deadline = time.monotonic() + RUN_SECONDS
    while time.monotonic() < deadline:
        event = _ok(http, "POST", "/events", {"source": "pulse", "type": kind})
        _ok(http, "GET", f"/events/{event['id']}")
        for _ in range(5):
            runs = _ok(http, "GET", f"/runs?workflow_id={workflow}")["items"]
            if any(run["status"] == "succeeded" for run in runs):
                return
            time.sleep(0.2)
    raise Missed("no run of the workflow succeeded")


def _ok(http: httpx2.Client, method: str, path: str, body: Any = None) -> Any:
    try:
        answer = http.request(method, path, json=body)
    except httpx2.HTTPError as error:
        raise Missed(f"{method} {path}: {type(error).__name__}") from error
    if not answer.is_success:
        raise Missed(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
    return answer.json() if answer.content else None


def main(arguments: list[str]) -> int:
    """Prints the seconds until one beat passed; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.pulse", description=__doc__)
    parser.add_argument("gateway")
    parser.add_argument("email")
    parser.add_argument("--within", type=float, default=15.0)
    parser.add_argument("--register", action="store_true", help="make the person first")
    given = parser.parse_args(arguments)
    if given.register:
        Person(given.gateway, given.email).close()
    began, missed = time.monotonic(), ""
    while time.monotonic() - began < given.within:
        try:
            beat(given.gateway, given.email)
            print(f"{time.monotonic() - began:.1f}")
            return 0 if time.monotonic() - began <= given.within else 1
        except Missed as error:
            missed = str(error)
        time.sleep(0.3)
    print(f"no beat within {given.within:.0f} s; the last one: {missed}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
