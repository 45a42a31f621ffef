"""The connector slack."""

import json
from functools import partial
from typing import Any, ClassVar

from aiohttp import web

from services.integrations.domain.outlets import Outlets
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Api, Seen

TOKEN = "slack-token-0c77"


class TestSlack(ConnectorContract):
    id = "slack"
    secrets: ClassVar = {"token": TOKEN}
    inputs: ClassVar = {
        "post_message": {"channel": "C01", "text": "Build 7 failed", "thread_ts": "1700000000.000100"},
        "update_message": {"channel": "C01", "ts": "1700000000.000100", "text": "Fixed"},
        "add_reaction": {"channel": "C01", "timestamp": "1700000000.000100", "name": "eyes"},
    }

    async def start(self) -> Api:
        return await Api(
            self.answer,
            refusal=lambda: web.json_response({"ok": False, "error": "invalid_auth"}),
            business=lambda: web.json_response({"ok": False, "error": "ratelimited"}),
        ).start()

    def answer(self, seen: Seen) -> web.Response:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.json_response({"ok": False, "error": "not_authed"})
        return web.json_response({"ok": True, "channel": "C01", "ts": "1700000000.000200"})

    def settings(self, target: Any) -> dict[str, Any]:
        return {"base_url": target.url + "/api"}

    async def test_requests_are_as_slack_documents_them(self, target: Api, outlets: Outlets) -> None:
        for action in self.inputs:
            await self.run(target, outlets, action)
        assert [seen.path for seen in target.seen] == [
            "/api/chat.postMessage",
            "/api/chat.update",
            "/api/reactions.add",
        ]
        assert json.loads(target.seen[0].body) == self.inputs["post_message"]

    async def test_codes_are_told_apart(self, target: Api, outlets: Outlets) -> None:
        target.mode = "refusing"
        for code, slug, retryable in [
            ("channel_not_found", "target-refused", False),
            ("token_revoked", "credential-refused", False),
            ("internal_error", "target-refused", True),
        ]:
            target.refusal = partial(web.json_response, {"ok": False, "error": code})
            problem = (await self.prove(target, outlets))["problem"]
            assert problem["type"] == f"urn:floyo:problem:{slug}"
            assert (problem["retryable"], problem["target_code"]) == (retryable, code)
