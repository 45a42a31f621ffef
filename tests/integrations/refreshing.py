"""A process of its own that refreshes one integration's token: `python -m … ORGANIZATION INTEGRATION TOKEN_URL`."""

import asyncio
import sys
from dataclasses import replace
from uuid import UUID

from services.integrations import connectors
from services.integrations.connector import Authorization
from services.integrations.connectors import dropbox
from services.integrations.deps import Desk, open_desk
from services.integrations.domain import authorization, integrations
from services.integrations.domain.catalog import Catalog
from services.integrations.settings import Settings
from shared import service, settings


async def refresh(organization_id: UUID, integration_id: UUID, token_url: str) -> None:
    """As a call that needs the token does."""
    process = service.build("integrations", settings.load(Settings))
    async with service.opened(process, open_desk(connectors)):
        desk = process.part(Desk)
        kind = replace(dropbox.CONNECTOR, authorization=Authorization("https://www.example.com", token_url))
        keeper = replace(desk.keeper(process.database), catalog=Catalog({"dropbox": kind}))
        async with process.database.session(organization_id) as session:
            found = await integrations.get(session, organization_id, integration_id)
        await authorization.usable(keeper, found)


if __name__ == "__main__":
    asyncio.run(refresh(UUID(sys.argv[1]), UUID(sys.argv[2]), sys.argv[3]))
