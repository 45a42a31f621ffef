"""Registration, letters, forgotten passwords, change of address, erasure."""

from collections.abc import Awaitable, Callable

import asyncpg
import pytest

from tests.auth.processes import PASSWORD, Person, Process

Join = Callable[[], Awaitable[Person]]


async def test_letter_verifies_the_address_once(join: Join, service_auth: Process) -> None:
    person = await join()
    assert (await person.ok("GET", "/users/me"))["email_verified"] is False
    await service_auth.deliver()
    token = service_auth.mailbox.tokens(person.email)[-1]
    await person.ok("POST", "/auth/verify-email", 204, json={"token": token})
    assert (await person.ok("GET", "/users/me"))["email_verified"] is True
    assert await person.refused("POST", "/auth/verify-email", 400, json={"token": token}) == "invalid-token"


async def test_letters_wait_while_the_mail_server_refuses(
    join: Join, service_auth: Process, auth_urls: dict[str, str]
) -> None:
    service_auth.mailbox.refusing = True
    person = await join()
    await service_auth.deliver()
    assert service_auth.mailbox.tokens(person.email) == []
    service_auth.mailbox.refusing = False
    connection = await asyncpg.connect(auth_urls["admin"])
    await connection.execute("UPDATE mail SET due_at = now()")
    await connection.close()
    await service_auth.deliver()
    assert len(service_auth.mailbox.tokens(person.email)) == 1


async def test_letters_are_unreadable_in_the_database(join: Join, auth_urls: dict[str, str]) -> None:
    person = await join()
    connection = await asyncpg.connect(auth_urls["admin"])
    rows = await connection.fetch("SELECT sealed FROM mail")
    await connection.close()
    assert rows
    assert all(person.email.encode() not in row["sealed"] for row in rows)


async def test_five_letters_an_hour_and_nobody_is_told(service_auth: Process) -> None:
    person = Person(service_auth)
    body = {"email": person.email, "password": PASSWORD}
    for _ in range(8):
        await person.ok("POST", "/auth/register", 202, json=body)
    await service_auth.deliver()
    assert len([to for to, _ in service_auth.mailbox.letters if to == person.email]) == 5


async def test_forgotten_password_is_replaced_and_ends_sessions(join: Join, service_auth: Process) -> None:
    person = await join()
    await person.ok("POST", "/auth/forgot-password", 202, json={"email": person.email})
    await service_auth.deliver()
    token = service_auth.mailbox.tokens(person.email)[-1]
    body = {"token": token, "password": "a quite different password"}
    assert await person.refused("POST", "/auth/reset-password", 422, json={**body, "password": "short"}) == "invalid"
    await person.ok("POST", "/auth/reset-password", 204, json=body)
    await service_auth.service.verifier.poll()
    await person.refused("GET", "/users/me", 401)
    await person.refused("POST", "/auth/refresh", 401, json={"refresh_token": person.pair["refresh_token"]})
    await person.refused("POST", "/auth/login", 401, json={"email": person.email, "password": PASSWORD})
    person.password = body["password"]
    await person.login()


async def test_changed_password_ends_other_sessions(join: Join, service_auth: Process) -> None:
    person = await join()
    elsewhere = await Person(service_auth, person.email).login()
    body = {"current_password": PASSWORD, "new_password": "a quite different password"}
    await person.ok("POST", "/users/me/password", 204, json=body)
    await service_auth.service.verifier.poll()
    await elsewhere.refused("GET", "/users/me", 401)
    await person.ok("GET", "/users/me")


async def test_new_address_counts_once_its_letter_was_opened(join: Join, service_auth: Process) -> None:
    person = await join()
    elsewhere = await Person(service_auth, person.email).login()
    new = f"New.{person.email}"
    assert await person.refused("PATCH", "/users/me", 422, json={"email": new}) == "invalid"
    shown = await person.ok("PATCH", "/users/me", json={"email": new, "current_password": PASSWORD, "name": "N"})
    assert (shown["email"], shown["name"]) == (person.email, "N")
    await service_auth.deliver()
    await person.ok("POST", "/auth/verify-email", 204, json={"token": service_auth.mailbox.tokens(new)[-1]})
    assert (await person.ok("GET", "/users/me"))["email"] == new
    await service_auth.service.verifier.poll()
    await elsewhere.refused("GET", "/users/me", 401)
    await person.ok("GET", "/users/me")
    await Person(service_auth, new.lower()).login()


async def test_two_people_cannot_end_with_one_address(join: Join, service_auth: Process) -> None:
    first, second = await join(), await join()
    wanted = f"wanted-{first.email}"
    tokens = []
    for person in (first, second):
        await person.ok("PATCH", "/users/me", json={"email": wanted, "current_password": PASSWORD})
        await service_auth.deliver()
        tokens.append(service_auth.mailbox.tokens(wanted)[-1])
    await first.ok("POST", "/auth/verify-email", 204, json={"token": tokens[0]})
    assert await first.refused("POST", "/auth/verify-email", 409, json={"token": tokens[1]}) == "email-taken"


async def test_erased_person_is_gone_and_every_service_hears_of_it(
    join: Join, service_auth: Process, auth_urls: dict[str, str]
) -> None:
    person = await join()
    user_id = await person.user_id()
    await person.ok("DELETE", "/users/me", 204)
    await service_auth.service.verifier.poll()
    await person.refused("GET", "/users/me", 401)
    await person.refused("POST", "/auth/login", 401, json={"email": person.email, "password": PASSWORD})
    connection = await asyncpg.connect(auth_urls["admin"])
    query = "SELECT recipient, type FROM outbox WHERE key IN ($1, $2)"
    sent = {tuple(row) for row in await connection.fetch(query, user_id, person.organization_id)}
    await connection.close()
    kinds = ("user.deleted", "organization.deleted")
    assert sent == {(to, kind) for to in ("events", "workflows", "integrations") for kind in kinds}


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'x'", "DELETE FROM audit_entry"])
@pytest.mark.parametrize("role", ["api", "system"])
async def test_audit_log_cannot_be_rewritten(auth_urls: dict[str, str], role: str, statement: str) -> None:
    connection = await asyncpg.connect(auth_urls[role])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


async def test_requests_cannot_read_how_people_prove_themselves(auth_urls: dict[str, str]) -> None:
    connection = await asyncpg.connect(auth_urls["api"])
    for query in ("SELECT password_hash FROM account", "SELECT * FROM session", "SELECT * FROM signing_key"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch(query)
    await connection.close()
