"""A mail server that sends nothing on: every message becomes a file, so that nothing leaves the machine."""

import asyncio
import itertools
import re
import signal
import socket
import time
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP

_counter = itertools.count(1)


class Folder:
    """Keeps each message as `<milliseconds>-<n>-<recipient>.eml`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Write the message whole, then give it its name."""
        recipient = re.sub(r"[^\w.@+-]", "_", ",".join(envelope.rcpt_tos))[:100]
        name = f"{time.time_ns() // 1_000_000}-{next(_counter):04d}-{recipient}.eml"
        draft = self._folder / f".{name}.draft"
        draft.write_bytes(envelope.content)
        draft.rename(self._folder / name)
        return "250 kept"


def serve(folder: str, bound: socket.socket) -> int:
    """Take mail on a bound socket until SIGTERM."""
    asyncio.run(_serve(Path(folder), bound))
    return 0


async def _serve(folder: Path, bound: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    server = await loop.create_server(lambda: SMTP(Folder(folder), enable_SMTPUTF8=True, loop=loop), sock=bound)
    async with server:
        await stopping.wait()
