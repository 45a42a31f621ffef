"""The quick way in for logins answers as the documented way does, and takes none but strangers."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest

from services.auth.domain import logins
from tests.auth.processes import Person, Process

Join = Callable[[], Awaitable[Person]]
# Nobody's proof, but a header that the quick way leaves to the other.
SLOWLY = {"Authorization": "Basic bm9ib2R5"}
JSON = {"Content-Type": "application/json"}
BODIES: dict[str, bytes] = {
    "good": b'{"email": "%b", "password": "%b"}',
    "other case": b'{"password": "%.0b%b", "email": "NOBODY@EXAMPLE.COM"}',
    "wrong password": b'{"email": "%b", "password": "%b!"}',
    "no password": b'{"email": "%b", "totp": "%b"}',
    "more than is documented": b'{"email": "%b", "password": "%b", "role": "owner"}',
    "a name twice": b'{"email": "%b", "password": "%b", "password": "x"}',
    "no address": b'{"email": "%.0b@", "password": "%b"}',
    "a NUL": b'{"email": "%b", "password": "%b\\u0000"}',
    "a number": b'{"email": "%b", "password": "%b", "totp": 123456}',
    "no JSON": b'{"email": "%b", "password": "%b"',
    "no UTF-8": b'{"email": "%b", "password": "%b\xff"}',
    "no object": b"[%.0b%.0b]",
    "nothing": b"%.0b%.0b",
    "too much": b'{"email": "%b", "password": "%b"}' + b" " * 2**20,
}


async def ask(person: Person, body: bytes, **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and content of a login, without what differs between any two."""
    answer = await person.process.public.request("POST", "/auth/login", content=body, headers=JSON | headers)
    found = {name: value for name, value in answer.headers.items() if name not in {"x-trace-id", "content-length"}}
    found["ratelimit"] = re.sub(r"[rt]=\d+", "", found.get("ratelimit", ""))
    content = answer.json()
    for name in ("trace_id", "access_token", "refresh_token"):
        content[name] = name in content
    return answer.status_code, found, content


@pytest.mark.parametrize("case", BODIES)
async def test_both_ways_answer_alike(join: Join, case: str) -> None:
    person = await join()
    body = BODIES[case] % (person.email.encode(), person.password.encode())
    quick, slow = await ask(person, body), await ask(person, body, **SLOWLY)
    assert quick == slow
    assert (quick[0] == 200) == (case == "good"), quick


async def test_strangers_go_quickly_and_known_sessions_do_not(join: Join, monkeypatch: pytest.MonkeyPatch) -> None:
    person = await join()
    taken: list[str] = []

    def watch(name: str) -> None:
        before = getattr(logins, name)

        async def watched(*values: Any) -> Any:
            taken.append(name)
            return await before(*values)

        monkeypatch.setattr(logins, name, watched)

    watch("login")
    watch("login_stranger")
    body = {"email": person.email, "password": person.password}
    await person.ok("POST", "/auth/login", json=body)
    person.pair = {}
    pair = await person.ok("POST", "/auth/login", json=body)
    assert taken == ["login", "login_stranger"]
    claims = jwt.decode(pair["access_token"], options={"verify_signature": False})
    assert claims["org"] == pair["organization_id"]


async def test_a_session_says_from_where_it_was_begun(join: Join) -> None:
    person = await join()
    for number, headers in enumerate([{}, SLOWLY]):
        agent = f"agent-{number}-" + "x" * 400
        body = b'{"email": "%b", "password": "%b"}' % (person.email.encode(), person.password.encode())
        assert (await ask(person, body, **{"User-Agent": agent}, **headers))[0] == 200
        newest = (await person.ok("GET", "/auth/sessions"))["items"][0]
        assert (newest["user_agent"], newest["address"]) == (agent[:300], "127.0.0.1")


async def test_both_ways_are_counted_together(join: Join, service_auth: Process) -> None:
    """Ten wrong passwords, whichever way they take, shut strangers out on either."""
    person = await join()
    wrong = b'{"email": "%b", "password": "not the right one"}' % person.email.encode()
    for number in range(10):
        assert (await ask(person, wrong, **(SLOWLY if number % 2 else {})))[0] == 401
    right = BODIES["good"] % (person.email.encode(), person.password.encode())
    quick, slow = await ask(person, right), await ask(person, right, **SLOWLY)
    assert quick[0] == slow[0] == 429
    assert quick[2] == slow[2]
    await service_auth.settled()
