"""The integrations service, which alone reaches users' targets."""

from collections.abc import Mapping
from typing import Any

from services.workflows.step import Context
from shared.httpclient import Siblings

MARGIN_SECONDS = 2.0


class Integrations:
    """Performs a step's call to the outside; the key makes a repeated call the same call."""

    def __init__(self, siblings: Siblings) -> None:
        self._siblings = siblings

    async def http(self, context: Context, request: Mapping[str, Any]) -> dict[str, Any]:
        """One HTTP request: answers {status, headers, body}."""
        answer: dict[str, Any] = await self._call(context, "/internal/http", dict(request))
        return answer

    async def action(self, context: Context, integration: str, action: str, given: Any) -> Any:
        """One action of an integration: answers its output."""
        body = {"integration": integration, "action": action, "input": given}
        return (await self._call(context, "/internal/actions", body))["output"]

    async def _call(self, context: Context, path: str, body: dict[str, Any]) -> Any:
        return await self._siblings.call(
            "integrations",
            "POST",
            path,
            json={
                **body,
                "organization_id": context.organization_id,
                "idempotency_key": context.key,
                "dry_run": context.dry_run,
                "timeout_seconds": context.timeout_seconds,
            },
            organization_id=context.organization_id,
            subject=f"run:{context.run_id}",
            timeout=context.timeout_seconds + MARGIN_SECONDS,
        )
