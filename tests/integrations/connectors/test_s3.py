"""The connector s3: Amazon's published vectors, a real S3-compatible server, and botocore's model of S3."""

import base64
import io
import json
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, unquote, urlsplit

import aiohttp
import pytest

from services.integrations.connectors.s3 import signing
from services.integrations.domain.outlets import Outlets
from shared import clock, errors
from shared.egress import TargetFailed
from tests.fixtures.samples import absent, sample_folder
from tests.integrations import buckets
from tests.integrations.buckets import Relay
from tests.integrations.contract import ConnectorContract
from tests.integrations.targets import Seen

ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"  # Amazon's published examples
KEY = "reports/wöchentlich & mehr+1.csv"


@pytest.mark.xdist_group("s3")  # one bucket for all of them
class TestS3(ConnectorContract):
    id = "s3"
    inputs: ClassVar = {
        "put_object": {"key": KEY, "text": "a,b"},
        "get_object": {"key": KEY},
        "describe_object": {"key": KEY},
        "copy_object": {"key": KEY, "to": "copies/a+b & c.csv"},
        "list_objects": {"prefix": "reports/"},
        "delete_object": {"key": KEY},
        "share_object": {"key": KEY, "seconds": 60},
    }
    server: ClassVar[dict[str, Any]]

    @pytest.fixture(autouse=True)
    def made(self, s3_server: dict[str, Any]) -> dict[str, Any]:
        type(self).server = s3_server
        type(self).secrets = {name: s3_server[name] for name in ("access_key_id", "secret_access_key")}
        return s3_server

    async def start(self) -> Relay:
        started = Relay(upstream=self.server["url"], model=Path(self.server["model"]))
        await started.start()
        return started

    def settings(self, target: Any) -> dict[str, Any]:
        return {"bucket": self.server["bucket"], "region": self.server["region"], "endpoint": target.url}

    async def test_objects_come_and_go(self, target: Relay, outlets: Outlets) -> None:
        assert len((await self.run(target, outlets, "put_object"))["etag"]) == 32
        found = await self.run(target, outlets, "get_object")
        assert found == {"content": "a,b", "content_type": "text/plain; charset=utf-8", "size": 3}
        about = await self.run(target, outlets, "describe_object")
        assert (about["size"], about["content_type"]) == (3, "text/plain; charset=utf-8")
        found = await self.run(target, outlets, "list_objects")
        assert found == {"objects": [{"key": KEY, "size": 3}], "has_more": False}
        assert len((await self.run(target, outlets, "copy_object"))["etag"]) == 32
        copied = await self.run(target, outlets, "get_object", {"key": "copies/a+b & c.csv"})
        assert copied["content"] == "a,b"
        mine = {KEY, "copies/a+b & c.csv"}
        for key in mine:
            await self.run(target, outlets, "delete_object", {"key": key})
        left = (await self.run(target, outlets, "list_objects", {}))["objects"]
        assert mine.isdisjoint(item["key"] for item in left)
        assert target.faults == []

    async def test_bytes_stay_bytes_and_parts_are_parts(self, target: Relay, outlets: Outlets) -> None:
        raw = bytes(range(256)) * 10_000  # 2.56 MB
        given = {"key": "b/raw", "content_base64": base64.b64encode(raw).decode()}
        await self.run(target, outlets, "put_object", given)
        whole = await self.run(target, outlets, "get_object", {"key": "b/raw"})
        assert (base64.b64decode(whole["content"]["base64"]), whole["size"]) == (raw, len(raw))
        for offset, length, expected in [(254, 4, raw[254:258]), (len(raw) - 3, None, raw[-3:])]:
            part = await self.run(target, outlets, "get_object", {"key": "b/raw", "offset": offset, "length": length})
            assert (base64.b64decode(part["content"]["base64"]), part["size"]) == (expected, len(raw))
        assert target.faults == []
        await self.run(target, outlets, "delete_object", {"key": "b/raw"})

    async def test_pages_follow_each_other(self, target: Relay, outlets: Outlets) -> None:
        for name in "abc":
            await self.run(target, outlets, "put_object", {"key": f"p/{name}", "text": name})
        first = await self.run(target, outlets, "list_objects", {"prefix": "p/", "limit": 2})
        assert ([item["key"] for item in first["objects"]], first["has_more"]) == (["p/a", "p/b"], True)
        rest = await self.run(target, outlets, "list_objects", {"prefix": "p/", "after": "p/b"})
        assert ([item["key"] for item in rest["objects"]], rest["has_more"]) == (["p/c"], False)
        assert target.faults == []
        for name in "abc":
            await self.run(target, outlets, "delete_object", {"key": f"p/{name}"})

    async def test_a_wrong_secret_is_refused_by_the_server(self, target: Relay, outlets: Outlets) -> None:
        """Else the server would judge no signature, and the tests above would prove nothing of ours."""
        for secrets in (
            {**self.secrets, "secret_access_key": "wrong"},
            {**self.secrets, "access_key_id": "AKIAUNKNOWN"},
        ):
            with pytest.raises(TargetFailed) as caught:
                await self.run(target, outlets, "put_object", secrets=secrets)
            assert (caught.value.slug, caught.value.extensions["retryable"]) == ("credential-refused", False)

    async def test_what_is_missing_is_told(self, target: Relay, outlets: Outlets) -> None:
        for action, given in [("get_object", {"key": "n"}), ("describe_object", {"key": "n"}),
                              ("copy_object", {"key": "n", "to": "m"})]:  # fmt: skip
            with pytest.raises(TargetFailed) as caught:
                await self.run(target, outlets, action, given)
            assert caught.value.extensions == {"retryable": False, "target_status": 404}

    async def test_what_is_too_large_is_read_in_parts(self, target: Relay, outlets: Outlets) -> None:
        await self._store(target, "l/large", b"x" * 9_000_000)
        with pytest.raises(TargetFailed) as caught:
            await self.run(target, outlets, "get_object", {"key": "l/large"})
        assert (caught.value.slug, caught.value.extensions["retryable"]) == ("output-too-large", False)
        part = await self.run(target, outlets, "get_object", {"key": "l/large", "length": 10})
        assert (part["content"], part["size"]) == ("x" * 10, 9_000_000)
        copied = {"key": "l/large", "to": "l/copy"}
        await self.run(target, outlets, "copy_object", copied)
        assert (await self.run(target, outlets, "describe_object", {"key": "l/copy"}))["size"] == 9_000_000
        for key in copied.values():
            await self.run(target, outlets, "delete_object", {"key": key})

    async def _store(self, target: Relay, key: str, content: bytes) -> None:
        """As somebody else would, with more than a workflow may carry."""
        key_id, secret = self.secrets["access_key_id"], self.secrets["secret_access_key"]
        scope = signing.Scope(key_id, secret, self.server["region"], "s3", clock.now())
        path, payload_hash = f"/{self.server['bucket']}/{key}", sha256(content).hexdigest()
        headers = {"x-amz-date": scope.stamp, "x-amz-content-sha256": payload_hash}
        signed = [("host", f"127.0.0.1:{target.port}"), *headers.items()]
        canonical = signing.canonical_request("PUT", path, [], signed, payload_hash)
        headers["Authorization"] = signing.authorization(scope, canonical)
        async with (
            aiohttp.ClientSession(skip_auto_headers=["Content-Type"]) as client,
            client.put(target.url + path, data=io.BytesIO(content), headers=headers) as answer,
        ):
            assert answer.status == 200

    async def test_addresses_to_read_and_to_send_are_told_apart(self, target: Relay, outlets: Outlets) -> None:
        """Their signatures are judged by the published vectors below."""
        links = [
            (await self.run(target, outlets, "share_object", {"key": KEY, "method": method}))["url"]
            for method in ("GET", "PUT")
        ]
        found = [dict(parse_qsl(urlsplit(link).query)) for link in links]
        assert found[0].pop("X-Amz-Signature") != found[1].pop("X-Amz-Signature")
        assert {item["X-Amz-Expires"] for item in found} == {"3600"}
        assert unquote(urlsplit(links[0]).path) == f"/{self.server['bucket']}/{KEY}"

    @pytest.mark.parametrize("key", ["../other/x", "a/../../x", "a/./b", "a\nb"])
    async def test_b50_keys_do_not_leave_the_bucket(self, target: Relay, outlets: Outlets, key: str) -> None:
        for action, given in [("get_object", {"key": key}), ("copy_object", {"key": key, "to": "x"}),
                              ("copy_object", {"key": "x", "to": key})]:  # fmt: skip
            with pytest.raises(errors.Invalid):
                await self.run(target, outlets, action, given)
        assert target.connections == 0

    @pytest.mark.parametrize(
        "content", [{}, {"text": "a", "content_base64": "YQ=="}, {"content_base64": "?"}, {"text": "ä" * 1_600_000}]
    )
    async def test_content_is_given_once_and_small(
        self, target: Relay, outlets: Outlets, content: dict[str, Any]
    ) -> None:
        with pytest.raises(errors.Invalid):
            await self.run(target, outlets, "put_object", {"key": "a", **content})
        assert target.connections == 0

    # Sharing signs an address with the key's id in it; the id is a name, the secret stays out.
    async def test_b69_secrets_show_nowhere(
        self, target: Any, outlets: Outlets, capfd: pytest.CaptureFixture[str]
    ) -> None:
        link = (await self.run(target, outlets, "share_object"))["url"]
        assert self.secrets["secret_access_key"] not in link
        assert target.connections == 0


def test_the_model_sees_what_is_wrong(s3_server: dict[str, Any]) -> None:
    signed = {"authorization": "AWS4 SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=0"}
    for method, path, query, headers, fault in [
        ("GET", "/b", {"list-type": "2", "max-keys": "many"}, signed, "MaxKeys"),
        ("GET", "/b", {"list-type": "2", "colour": "red"}, signed, "colour"),
        ("PUT", "/b/k", {}, {**signed, "x-amz-made-up": "1"}, "x-amz-made-up: unknown"),
        ("PUT", "/b/k", {}, {**signed, "x-amz-copy-source": "/b/a"}, "x-amz-copy-source: not signed"),
        ("PUT", "/b/k", {}, {}, "x-amz-date: not signed"),
        ("PATCH", "/b/k", {}, signed, "no operation"),
    ]:
        assert fault in " ".join(buckets.faults(Path(s3_server["model"]), Seen(method, path, query, headers, b"")))


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
    scope = signing.Scope(ACCESS, SECRET, context["region"], context["service"], at)
    payload_hash = sha256(body.encode() if context["sign_body"] else b"").hexdigest()
    sent = [*headers, ("X-Amz-Date", scope.stamp)]
    if token and not context.get("omit_session_token"):
        sent.append(("X-Amz-Security-Token", token))
    if context["sign_body"]:
        sent.append(("X-Amz-Content-Sha256", payload_hash))
    canonical = signing.canonical_request(method, path, query, sent, payload_hash)
    assert canonical == case["header_canonical_request"]
    assert scope.string_to_sign(canonical) == case["header_string_to_sign"]
    assert scope.signature(canonical) == case["header_signature"]
    names = sorted({name.lower() for name, _ in headers})
    kept = None if context.get("omit_session_token") else token
    presigned_by = signing.presigning(scope, names, context["expiration_in_seconds"], kept)
    presigned = signing.canonical_request(method, path, [*query, *presigned_by.items()], headers, payload_hash)
    assert presigned == case["query_canonical_request"]
    assert scope.signature(presigned) == case["query_signature"]
