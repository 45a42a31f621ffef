"""What is decided at auth holds in every process of every service within five seconds, asked of each one itself."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from shared.flags import FLAGS, INGEST_FAST, NEXT_ACTION_RANK, PEER_HABITS, RUN_GROUP_COMMIT
from tests.attacks.actors import READABLE, Actor, eventually
from tests.fixtures.stack import Stack

SECONDS = 5.0
STATE = re.compile(r'^floyo_flag_state\{flag="([\w-]+)"\} (\S+)$', re.MULTILINE)
SWITCHES = (
    INGEST_FAST,
    PEER_HABITS,
    NEXT_ACTION_RANK,
    RUN_GROUP_COMMIT,
)  # switching registration off would end other tests


@pytest.fixture
def direct() -> Iterator[httpx2.Client]:
    """Calls past the gateway, so that no instance is spared."""
    with httpx2.Client(timeout=10, trust_env=False) as client:
        yield client


def instances(stack: Stack) -> list[dict[str, Any]]:
    """Every process of our own, services and workers."""
    found = [item for item in stack.processes() if item["name"].removesuffix("-worker") in READABLE]
    assert {item["name"] for item in found} >= {*READABLE, *(f"{name}-worker" for name in READABLE)}
    return found


def states(http: httpx2.Client, instance: dict[str, Any]) -> dict[str, float]:
    """How one process sees the flags."""
    text = http.get(f"http://127.0.0.1:{instance['internal_port']}/metrics").text
    return {name: float(value) for name, value in STATE.findall(text)}


def set_all(admin: Actor, *, enabled: bool) -> None:
    """Switches on or off what may be switched while other tests run."""
    for flag in SWITCHES:
        admin.ok("PUT", f"/flags/{flag.name}", json={"enabled": enabled})


def test_kill_switch_reaches_every_process(stack: Stack, admin: Actor, direct: httpx2.Client) -> None:
    found = instances(stack)

    def seen(expected: float) -> bool:
        told = [states(direct, instance) for instance in found]
        return all(set(state) == set(FLAGS) and state[flag.name] == expected for state in told for flag in SWITCHES)

    set_all(admin, enabled=True)
    eventually(lambda: seen(1.0))
    try:
        began = time.monotonic()
        set_all(admin, enabled=False)
        eventually(lambda: seen(0.0))
        assert time.monotonic() - began <= SECONDS
        assert all(states(direct, instance)["registration"] == 1.0 for instance in found)
    finally:
        set_all(admin, enabled=True)


Ends = Callable[[Actor, Actor, dict[str, Any]], None]
ENDS: dict[str, Ends] = {
    "key_deleted": lambda owner, _guest, made: owner.ok("DELETE", f"/api-keys/{made['id']}", 204),
    "session_ended": lambda _owner, guest, _made: guest.ok("DELETE", f"/auth/sessions/{guest.claims['sid']}", 204),
    "logged_out": lambda _owner, guest, _made: guest.ok("POST", "/auth/logout", 204, json={}),
    "member_removed": lambda owner, guest, _made: owner.ok(
        "DELETE", f"{owner.organization}/members/{guest.claims['sub']}", 204
    ),
    "password_changed": lambda _owner, guest, _made: (
        Actor(guest.stack, guest.email)
        .login()
        .ok(
            "POST",
            "/users/me/password",
            204,
            json={"current_password": guest.password, "new_password": "another long password 9"},
        )
    ),
    "person_erased": lambda _owner, guest, _made: (
        Actor(guest.stack, guest.email).login().ok("DELETE", "/users/me", 204)
    ),
}


@pytest.mark.parametrize("end", ENDS)
def test_revocation_reaches_every_process(
    stack: Stack, actor: Callable[[], Actor], direct: httpx2.Client, end: str
) -> None:
    owner = actor()
    guest = owner.invite("member")
    made = owner.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["*"]})
    token = made["key"] if end == "key_deleted" else guest.token
    paths = READABLE | {"auth": "/organizations"}
    asked = [
        f"http://127.0.0.1:{item['public_port']}/api/v1{paths[item['name']]}"
        for item in instances(stack)
        if item["name"] in paths
    ]
    headers = {"Authorization": f"Bearer {token}"}

    def answers() -> set[int]:
        return {direct.get(url, headers=headers).status_code for url in asked}

    assert answers() == {200}
    began = time.monotonic()
    ENDS[end](owner, guest, made)
    eventually(lambda: answers() == {401})
    assert time.monotonic() - began <= SECONDS
    assert answers() == {401}
