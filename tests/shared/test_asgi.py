"""What raw ASGI routes share: a refusal is sent as a problem, and a failure of this side is noted with its cause."""

import json
from typing import Any

from structlog.testing import capture_logs

from shared import asgi, errors


async def _refuse(error: errors.FloyoError) -> tuple[list[Any], list[Any]]:
    """What was sent, and what was logged."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    with capture_logs() as logged:
        await asgi.refuse(send, error)
    return sent, list(logged)


async def test_a_failure_is_told_without_its_cause_and_noted_with_it() -> None:
    error = errors.Unavailable("database-unavailable", "Try again in a moment.")
    error.__cause__ = ConnectionError("no route to 10.0.0.7")
    (start, body), (note,) = await _refuse(error)
    assert start["status"] == 503
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert b"10.0.0.7" not in body["body"]
    assert json.loads(body["body"])["detail"] == "Try again in a moment."
    assert (note["event"], note["problem"], note["log_level"]) == ("request-failed", "database-unavailable", "warning")
    assert "10.0.0.7" in note["cause"]


async def test_what_a_caller_does_wrong_is_not_noted() -> None:
    (start, _), logged = await _refuse(errors.Forbidden("forbidden", "This needs the permission events:write."))
    assert start["status"] == 403
    assert logged == []
