"""Migrations of a running local stack: `python -m infra.local.database upgrade | downgrade | check | status`."""

import argparse
import asyncio
import sys

from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from infra.local import client, discovery, environment, migrations
from infra.local.home import Home, from_environment
from infra.local.postgres import Postgres
from shared import migrate

NOT_RUNNING = 3


def urls(home: Home, kind: str) -> dict[str, str]:
    """The address of each service's database for its `owner`, `api` or `system` role."""
    server = Postgres(home.folder / "postgres", home.remembered_ports()["postgres"], "")
    names = [name for name in discovery.owners() if discovery.migrations(name).is_dir()]
    passwords = environment.role_passwords(home.secrets, names)
    return {name: server.dsn(name, f"{name}_{kind}", passwords[f"{name}_{kind}"]) for name in names}


def upgrade(home: Home, options: argparse.Namespace) -> None:
    """Bring databases to the revision of this code (or to --revision)."""
    for name, url in _chosen(home, options).items():
        migrate.upgrade(name, url, options.revision or "head")
        print(f"{name}: at {options.revision or migrate.head(name)}")


def downgrade(home: Home, options: argparse.Namespace) -> None:
    """Take one service's database back to --revision."""
    if len(options.services) != 1 or not options.revision:
        raise CommandError("name one service and the revision: downgrade SERVICE --revision REVISION")
    for name, url in _chosen(home, options).items():
        migrate.downgrade(name, url, options.revision)
        print(f"{name}: at {options.revision}")


def check(home: Home, options: argparse.Namespace) -> None:
    """Fail when tables.py and the migrated database differ."""
    for name, url in _chosen(home, options).items():
        migrate.check(name, url)


def status(home: Home, options: argparse.Namespace) -> None:
    """Show the revision of each database and the one of this code."""
    system = urls(home, "system")
    for name in _chosen(home, options):
        print(f"{name}: at {asyncio.run(migrations.current(system[name]))}, the code is at {migrate.head(name)}")


def _chosen(home: Home, options: argparse.Namespace) -> dict[str, str]:
    found = urls(home, "owner")
    unknown = set(options.services) - set(found)
    if unknown:
        raise CommandError(f"no service {', '.join(sorted(unknown))}; there are: {', '.join(found)}")
    return {name: url for name, url in found.items() if not options.services or name in options.services}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.local.database", description=__doc__)
    parser.add_argument("command", choices=sorted(_COMMANDS), nargs="?", default="upgrade")
    parser.add_argument("services", nargs="*", help="services (all)")
    parser.add_argument("--revision", help="another revision than the newest")
    options = parser.parse_args(arguments)
    home = from_environment()
    if not client.locked(home):
        print(f"Floyo is not running in {home.folder}. Start it: ./taskw up", file=sys.stderr)
        return NOT_RUNNING
    try:
        _COMMANDS[options.command](home, options)
    except (CommandError, SQLAlchemyError, OSError) as error:
        print(f"{options.command} failed: {error}", file=sys.stderr)
        return 1
    return 0


_COMMANDS = {"upgrade": upgrade, "downgrade": downgrade, "check": check, "status": status}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
