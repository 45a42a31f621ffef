"""The connector s3: Amazon's published vectors, and a stand-in that checks every signature."""

import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from aiohttp import web

from services.integrations.connectors import s3
from services.integrations.domain.outlets import Outlets
from shared import errors
from tests.fixtures.samples import absent, sample_folder
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Api, Seen

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # Amazon's published examples
KEY = "reports/wöchentlich & mehr+1.csv"


class Bucket(Api):
    """Objects in memory; requests whose signature is wrong are refused."""

    objects: dict[str, bytes]

    def __init__(self) -> None:
        super().__init__(self.reply)
        self.objects = {}
        self.business = lambda: web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>")
        self.refusal = lambda: web.Response(status=403, text="<Error><Code>InvalidAccessKeyId</Code></Error>")

    def reply(self, seen: Seen) -> web.Response:
        if not self._is_signed(seen):
            return web.Response(status=403, text="<Error><Code>SignatureDoesNotMatch</Code></Error>")
        key = unquote(seen.path).removeprefix("/bucket").removeprefix("/")
        if seen.method == "PUT":
            self.objects[key] = seen.body
            return web.Response(headers={"ETag": '"e1"'})
        if seen.method == "DELETE":
            self.objects.pop(key, None)
            return web.Response(status=204)
        if "list-type" in seen.query:
            return web.Response(text=self._listing(seen.query), content_type="application/xml")
        if key not in self.objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(body=self.objects[key], content_type="text/plain")

    def _listing(self, query: dict[str, str]) -> str:
        keys = sorted(key for key in self.objects if key.startswith(query["prefix"]))
        shown = keys[: int(query["max-keys"])]
        items = "".join(
            f"<Contents><Key>{key.replace('&', '&amp;')}</Key><Size>{len(self.objects[key])}</Size></Contents>"
            for key in shown
        )
        more = str(len(keys) > len(shown)).lower()
        return f"<ListBucketResult><IsTruncated>{more}</IsTruncated>{items}</ListBucketResult>"

    def _is_signed(self, seen: Seen) -> bool:
        greeting = seen.headers.get("authorization", "")
        if "Signature=" not in greeting:
            return False
        fields = dict(part.strip().split("=", 1) for part in greeting.partition(" ")[2].split(","))
        at = datetime.strptime(seen.headers["x-amz-date"] + "+0000", "%Y%m%dT%H%M%SZ%z")
        scope = s3.Scope(ACCESS, SECRET, "eu-north-1", "s3", at)
        signed = [(name, seen.headers[name]) for name in fields["SignedHeaders"].split(";")]
        payload_hash = sha256(seen.body).hexdigest()
        canonical = s3.canonical_request(seen.method, unquote(seen.path), seen.query.items(), signed, payload_hash)
        good = seen.headers["x-amz-content-sha256"] == payload_hash and "host" in fields["SignedHeaders"]
        return good and scope.signature(canonical) == fields["Signature"]


class TestS3(ConnectorContract):
    id = "s3"
    secrets: ClassVar = {"access_key_id": ACCESS, "secret_access_key": SECRET}
    inputs: ClassVar = {
        "put_object": {"key": KEY, "text": "a,b"},
        "get_object": {"key": KEY},
        "list_objects": {"prefix": "reports/"},
        "delete_object": {"key": KEY},
        "share_object": {"key": KEY, "seconds": 60},
    }

    async def start(self) -> Bucket:
        started = Bucket()
        await started.start()
        return started

    def settings(self, target: Any) -> dict[str, Any]:
        return {"bucket": "bucket", "region": "eu-north-1", "endpoint": target.url}

    async def test_objects_come_and_go(self, target: Bucket, outlets: Outlets) -> None:
        assert await self.run(target, outlets, "put_object") == {"etag": "e1"}
        assert target.objects == {KEY: b"a,b"}
        assert await self.run(target, outlets, "get_object") == {"content": "a,b", "content_type": "text/plain"}
        found = await self.run(target, outlets, "list_objects")
        assert found == {"objects": [{"key": KEY, "size": 3}], "has_more": False}
        await self.run(target, outlets, "delete_object")
        assert target.objects == {}

    @pytest.mark.parametrize("key", ["../other/x", "a/../../x", "a/./b", "a\nb"])
    async def test_b50_keys_do_not_leave_the_bucket(self, target: Bucket, outlets: Outlets, key: str) -> None:
        with pytest.raises(errors.Invalid):
            await self.run(target, outlets, "get_object", {"key": key})
        assert target.connections == 0

    # Sharing signs an address with the key's id in it; the id is a name, the secret stays out.
    async def test_b69_secrets_show_nowhere(
        self, target: Any, outlets: Outlets, capfd: pytest.CaptureFixture[str]
    ) -> None:
        link = (await self.run(target, outlets, "share_object"))["url"]
        assert SECRET not in link
        assert target.connections == 0


def cases() -> Iterator[Any]:
    folder = sample_folder("webhooks")
    file = folder / "aws_sigv4_vectors.json" if folder else Path("absent")
    if not file.exists():
        yield absent({})
        return
    for case in json.loads(file.read_text())["cases"]:
        # Normalised paths are what other services sign; S3 signs them as they are.
        path = case["request"].split(" ", 1)[1].rpartition(" HTTP/1.1")[0]
        if not case["context"]["normalize"] or urlsplit(path.split("\n")[0]).path == "/" or "." not in path:
            yield pytest.param(case, id=case["name"])


def _read(request: str) -> tuple[str, str, list[tuple[str, str]], list[tuple[str, str]], str]:
    head, _, body = request.partition("\n\n")
    first, *lines = head.split("\n")
    method, _, rest = first.partition(" ")
    target = rest.removesuffix(" HTTP/1.1")
    path, _, query = target.partition("?")
    headers: list[tuple[str, str]] = []
    for line in lines:
        if line.startswith((" ", "\t")):
            headers[-1] = (headers[-1][0], headers[-1][1] + " " + line.strip())
        elif line:
            name, _, value = line.partition(":")
            headers.append((name, value))
    return method, unquote(path), parse_qsl(query, keep_blank_values=True), headers, body


@pytest.mark.parametrize("case", list(cases()))
def test_published_vectors(case: dict[str, Any]) -> None:
    context = case["context"]
    method, path, query, headers, body = _read(case["request"])
    if context["normalize"]:
        path = (
            "/"
            + "/".join(part for part in path.split("/") if part)
            + ("/" if path.endswith("/") and path.strip("/") else "")
        )
    token = context["credentials"].get("token")
    at = datetime.fromisoformat(context["timestamp"])
    scope = s3.Scope(ACCESS, SECRET, context["region"], context["service"], at)
    payload_hash = sha256(body.encode() if context["sign_body"] else b"").hexdigest()
    sent = [*headers, ("X-Amz-Date", scope.stamp)]
    if token and not context.get("omit_session_token"):
        sent.append(("X-Amz-Security-Token", token))
    if context["sign_body"]:
        sent.append(("X-Amz-Content-Sha256", payload_hash))
    canonical = s3.canonical_request(method, path, query, sent, payload_hash)
    assert canonical == case["header_canonical_request"]
    assert scope.string_to_sign(canonical) == case["header_string_to_sign"]
    assert scope.signature(canonical) == case["header_signature"]
    names = sorted({name.lower() for name, _ in headers})
    kept = None if context.get("omit_session_token") else token
    signing = s3.presigning(scope, names, context["expiration_in_seconds"], kept)
    presigned = s3.canonical_request(method, path, [*query, *signing.items()], headers, payload_hash)
    assert presigned == case["query_canonical_request"]
    assert scope.signature(presigned) == case["query_signature"]
