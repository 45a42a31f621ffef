"""An honest receiver of effects: a process that performs each idempotency key once and keeps a ledger of it.

`python -m tests.chaos.sink PORT SECONDS` answers POST /effect/RUN/STEP after so many seconds; GET /ledger shows
{key: {run, step, calls, effects}}. A repeated key gets the first answer and has no second effect.
"""

import asyncio
import sys
from typing import Any

import orjson
from aiohttp import web


class Sink:
    """What was performed, by idempotency key; a call without one is performed each time, as anywhere else."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.ledger: dict[str, dict[str, Any]] = {}

    async def effect(self, request: web.Request) -> web.Response:
        run, step = request.match_info["run"], request.match_info["step"]
        key = request.headers.get("Idempotency-Key") or f"none:{len(self.ledger)}"
        entry = self.ledger.setdefault(key, {"run": run, "step": step, "calls": 0, "effects": 0})
        entry["calls"] += 1
        if entry["calls"] == 1:
            entry["effects"] += 1
        await asyncio.sleep(self.seconds)
        return web.json_response({"key": key})

    async def show(self, _request: web.Request) -> web.Response:
        return web.Response(body=orjson.dumps(self.ledger), content_type="application/json")


def main(port: int, seconds: float) -> None:
    sink = Sink(seconds)
    app = web.Application()
    app.router.add_post("/effect/{run}/{step}", sink.effect)
    app.router.add_get("/ledger", sink.show)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
