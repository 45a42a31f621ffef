"""Databases and migrations of the local stack, run in children of the fork server, which has imported all they need."""

import asyncio
import sys

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from shared import migrate


def bootstrap(admin_url: str, passwords: dict[str, str]) -> int:
    """Make the databases and roles that are missing."""
    asyncio.run(migrate.bootstrap(admin_url, passwords))
    return 0


def upgrade(service: str, url: str) -> int:
    """Bring one service's database to the revision of this code."""
    try:
        migrate.upgrade(service, url)
    except (CommandError, SQLAlchemyError, OSError) as error:
        sys.stderr.write(f"{service}: {type(error).__name__}: {error}\n")
        return 1
    return 0
