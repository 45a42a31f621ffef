"""Hashing in processes of its own: bounded, shed beyond the bound, off the loop, out of others' way, and replaced."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from services.auth.domain import hashing, hashing_process
from services.auth.domain.passwords import MIN_LENGTH, Passwords, check
from shared import errors

Children = Callable[[], list[psutil.Process]]
PASSWORD = "a long enough password 3"


def hashing_children() -> list[psutil.Process]:
    """The processes that hash for this one."""
    return [child for child in psutil.Process().children() if hashing.SCRIPT in child.cmdline()]


@pytest.fixture
def children() -> Callable[[], list[psutil.Process]]:
    """Those that were started in this test; services of other tests have their own."""
    before = {child.pid for child in hashing_children()}
    return lambda: [child for child in hashing_children() if child.pid not in before]


def test_b18_every_common_password_is_refused() -> None:
    """The first three thousand of those that leaked, however they are written."""
    common = [word for word in FREQUENCY_LISTS["passwords"][:3_000] if len(word) >= MIN_LENGTH]
    assert len(common) > 500
    for word in common:
        for spelled in (word, word.upper(), word.title()):
            with pytest.raises(ValueError, match="among the first that are tried"):
                check(spelled)


async def test_work_beyond_the_queue_is_shed_at_once_and_room_comes_back() -> None:
    passwords = Passwords(processes=1, queue=3)
    stored = await passwords.hash(PASSWORD)
    found = await asyncio.gather(*(passwords.verify(stored, PASSWORD) for _ in range(10)), return_exceptions=True)
    shed = [item for item in found if isinstance(item, errors.Unavailable)]
    assert [item.slug for item in shed] == ["busy"] * 6
    assert [item for item in found if item not in shed] == [True] * 4
    assert await passwords.verify(stored, PASSWORD)
    assert not await passwords.verify(stored, PASSWORD.upper())
    await passwords.close()


async def test_the_loop_goes_on_while_passwords_are_hashed() -> None:
    passwords = Passwords(processes=2, queue=64)
    stored = await passwords.hash(PASSWORD)
    work = asyncio.gather(*(passwords.verify(stored, PASSWORD) for _ in range(20)))
    turns = 0
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
    assert turns > 20
    await passwords.close()


async def test_hashes_are_argon2id_with_our_cost() -> None:
    passwords = Passwords(processes=1, queue=8)
    stored = await passwords.hash("пароль 🔑 \\ \" ' end")
    found = extract_parameters(stored)
    assert (found.type, found.memory_cost, found.time_cost, found.parallelism) == (Type.ID, 19 * 1_024, 2, 1)
    assert PasswordHasher().verify(stored, "пароль 🔑 \\ \" ' end")
    await passwords.close()


async def test_nobody_s_password_costs_as_much_as_somebody_s(children: Children) -> None:
    passwords = Passwords(processes=1, queue=8)
    stored = await passwords.hash(PASSWORD)
    await passwords.verify(None, PASSWORD)
    (child,) = children()
    spent: dict[str | None, float] = {}
    for whose in (stored, None, stored, None):
        began = sum(child.cpu_times()[:2])
        for _ in range(20):
            assert await passwords.verify(whose, "not the password") is False
        spent[whose] = spent.get(whose, 0.0) + sum(child.cpu_times()[:2]) - began
    assert 0.7 < spent[None] / spent[stored] < 1.4
    await passwords.close()


async def test_processes_that_hash_give_way_and_know_nothing(children: Children) -> None:
    passwords = Passwords(processes=1, queue=1)
    await passwords.hash(PASSWORD)
    (child,) = children()
    assert (os.sched_getscheduler(child.pid), child.nice()) == (os.SCHED_BATCH, hashing_process.NICENESS)
    assert (os.sched_getscheduler(0), psutil.Process().nice()) == (os.SCHED_OTHER, 0)
    assert child.environ() == hashing.ENVIRONMENT
    assert PASSWORD not in " ".join(child.cmdline())
    assert child.num_fds() <= 3
    await passwords.close()
    assert not child.is_running()


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_process_that_dies_is_replaced_and_its_question_asked_again(children: Children, sent: int) -> None:
    passwords = Passwords(processes=1, queue=64)
    stored = await passwords.hash(PASSWORD)
    for _ in range(3):
        (child,) = children()
        work = asyncio.gather(*(passwords.verify(stored, PASSWORD + "x" * (number % 2)) for number in range(6)))
        await asyncio.sleep(0.02)
        child.send_signal(sent)
        assert await work == [True, False] * 3
    await passwords.close()


async def test_a_process_that_cannot_start_is_a_bounded_answer_and_no_end(monkeypatch: Any, tmp_path: Path) -> None:
    passwords = Passwords(processes=2, queue=64)
    monkeypatch.setattr(hashing, "SCRIPT", str(tmp_path / "missing.py"))
    found = await asyncio.gather(*(passwords.hash(PASSWORD) for _ in range(5)), return_exceptions=True)
    assert [getattr(item, "slug", item) for item in found] == ["passwords-unavailable"] * 5
    assert await passwords.describe() == {"status": "down", "processes": 2, "under_way": 0}
    monkeypatch.undo()
    assert (await passwords.hash(PASSWORD)).startswith("$argon2id$")
    assert await passwords.describe() == {"status": "ok", "processes": 2, "under_way": 0}
    await passwords.close()


async def test_a_process_that_hangs_is_ended_and_replaced(children: Children, monkeypatch: Any) -> None:
    passwords = Passwords(processes=1, queue=64)
    stored = await passwords.hash(PASSWORD)
    (child,) = children()
    monkeypatch.setattr(hashing, "ANSWER_SECONDS", 0.2)
    child.suspend()
    with pytest.raises(errors.Unavailable):
        await passwords.verify(stored, PASSWORD)
    assert not child.is_running()
    monkeypatch.undo()
    assert await passwords.verify(stored, PASSWORD)
    await passwords.close()


async def test_who_goes_away_leaves_their_answer_to_nobody_else() -> None:
    """Else the next password would be judged by the answer to the one before."""
    passwords = Passwords(processes=1, queue=64)
    stored = await passwords.hash(PASSWORD)
    for _ in range(5):
        leaving = [asyncio.create_task(passwords.verify(stored, PASSWORD)) for _ in range(3)]
        await asyncio.sleep(0.01)
        for task in leaving:
            task.cancel()
        assert await passwords.verify(stored, "not the password") is False
    await passwords.close()


async def test_closing_refuses_who_waits_and_leaves_no_process(children: Children) -> None:
    passwords = Passwords(processes=2, queue=64)
    stored = await passwords.hash(PASSWORD)
    work = asyncio.gather(*(passwords.verify(stored, PASSWORD) for _ in range(8)), return_exceptions=True)
    await asyncio.sleep(0)
    started = children()
    await passwords.close()
    assert {getattr(item, "slug", item) for item in await work} <= {"passwords-unavailable", True}
    assert not any(child.is_running() for child in [*started, *children()])


async def test_a_process_outlives_a_signal_but_not_who_asked() -> None:
    """Signals of a terminal reach whole groups; who drains may still be waiting for an answer."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(sys.executable, "-I", hashing.SCRIPT, stdin=pipe, stdout=pipe)
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps([None, PASSWORD]).encode() + b"\n")
    assert (await child.stdout.readline()).startswith(b'"$argon2id$')
    for sent in (signal.SIGTERM, signal.SIGINT):
        child.send_signal(sent)
    await asyncio.sleep(0.1)
    assert child.returncode is None
    began = time.monotonic()
    child.stdin.close()
    assert await child.wait() == 0
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=8,t=1,p=1$broken"])
async def test_a_damaged_hash_fits_nothing(stored: str) -> None:
    passwords = Passwords(processes=1, queue=1)
    assert await passwords.verify(stored, PASSWORD) is False
    await passwords.close()
