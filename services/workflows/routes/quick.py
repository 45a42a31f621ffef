"""The quick way in for POST /workflows/{id}/runs: without Idempotency-Key, stored and read with other requests' runs.

It stands inside the application's middleware, before FastAPI; whatever it does not take goes on to the route in `runs`,
which documents it and answers the same.
"""

import re
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
from pydantic import ValidationError

from services.workflows.deps import wake_workers
from services.workflows.domain.intake import Intake
from services.workflows.domain.results import Results
from services.workflows.domain.waiters import Waiters
from services.workflows.schemas.runs import RunIn, RunOut
from shared import asgi, deps, errors, strictjson
from shared.service import Service
from shared.webapp import PREFIX

_PATH = re.compile(rf"{PREFIX}/workflows/([0-9a-f]{{8}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{4}}-[0-9a-f]{{12}})/runs")
_QUERY = re.compile(rb"(?:wait=([0-5]?[0-9](?:\.[0-9]{1,3})?|60))?")
_ROUTE = SimpleNamespace(path=f"{PREFIX}/workflows/{{workflow_id}}/runs")
_NEVER = frozenset({b"idempotency-key", b"content-encoding"})


class QuickStart:
    """ASGI middleware, the innermost one."""

    def __init__(self, app: Any, *, owner: Any) -> None:
        self._app = app
        self._owner = owner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Takes the request, or passes it on untouched."""
        asked = _read_target(scope)
        if asked is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = _ROUTE
        service: Service = self._owner.state.service
        try:
            principal = await deps.identify(service, scope, asgi.bearer(scope))
            if not principal.may("runs:write"):
                raise errors.Forbidden("forbidden", "This needs the permission runs:write.")
            body = await asgi.read(receive)
            if body is None:
                return
            given = _read_body(body)
            run_id = given and await service.part(Intake).start(
                principal.organization_id, asked[0], given=given.input, dry_run=given.dry_run, subject=principal.subject
            )
            if not run_id:
                await self._app(scope, asgi.replay(body, receive), send)
                return
            wake_workers(service)
            status, answer = await _await_end(service, principal.organization_id, run_id, asked[1])
        except errors.FloyoError as error:
            await asgi.refuse(send, error)
            return
        await asgi.answer(send, status, answer, {"Location": f"{PREFIX}/runs/{run_id}"})


async def _await_end(service: Service, organization_id: UUID, run_id: UUID, seconds: float) -> tuple[int, bytes]:
    """Status and body of the answer: the whole run if it ended in time."""
    if not seconds:
        return 202, orjson.dumps({"id": run_id, "status": "queued"})
    await service.part(Waiters).wait(run_id, seconds)
    found = await service.part(Results).read(organization_id, run_id)
    if found["finished_at"] is None:
        return 202, orjson.dumps({"id": run_id, "status": found["status"]})
    return 200, RunOut.model_validate(found).model_dump_json().encode()


def _read_target(scope: Any) -> tuple[UUID, float] | None:
    """The workflow and the seconds to wait of a request that can go the quick way."""
    if scope["type"] != "http" or scope["method"] != "POST":
        return None
    path, query = _PATH.fullmatch(scope["path"]), _QUERY.fullmatch(scope["query_string"])
    if path is None or query is None or any(name in _NEVER for name, _ in scope["headers"]):
        return None
    media = next((value for name, value in scope["headers"] if name == b"content-type"), b"application/json")
    if media.partition(b";")[0].strip().lower() != b"application/json":
        return None
    return UUID(path[1]), float(query[1] or 0)


def _read_body(body: bytes) -> RunIn | None:
    """What the run starts with; None when a version is named, or the strict reading must say what is wrong."""
    if not body:
        return RunIn()
    try:
        given = RunIn.model_validate(strictjson.parse(body))
    except (errors.FloyoError, ValidationError):
        return None
    return given if given.version is None else None
