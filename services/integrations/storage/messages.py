"""The outbox of this service."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.integrations.storage.tables import outbox as table
from shared import outbox
from shared.messages import Message


async def publish(session: AsyncSession, message: Message, to: tuple[str, ...], key: str) -> None:
    """Sends a message with the transaction."""
    await outbox.add(session, table, message, to=to, key=key)
