"""Overrides of feature flags: set by platform administrators, handed to every process."""

from typing import Any
from uuid import UUID

from services.auth.domain import audit
from services.auth.domain.context import Context
from services.auth.storage import flags as rows
from shared import clock, errors
from shared.database import Database
from shared.flags import FLAGS
from shared.identity import Principal


async def list_overrides(database: Database) -> list[dict[str, Any]]:
    """{name, enabled, percentage, organizations[], users[]} of every flag that was changed, ids as text."""
    return [
        {
            "name": name,
            "enabled": enabled,
            "percentage": percentage,
            "organizations": [str(item) for item in organizations],
            "users": [str(item) for item in users],
        }
        for name, enabled, percentage, organizations, users in await rows.list_all(database)
        if name in FLAGS
    ]


async def put(
    context: Context,
    admin: Principal,
    name: str,
    *,
    enabled: bool,
    percentage: int,
    organizations: list[UUID],
    users: list[UUID],
) -> None:
    """Sets an override; NotFound for a flag that the code does not know."""
    if name not in FLAGS:
        raise errors.NotFound()
    async with context.database.system() as session:
        await rows.put(
            session,
            name,
            enabled=enabled,
            percentage=percentage,
            organizations=organizations,
            users=users,
            updated_by=admin.subject,
            updated_at=clock.now(),
        )
        await audit.record(
            session, admin.organization_id, admin.subject, "flag.set", name, enabled=enabled, percentage=percentage
        )
