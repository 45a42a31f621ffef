"""A relay in front of a real S3-compatible server: botocore's model of S3 judges each request before it goes on."""

import gzip
import io
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl

import aiohttp
import yarl
from aiohttp import web

from tests.integrations.targets import Answer, Api, Seen

_SIGNING: Final = frozenset({
    "host", "authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token", "user-agent", "accept",
    "accept-encoding", "content-length", "idempotency-key",
})  # fmt: skip
_SIGNED: Final = frozenset({"host", "x-amz-date", "x-amz-content-sha256"})


@cache
def _model(file: Path) -> dict[str, Any]:
    with gzip.open(file) as opened:
        found: dict[str, Any] = json.load(opened)
        return found


def faults(file: Path, seen: Seen) -> list[str]:
    """What botocore's model has against a request; empty when some operation describes it."""
    model = _model(file)
    judged = [
        (name, _against(model, operation, seen))
        for name, operation in model["operations"].items()
        if operation["http"]["method"] == seen.method and _fits(operation["http"]["requestUri"], seen)
    ]
    if not judged:
        return [f"{seen.method} {seen.path}: no operation"]
    best, wrong = min(judged, key=lambda pair: len(pair[1]))
    return [f"{best}: {fault}" for fault in [*wrong, *_unsigned(seen)]]


def _fits(uri: str, seen: Seen) -> bool:
    path, _, query = uri.partition("?")
    pattern = re.escape(path).replace(r"\{Bucket\}", "[^/]+").replace(r"\{Key\+\}", ".+")
    literal = dict(parse_qsl(query, keep_blank_values=True))
    return bool(re.fullmatch(pattern, seen.path)) and literal.items() <= seen.query.items()


def _against(model: dict[str, Any], operation: dict[str, Any], seen: Seen) -> list[str]:
    shape = model["shapes"][operation["input"]["shape"]]
    literal = dict(parse_qsl(operation["http"]["requestUri"].partition("?")[2], keep_blank_values=True))
    members = shape["members"].values()
    given = {"querystring": seen.query, "header": seen.headers}
    known = {kind: {m["locationName"].lower() for m in members if m.get("location") == kind} for kind in given}
    wrong = [
        f"query {name}: unknown" for name in seen.query if name.lower() not in known["querystring"] | literal.keys()
    ]
    wrong += [f"header {name}: unknown" for name in seen.headers if name not in known["header"] | _SIGNING]
    wrong += ["body: none is described"] if seen.body and not shape.get("payload") else []
    for name, member in shape["members"].items():
        if member.get("location") not in given:
            continue
        values = {key.lower(): value for key, value in given[member["location"]].items()}
        value = values.get(member["locationName"].lower())
        if value is None:
            wrong += [f"{name}: missing"] if name in shape.get("required", ()) else []
        else:
            wrong += _unlike(model["shapes"][member["shape"]], name, value)
    return wrong


def _unlike(shape: dict[str, Any], name: str, value: str) -> list[str]:
    number = shape["type"] in {"integer", "long"}
    if (number and not re.fullmatch(r"-?[0-9]+", value)) or (shape.get("enum") and value not in shape["enum"]):
        return [f"{name}: {value!r} is no {shape['type']}"]
    return []


def _unsigned(seen: Seen) -> list[str]:
    """Every header that means something to S3 must stand in the signature."""
    greeting = seen.headers.get("authorization", "")
    signed = set(greeting.partition("SignedHeaders=")[2].partition(",")[0].split(";"))
    telling = {name for name in seen.headers if name.startswith("x-amz-") or name in {"range", "content-type"}}
    return [f"header {name}: not signed" for name in sorted((telling | _SIGNED) - signed)]


@dataclass
class Relay(Api):
    """Judges, then passes on what came, byte for byte and under the host that was signed."""

    answer: Answer = field(init=False)
    upstream: str = ""
    model: Path = Path()
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer = self.pass_on
        self.business = lambda: web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>")
        self.refusal = lambda: web.Response(status=403, text="<Error><Code>InvalidAccessKeyId</Code></Error>")

    async def pass_on(self, seen: Seen) -> web.Response:
        """The server's own answer."""
        self.faults += faults(self.model, seen)
        url = yarl.URL(self.upstream + seen.target, encoded=True)
        async with (
            aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["Content-Type"]) as client,
            client.request(seen.method, url, headers=seen.headers, data=seen.body and io.BytesIO(seen.body)) as found,
        ):
            kept = {name: value for name, value in found.headers.items() if name.lower() not in _OF_CONNECTION}
            return web.Response(status=found.status, headers=kept, body=await found.read())


_OF_CONNECTION: Final = frozenset({"connection", "transfer-encoding", "server", "date"})
