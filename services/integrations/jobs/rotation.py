"""Rewrapping what is sealed: `python -m services.integrations.jobs.rotation`, and a loop of the worker."""

import asyncio
import sys
from dataclasses import asdict
from typing import Final

import orjson

from services.integrations.deps import Desk
from services.integrations.domain import rotation
from services.integrations.settings import Settings
from shared import service, settings
from shared.service import Service

CHECK_SECONDS: Final = 300.0


async def rotate_keys(process: Service) -> None:
    """Whenever the keys have changed, everything follows within minutes, without a command; a loop of the worker."""
    while True:
        await rotation.rewrap(process.database, process.part(Desk).ring)
        await asyncio.sleep(CHECK_SECONDS)


async def _rotate_now(config: Settings) -> rotation.Progress:
    process = service.build("integrations", config)
    try:
        return await rotation.rewrap(process.database, config.key_ring)
    finally:
        await process.close()


def main() -> int:
    """Rewraps all, prints {rewrapped, unusable, left} and answers 0 when nothing is left."""
    try:
        config = settings.load(Settings)
    except settings.SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    progress = asyncio.run(_rotate_now(config))
    sys.stdout.write(orjson.dumps(asdict(progress)).decode() + "\n")
    return 0 if progress.left == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
