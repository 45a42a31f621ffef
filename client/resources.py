"""What can be asked of Floyo, noun by noun; each class speaks for one part of the API."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from client.shapes import (
    JSON,
    Applied,
    BatchResult,
    Event,
    Integration,
    Job,
    NewEvent,
    Page,
    Pattern,
    Receipt,
    Run,
    Suggestion,
    Workflow,
)
from client.transport import Transport

T = TypeVar("T")
_WAIT_SLACK = 15.0


class Resource(Generic[T]):
    """A list of things, each with an id."""

    path = ""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def page(self, *, limit: int = 50, cursor: str | None = None, **filters: Any) -> Page[T]:
        """One page, newest first; `filters` are those of the API."""
        params = {"limit": limit, "cursor": cursor, **filters}
        return cast(Page[T], self._transport.call("GET", self.path, params=params))

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[T]:
        """Every item, or the first `limit`, page by page as it is consumed."""
        cursor, left = None, limit
        while left is None or left > 0:
            page = self.page(limit=min(left or 200, 200), cursor=cursor, **filters)
            yield from page["items"]
            left = None if left is None else left - len(page["items"])
            cursor = page["next_cursor"]
            if cursor is None:
                return

    def get(self, id: str) -> T:  # noqa: A002
        """One item; raises FloyoProblem of status 404."""
        return cast(T, self._transport.call("GET", f"{self.path}/{id}"))

    def _post(self, path: str, body: Any = None, *, key: str | None = None, **options: Any) -> Any:
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return self._transport.call("POST", path, json=body, headers=headers, **options)


class Events(Resource[Event]):
    """What happened."""

    path = "/events"

    def post(self, event: NewEvent | Mapping[str, Any], *, idempotency_key: str | None = None) -> Receipt:
        """Record one event; `source` and `id` together are recorded once."""
        return cast(Receipt, self._post(self.path, event, key=idempotency_key))

    def batch(self, events: Sequence[NewEvent | Mapping[str, Any]], *, timeout: float = 60.0) -> BatchResult:
        """Record up to 5,000 events; sent again after a fault of the network only if each has an `id`."""
        again = all("id" in event for event in events)
        sent = list(events)
        answer = self._transport.call("POST", f"{self.path}/batch", json=sent, idempotent=again, timeout=timeout)
        return cast(BatchResult, answer)

    def job(self, id: str) -> Job:  # noqa: A002
        """The state of an upload, of mining or of an erasure."""
        return cast(Job, self._transport.call("GET", f"{self.path}/jobs/{id}"))

    def erase(self, actor: str) -> JSON:
        """Erase an actor's events and whatever was derived from them."""
        return cast(JSON, self._transport.call("DELETE", self.path, params={"actor": actor}))


class Patterns(Resource[Pattern]):
    """What repeats."""

    path = "/patterns"

    def mine(self) -> JSON:
        """Look for patterns now instead of at the next round."""
        return cast(JSON, self._post(f"{self.path}/mine"))

    def upcoming(self, actor: str) -> Any:
        """What the actor is likely to do next."""
        return self._transport.call("GET", f"{self.path}/next", params={"actor": actor})

    def graph(self, **filters: Any) -> JSON:
        """The directly-follows graph."""
        return cast(JSON, self._transport.call("GET", f"{self.path}/graph", params=filters))


class Suggestions(Resource[Suggestion]):
    """What could be automated."""

    path = "/suggestions"

    def apply(self, id: str) -> Applied:  # noqa: A002
        """Make the workflow; applying again answers the same one."""
        return cast(Applied, self._post(f"{self.path}/{id}/apply"))

    def dismiss(self, id: str) -> None:  # noqa: A002
        """Do not propose it again."""
        self._post(f"{self.path}/{id}/dismiss")

    def bookmark(self, id: str) -> None:  # noqa: A002
        """Keep it for later."""
        self._post(f"{self.path}/{id}/bookmark")


class Workflows(Resource[Workflow]):
    """What Floyo does by itself."""

    path = "/workflows"

    def create(self, definition: Mapping[str, Any]) -> Workflow:
        """A new workflow from its definition."""
        return cast(Workflow, self._post(self.path, dict(definition)))

    def update(self, id: str, definition: Mapping[str, Any], *, etag: str | None = None) -> Workflow:  # noqa: A002
        """A new version; with `etag` only if nobody else made one meanwhile."""
        headers = {"If-Match": etag} if etag else {}
        answer = self._transport.call("PUT", f"{self.path}/{id}", json=dict(definition), headers=headers)
        return cast(Workflow, answer)

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete the workflow."""
        self._transport.call("DELETE", f"{self.path}/{id}")

    def activate(self, id: str) -> Any:  # noqa: A002
        """Let its trigger start runs."""
        return self._post(f"{self.path}/{id}/activate")

    def deactivate(self, id: str, *, cancel_runs: bool = False) -> Any:  # noqa: A002
        """Start no more runs; with `cancel_runs` stop those that are queued or running."""
        return self._post(f"{self.path}/{id}/deactivate", {"cancel_runs": cancel_runs})


class Runs(Resource[Run]):
    """What workflows did."""

    path = "/runs"

    def start(
        self,
        workflow_id: str,
        input: Any = None,  # noqa: A002
        *,
        dry_run: bool = False,
        version: int | None = None,
        wait: int | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a run at the present version, or at `version`.

        With `wait` (up to 60 s) answer it ended if it ends in time, else as far as it came.
        """
        body = {"input": input, "dry_run": dry_run, **({} if version is None else {"version": version})}
        path = f"/workflows/{workflow_id}/runs"
        timeout = None if wait is None else wait + _WAIT_SLACK
        return cast(Run, self._post(path, body, key=idempotency_key, params={"wait": wait}, timeout=timeout))

    def cancel(self, id: str) -> Any:  # noqa: A002
        """Stop the run."""
        return self._post(f"{self.path}/{id}/cancel")

    def retry(self, id: str) -> Any:  # noqa: A002
        """Go on from the step that failed."""
        return self._post(f"{self.path}/{id}/retry")


class Integrations(Resource[Integration]):
    """Where Floyo may act."""

    path = "/integrations"

    def connectors(self) -> Any:
        """The kinds of integrations there are."""
        return self._transport.call("GET", "/connectors")

    def create(
        self, connector: str, name: str, settings: Mapping[str, Any], secrets: Mapping[str, str] | None = None
    ) -> Integration:
        """A new integration; its secrets are sealed and never answered."""
        body = {"connector": connector, "name": name, "settings": dict(settings), "secrets": dict(secrets or {})}
        return cast(Integration, self._post(self.path, body))

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete the integration with its secrets."""
        self._transport.call("DELETE", f"{self.path}/{id}")

    def test(self, id: str) -> Any:  # noqa: A002
        """Prove the credential with a call."""
        return self._post(f"{self.path}/{id}/test")

    def act(self, id: str, action: str, input: Any = None, *, dry_run: bool = False) -> Any:  # noqa: A002
        """Perform one action."""
        return self._post(f"{self.path}/{id}/actions/{action}", {"input": input, "dry_run": dry_run})
