"""The migrations: what the system before kept in plain text is sealed, and every revision goes both ways."""

import asyncio
import json
from uuid import uuid4

import asyncpg
import pytest

from infra.local.postgres import Postgres
from shared import ids, migrate
from tests.fixtures import databases
from tests.integrations.conftest import CREDENTIAL_KEYS

PLAIN = "plain-secret-77c1"


@pytest.fixture
def owner_url(postgres: Postgres) -> str:
    """The owner's address of a database of its own, still empty."""
    return databases.empty(postgres, "integrations", f"integrations_{uuid4().hex}")["owner"]


def fetch(url: str, query: str, *arguments: object) -> list[asyncpg.Record]:
    async def run() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            found: list[asyncpg.Record] = await connection.fetch(query, *arguments)
            return found
        finally:
            await connection.close()

    return asyncio.run(run())


def test_plain_secrets_are_sealed_and_come_back(owner_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOYO_CREDENTIAL_KEYS", CREDENTIAL_KEYS)
    migrate.upgrade("integrations", owner_url, "0001")
    for number in range(3):
        fetch(
            owner_url,
            "INSERT INTO integration (id, organization_id, name, connector, settings, secrets, created_by)"
            " VALUES ($1, $2, $3, 'http', '{}', $4, 'user:x')",
            ids.new(), ids.new(), f"n{number}", json.dumps({"token": PLAIN} if number else {}),
        )  # fmt: skip
    migrate.upgrade("integrations", owner_url)
    rows = fetch(
        owner_url, "SELECT integration::text AS whole, sealed, key_id, secret_names FROM integration ORDER BY name"
    )
    assert [row["key_id"] for row in rows] == [None, "k1", "k1"]
    assert [row["secret_names"] for row in rows] == [[], ["token"], ["token"]]
    assert all(PLAIN not in row["whole"] and PLAIN.encode() not in (row["sealed"] or b"") for row in rows)
    migrate.downgrade("integrations", owner_url, "0001")
    plain = fetch(owner_url, "SELECT secrets FROM integration ORDER BY name")
    assert [json.loads(row["secrets"]) for row in plain] == [{}, {"token": PLAIN}, {"token": PLAIN}]
    migrate.upgrade("integrations", owner_url)


def test_up_down_up_leaves_no_difference(owner_url: str) -> None:
    catalogue = (
        "SELECT table_name, column_name, data_type, is_nullable, column_default FROM information_schema.columns"
        " WHERE table_schema = 'public' ORDER BY 1, 2"
    )
    policies = "SELECT tablename, policyname, roles::text, qual, with_check FROM pg_policies ORDER BY 1, 2"
    migrate.upgrade("integrations", owner_url)
    before = fetch(owner_url, catalogue), fetch(owner_url, policies)
    migrate.downgrade("integrations", owner_url, "base")
    assert [row["table_name"] for row in fetch(owner_url, catalogue)] == ["alembic_version"]
    migrate.upgrade("integrations", owner_url)
    assert (fetch(owner_url, catalogue), fetch(owner_url, policies)) == before
    migrate.check("integrations", owner_url)


def test_every_tenant_table_has_its_second_wall(owner_url: str) -> None:
    migrate.upgrade("integrations", owner_url)
    open_tables = fetch(
        owner_url,
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'"
        " WHERE c.relkind IN ('r', 'p') AND NOT c.relrowsecurity",
    )
    assert open_tables == []
