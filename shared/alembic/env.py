"""Alembic's environment, the same for every service."""

import asyncio
import importlib

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

service: str = context.config.attributes["service"]
url: str = context.config.attributes["url"]


def migrate(connection: Connection) -> None:
    """Runs the asked revisions, each in its own transaction, refusing to queue behind long locks."""
    connection.execute(text("SET lock_timeout = '2s'"))
    connection.commit()
    tables = importlib.import_module(f"services.{service}.storage.tables")
    partitions = set(
        connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition AND relkind IN ('r', 'p')"))
    )
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=tables.metadata,
        transaction_per_migration=True,
        compare_server_default=True,
        include_name=lambda name, kind, _parents: not (kind == "table" and name in partitions),
    )
    with context.begin_transaction():
        context.run_migrations()


async def connect_and_migrate() -> None:
    """Opens the owner's connection."""
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


asyncio.run(connect_and_migrate())
