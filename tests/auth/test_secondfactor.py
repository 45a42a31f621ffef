"""Time-based codes and recovery codes."""

import time
from collections.abc import Awaitable, Callable

import pyotp

from services.auth.domain import secondfactor
from tests.auth.processes import PASSWORD, Person, Process

Join = Callable[[], Awaitable[Person]]


async def _enable(person: Person) -> tuple[str, list[str]]:
    secret = (await person.ok("POST", "/users/me/totp", json={"current_password": PASSWORD}))["secret"]
    code = pyotp.TOTP(secret).at(int(time.time()) - 30)
    codes = (await person.ok("PUT", "/users/me/totp", json={"code": code}))["recovery_codes"]
    return secret, codes


async def test_login_asks_for_a_code_that_works_once(join: Join) -> None:
    person = await join()
    secret, _ = await _enable(person)
    body = {"email": person.email, "password": PASSWORD}
    assert await person.refused("POST", "/auth/login", 401, json=body) == "second-factor-required"
    assert await person.refused("POST", "/auth/login", 401, json={**body, "totp": "000000"}) == "invalid-credentials"
    code = pyotp.TOTP(secret).now()
    await person.login(totp=code)
    assert await person.refused("POST", "/auth/login", 401, json={**body, "totp": code}) == "invalid-credentials"


async def test_recovery_codes_work_once_each(join: Join) -> None:
    person = await join()
    _, codes = await _enable(person)
    assert len(set(codes)) == 10
    await person.login(totp=codes[0].upper())
    body = {"email": person.email, "password": PASSWORD, "totp": codes[0]}
    assert await person.refused("POST", "/auth/login", 401, json=body) == "invalid-credentials"
    assert (await person.ok("GET", "/users/me/recovery-codes"))["remaining"] == 9
    renewed = await person.ok("POST", "/users/me/recovery-codes", json={"current_password": PASSWORD})
    assert not set(renewed["recovery_codes"]) & set(codes)
    log = (await person.ok("GET", "/audit-log", params={"action": "recovery_code.used"}))["items"]
    assert [(entry["actor"], entry["details"]) for entry in log] == [(f"user:{await person.user_id()}", {})]


async def test_wrong_codes_shut_an_account_like_wrong_passwords(join: Join, service_auth: Process) -> None:
    """Whoever has the password cannot go through a million codes; the owner's session still can end what goes on."""
    person = await join()
    secret, codes = await _enable(person)
    stranger = Person(service_auth, person.email)
    body = {"email": person.email, "password": PASSWORD}
    for number in range(10):
        assert await stranger.refused("POST", "/auth/login", 401, json={**body, "totp": f"{number:06}"})
    right = {**body, "totp": pyotp.TOTP(secret).now()}
    assert await stranger.refused("POST", "/auth/login", 429, json=right) == "too-many-requests"
    assert await stranger.refused("POST", "/auth/login", 429, json={**body, "totp": codes[0]}) == "too-many-requests"
    await person.ok("POST", "/auth/login", json=right)
    await service_auth.settled()
    log = (await person.ok("GET", "/audit-log", params={"limit": 200}))["items"]
    acts = [entry["action"] for entry in log]
    assert (acts.count("login.failed"), acts.count("login.locked")) == (10, 1)


async def test_second_factor_is_switched_off_by_password(join: Join) -> None:
    person = await join()
    await _enable(person)
    slug = await person.refused("POST", "/users/me/totp", 409, json={"current_password": PASSWORD})
    assert slug == "second-factor-enabled"
    await person.refused("DELETE", "/users/me/totp", 401, json={"current_password": "wrong password"})
    await person.ok("DELETE", "/users/me/totp", 204, json={"current_password": PASSWORD})
    await person.login()


def test_codes_of_the_steps_around_now_fit() -> None:
    secret = pyotp.random_base32()
    totp, now = pyotp.TOTP(secret), int(time.time())
    step = now // 30
    assert secondfactor.match(secret, totp.at(now - 30), None) == step - 1
    assert secondfactor.match(secret, totp.at(now - 30), step - 1) is None
    assert secondfactor.match(secret, totp.at(now - 120), None) is None
