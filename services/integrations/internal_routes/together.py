"""Calls of a worker that travel in one request: each is answered on a line of its own as soon as it has ended."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
from fastapi import Response
from pydantic import BaseModel

from services.integrations.deps import Desk
from services.integrations.internal_routes import calls
from services.integrations.schemas.calls import ActionCall, HttpCall, TogetherCall, TogetherCalls, read
from shared import errors, log, tracing
from shared.service import Service

Perform = Callable[[TogetherCall], Awaitable[Any]]
_ROUTES: dict[str, tuple[type[BaseModel], Callable[..., Awaitable[Any]]]] = {
    "actions": (ActionCall, calls.perform_action),
    "http": (HttpCall, calls.send_request),
}
_log = log.get(__name__)


class Lines(Response):
    """{index, status, body} a line, each sent when its call has ended. Whoever goes away leaves the calls to end."""

    media_type = "application/x-ndjson"

    def __init__(self, asked: Sequence[TogetherCall], perform: Perform) -> None:
        super().__init__()
        del self.headers["content-length"]
        self._asked, self._perform = asked, perform

    async def __call__(self, _scope: Any, _receive: Any, send: Any) -> None:
        """One ASGI answer; Starlette's own for streams would watch the connection in a task beside each."""
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        ended: asyncio.Queue[bytes] = asyncio.Queue()
        under_way = [
            asyncio.create_task(_answer(index, call, self._perform, ended)) for index, call in enumerate(self._asked)
        ]
        left = len(under_way)
        while left:
            lines = [await ended.get()]
            while not ended.empty():
                lines.append(ended.get_nowait())
            left -= len(lines)
            await send({"type": "http.response.body", "body": b"".join(lines), "more_body": left > 0})


async def perform_together(body: TogetherCalls, service: Service, desk: Desk) -> Lines:
    """{index, status, body} a line: what `/internal/actions` and `/internal/http` answer to each by itself."""

    async def perform(call: TogetherCall) -> Any:
        model, endpoint = _ROUTES[call.path]
        return await endpoint(read(model, call.body), service, desk)

    return Lines(body.calls, perform)


async def _answer(index: int, call: TogetherCall, perform: Perform, ended: "asyncio.Queue[bytes]") -> None:
    """One call within its own trace; whatever happens to it, its line comes."""
    trace_id = tracing.start(call.trace)
    status, body = 200, None
    try:
        body = await perform(call)
    except errors.FloyoError as error:
        status, body = error.status, error.body(trace_id)
    except Exception as error:  # noqa: BLE001 - the other calls of the request go on
        _log.exception("call-crashed", error=repr(error))
        status, body = 500, errors.FloyoError("internal", "Something went wrong here.").body(trace_id)
    ended.put_nowait(orjson.dumps({"index": index, "status": status, "body": body}) + b"\n")
