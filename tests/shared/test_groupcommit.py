"""Groups that follow one another, what they wait for, and one beside a group that is held up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from shared import groupcommit
from shared.groupcommit import PATIENCE, GroupCommit
from shared.service import Service

ENOUGH = 3


class Log:
    """Writes groups, each when it may."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = asyncio.Event()

    async def write(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        await self.open.wait()
        return [10 * item for item in items]


@asynccontextmanager
async def committing(log: Log) -> AsyncIterator[GroupCommit[int, int]]:
    """A group commit at work."""
    group: GroupCommit[int, int] = GroupCommit(log.write, int, 100, enough=ENOUGH)
    working = asyncio.create_task(group.run(Service.__new__(Service)))
    yield group
    working.cancel()
    await asyncio.wait([working])


async def test_what_comes_while_a_group_is_under_way_goes_into_the_next_in_order_of_keys() -> None:
    log = Log()
    async with committing(log) as group:
        first = asyncio.create_task(group.submit([1]))
        await asyncio.sleep(0)
        others = [asyncio.create_task(group.submit([number])) for number in (4, 3, 2)]
        await asyncio.sleep(PATIENCE / 5)
        log.open.set()
        assert await asyncio.gather(first, *others) == [[10], [40], [30], [20]]
        assert log.groups == [[1], [2, 3, 4]]
        assert group.size == 0


async def test_a_group_that_is_held_up_does_not_hold_up_the_others() -> None:
    log = Log()
    async with committing(log) as group:
        held = asyncio.create_task(group.submit([1]))
        await asyncio.sleep(PATIENCE / 5)
        log.open, locked = asyncio.Event(), log.open
        log.open.set()
        async with asyncio.timeout(PATIENCE * 20):
            assert await group.submit([2]) == [20]
            assert await group.submit([3]) == [30]
        assert not held.done()
        locked.set()
        assert await held == [10]
        assert await group.submit([4]) == [40]


async def test_after_a_crowd_few_wait_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groupcommit, "PATIENCE", 10.0)
    log = Log()
    async with committing(log) as group:
        crowd = [asyncio.create_task(group.submit([number])) for number in (1, 2)]
        await asyncio.sleep(0.4)
        log.open.set()
        await asyncio.gather(*crowd)
        few = asyncio.create_task(group.submit([3]))
        await asyncio.sleep(0.04)
        await asyncio.gather(few, group.submit([4]))
        assert log.groups == [[1, 2], [3, 4]]
        await group.submit([5])
        await group.submit([6])
        assert log.groups[2:] == [[5], [6]]


async def test_after_a_crowd_enough_wait_for_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groupcommit, "PATIENCE", 10.0)
    log = Log()
    async with committing(log) as group:
        crowd = [asyncio.create_task(group.submit([number])) for number in (1, 2)]
        await asyncio.sleep(0.4)
        crowd += [asyncio.create_task(group.submit([number])) for number in range(3, 3 + ENOUGH)]
        await asyncio.sleep(0)
        log.open.set()
        async with asyncio.timeout(0.3):
            await asyncio.gather(*crowd)
        assert log.groups == [[1, 2], [3, 4, 5]]
