"""The integrations service, which alone reaches users' targets."""

from typing import Any
from uuid import UUID

from shared import errors
from shared.httpclient import Siblings

MARGIN_SECONDS = 2.0


async def perform(
    siblings: Siblings, path: str, body: dict[str, Any], *, organization_id: UUID, subject: str, seconds: float
) -> Any:
    """One call to the outside within so many seconds; problems of the target rise with `retryable`."""
    return await siblings.call(
        "integrations",
        "POST",
        path,
        json={**body, "organization_id": organization_id, "timeout_seconds": seconds},
        organization_id=organization_id,
        subject=subject,
        timeout=seconds + MARGIN_SECONDS,
    )


async def exists(siblings: Siblings, organization_id: UUID, integration: UUID, action: str) -> bool:
    """Whether the organisation has an integration with this id; nothing leaves the machine to find out."""
    body = {
        "organization_id": organization_id,
        "integration": str(integration),
        "action": action,
        "input": {},
        "dry_run": True,
    }
    try:
        await siblings.call("integrations", "POST", "/internal/actions", json=body, organization_id=organization_id)
    except errors.Remote as problem:
        return problem.status != 404
    return True


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
