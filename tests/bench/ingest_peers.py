"""What ingest is measured against: bare ASGI answers, and the usual way, FastAPI with SQLAlchemy or COPY.

`python -m tests.bench.ingest_peers bare|grouped|usual PORT DSN` serves one of them.
"""

import asyncio
import json
import sys
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import asyncpg
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from shared.server import KEEP_ALIVE

PREPARE = """
CREATE TABLE IF NOT EXISTS peer (id uuid PRIMARY KEY, source text, type text, actor text, external_id text, data jsonb,
    received_at timestamptz, UNIQUE (source, external_id))
"""
INSERT = """
INSERT INTO peer VALUES (:id, :source, :type, :actor, :external_id, CAST(:data AS jsonb), :received_at)
ON CONFLICT (source, external_id) DO NOTHING
"""
UNNEST = """
INSERT INTO peer SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::jsonb[],
    $7::timestamptz[]) ON CONFLICT (source, external_id) DO NOTHING
"""
COLUMNS = ("id", "source", "type", "actor", "external_id", "data", "received_at")


class Incoming(BaseModel):
    """An event as the usual way reads it."""

    id: str
    source: str
    type: str
    actor: str | None = None
    data: Any = None


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body and answers 201."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


class Grouped:
    """Bare ASGI that stores each event before it answers; those that arrive during a commit share the next one."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._storing: asyncio.Task[None] | None = None
        self._link: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request; whatever is not posted is answered without being stored."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body")
        if scope["method"] == "POST":
            stored = asyncio.get_running_loop().create_future()
            self._waiting.append((body, stored))
            self._storing = self._storing or asyncio.create_task(self._store())
            await stored
        await send({"type": "http.response.start", "status": 201, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"{}"})

    async def _store(self) -> None:
        self._link = self._link or await asyncpg.connect(self._dsn)
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            await self._link.execute(UNNEST, *zip(*(_row(json.loads(body)) for body, _ in waiting), strict=True))
            for _, stored in waiting:
                stored.set_result(None)
        self._storing = None


def usual(dsn: str) -> FastAPI:
    """A row and a commit a request; batches through COPY."""
    app = FastAPI()
    url = dsn.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=5, max_overflow=0)
    sessions = async_sessionmaker(engine)

    @app.post("/events", status_code=201)
    async def one(event: Incoming) -> dict[str, str]:
        row = dict(zip(COLUMNS, _row(event.model_dump()), strict=True))
        async with sessions() as session, session.begin():
            await session.execute(text(INSERT), row)
        return {"id": str(row["id"])}

    @app.post("/batch")
    async def many(events: list[Incoming]) -> dict[str, int]:
        rows = [_row(event.model_dump()) for event in events]
        async with engine.connect() as connection:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            await raw.copy_records_to_table("peer", records=rows, columns=COLUMNS)
        return {"accepted": len(events)}

    return app


def _row(event: dict[str, Any]) -> tuple[Any, ...]:
    moment, data = datetime.now(UTC), json.dumps(event.get("data"))
    return uuid.uuid4(), event["source"], event["type"], event.get("actor"), event["id"], data, moment


async def prepare(dsn: str) -> None:
    """Makes the peers' table."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(PREPARE)
    await connection.close()


async def unnest(dsn: str, bodies: list[bytes]) -> float:
    """Events a second of `unnest … ON CONFLICT` alone, over four connections; reading the bodies is not counted."""
    batches = [list(zip(*(_row(event) for event in json.loads(body)), strict=True)) for body in bodies]
    pool = [await asyncpg.connect(dsn) for _ in range(4)]
    began = time.perf_counter()
    await asyncio.gather(*(_insert(link, batches[place::4]) for place, link in enumerate(pool)))
    took = time.perf_counter() - began
    for link in pool:
        await link.close()
    return sum(len(batch[0]) for batch in batches) / took


async def _insert(link: "asyncpg.Connection[asyncpg.Record]", batches: list[list[Any]]) -> None:
    for batch in batches:
        await link.execute(UNNEST, *batch)


if __name__ == "__main__":
    which, number, database = sys.argv[1:]
    served: Any = {"bare": lambda _: bare, "grouped": Grouped, "usual": usual}[which](database)
    quiet: dict[str, Any] = {"log_level": "error", "access_log": False}
    uvicorn.run(served, port=int(number), lifespan="off", timeout_keep_alive=KEEP_ALIVE, **quiet)
