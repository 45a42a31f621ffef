"""What the events service asks of integrations."""

from uuid import UUID

from shared.httpclient import Siblings


async def connected(siblings: Siblings, organization_id: UUID) -> dict[str, str]:
    """The organisation's integrations: the name of the oldest by connector."""
    query = {"organization_id": str(organization_id)}
    answer = await siblings.call(
        "integrations", "GET", "/internal/integrations", query=query, organization_id=organization_id
    )
    return {item["connector"]: item["name"] for item in answer["items"]}  # the newest first, so the oldest stays
