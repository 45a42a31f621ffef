"""The connector dropbox."""

import base64
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

TOKEN = "dropbox-token-2f8a"
FILE = {"path_display": "/Ä/week.csv", "rev": "015", "size": 3}


class TestDropbox(ConnectorContract):
    id = "dropbox"
    secrets: ClassVar = {"access_token": TOKEN}
    inputs: ClassVar = {
        "upload": {"path": "/Ä/week.csv", "text": "a,b"},
        "download": {"path": "/week.csv"},
        "list_folder": {"path": "/reports"},
    }

    async def start(self) -> Api:
        return await Api(self.answer).start()

    def answer(self, seen: Seen) -> web.Response:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error_summary": "invalid_access_token/.."}, status=401)
        if seen.path.endswith("/download"):
            return web.Response(body=b"\x00bytes")
        if seen.path.endswith("/list_folder"):
            return web.json_response({"entries": [{".tag": "file", "path_display": "/a"}], "has_more": False})
        return web.json_response(FILE)

    def settings(self, target: Any) -> dict[str, Any]:
        return {"api_url": f"{target.url}/2", "content_url": f"{target.url}/content"}

    async def test_files_travel_as_dropbox_documents_it(self, target: Api, outlets: Outlets) -> None:
        await self.run(target, outlets, "upload")
        assert (target.seen[0].path, target.seen[0].body) == ("/content/files/upload", b"a,b")
        assert json.loads(target.seen[0].headers["dropbox-api-arg"])["path"] == "/Ä/week.csv"
        assert target.seen[0].headers["dropbox-api-arg"].isascii()
        found = await self.run(target, outlets, "download")
        assert base64.b64decode(found["content_base64"]) == b"\x00bytes"

    async def test_conflicts_are_told_by_code(self, target: Api, outlets: Outlets) -> None:
        target.mode = "refusing"
        for code, retryable in [("path", False), ("too_many_write_operations", True)]:
            target.refusal = partial(web.json_response, {"error_summary": f"{code}/.."}, status=409)
            with pytest.raises(TargetFailed) as caught:
                await self.run(target, outlets, "upload")
            assert (caught.value.extensions["target_code"], caught.value.extensions["retryable"]) == (code, retryable)

    @pytest.mark.parametrize("content", [{}, {"text": "a", "content_base64": "YQ=="}, {"content_base64": "?"}])
    async def test_content_is_given_once(self, target: Api, outlets: Outlets, content: dict[str, Any]) -> None:
        with pytest.raises(errors.Invalid):
            await self.run(target, outlets, "upload", {"path": "/a", **content})
        assert target.connections == 0
