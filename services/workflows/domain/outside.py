"""What steps do outside, and which of the organisation's integrations a definition may name."""

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from services.workflows.clients import integrations
from services.workflows.domain import causes
from services.workflows.domain.definition import Definition
from services.workflows.step import Context
from shared import errors
from shared.httpclient import Siblings


class Integrations:
    """The calls of `step.Integrations`; the key makes a repeated call the same call. A dry one only rehearses."""

    def __init__(self, siblings: Siblings, *, dry: bool = False) -> None:
        self._siblings, self._dry = siblings, dry

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """One HTTP request: answers {status, headers, body}."""
        headers = {**causes.header(context.run_id, context.depth), **(request.get("headers") or {})}
        answer: dict[str, Any] = await self._perform(context, "/internal/http", {**request, "headers": headers})
        return answer

    async def action(self, context: Context, integration: str, action: str, given: Any) -> Any:
        """One action of an integration: answers its output."""
        body = {"integration": integration, "action": action, "input": given}
        return (await self._perform(context, "/internal/actions", body))["output"]

    async def _perform(self, context: Context, path: str, body: dict[str, Any]) -> Any:
        return await integrations.perform(
            self._siblings,
            path,
            {**body, "idempotency_key": context.key, "dry_run": self._dry},
            organization_id=context.organization_id,
            subject=f"run:{context.run_id}",
            seconds=context.timeout_seconds,
        )


async def check_references(siblings: Siblings, organization_id: UUID, definition: Definition) -> None:
    """Refuse a definition that names, by id, an integration which the organisation does not have.

    Names are looked up when the step runs, so that a workflow may be saved before its integration is made.
    """
    steps = [step.model_dump(by_alias=True) for step in definition.steps]
    known: dict[UUID, bool] = {}
    faults = []
    for pointer, integration, action in _references(steps, "/steps"):
        if integration not in known:
            known[integration] = await integrations.exists(siblings, organization_id, integration, action)
        if not known[integration]:
            faults.append(errors.FieldError(f"{pointer}/with/integration", "There is no such integration."))
    if faults:
        raise errors.Invalid("unknown-integration", faults[0].detail, errors=faults)


def _references(value: Any, pointer: str) -> Iterator[tuple[str, UUID, str]]:
    """Every action step, however deep, that names an integration by id."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, f"{pointer}/{index}")
    elif isinstance(value, dict) and isinstance(value.get("with"), dict):
        given = value["with"]
        if value.get("type") == "action":
            try:
                yield pointer, UUID(str(given.get("integration"))), str(given.get("action"))
            except ValueError:
                return
        for name in ("steps", "branches"):
            yield from _references(given.get(name), f"{pointer}/with/{name}")
