"""Workers of the service in one process: engines on the real database, and workflows to run."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from services.workflows.domain import calls, runs, workflows
from services.workflows.domain.definition import Definition
from services.workflows.domain.engine import Engine
from services.workflows.domain.platform import Platform
from services.workflows.domain.recorder import Recorder
from services.workflows.domain.workflows import Author
from services.workflows.storage.records import Record
from shared import ids
from shared.service import Service
from tests.workflows.driving import Answers

TRANSFORM = {"id": "a", "type": "transform", "with": {"output": "{{ input }}"}}


def transform(name: str, output: Any = 1) -> dict[str, Any]:
    return {"id": name, "type": "transform", "with": {"output": output}}


def http(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "http", "with": {"url": "https://example.com"}, **more}


class Gated(Answers):
    """Integrations that answer only when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    async def http(self, context: Any, request: Any) -> dict[str, Any]:
        self.asked.append((context.key, "http", request))
        await self.gate.wait()
        return {"status": 200, "headers": {}, "body": {}}


class Stage:
    """One organisation, its workflows and runs, and as many workers as a test wants."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.organization_id = ids.new()
        self.author = Author(self.organization_id, "user:test")

    async def workflow(self, *steps: dict[str, Any], **more: Any) -> UUID:
        body = {"name": "A workflow", "trigger": {"type": "manual"}, "steps": list(steps), **more}
        async with self.service.database.session(self.organization_id) as session:
            workflow_id, _ = await workflows.create(session, self.author, Definition.model_validate(body))
        return workflow_id

    async def start(self, workflow_id: UUID, given: Any = None) -> UUID:
        async with self.service.database.session(self.organization_id) as session:
            started = await runs.start_by_hand(
                session, self.organization_id, workflow_id, given=given, dry_run=False, subject="user:test"
            )
        return started.id

    async def read(self, run_id: UUID) -> dict[str, Any]:
        async with self.service.database.session(self.organization_id) as session:
            return await runs.read(session, self.organization_id, run_id)

    async def cancel(self, run_id: UUID) -> str:
        async with self.service.database.session(self.organization_id) as session:
            return await runs.cancel(session, self.organization_id, run_id)

    async def execute(self, statement: str, **given: Any) -> Sequence[Any]:
        async with self.service.database.system() as session:
            result = await session.execute(text(statement), given)
            return result.all() if result.returns_rows else ()  # type: ignore[attr-defined]

    async def expire_leases(self) -> None:
        await self.execute("UPDATE run SET due_at = now() - interval '1 second' WHERE status = 'running'")

    async def finish(self, engine: Engine, run_id: UUID, *, seconds: float = 10) -> dict[str, Any]:
        """Advance until a run has ended."""
        async with asyncio.timeout(seconds):
            while True:
                await engine.advance()
                found = await self.read(run_id)
                if found["finished_at"] is not None:
                    return found
                await asyncio.sleep(0.02)

    @contextlib.asynccontextmanager
    async def engine(
        self,
        answers: Any = None,
        *,
        platform: bool = False,
        rehearsals: Any = None,
        instance: str = "worker",
        **more: Any,
    ) -> AsyncIterator[Engine]:
        """A worker; with `platform` its steps reach Floyo itself, else the same answers."""
        outside: Any = answers or Answers()
        own = Platform(self.service.database, self.service.siblings, _nobody) if platform else outside

        async def untold(_records: Sequence[Record]) -> None:
            return None

        database = self.service.database
        tools = calls.Tools(outside, own, rehearsals and calls.Tools(rehearsals, own))
        recorder = Recorder(database, untold)
        engine = Engine(database, recorder, tools, heart=database, owner=f"{instance}:{ids.new()}", **more)
        try:
            yield engine
        finally:
            for active in list(engine.active.values()):
                active.task.cancel()
            await asyncio.sleep(0)


async def _nobody() -> None:
    """There is nobody to wake."""


async def until(condition: Any, seconds: float = 5) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - asks the database
            await asyncio.sleep(0.01)
