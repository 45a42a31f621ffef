"""What a person did here: versions written, runs started, approvals decided."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.workflows.storage import people

PAGE = 500


async def page(
    session: AsyncSession, organization_id: UUID, user_id: UUID, after: str | None
) -> tuple[list[dict[str, Any]], str | None]:
    """[{kind: version|run|decision, id, at, data}], oldest first, and where the next page begins, None at the end."""
    at, _, key = (after or "").partition(" ")
    above = (datetime.fromisoformat(at), key) if after else None
    rows = await people.page(session, organization_id, f"user:{user_id}", above, PAGE)
    following = f"{rows[-1].at.isoformat()} {rows[-1].key}" if len(rows) == PAGE else None
    return [{"kind": row.kind, "id": row.id, "at": row.at, "data": row.data} for row in rows], following
