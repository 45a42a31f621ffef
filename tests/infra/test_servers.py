"""PostgreSQL and Valkey as every test and the local stack get them."""

import asyncpg
import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from infra.local.postgres import Postgres
from infra.local.valkey import Valkey


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("max_connections", "200"),
        ("password_encryption", "scram-sha-256"),
        ("server_encoding", "UTF8"),
        ("TimeZone", "UTC"),
        ("data_checksums", "on"),
    ],
)
async def test_postgres_settings(postgres: Postgres, setting: str, value: str) -> None:
    connection = await asyncpg.connect(postgres.dsn())
    try:
        assert await connection.fetchval(f"SHOW {setting}") == value
    finally:
        await connection.close()


async def test_postgres_refuses_a_wrong_password(postgres: Postgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.dsn(password="wrong"))


def test_valkey_keeps_nothing_on_disk_and_evicts_nothing(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url()) as redis:
        configuration = redis.config_get("*")
    assert configuration["save"] == ""
    assert configuration["appendonly"] == "no"
    assert configuration["maxmemory"] == str(256 * 1024 * 1024)
    assert configuration["maxmemory-policy"] == "noeviction"


def test_valkey_lets_a_service_use_its_own_keys(valkey: Valkey) -> None:
    with Redis.from_url(valkey.url("events")) as redis:
        assert redis.set("floyo:events:seen", 1, px=100)
        assert redis.incr("floyo:limits:login") >= 1
        assert redis.publish("floyo:events", "new") == 0


@pytest.mark.parametrize(
    "command",
    [
        ("GET", "floyo:auth:session"),
        ("SET", "other", "1"),
        ("FLUSHALL",),
        ("KEYS", "*"),
        ("CONFIG", "GET", "*"),
        ("ACL", "LIST"),
        ("SHUTDOWN",),
        ("SWAPDB", "0", "0"),
        ("MONITOR",),
        ("PUBLISH", "elsewhere", "x"),
    ],
)
def test_valkey_refuses_a_service_what_is_not_its_own(valkey: Valkey, command: tuple[str, ...]) -> None:
    with Redis.from_url(valkey.url("events")) as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command)
