"""The connector github."""

import json
from functools import partial
from typing import Any, ClassVar

import pytest
from aiohttp import web

from services.integrations.domain.outlets import Outlets
from shared import errors
from shared.egress import TargetFailed
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Api, Seen

TOKEN = "github-token-91d2"
REPOSITORY = {"owner": "octo-org", "repo": "octo.repo"}


class TestGithub(ConnectorContract):
    id = "github"
    secrets: ClassVar = {"token": TOKEN}
    inputs: ClassVar = {
        "create_issue": {**REPOSITORY, "title": "Build failed", "labels": ["ci"]},
        "comment": {**REPOSITORY, "number": 7, "body": "Seen."},
        "dispatch_workflow": {**REPOSITORY, "workflow": "deploy.yml", "inputs": {"to": "staging"}},
        "set_status": {**REPOSITORY, "sha": "a" * 40, "state": "success"},
    }

    async def start(self) -> Api:
        return await Api(self.answer).start()

    def answer(self, seen: Seen) -> web.Response:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.json_response({"message": "Bad credentials"}, status=401)
        if seen.path.endswith("/dispatches"):
            return web.Response(status=204)
        return web.json_response({"id": 1, "number": 7, "html_url": "https://github.example/7", "url": "u"}, status=201)

    def settings(self, target: Any) -> dict[str, Any]:
        return {"base_url": target.url + "/api/v3"}

    async def test_requests_are_as_github_documents_them(self, target: Api, outlets: Outlets) -> None:
        for action in self.inputs:
            await self.run(target, outlets, action)
        assert [(seen.method, seen.path) for seen in target.seen] == [
            ("POST", "/api/v3/repos/octo-org/octo.repo/issues"),
            ("POST", "/api/v3/repos/octo-org/octo.repo/issues/7/comments"),
            ("POST", "/api/v3/repos/octo-org/octo.repo/actions/workflows/deploy.yml/dispatches"),
            ("POST", f"/api/v3/repos/octo-org/octo.repo/statuses/{'a' * 40}"),
        ]
        assert json.loads(target.seen[0].body) == {
            "title": "Build failed", "body": "", "labels": ["ci"], "assignees": [],
        }  # fmt: skip
        assert target.seen[0].headers["x-github-api-version"] == "2022-11-28"

    async def test_a_spent_rate_limit_is_worth_another_try(self, target: Api, outlets: Outlets) -> None:
        target.mode = "refusing"
        for headers, retryable in [({"x-ratelimit-remaining": "0"}, True), ({"retry-after": "60"}, True), ({}, False)]:
            target.refusal = partial(web.Response, status=403, headers=headers)
            with pytest.raises(TargetFailed) as caught:
                await self.run(target, outlets, "comment")
            assert caught.value.extensions["retryable"] is retryable

    @pytest.mark.parametrize("owner", ["..", ".", "a/b", "a%2fb", "", "a?b", "a b"])
    async def test_b50_names_are_no_paths(self, target: Api, outlets: Outlets, owner: str) -> None:
        with pytest.raises(errors.Invalid):
            await self.run(target, outlets, "create_issue", {**self.inputs["create_issue"], "owner": owner})
        assert target.connections == 0
