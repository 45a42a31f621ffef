"""Faults that tests switch on, so that a promise can be seen to fail without what keeps it.

FLOYO_FAULTS lists their names, separated by commas. Any environment but `test` refuses to start with one.
"""

import os
from functools import cache


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
