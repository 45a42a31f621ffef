"""The connector google_drive."""

from functools import partial
from typing import Any, ClassVar

from aiohttp import web

from services.integrations.domain.outlets import Outlets
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Api, Seen

TOKEN = "drive-token-77ab"
FILE = {"id": "1AbC", "name": "week.csv", "mimeType": "text/csv", "webViewLink": "https://drive.example/1AbC"}


class TestGoogleDrive(ConnectorContract):
    id = "google_drive"
    secrets: ClassVar = {"access_token": TOKEN}
    inputs: ClassVar = {
        "upload": {"name": "week.csv", "text": "a,b", "mime_type": "text/csv", "folder_id": "F1"},
        "download": {"id": "1AbC"},
        "list_files": {"query": "name contains 'week'", "limit": 5},
    }

    async def start(self) -> Api:
        return await Api(self.answer).start()

    def answer(self, seen: Seen) -> web.Response:
        if seen.headers.get("authorization") != f"Bearer {TOKEN}":
            return web.json_response({"error": {"errors": [{"reason": "authError"}]}}, status=401)
        if seen.query.get("alt") == "media":
            return web.Response(body=b"a,b")
        if seen.method == "GET" and seen.path.endswith("/files"):
            return web.json_response({"files": [FILE], "nextPageToken": "x"})
        return web.json_response(FILE)

    def settings(self, target: Any) -> dict[str, Any]:
        return {"base_url": target.url}

    async def test_requests_are_as_google_documents_them(self, target: Api, outlets: Outlets) -> None:
        assert (await self.run(target, outlets, "upload"))["url"] == FILE["webViewLink"]
        seen = target.seen[0]
        assert (seen.path, seen.query["uploadType"]) == ("/upload/drive/v3/files", "multipart")
        boundary = seen.headers["content-type"].partition("boundary=")[2]
        parts = seen.body.decode().split(f"--{boundary}")
        assert '"parents":["F1"]' in parts[1]
        assert parts[2].endswith("\r\n\r\na,b\r\n")
        assert parts[3] == "--\r\n"
        found = await self.run(target, outlets, "list_files")
        assert (found["has_more"], target.seen[1].query["q"]) == (True, "name contains 'week'")

    async def test_a_spent_quota_is_worth_another_try(self, target: Api, outlets: Outlets) -> None:
        target.mode = "refusing"
        for reason, retryable in [("userRateLimitExceeded", True), ("insufficientPermissions", False)]:
            body = {"error": {"errors": [{"reason": reason}]}}
            target.refusal = partial(web.json_response, body, status=403)
            assert (await self.prove(target, outlets))["problem"]["retryable"] is retryable
