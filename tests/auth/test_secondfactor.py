"""Time-based codes and recovery codes."""

import time
from collections.abc import Awaitable, Callable

import pyotp

from services.auth.domain import secondfactor
from tests.auth.processes import PASSWORD, Person

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
