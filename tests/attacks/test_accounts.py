"""Attacks on accounts, rows 14 to 22."""

import statistics
import time
import unicodedata
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from tests.attacks.actors import PASSWORD, Actor, execute
from tests.fixtures.stack import Stack

Join = Callable[[], Actor]
ROUNDS = 200
ACCOUNTS = 50
CALLS: dict[str, Callable[[str], dict[str, Any]]] = {
    "/auth/login": lambda email: {"email": email, "password": "not the right one"},
    "/auth/register": lambda email: {"email": email, "password": PASSWORD},
    "/auth/forgot-password": lambda email: {"email": email},
}


def _email() -> str:
    return f"{uuid4().hex}@example.com"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", CALLS)
def test_b14_known_and_unknown_addresses_look_alike(wired: Stack, path: str) -> None:
    """Four attempts for each account: below the limits of passwords and of letters."""
    stranger = Actor(wired)
    known = [Actor(wired).join().email for _ in range(ACCOUNTS)]
    seconds: dict[bool, list[float]] = {True: [], False: []}
    bodies = set()
    for number in range(2 * ROUNDS):
        is_known = bool(number % 2)
        email = known[number // 2 % ACCOUNTS] if is_known else _email()
        body = CALLS[path](email)
        began = time.perf_counter()
        answer = stranger.call("POST", path, json=body)
        seconds[is_known].append(time.perf_counter() - began)
        content = {name: value for name, value in answer.json().items() if name != "trace_id"}
        bodies.add((answer.status_code, str(content)))
    assert len(bodies) == 1
    medians = {is_known: statistics.median(values) * 1_000 for is_known, values in seconds.items()}
    assert abs(medians[True] - medians[False]) < 10, medians


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Original-Host"])
def test_b15_reset_link_with_a_forged_host(actor: Join, name: str) -> None:
    person = actor()
    value = "host=evil.example" if name == "Forwarded" else "evil.example"
    answer = person.call("POST", "/auth/forgot-password", json={"email": person.email}, headers={name: value})
    assert answer.status_code == 202
    person.mailed("reset-password")
    letter = person.stack.mails(person.email)[-1].replace("=\n", "").replace("=3D", "=")
    assert f"{person.stack.gateway}/reset-password#token=" in letter
    assert "evil" not in letter


async def test_b16_reset_token_reused_expired_or_of_another_kind(actor: Join, stack: Stack) -> None:
    person, other = actor(), actor()
    body = {"password": "a quite different password"}

    def reset(token: str, status: int) -> None:
        answer = person.call("POST", "/auth/reset-password", json={**body, "token": token})
        assert answer.status_code == status, answer.text
        if status == 400:
            assert answer.json()["type"] == "urn:floyo:problem:invalid-token"

    person.ok("POST", "/auth/forgot-password", 202, json={"email": person.email})
    token = person.mailed("reset-password")
    reset(person.mailed("verify-email"), 400)
    reset(other.mailed("verify-email"), 400)
    reset(token[:-1] + ("A" if token[-1] != "A" else "B"), 400)
    reset(token, 204)
    reset(token, 400)
    person.ok("POST", "/auth/forgot-password", 202, json={"email": person.email})
    second = person.mailed("reset-password", 2)
    await execute(
        stack, "auth", "UPDATE one_time_token SET expires_at = now() WHERE user_id = $1", person.claims["sub"]
    )
    reset(second, 400)


def test_b17_eleventh_bad_password(actor: Join) -> None:
    person = actor()
    wrong = {"email": person.email, "password": "not the right one"}
    change = {"current_password": "not the right one", "new_password": "a quite different password"}
    stranger = Actor(person.stack)
    for number in range(5):
        stranger.refused("POST", "/auth/login", 401, json=wrong, headers={"X-Forwarded-For": f"192.0.2.{number}"})
        person.refused("POST", "/users/me/password", 401, json=change)
    for case in (person.email, person.email.upper()):
        answer = stranger.call("POST", "/auth/login", json={**wrong, "email": case})
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
    right = {"email": person.email, "password": PASSWORD}
    stranger.refused("POST", "/auth/login", 429, json=right)
    person.refused("POST", "/users/me/password", 429, json=change)
    person.ok("POST", "/auth/login", json=right)
    person.ok("POST", "/users/me/password", 204, json={**change, "current_password": PASSWORD})


COMMON = [word for word in FREQUENCY_LISTS["passwords"][:3_000] if len(word) >= 8]


@pytest.mark.parametrize(
    "password",
    ["seven77", *COMMON[::40], "PASSWORD123", "with\x00nul in it", "x" * 1_025, "x" * 1_000_000, "        ", ""],
    ids=lambda value: repr(value[:20]),
)
def test_b18_bad_password(wired: Stack, password: str) -> None:
    slug = Actor(wired).refused("POST", "/auth/register", 422, json={"email": _email(), "password": password})
    assert slug in {"invalid", "invalid-json"}


@pytest.mark.parametrize(
    "password",
    ["four words and spaces between", "ключ от квартиры где деньги", "🔑🗝🔒🔓🧲🧰🪛🔧",
     "p" * 100 + "q" * 100 + "end", "e\u0301e\u0301e\u0301 fgh!"],
    ids=["spaces", "cyrillic", "emoji", "long", "combining"],
)  # fmt: skip
def test_b19_good_password_is_kept_whole(wired: Stack, password: str) -> None:
    person = Actor(wired)
    person.password = password
    person.join()
    for wrong in (password[:-1], password[:72] if len(password) > 72 else password[:-2]):
        person.refused("POST", "/auth/login", 401, json={"email": person.email, "password": wrong})
    person.password = unicodedata.normalize("NFC", password)
    person.login()


@pytest.mark.parametrize(
    "email",
    ["a@example.com\r\nBcc: b@example.com", "a\n@example.com", "a@exam\rple.com", "@example.com", "a@",
     "a b@example.com", "a@b@example.com", "a@example.com\x00", "x" * 65 + "@example.com", "a@" + "b" * 300 + ".com",
     "", None, 7],
    ids=lambda value: repr(value)[:30],
)  # fmt: skip
@pytest.mark.parametrize("path", CALLS)
def test_b20_bad_address(wired: Stack, path: str, email: Any) -> None:
    Actor(wired).refused("POST", path, 422, json={**CALLS[path]("x"), "email": email})


def test_b20_address_in_other_case_is_the_same_account(actor: Join) -> None:
    person = actor()
    stranger = Actor(person.stack)
    other = "another one, longer"
    first = stranger.call("POST", "/auth/register", json={"email": _email(), "password": PASSWORD})
    second = stranger.call("POST", "/auth/register", json={"email": person.email.upper(), "password": other})
    assert (first.status_code, first.content) == (second.status_code, second.content)
    stranger.refused("POST", "/auth/login", 401, json={"email": person.email, "password": other})
    again = Actor(person.stack, person.email.upper()).login()
    assert again.claims["sub"] == person.claims["sub"]


@pytest.mark.parametrize(
    "name", ["role", "is_verified", "verified_at", "org_id", "organization_id", "platform_admin", "id"]
)
def test_b21_privileges_at_registration(wired: Stack, name: str) -> None:
    body = {"email": _email(), "password": PASSWORD, name: True}
    Actor(wired).refused("POST", "/auth/register", 422, json=body)


@pytest.mark.parametrize("service", ["auth", "events", "workflows", "integrations"])
@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "https://app.example.com.evil.example", "https://evilapp.example.com",
     "http://app.example.com", "https://app.example.com:444", "https://APP.example.com@evil.example"],
)  # fmt: skip
async def test_b22_foreign_origin(service: str, origin: str) -> None:
    from tests.attacks.applications import ORIGIN, ask_preflight

    refused = await ask_preflight(service, origin)
    assert "access-control-allow-origin" not in refused.headers
    allowed = await ask_preflight(service, ORIGIN)
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
