"""The integrations service, which alone reaches users' targets."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from shared import errors, httpclient, tracing
from shared.httpclient import Siblings

MARGIN_SECONDS = 2.0
MOST_TOGETHER = 100
LARGEST_TOGETHER = 1 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """One call on its way: `path` is `http` or `actions`, `body` JSON text."""

    path: str
    body: bytes
    seconds: float
    organization_id: UUID
    subject: str
    trace: str
    answer: "asyncio.Future[Any]"


class Calls:
    """Calls to the outside; those that begin in one turn of the loop travel in one request."""

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings
        self._waiting: list[Call] = []
        self._travelling: set[asyncio.Task[None]] = set()

    async def perform(
        self, path: str, body: dict[str, Any], *, organization_id: UUID, subject: str, seconds: float
    ) -> Any:
        """One call within so many seconds; problems of the target rise with `retryable`."""
        loop = asyncio.get_running_loop()
        given = orjson.dumps({**body, "organization_id": organization_id, "timeout_seconds": seconds}, default=str)
        call = Call(path, given, seconds, organization_id, subject, tracing.traceparent(), loop.create_future())
        if not self._waiting:
            loop.call_soon(self._leave)
        self._waiting.append(call)
        return await call.answer

    def _leave(self) -> None:
        waiting, self._waiting = self._waiting, []
        for group in _grouped(waiting):
            task = asyncio.create_task(self._travel(group))
            self._travelling.add(task)
            task.add_done_callback(self._travelling.discard)

    async def _travel(self, group: Sequence[Call]) -> None:
        """Bring every call of a group its answer."""
        fault: Exception = errors.Unavailable("sibling-unavailable", "The answer broke off.")
        try:
            await (self._alone(group[0]) if len(group) == 1 else self._together(group))
        except Exception as problem:  # noqa: BLE001 - whoever waits judges it
            fault = problem
        for call in group:
            if not call.answer.done():
                call.answer.set_exception(fault)

    async def _alone(self, call: Call) -> None:
        tracing.start(call.trace)
        answer = await self._siblings.call(
            "integrations",
            "POST",
            f"/internal/{call.path}",
            json=orjson.loads(call.body),
            organization_id=call.organization_id,
            subject=call.subject,
            timeout=call.seconds + MARGIN_SECONDS,
        )
        if not call.answer.done():
            call.answer.set_result(answer)

    async def _together(self, group: Sequence[Call]) -> None:
        """Whoever is answered goes on; the slowest holds up nobody."""
        asked = [{"path": call.path, "trace": call.trace, "body": orjson.Fragment(call.body)} for call in group]
        seconds = max(call.seconds for call in group) + MARGIN_SECONDS

        def hear(line: dict[str, Any]) -> None:
            call = group[line["index"]]
            if call.answer.done():
                return
            if line["status"] < 400:
                call.answer.set_result(line["body"])
            else:
                call.answer.set_exception(httpclient.problem(line["status"], line["body"]))

        sent = {"calls": asked}
        await self._siblings.lines("integrations", "/internal/calls", json=sent, hear=hear, timeout=seconds)


def _grouped(waiting: Sequence[Call]) -> Iterator[list[Call]]:
    """Groups of so many calls and bytes at most; a larger call travels alone."""
    group: list[Call] = []
    size = 0
    for call in waiting:
        if group and (len(group) == MOST_TOGETHER or size + len(call.body) > LARGEST_TOGETHER):
            yield group
            group, size = [], 0
        group.append(call)
        size += len(call.body)
    if group:
        yield group


async def judge(
    siblings: Siblings, organization_id: UUID, references: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What is wrong with {integration, action, input} references: {index, field, detail, path, kind}."""
    body = {"organization_id": organization_id, "references": list(references)}
    answer = await siblings.call(
        "integrations", "POST", "/internal/references", json=body, organization_id=organization_id
    )
    found: list[dict[str, Any]] = answer["faults"]
    return found


async def audience(siblings: Siblings, kind: str) -> set[UUID]:
    """The organisations with a webhook that wants messages of a type."""
    found: set[UUID] = set()
    after = ""
    while True:
        page = await siblings.call("integrations", "GET", f"/internal/audiences/{kind}{after}")
        found |= {UUID(item) for item in page["items"]}
        if page["next"] is None:
            return found
        after = f"?after={page['next']}"
