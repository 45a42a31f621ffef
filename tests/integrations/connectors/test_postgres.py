"""The connector postgres, against a real PostgreSQL."""

import struct
from typing import Any, ClassVar

import pytest

from infra.local.postgres import Postgres
from services.integrations.domain.outlets import Outlets
from shared.egress import TargetFailed
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Proxy


def error(state: str) -> bytes:
    """PostgreSQL's ErrorResponse."""
    fields = b"SFATAL\0VFATAL\0C" + state.encode() + b"\0Mno\0\0"
    return b"E" + struct.pack("!i", len(fields) + 4) + fields


class TestPostgres(ConnectorContract):
    id = "postgres"
    secrets: ClassVar = {"password": "set by the fixture"}
    inputs: ClassVar = {"query": {"sql": "SELECT $1::int AS one, now() AS at", "parameters": [1]}}
    port: ClassVar[int]

    @pytest.fixture(autouse=True)
    def server(self, postgres: Postgres) -> None:
        type(self).port = postgres.port
        type(self).secrets = {"password": postgres.password}

    async def start(self) -> Proxy:
        return await Proxy(self.port, refusal=error("28P01"), business=error("57P03")).start()

    def settings(self, target: Any) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": target.port, "database": "postgres", "user": "postgres", "tls": "none"}

    async def test_rows_are_json(self, target: Proxy, outlets: Outlets) -> None:
        sql = "SELECT n, n::numeric / 4 AS quarter, 'x'::bytea AS raw, ARRAY[n] AS list FROM generate_series(1, 5) n"
        found = await self.run(target, outlets, "query", {"sql": sql, "limit": 2})
        assert found["columns"] == ["n", "quarter", "raw", "list"]
        assert found["rows"][0][0] == 1
        assert float(found["rows"][0][1]) == 0.25
        assert found["rows"][0][2:] == ["eA==", [1]]
        assert (len(found["rows"]), found["truncated"]) == (2, True)

    @pytest.mark.parametrize(
        "sql",
        [
            "CREATE TABLE floyo_contract (id int)",
            "SELECT 1; CREATE TABLE floyo_contract (id int)",
            "COMMIT; CREATE TABLE floyo_contract (id int)",
            "nonsense",
        ],
    )
    async def test_read_only_is_read_only(self, target: Proxy, outlets: Outlets, sql: str) -> None:
        with pytest.raises(TargetFailed) as caught:
            await self.run(target, outlets, "query", {"sql": sql})
        assert caught.value.extensions["retryable"] is False
        exists = await self.run(target, outlets, "query", {"sql": "SELECT to_regclass('floyo_contract')::text"})
        assert exists["rows"] == [[None]]

    async def test_writing_where_the_settings_allow_it(
        self, target: Proxy, outlets: Outlets, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writable = {**self.settings(target), "read_only": False}
        monkeypatch.setattr(self, "settings", lambda _target: writable)
        made = await self.run(target, outlets, "query", {"sql": "CREATE TABLE IF NOT EXISTS floyo_written (id int)"})
        assert made == {"columns": [], "rows": [], "truncated": False}
        sql = "INSERT INTO floyo_written VALUES ($1) RETURNING id"
        assert (await self.run(target, outlets, "query", {"sql": sql, "parameters": [7]}))["rows"] == [[7]]
        seen = await self.run(target, outlets, "query", {"sql": "SELECT id FROM floyo_written"})
        assert seen["rows"] == [[7]]
        await self.run(target, outlets, "query", {"sql": "DROP TABLE floyo_written"})

    async def test_parameters_that_do_not_fit(self, target: Proxy, outlets: Outlets) -> None:
        for parameters in ([], ["x"], [1, 2]):
            with pytest.raises(TargetFailed) as caught:
                await self.run(target, outlets, "query", {"sql": "SELECT $1::int", "parameters": parameters})
            assert caught.value.extensions["retryable"] is False

    async def test_a_statement_that_takes_too_long_is_cut(self, target: Proxy, outlets: Outlets) -> None:
        with pytest.raises(TargetFailed) as caught:
            await self.run(target, outlets, "query", {"sql": "SELECT pg_sleep(60)"}, seconds=0.5)
        assert caught.value.extensions["retryable"] is True
