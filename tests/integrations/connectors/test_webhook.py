"""The connector webhook, judged by the published Standard Webhooks library."""

import json
from typing import Any, ClassVar

import pytest
import standardwebhooks
from aiohttp import web

from services.integrations.connectors import webhook
from services.integrations.domain.outlets import Outlets
from shared import errors
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Api, Seen

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # published by the specification


class TestWebhook(ConnectorContract):
    id = "webhook"
    secrets: ClassVar = {"signing_secret": SECRET}
    inputs: ClassVar = {"send": {"type": "build.failed", "data": {"build": 7}}}

    async def start(self) -> Api:
        return await Api(self.answer).start()

    def answer(self, seen: Seen) -> web.Response:
        try:
            standardwebhooks.Webhook(SECRET).verify(seen.body, seen.headers)
        except standardwebhooks.WebhookVerificationError:
            return web.Response(status=401)
        return web.Response(status=204)

    def settings(self, target: Any) -> dict[str, Any]:
        return {"url": target.url + "/hook"}

    async def test_a_message_keeps_its_id(self, target: Api, outlets: Outlets) -> None:
        for given, expected in [({}, "run:step"), ({"id": "msg_1"}, "msg_1")]:
            whole = {**self.inputs["send"], **given}
            output = await self.run(target, outlets, "send", whole, idempotency_key="run:step")
            assert output == {"id": expected, "status": 204}
            assert target.seen[-1].headers["webhook-id"] == expected
        assert json.loads(target.seen[-1].body) == {"type": "build.failed", "data": {"build": 7}}

    def test_the_published_signature(self) -> None:
        body = b'{"test": 2432232314}'
        signed = webhook.signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
        assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    def test_a_secret_that_is_not_base64(self) -> None:
        with pytest.raises(errors.Invalid):
            webhook.signature("whsec_?", "m", 1, b"")
