"""A sibling on loopback that answers as workflows and integrations do, and remembers what it was asked."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
import uvicorn

from shared import ids


class Workflows:
    """Starts one run for each (trigger, event) and makes one workflow for each origin."""

    def __init__(self) -> None:
        self.matches: list[dict[str, Any]] = []
        self.runs: set[tuple[str, str]] = set()
        self.origins: dict[str, UUID] = {}
        self.definitions: list[dict[str, Any]] = []
        self.history: dict[str, dict[str, Any]] = {}
        self.rehearsals: dict[str, str] = {}
        self.connected: dict[str, list[dict[str, str]]] = {}
        self.failures = 0
        self.url = ""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if self.failures:
            self.failures -= 1
            await _answer(send, 500, {})
        elif scope["path"] == "/internal/trigger-matches":
            await _answer(send, 200, {"started": self._match(orjson.loads(body)["matches"])})
        elif scope["path"] == "/internal/lineage":
            await _answer(send, 200, {"runs": self._trace(orjson.loads(body))})
        elif scope["path"] == "/internal/integrations":
            organization_id = parse_qs(scope["query_string"].decode())["organization_id"][0]
            await _answer(send, 200, {"items": self.connected.get(organization_id, [])})
        else:
            await _answer(send, *self._create(orjson.loads(body)))

    def _match(self, matches: list[dict[str, Any]]) -> int:
        before = len(self.runs)
        self.matches += matches
        self.runs |= {(match["trigger_id"], match["event"]["id"]) for match in matches}
        return len(self.runs) - before

    def _create(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.definitions.append(body["definition"])
        origin = body["origin"]["id"]
        known = origin in self.origins
        made = str(self.origins.setdefault(origin, ids.new()))
        rehearsal = self.rehearsals.setdefault(origin, str(ids.new()))
        first = {"workflow_id": made, "dry_run": True, "key": origin, "event": body["event"]}
        self.history.setdefault(rehearsal, first)
        return 200 if known else 201, {"workflow_id": made, "dry_run_id": rehearsal}

    def _trace(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        found = []
        for name, run in self.history.items():
            event = (run["event"] or {}).get("id")
            began = run["workflow_id"] in body.get("workflows", []) or event in body.get("events", [])
            if began or name in body.get("runs", []):
                shown = {"id": name, "version": 1, "status": "succeeded", "created_at": "2026-01-01T00:00:00Z"}
                cause = {"kind": "event", "id": event}
                effects = run.get("effects", [])
                origin = f"suggestion:{run['key']}"
                told = {"workflow_id": run["workflow_id"], "dry_run": run["dry_run"], "origin": origin}
                found.append({**shown, **told, "finished_at": None, "cause": cause, "effects": effects})
        return found


async def _answer(send: Any, status: int, body: dict[str, Any]) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(body)})


@asynccontextmanager
async def answering() -> AsyncIterator[Workflows]:
    """Serves until the block ends."""
    sibling = Workflows()
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(sibling, lifespan="off", log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    sibling.url = f"http://127.0.0.1:{bound.getsockname()[1]}"
    try:
        yield sibling
    finally:
        server.should_exit = True
        await serving
