"""Notices of the other services, as letters to the owners and admins of an organisation."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.auth.domain import letters
from services.auth.domain.context import Context
from services.auth.storage import members
from shared import log

# The page where something can be done about each kind, which is also the kind of letter.
PAGES: Final = {"webhook-failing": "webhooks", "webhook-gone": "webhooks", "authorization-refused": "integrations"}

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
