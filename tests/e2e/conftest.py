"""Journeys go through a gateway: of the test run's own stack, or the one that FLOYO_TEST_GATEWAY names."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.person import Person


@pytest.fixture(scope="session")
def gateway(request: pytest.FixtureRequest) -> str:
    """The base URL of the gateway under test."""
    named = os.environ.get("FLOYO_TEST_GATEWAY")
    return named or str(request.getfixturevalue("stack").gateway)


@pytest.fixture
def join(gateway: str) -> Iterator[Callable[[], Person]]:
    """Registers people."""
    people: list[Person] = []

    def register() -> Person:
        people.append(Person(gateway))
        return people[-1]

    yield register
    for person in people:
        person.close()
