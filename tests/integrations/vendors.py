"""Vendors' own API descriptions as judges: a server that checks every request and answers from schemas and examples.

OpenAPI 3.0 and 3.1 and Swagger 2 are read as far as the descriptions in the sample folder `specs` use them.
"""

import json
import re
from dataclasses import dataclass, field
from email.parser import BytesParser
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from aiohttp import web
from jsonschema import Draft4Validator, Draft202012Validator
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from tests.fixtures.samples import sample_folder
from tests.integrations.targets import Answer, Api, Seen

_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete", "head"})
# Headers of HTTP itself and ours, which no description lists.
_COMMON_HEADERS: Final = frozenset({
    "host", "accept", "accept-encoding", "user-agent", "content-type", "content-length", "authorization",
    "idempotency-key",
})  # fmt: skip
_LISTS_AS_TEXT: Final = "JSON-based array"
_DEPTH: Final = 12


@dataclass(frozen=True)
class Operation:
    """One method of one path, with its parameters resolved."""

    name: str
    path: str
    node: dict[str, Any]
    parameters: list[dict[str, Any]]
    servers: list[str]


class Description:
    """A vendor's description; `operations` by method and path pattern."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = _without_nullable(document)
        is_newer = str(document.get("openapi", "")).startswith("3.1")
        self._kind: type[Validator] = Draft202012Validator if is_newer else Draft4Validator
        self._registry: Any = Registry().with_resource("urn:api", DRAFT202012.create_resource(self.document))
        self.operations = list(self._read())

    def _read(self) -> Any:
        for path, item in self.document["paths"].items():
            for method, node in item.items():
                if method in _METHODS:
                    listed = [*item.get("parameters", ()), *node.get("parameters", ())]
                    parameters = [self.resolve(parameter) for parameter in listed]
                    servers = node.get("servers") or item.get("servers") or self.document.get("servers") or []
                    yield Operation(method.upper(), path, node, parameters, [server["url"] for server in servers])

    def find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation of a request and its path parameters; paths without parameters go first."""
        for operation in sorted(self.operations, key=lambda item: item.path.count("{")):
            pattern = re.sub(r"\\{([a-zA-Z_]+)\\}", r"(?P<\1>[^/]+)", re.escape(operation.path))
            match = re.fullmatch(pattern, path)
            if match and operation.name == method:
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def resolve(self, node: Any) -> Any:
        """The node that a reference stands for."""
        for _ in range(_DEPTH):
            if not isinstance(node, dict) or "$ref" not in node:
                return node
            found: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part.replace("~1", "/").replace("~0", "~")]
            node = found
        raise ValueError(f"a chain of references: {node}")

    def faults(self, schema: Any, value: Any, place: str) -> list[str]:
        """What a schema has against a value, and members that it does not know."""
        rooted = json.loads(json.dumps(schema).replace('"$ref": "#/', '"$ref": "urn:api#/'))
        found = self._kind(rooted, registry=self._registry)
        wrong = [f"{place}{error.json_path[1:]}: {error.message[:200]}" for error in found.iter_errors(value)]
        known = self.resolve(schema).get("properties")
        if isinstance(value, dict) and known:
            wrong += [f"{place}.{name}: not described" for name in sorted(value.keys() - known.keys())]
        return wrong

    def sample(self, schema: Any, depth: int = 0) -> Any:
        """A plain value of a schema: its example or default, else the least that it asks for."""
        schema = self.resolve(schema)
        for name in ("example", "default", "const"):
            if name in schema:
                return schema[name]
        if schema.get("enum"):
            return schema["enum"][0]
        for name in ("anyOf", "oneOf"):
            if schema.get(name) and depth < _DEPTH:
                return self.sample(schema[name][0], depth + 1)
        merged: dict[str, Any] = {}
        for part in schema.get("allOf", ()):
            merged |= self.sample(part, depth + 1) or {}
        kind = schema.get("type", "object")
        if kind == "object":
            wanted = schema.get("properties", {}) if depth < 3 else {}
            return merged | {name: self.sample(item, depth + 1) for name, item in wanted.items()}
        plain = {"string": "x", "integer": 1, "number": 1, "boolean": True, "array": []}
        return plain.get(kind if isinstance(kind, str) else kind[0])


def _without_nullable(node: Any) -> Any:
    """OpenAPI 3.0's `nullable` said in JSON Schema."""
    if isinstance(node, list):
        return [_without_nullable(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {name: _without_nullable(item) for name, item in node.items() if name != "nullable"}
    return {"anyOf": [plain, {"type": "null"}]} if node.get("nullable") is True else plain


@cache
def load(name: str) -> Description | None:
    """A description of the sample folder, or None where the folder is absent."""
    folder = sample_folder("specs")
    file = folder / f"{name}.json" if folder else Path("absent")
    return Description(json.loads(file.read_text())) if file.exists() else None


@dataclass
class VendorApi(Api):
    """The server. `bases` are the paths below which it answers, by the vendor's own base address.

    `faults` collects what the description has against requests, which are then answered 400.
    """

    answer: Answer = field(init=False)
    description: Description | None = None
    bases: dict[str, str] = field(default_factory=dict)
    headers: frozenset[str] = frozenset()
    faults: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.answer = self.judge

    def judge(self, seen: Seen) -> web.Response:
        """Checks a request and answers it."""
        if self.description is None:
            raise RuntimeError("no description")
        base, path = next(
            ((vendor, seen.path.removeprefix(below)) for vendor, below in self.bases.items()
             if seen.path.startswith(below + "/")), ("", ""),
        )  # fmt: skip
        found = self.description.find(seen.method, path)
        wrong = [f"{seen.method} {seen.path}: not described"]
        if found is not None:
            wrong = self._check(seen, *found)
            wrong += [f"{path} is served by {found[0].servers}, not {base}"] if _elsewhere(found[0], base) else []
        if wrong or found is None:
            self.faults += wrong
            return web.json_response({"faults": wrong}, status=400)
        return self._reply(found[0], media=seen.query.get("alt") == "media")

    def _check(self, seen: Seen, operation: Operation, path: dict[str, str]) -> list[str]:
        given: dict[str, dict[str, str]] = {"path": path, "query": seen.query, "header": seen.headers}
        known = {(item["in"], item["name"].lower()) for item in operation.parameters}
        wrong = [f"query {name}: not described" for name in seen.query if ("query", name.lower()) not in known]
        passing = _COMMON_HEADERS | self.headers
        wrong += [
            f"header {name}: not described"
            for name in seen.headers
            if ("header", name) not in known and name not in passing
        ]
        for item in operation.parameters:
            wrong += self._check_parameter(item, given.get(item["in"], {})) if item["in"] in given else []
        return [f"{operation.name} {operation.path} {fault}" for fault in [*wrong, *self._check_body(seen, operation)]]

    def _check_parameter(self, item: dict[str, Any], given: dict[str, str]) -> list[str]:
        assert self.description is not None
        name = item["name"].lower() if item["in"] == "header" else item["name"]
        if (item["in"], name) == (
            "header",
            "token",
        ):  # Slack's description says so of what its text calls a bearer token
            return [] if given.get("authorization", "").startswith("Bearer ") else ["header authorization: missing"]
        if name not in given:
            return [f"{item['in']} {name}: missing"] if item.get("required") else []
        if "content" in item:
            schema = item["content"]["application/json"]["schema"]
            return self.description.faults(schema, json.loads(given[name]), f"{item['in']} {name}")
        schema = item.get("schema") or {key: item[key] for key in ("type", "enum", "pattern") if key in item}
        return self.description.faults(schema, self._typed(schema, given[name]), f"{item['in']} {name}")

    def _typed(self, schema: Any, text: str) -> Any:
        """A text as the schema's type reads it."""
        assert self.description is not None
        schema = self.description.resolve(schema)
        kinds = [schema.get("type"), *(part.get("type") for part in schema.get("oneOf", ()))]
        if "integer" in kinds and re.fullmatch(r"-?[0-9]+", text):
            return int(text)
        return text == "true" if "boolean" in kinds and text in ("true", "false") else text

    def _check_body(self, seen: Seen, operation: Operation) -> list[str]:
        assert self.description is not None
        media = seen.headers.get("content-type", "").partition(";")[0].strip()
        form = [item for item in operation.parameters if item["in"] == "formData"]
        if form:
            schema = {
                "properties": {item["name"]: _form_schema(item) for item in form},
                "required": [item["name"] for item in form if item.get("required")],
            }
            described: dict[str, Any] = {kind: {"schema": schema} for kind in operation.node["consumes"]}
        else:
            body = self.description.resolve(operation.node.get("requestBody", {}))
            described = body.get("content", {})
            if not seen.body:
                return ["body: missing"] if body.get("required") else []
        if not described:
            return ["body: none is described"] if seen.body else []
        if media not in described:
            return [f"body: {media} is not one of {sorted(described)}"]
        if media == "multipart/related":
            return self._check_parts(seen, described)
        if media != "application/json" or "schema" not in described[media]:
            return []
        return self.description.faults(described[media]["schema"], json.loads(seen.body), "body")

    def _check_parts(self, seen: Seen, described: dict[str, Any]) -> list[str]:
        """Google's upload: metadata as JSON, then the bytes."""
        assert self.description is not None
        kind = f"Content-Type: {seen.headers['content-type']}\r\n\r\n".encode()
        parts: Any = BytesParser().parsebytes(kind + seen.body).get_payload()
        if [part.get_content_type() for part in parts][:1] != ["application/json"] or len(parts) != 2:
            return ["body: must hold metadata as JSON and the bytes"]
        metadata = json.loads(parts[0].get_payload(decode=True))
        return self.description.faults(described["application/json"]["schema"], metadata, "metadata")

    def _reply(self, operation: Operation, *, media: bool) -> web.Response:
        assert self.description is not None
        status, node = min((key, item) for key, item in operation.node["responses"].items() if key.startswith("2"))
        node = self.description.resolve(node)
        if "204" in operation.node["responses"] and "return_run_details" in json.dumps(node):
            return web.Response(status=204)  # GitHub: the answer with details is for whoever asks for them
        content = node.get("content", {"application/json": node} if "schema" in node else {})
        if "application/octet-stream" in content and (media or len(content) == 1):
            return web.Response(body=b"\x00\x01bytes", content_type="application/octet-stream")
        if "application/json" not in content:
            return web.Response(status=int(status))
        return web.json_response(self._example(node, content["application/json"]), status=int(status))

    def _example(self, node: dict[str, Any], content: dict[str, Any]) -> Any:
        assert self.description is not None
        listed = [self.description.resolve(item) for item in content.get("examples", {}).values()]
        if node.get("examples", {}).get("application/json"):
            return node["examples"]["application/json"]
        if "example" in content:
            return content["example"]
        if listed and isinstance(listed[0], dict) and "value" in listed[0]:
            return listed[0]["value"]
        return self.description.sample(content.get("schema", {}))


def _form_schema(item: dict[str, Any]) -> dict[str, Any]:
    """A form field; what a form holds as JSON in a text, a JSON body holds as it is."""
    if _LISTS_AS_TEXT in item.get("description", ""):
        return {"type": ["string", "array"]}
    return {"type": item["type"]}


def _elsewhere(operation: Operation, base: str) -> bool:
    return bool(operation.servers) and base not in operation.servers
