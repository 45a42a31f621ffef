"""Passwords: what is accepted, and argon2id in threads behind a bounded queue."""

import asyncio
import contextlib
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from shared import errors

MIN_LENGTH = 8
MAX_LENGTH = 1_024
MEMORY_KIB = 19 * 1_024
PASSES = 2
LANES = 1
NICENESS = 5

T = TypeVar("T")


@cache
def _known() -> frozenset[str]:
    """Lists of leaked passwords, names and words, in lower case."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for words in FREQUENCY_LISTS.values() for word in words if len(word) >= MIN_LENGTH)


def normalise(text: str) -> str:
    """The one form of what different keyboards write for the same characters."""
    return unicodedata.normalize("NFC", text)


def check(text: str) -> str:
    """The normalised password; raises ValueError with a sentence when it is too weak to keep."""
    password = normalise(text)
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise ValueError(f"A password has {MIN_LENGTH} to {MAX_LENGTH} characters.")
    if "\x00" in password:
        raise ValueError("A password holds no NUL.")
    if password.lower() in _known() or len(set(password)) < 3:
        raise ValueError("This password is among the first that are tried; choose another.")
    return password


def _give_way() -> None:
    """Hashing does not push others aside, so that a flood of logins delays them less.

    Only a little: a thread that hardly runs would hold up the event loop whenever it is its turn to run Python.
    """
    thread = threading.get_native_id()
    with contextlib.suppress(OSError):  # where the kernel does not let it, all are equal
        os.sched_setscheduler(thread, os.SCHED_BATCH, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread, NICENESS)


class Passwords:
    """Hashes and verifies in a few threads; refuses work that would wait too long."""

    def __init__(self, threads: int, queue: int) -> None:
        self._hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2", initializer=_give_way)
        self._room = threads + queue
        self._under_way = 0
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The argon2id hash of a checked password."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password fits; without a stored hash it costs the same and is wrong."""
        if stored is None:
            stored = self._decoy = self._decoy or await self.hash("the hash of nobody's password")
            await self._run(lambda: self._fits(stored, password))
            return False
        return await self._run(lambda: self._fits(stored, password))

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _fits(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._under_way >= self._room:
            raise errors.Unavailable("busy", "Too many passwords are being checked; try again shortly.")
        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._under_way -= 1
