"""Actors on the stack of the test run."""

from collections.abc import Callable, Iterator

import httpx2
import pytest

from tests.attacks.actors import Actor, platform_admin
from tests.fixtures.stack import Stack


@pytest.fixture(scope="session")
def wired(stack: Stack) -> Iterator[Stack]:
    """The stack, with connections to its gateway."""
    with httpx2.Client(timeout=30, trust_env=False) as Actor.http:
        yield stack


@pytest.fixture
def actor(wired: Stack) -> Callable[[], Actor]:
    """Registers somebody who owns an organisation."""
    return lambda: Actor(wired).join()


@pytest.fixture(scope="session")
def victim(wired: Stack) -> Actor:
    """Somebody whom nothing happens to."""
    return Actor(wired).join()


@pytest.fixture(scope="session")
def admin(wired: Stack) -> Actor:
    """A platform administrator."""
    return platform_admin(wired)
