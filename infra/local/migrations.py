"""Databases and migrations of the local stack, run in children of the fork server, which has imported all they need."""

import asyncio
import sys

import asyncpg

from shared import migrate


def bootstrap(admin_url: str, passwords: dict[str, str]) -> int:
    """Make the databases and roles that are missing."""
    asyncio.run(migrate.bootstrap(admin_url, passwords))
    return 0


def upgrade(service: str, url: str) -> int:
    """Bring one service's database to the revision of this code; one that is there needs no alembic."""
    try:
        if asyncio.run(current(url)) != migrate.head(service):
            migrate.upgrade(service, url)
    except Exception as error:  # noqa: BLE001  # whatever it is, the service is not started and this line says why
        sys.stderr.write(f"{service}: {type(error).__name__}: {error}\n")
        return 1
    return 0


async def current(url: str) -> str | None:
    """The revision of a database, or None when it has never been migrated."""
    connection = await asyncpg.connect(url)
    try:
        return await migrate.recorded(connection)
    finally:
        await connection.close()
