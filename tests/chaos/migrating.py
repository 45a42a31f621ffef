"""`python -m tests.chaos.migrating upgrade|downgrade SERVICE FOLDER`: its migrations and those of one folder."""

import os
import sys

from alembic import command

from shared import migrate


def main(action: str, service: str, folder: str) -> int:
    """One step up to the newest, or one step down."""
    config = migrate._config(service, os.environ["FLOYO_OWNER_DATABASE_URL"])
    own = config.get_main_option("version_locations") or ""
    config.set_main_option("version_locations", os.pathsep.join([own, folder]))
    if action == "upgrade":
        command.upgrade(config, "head")
    else:
        command.downgrade(config, "-1")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
