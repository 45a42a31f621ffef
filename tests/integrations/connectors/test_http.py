"""The connector http."""

from typing import Any, ClassVar

import pytest
from aiohttp import web

from services.integrations.domain.outlets import Outlets
from shared.egress import TargetFailed
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Api, Seen

TOKEN = "http-token-5b1e"


class TestHttp(ConnectorContract):
    id = "http"
    secrets: ClassVar = {"token": TOKEN}
    inputs: ClassVar = {"request": {"method": "POST", "path": "/builds", "body": {"n": 1}}}

    async def start(self) -> Api:
        return await Api(self.answer).start()

    def answer(self, seen: Seen) -> web.Response:
        good = seen.headers.get("authorization") == f"Bearer {TOKEN}"
        return web.json_response({"path": seen.path}, status=200 if good else 401)

    def settings(self, target: Any) -> dict[str, Any]:
        return {"base_url": target.url + "/v1", "auth": "bearer", "headers": {"X-Team": "a"}}

    async def test_the_request_goes_below_the_base_address(self, target: Api, outlets: Outlets) -> None:
        output = await self.run(target, outlets, "request", idempotency_key="run:step")
        assert (output["status"], output["body"]) == (200, {"path": "/v1/builds"})
        seen = target.seen[0]
        assert (seen.headers["x-team"], seen.headers["idempotency-key"]) == ("a", "run:step")
        assert seen.body == b'{"n":1}'

    async def test_other_greetings(self, target: Api, outlets: Outlets, monkeypatch: pytest.MonkeyPatch) -> None:
        greetings = [
            ({"auth": "basic", "username": "u"}, {"password": "p"}, ("authorization", "Basic dTpw")),
            ({"auth": "header", "header_name": "X-Key"}, {"token": "t"}, ("x-key", "t")),
        ]
        for settings, secrets, (name, value) in greetings:
            whole = {"base_url": target.url, **settings}
            monkeypatch.setattr(self, "settings", lambda _target, whole=whole: whole)
            await self.run(target, outlets, "request", secrets=secrets)
            assert target.seen[-1].headers[name] == value

    async def test_a_missing_secret_is_told(self, target: Api, outlets: Outlets) -> None:
        with pytest.raises(TargetFailed) as caught:
            await self.run(target, outlets, "request", secrets={})
        assert caught.value.slug == "credential-missing"
        assert target.connections == 0
