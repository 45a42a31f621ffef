"""The connector redis, against a real Valkey."""

from typing import Any, ClassVar

import pytest

from infra.local.valkey import ADMINISTRATOR, Valkey
from services.integrations.domain.outlets import Outlets
from shared import ids
from shared.egress import TargetFailed
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Proxy

KEY = f"contract:{ids.new()}"


class TestRedis(ConnectorContract):
    id = "redis"
    secrets: ClassVar = {"password": "set by the fixture"}
    inputs: ClassVar = {
        "get": {"key": KEY},
        "set": {"key": KEY, "value": "1", "ttl_seconds": 60},
        "delete": {"key": KEY},
        "increment": {"key": f"{KEY}:count", "by": 2},
        "publish": {"channel": KEY, "message": "hello"},
    }

    @pytest.fixture(autouse=True)
    def server(self, valkey: Valkey) -> Valkey:
        type(self).valkey_port = valkey.port
        type(self).secrets = {"password": valkey.passwords[ADMINISTRATOR]}
        return valkey

    valkey_port: ClassVar[int]

    async def start(self) -> Proxy:
        return await Proxy(
            self.valkey_port,
            refusal=b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
            business=b"-LOADING Valkey is loading the dataset in memory\r\n",
        ).start()

    def settings(self, target: Any) -> dict[str, Any]:
        return {"host": "127.0.0.1", "port": target.port, "tls": False, "username": ADMINISTRATOR}

    async def test_values_come_and_go(self, target: Proxy, outlets: Outlets) -> None:
        key = f"contract:{ids.new()}"
        assert await self.run(target, outlets, "get", {"key": key}) == {"value": None}
        assert await self.run(target, outlets, "set", {"key": key, "value": "ä"}) == {"stored": True}
        absent = {"key": key, "value": "b", "only_if_absent": True}
        assert await self.run(target, outlets, "set", absent) == {"stored": False}
        assert await self.run(target, outlets, "get", {"key": key}) == {"value": "ä"}
        with pytest.raises(TargetFailed) as caught:
            await self.run(target, outlets, "increment", {"key": key})
        assert (caught.value.slug, caught.value.extensions["retryable"]) == ("target-refused", False)
        assert await self.run(target, outlets, "delete", {"key": key}) == {"deleted": True}
        assert await self.run(target, outlets, "increment", {"key": key, "by": 5}) == {"value": 5}
