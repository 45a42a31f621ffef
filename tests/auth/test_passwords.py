"""Hashing in threads: bounded, shed beyond the bound, off the loop, and out of others' way."""

import asyncio
import os
import threading
import time

import pytest

from services.auth.domain import passwords
from services.auth.domain.passwords import Passwords
from shared import errors

PASSWORD = "a long enough password 3"


def niceness() -> tuple[int, int]:
    """Policy and niceness of the thread that asks."""
    thread = threading.get_native_id()
    return os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)


async def test_work_beyond_the_queue_is_shed_at_once_and_room_comes_back() -> None:
    hashing = Passwords(threads=1, queue=3)
    stored = await hashing.hash(PASSWORD)
    found = await asyncio.gather(*(hashing.verify(stored, PASSWORD) for _ in range(10)), return_exceptions=True)
    shed = [item for item in found if isinstance(item, errors.Unavailable)]
    assert [item.slug for item in shed] == ["busy"] * 6
    assert [item for item in found if item not in shed] == [True] * 4
    assert await hashing.verify(stored, PASSWORD)
    assert not await hashing.verify(stored, PASSWORD.upper())
    hashing.close()


async def test_the_loop_goes_on_while_passwords_are_hashed() -> None:
    hashing = Passwords(threads=2, queue=64)
    stored = await hashing.hash(PASSWORD)
    work = asyncio.gather(*(hashing.verify(stored, PASSWORD) for _ in range(20)))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 20
    hashing.close()


async def test_nobody_s_password_costs_as_much_as_somebody_s() -> None:
    hashing = Passwords(threads=1, queue=8)
    stored = await hashing.hash(PASSWORD)
    spent = {}
    for whose in (stored, None, stored, None):
        began = time.process_time()
        for _ in range(10):
            assert await hashing.verify(whose, "not the password") is False
        spent[whose] = time.process_time() - began
    assert 0.7 < spent[None] / spent[stored] < 1.4
    hashing.close()


async def test_threads_that_hash_give_way_to_all_others() -> None:
    hashing = Passwords(threads=1, queue=1)
    await hashing.hash(PASSWORD)
    inside = await asyncio.get_running_loop().run_in_executor(hashing._threads, niceness)
    assert inside == (os.SCHED_BATCH, passwords.NICENESS)
    assert niceness() == (os.SCHED_OTHER, 0)
    hashing.close()


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$broken"])
async def test_a_damaged_hash_fits_nothing(stored: str) -> None:
    hashing = Passwords(threads=1, queue=1)
    assert await hashing.verify(stored, PASSWORD) is False
    hashing.close()
