"""The integrations service, which alone reaches users' targets."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

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
