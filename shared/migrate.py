"""Databases, roles and migrations: `python -m shared.migrate bootstrap | upgrade | downgrade | check`."""

import argparse
import asyncio
import json
import os
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError

from shared.database import Database

ROOT = Path(__file__).resolve().parents[1]
ROLE_KINDS = ("owner", "api", "system")
ROLE_SETTINGS = {
    "transaction_timeout": "10s",
    "idle_in_transaction_session_timeout": "5s",
    "statement_timeout": "10s",
}


def services() -> list[str]:
    """The services of this image that own migrations."""
    return sorted(path.parents[1].name for path in ROOT.glob("services/*/migrations/versions"))


@cache
def head(service: str) -> str | None:
    """The revision that this code was written for; None before the first, ValueError when there are several.

    Read from the files without alembic, which takes long to import: every process asks when it starts.
    """
    text = "\n".join(path.read_text() for path in _versions(service).glob("*.py"))
    (last,) = _named("revision", text) - _named("down_revision", text) or (None,)
    return last


def _named(name: str, text: str) -> set[str]:
    return set(re.findall(rf"""(?m)^{name}\b[^=\n]*= ["'](\w+)""", text))


async def current(database: Database) -> str | None:
    """The revision of the database, or None when it has never been migrated."""
    async with database.statements() as connection:
        return await recorded(connection)


async def recorded(connection: "asyncpg.Connection[asyncpg.Record]") -> str | None:
    """The same, by asyncpg's connection."""
    if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def bootstrap(admin_url: str, passwords: dict[str, str], databases: dict[str, str] | None = None) -> None:
    """Makes what is missing: for each service its database (named by `databases` or as the service) and three roles."""
    names = databases or {service: service for service in services()}
    connection = await asyncpg.connect(admin_url)
    try:
        # Roles belong to the whole cluster, and two at once fail with "tuple concurrently updated".
        await connection.execute("SELECT pg_advisory_lock(hashtext('floyo bootstrap'))")
        async with connection.transaction():
            for service in names:
                for kind in ROLE_KINDS:
                    await _ensure_role(connection, f"{service}_{kind}", passwords[f"{service}_{kind}"], kind)
        for service, database in names.items():
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
                await connection.execute(f'CREATE DATABASE "{database}" OWNER "{service}_owner"')
                await connection.execute(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
            await connection.execute(
                f'GRANT CONNECT ON DATABASE "{database}" TO "{service}_owner", "{service}_api", "{service}_system"'
            )
    finally:
        await connection.close()


async def _ensure_role(connection: "asyncpg.Connection[asyncpg.Record]", role: str, password: str, kind: str) -> None:
    quoted = "'" + password.replace("'", "''") + "'"
    exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
    verb = "ALTER" if exists else "CREATE"
    await connection.execute(f'{verb} ROLE "{role}" LOGIN NOSUPERUSER NOCREATEDB NOBYPASSRLS PASSWORD {quoted}')
    if kind != "owner":
        for name, value in ROLE_SETTINGS.items():
            await connection.execute(f"ALTER ROLE \"{role}\" SET {name} = '{value}'")


def upgrade(service: str, url: str, revision: str = "head") -> None:
    """Migrates one service's database as its owner."""
    _command("upgrade", service, url, revision)


def downgrade(service: str, url: str, revision: str) -> None:
    """Takes one service's database back to a revision (`base` for empty)."""
    _command("downgrade", service, url, revision)


def check(service: str, url: str) -> None:
    """Raises alembic's CommandError when tables.py and the migrated database differ."""
    _command("check", service, url)


def _command(name: str, service: str, url: str, *arguments: str) -> None:
    from alembic import command

    getattr(command, name)(_config(service, url), *arguments)


def _config(service: str, url: str) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(ROOT / "shared" / "alembic"))
    config.set_main_option("version_locations", str(_versions(service)))
    config.set_main_option("path_separator", "os")
    config.attributes["service"] = service
    config.attributes["url"] = url
    return config


def _versions(service: str) -> Path:
    return ROOT / "services" / service / "migrations" / "versions"


def told(name: str) -> str:
    """A variable, or the file of its name in FLOYO_SECRETS_DIR; raises KeyError when there is neither."""
    folder = os.environ.get("FLOYO_SECRETS_DIR")
    if name not in os.environ and folder and (path := Path(folder) / name.lower()).is_file():
        return path.read_text().strip()
    return os.environ[name]


def main(arguments: list[str]) -> int:
    """The command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m shared.migrate", description=__doc__)
    parser.add_argument("action", choices=["bootstrap", "upgrade", "downgrade", "check"])
    parser.add_argument("service", nargs="?", help="one service; its FLOYO_OWNER_DATABASE_URL must be set")
    parser.add_argument("revision", nargs="?", default="head")
    options = parser.parse_args(arguments)
    from alembic.util import CommandError

    try:
        if options.action == "bootstrap":
            passwords = json.loads(told("FLOYO_DATABASE_PASSWORDS"))
            asyncio.run(bootstrap(told("FLOYO_ADMIN_DATABASE_URL"), passwords))
            return 0
        if options.service is None:
            parser.error("name the service")
        url = told("FLOYO_OWNER_DATABASE_URL")
        actions = {
            "upgrade": lambda: upgrade(options.service, url, options.revision),
            "downgrade": lambda: downgrade(options.service, url, options.revision),
            "check": lambda: check(options.service, url),
        }
        actions[options.action]()
    except KeyError as missing:
        sys.stderr.write(f"{missing.args[0]} is not set\n")
        return 2
    except (CommandError, DBAPIError, OSError) as error:
        sys.stderr.write(f"{options.action} failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
