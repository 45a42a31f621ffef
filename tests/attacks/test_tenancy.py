"""Row 28: the second wall between organisations, on every table of every service, for each of its roles."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.attacks.actors import Actor, dsn, eventually
from tests.attacks.applications import SERVICES
from tests.fixtures.stack import Stack

Join = Callable[[], Actor]
every_service = pytest.mark.parametrize("service", SERVICES)
# Tables whose rows are of no organisation.
PLATFORM = {
    "auth": {"account", "flag_override", "inbox", "mail", "one_time_token", "organization", "outbox", "recovery_code",
             "refresh_token", "revocation", "session", "signing_key"},
    "events": {"cursor", "inbox", "log_epoch", "outbox"},
    "workflows": {"inbox", "outbox"},
    "integrations": {"inbox", "outbox"},
}  # fmt: skip
TABLES = """
    SELECT c.oid, c.relname AS name, c.relrowsecurity AS secured, pg_get_userbyid(c.relowner) AS owner,
           c.relispartition AS partition, EXISTS (
               SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id'
                  AND NOT a.attisdropped) AS tenant
      FROM pg_class c
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'alembic_version'
     ORDER BY c.relname
"""
POLICIES = """
    SELECT tablename, roles::text[] AS roles, permissive, cmd, qual, with_check FROM pg_policies
     WHERE schemaname = 'public' ORDER BY 1, 2
"""
OURS = "({} = (NULLIF(current_setting('floyo.organization'::text, true), ''::text))::uuid)"
# How people prove themselves, and what was written to them, is out of reach of who answers for an organisation.
HIDDEN = ("mail", "one_time_token", "recovery_code", "refresh_token", "session", "signing_key")
POWERS = """
    SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication,
           (SELECT count(*) FROM pg_auth_members m WHERE m.member = r.oid) AS memberships
      FROM pg_roles r WHERE rolname = $1
"""


@asynccontextmanager
async def connected(stack: Stack, service: str, role: str | None = None) -> AsyncIterator[Any]:
    """A fresh connection in one role of a service, or of the superuser."""
    connection = await asyncpg.connect(dsn(stack, service, role))
    try:
        yield connection
    finally:
        await connection.close()


async def tables(stack: Stack, service: str) -> list[Any]:
    """Every table of a service."""
    async with connected(stack, service) as superuser:
        found: list[Any] = await superuser.fetch(TABLES)
    assert found
    return found


async def tenant_tables(stack: Stack, service: str) -> list[str]:
    """The names of those that hold rows of organisations; partitions stand behind their parents."""
    return [table["name"] for table in await tables(stack, service) if table["tenant"] and not table["partition"]]


@every_service
async def test_b28_every_table_is_a_tenants_or_named_here(stack: Stack, service: str) -> None:
    found = await tables(stack, service)
    assert {table["name"] for table in found if not table["tenant"]} == PLATFORM[service]
    for table in found:
        assert table["owner"] == f"{service}_owner", table["name"]
        assert table["secured"] or table["partition"] or not table["tenant"], table["name"]


@every_service
async def test_b28_every_tenant_table_has_our_two_policies_and_no_other(stack: Stack, service: str) -> None:
    async with connected(stack, service) as superuser:
        rows = await superuser.fetch(POLICIES)
    found = {(row["tablename"], *row["roles"]): row for row in rows}
    named = {row["tablename"] for row in rows}
    assert named - {"organization"} == set(await tenant_tables(stack, service))
    assert set(found) == {(table, f"{service}_{role}") for table in named for role in ("api", "system")}
    for (table, role), row in found.items():
        ours = OURS.format("id" if table == "organization" else "organization_id")
        assert {row["qual"], row["with_check"]} == {"true" if role.endswith("_system") else ours}, (table, role)
        assert (row["cmd"], row["permissive"]) == ("ALL", "PERMISSIVE"), (table, role)


@every_service
@pytest.mark.parametrize("role", ["api", "system", "owner"])
async def test_b28_no_role_is_above_the_wall(stack: Stack, service: str, role: str) -> None:
    async with connected(stack, service) as superuser:
        powers = await superuser.fetchrow(POWERS, f"{service}_{role}")
    assert dict(powers) == dict.fromkeys(powers.keys(), 0)


async def test_b28_how_people_prove_themselves_is_out_of_reach(stack: Stack) -> None:
    async with connected(stack, "auth", "api") as connection:
        for table in HIDDEN:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetch("SELECT password_hash FROM account")


@pytest.fixture(scope="session")
async def stocked(stack: Stack, victim: Actor) -> dict[str, dict[str, int]]:
    """How many rows the victim's organisation has by service and table, once it has some of everything usual."""
    victim.ok("POST", "/events", 201, json={"source": "attack", "type": "seen", "id": uuid4().hex})
    steps = [{"id": "one", "type": "transform", "with": {"output": 1}}]
    body = {"name": "Stand still", "trigger": {"type": "manual"}, "steps": steps}
    workflow = victim.ok("POST", "/workflows", 201, json=body)["id"]
    run = victim.ok("POST", f"/workflows/{workflow}/runs", 202, json={})["id"]
    made = victim.ok(
        "POST",
        "/integrations",
        201,
        json={"connector": "http", "name": "wall", "settings": {"base_url": "https://example.com"}},
    )["id"]
    victim.ok("POST", f"/integrations/{made}/hooks", 201, json={"scheme": "github"})
    victim.ok("POST", "/api-keys", 201, json={"name": "k", "scopes": ["*"]})
    guest = {"email": f"{uuid4().hex}@example.com", "role": "viewer"}
    victim.ok("POST", f"{victim.organization}/invitations", 201, json=guest)
    eventually(lambda: victim.ok("GET", f"/runs/{run}")["status"] == "succeeded")
    return {service: await _count(stack, service, victim.claims["org"]) for service in SERVICES}


async def _count(stack: Stack, service: str, organization: str, role: str | None = None) -> dict[str, int]:
    async with connected(stack, service, role) as connection:
        return {
            table: await connection.fetchval(f'SELECT count(*) FROM "{table}" WHERE organization_id = $1', organization)
            for table in await tenant_tables(stack, service)
        }


@every_service
async def test_b28_api_sees_and_touches_one_organization_at_a_time(
    stack: Stack, stocked: dict[str, dict[str, int]], victim: Actor, actor: Join, service: str
) -> None:
    """Nothing on a fresh connection, one organisation inside a transaction that names it, nothing on a reused one."""
    other = actor().claims["org"]
    held = {table for table, count in stocked[service].items() if count}
    assert len(held) >= 2, stocked[service]
    async with connected(stack, service, "api") as connection:
        for table in await tenant_tables(stack, service):
            await _sees_nothing(connection, table)
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute("SELECT set_config('floyo.organization', $1, true)", victim.claims["org"])
            await _sees_only(connection, table, victim.claims["org"], some=table in held)
            await _cannot_give_away(connection, table, other, some=table in held)
            await transaction.rollback()
            await _sees_nothing(connection, table)


async def _tried(connection: Any, statement: str, *arguments: Any) -> Any:
    """What a statement answers, or None where the role lacks the right altogether; undone in both cases."""
    attempt = connection.transaction()
    await attempt.start()
    try:
        return await connection.fetchval(statement, *arguments)
    except asyncpg.InsufficientPrivilegeError:
        return None
    finally:
        await attempt.rollback()


async def _sees_nothing(connection: Any, table: str) -> None:
    assert await _tried(connection, f'SELECT count(*) FROM "{table}"') in {0, None}, table
    changed = f'WITH d AS (DELETE FROM "{table}" RETURNING 1) SELECT count(*) FROM d'
    assert await _tried(connection, changed) in {0, None}, table


async def _sees_only(connection: Any, table: str, organization: str, *, some: bool) -> None:
    foreign = f'SELECT count(*) FROM "{table}" WHERE organization_id <> $1'
    assert await _tried(connection, foreign, organization) in {0, None}, table
    seen = await _tried(connection, f'SELECT count(*) FROM "{table}"')
    assert seen is None or (seen > 0) == some or not some, table


async def _cannot_give_away(connection: Any, table: str, other: str, *, some: bool) -> None:
    moved = f'WITH u AS (UPDATE "{table}" SET organization_id = $1 RETURNING 1) SELECT count(*) FROM u'
    attempt = connection.transaction()
    await attempt.start()
    try:
        count = await connection.fetchval(moved, other)
    except asyncpg.InsufficientPrivilegeError:  # by the grants, or by the policy
        return
    finally:
        await attempt.rollback()
    assert count == 0, table
    assert not some, table


@every_service
async def test_b28_system_sees_every_organization(
    stack: Stack, stocked: dict[str, dict[str, int]], victim: Actor, service: str
) -> None:
    """Or the tests above would hold for a role that sees nothing at all."""
    found = await _count(stack, service, victim.claims["org"], "system")
    assert {table for table, count in found.items() if count} >= {
        table for table, count in stocked[service].items() if count
    }
