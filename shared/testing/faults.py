"""Faults that tests switch on, so that a promise can be seen to fail without what keeps it.

FLOYO_FAULTS lists their names, separated by commas. Any environment but `test` refuses to start with one.
`failpoints=FOLDER` among them lets processes die where `failpoint` is called: a file there with the name of a point
and a number in it ends the process that passes the point next, after so many passes.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

# Called with the name of each point that is passed; tests inside one process set it.
trap: Callable[[str], None] | None = None


class FaultsRefused(Exception):
    """FLOYO_FAULTS is set in an environment that real people use."""


@cache
def _switched_on() -> frozenset[str]:
    names = frozenset(name.strip() for name in os.environ.get("FLOYO_FAULTS", "").split(",") if name.strip())
    if names and os.environ.get("FLOYO_ENVIRONMENT") != "test":
        raise FaultsRefused("FLOYO_FAULTS: is allowed in the environment test alone")
    return names


def check() -> None:
    """Raise FaultsRefused when faults are switched on where they must not be; called before a process binds."""
    _switched_on()


def active(name: str) -> bool:
    """Whether a fault, such as `sweeper-off`, is switched on."""
    return name in _switched_on()


def failpoint(name: str) -> None:
    """A place where a test may end this process as a crash would, with nothing flushed and nobody told."""
    if trap is not None:
        trap(name)
    for fault in _switched_on():
        if fault.startswith("failpoints=") and _is_charged(Path(fault[11:]) / name):
            os._exit(137)


def _is_charged(charge: Path) -> bool:
    """Count one pass; True for the one that takes the charge away."""
    with suppress(OSError, ValueError):
        left = int(charge.read_text())
        if left <= 0:
            charge.unlink()
            return True
        charge.write_text(str(left - 1))
    return False
