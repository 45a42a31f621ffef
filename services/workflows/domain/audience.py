"""Who is told that runs have ended: asked of the integrations service, which knows the webhooks."""

from uuid import UUID

from services.workflows.clients import integrations
from services.workflows.storage import news
from shared.database import Database
from shared.httpclient import Siblings


async def refresh(database: Database, siblings: Siblings, known: set[UUID] | None) -> set[UUID]:
    """Take over who listens now; `known` is what this process found last. Unavailable leaves everything as it was."""
    listening = await integrations.audience(siblings, "workflow.run_finished")
    if listening != known:
        async with database.system() as session:
            stored = await news.listeners(session)
            await news.change_listeners(session, new=listening - stored, gone=stored - listening)
    return listening
