"""What can go wrong in a call, as exceptions: the service's problem documents, and a gateway that cannot be reached."""

from collections.abc import Mapping
from typing import Any

import httpx2

from client.shapes import FieldFault


class FloyoProblem(Exception):
    """A call was refused or failed; `slug` names the kind (as in `invalid-credentials`), `detail` says it in words.

    `status` is the HTTP status, 0 where there was no answer. `errors` names the fields at fault by JSON pointer.
    """

    def __init__(
        self,
        slug: str,
        detail: str,
        *,
        status: int = 0,
        title: str = "",
        errors: list[FieldFault] | None = None,
        trace_id: str | None = None,
        extensions: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{slug}: {detail}")
        self.slug = slug
        self.detail = detail
        self.status = status
        self.title = title
        self.errors = errors or []
        self.trace_id = trace_id
        self.extensions = dict(extensions or {})


class Unreachable(FloyoProblem):
    """Nobody answered, or not in time; whether the call had an effect is unknown."""

    def __init__(self, detail: str) -> None:
        super().__init__("unreachable", detail, title="Unreachable")


_KNOWN = frozenset({"type", "title", "status", "detail", "errors", "trace_id"})


def read(response: httpx2.Response) -> FloyoProblem:
    """The problem that an answer of 400 or more carries; the gateway's own answers are plain text."""
    body = _document(response)
    if body is None:
        text = response.text.strip()[:200] or response.reason_phrase
        return FloyoProblem(f"http-{response.status_code}", text, status=response.status_code)
    kind = str(body.get("type", ""))
    return FloyoProblem(
        kind.rstrip("/").rpartition("/")[2].rpartition(":")[2] or f"http-{response.status_code}",
        str(body.get("detail") or body.get("title") or response.reason_phrase),
        status=response.status_code,
        title=str(body.get("title", "")),
        errors=body.get("errors") or [],
        trace_id=body.get("trace_id"),
        extensions={name: value for name, value in body.items() if name not in _KNOWN},
    )


def _document(response: httpx2.Response) -> dict[str, Any] | None:
    if "json" not in response.headers.get("content-type", ""):
        return None
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
