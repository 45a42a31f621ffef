"""Notices of the other services, as letters to the owners and admins of an organisation."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import letters
from services.auth.domain.context import Context
from services.auth.storage import members
from shared import log

# The page where something can be done about each kind, which is also the kind of letter.
PAGES: Final = {"webhook-failing": "webhooks", "webhook-gone": "webhooks", "authorization-refused": "integrations"}

# The roles that may decide approvals; an approval that names nobody is theirs.
DECIDING: Final = ("owner", "admin", "member")

_log = log.get(__name__)


async def tell(
    context: Context, session: AsyncSession, organization_id: UUID, kind: str, *, target: UUID, name: str
) -> None:
    """Queues a letter for each owner and admin; a kind of tomorrow is only noted in the log."""
    if kind not in PAGES:
        _log.warning("notice-unknown", kind=kind)
        return
    for address in await members.addresses(session, organization_id, ("owner", "admin")):
        await letters.send(context, session, kind, address, path=f"/{PAGES[kind]}/{target}", name=name)


async def ask(
    context: Context,
    session: AsyncSession,
    organization_id: UUID,
    approval_id: UUID,
    *,
    step: str,
    approvers: Sequence[str],
    requested_by: str | None,
) -> None:
    """Queues a letter for each person who may decide; its link leads to a page that asks and decides nothing."""
    roles = [name for name in approvers if name in DECIDING] if approvers else DECIDING
    users = [UUID(name) for name in approvers if name not in DECIDING]
    path = f"/api/v1/approvals/pages/{approval_id}"
    for address in await members.approvers(session, organization_id, roles, users, requested_by):
        await letters.send(context, session, "approval", address, path=path, step=step)
