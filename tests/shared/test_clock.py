"""The clock may be shifted in tests, for all processes or for each by its own seconds; nowhere else."""

from collections.abc import Iterator

import pytest

from shared import clock


@pytest.fixture
def fresh() -> Iterator[None]:
    """The offset is read once in a process; here it is read anew."""
    clock._offset.cache_clear()
    yield
    clock._offset.cache_clear()


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("environment", "given", "seconds"),
    [
        ("test", "3.5", 3.5),
        ("test", "a-1=-4,a-2=2.5", 2.5),
        ("test", "b-1=-4", 0.0),
        ("production", "3.5", 0.0),
        ("local", "a-2=2.5", 0.0),
    ],
)
def test_offset(environment: str, given: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOYO_ENVIRONMENT", environment)
    monkeypatch.setenv("FLOYO_INSTANCE", "a-2")
    monkeypatch.setenv("FLOYO_CLOCK_OFFSET", given)
    assert clock._offset().total_seconds() == seconds
